"""Shared by all tests: hypothesis settings, the project's root, and real public data where it is at hand."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"

# A kernel's first call compiles it, 0.2 to 1 s, which hypothesis would take for a slow or flaky test.
settings.register_profile("winnow", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
settings.load_profile("winnow")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real public test data; its absence skips the test."""
    if not DATA.exists():
        pytest.skip(f"real test data is not beside the project (looked for {DATA.name} in ../shared)")
    return DATA
