"""The child's side: an engine's function from pages to texts, as corpus/supervised.py calls it."""

import json
from collections.abc import Callable
from functools import cache
from importlib import import_module

_WARM = (
    "<html><head><title>t</title></head><body><article>"
    + "<p>Words, and more words here.</p>" * 20
    + "</article></body></html>"
)


@cache
def _engine(settings: str) -> Callable[[str], str]:
    module, function, markdown = json.loads(settings)
    engine = getattr(import_module(module), function)
    return lambda page: engine(page, markdown)


def warm(settings: str) -> None:
    """Import the engine and use it once."""
    _engine(settings)(_WARM)


def text(page: bytes, settings: str) -> bytes:
    """What the engine makes of a page. settings: JSON of its module, its function, and whether Markdown is asked."""
    return _engine(settings)(page.decode("utf-8", "replace")).encode("utf-8", "replace")
