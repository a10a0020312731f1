"""De-duplication of real text, judged by exact comparison of all pairs: what is dropped was one, what was one is found.

The audit's own arithmetic is held against brute force in tests/pipeline/test_audit_truth.py.
"""

import pytest
import yaml

from tests.e2e.runs import winnow_json


def audited(folder, sources, **minhash):
    """The audit of a run with exact and minhash over the sources."""
    recipe = folder / "recipe.yaml"
    stages = ["exact", {"minhash": {"max_source_loss": 1.0} | minhash}]
    recipe.write_text(yaml.safe_dump({"name": "real", "sources": sources, "stages": stages}))
    winnow_json("run", recipe, "--at", folder / "run")
    return winnow_json("audit", folder / "run", "--planted", 0), winnow_json("report", folder / "run")


def all_alike_are_caught(audit, least=0.9):
    """Of all pairs at least so similar at least 99 % are caught, and nothing less alike than asked was dropped."""
    alike = [one for one in audit["recall"] if one["low"] >= least and one["pairs"]]
    pairs = sum(one["pairs"] for one in alike)
    caught = sum(one["caught"] * one["pairs"] for one in alike)
    assert audit["precision"] == 1.0
    assert audit["verified"] == audit["removed"] > 0
    assert caught >= 0.99 * pairs
    return pairs


@pytest.mark.slow
def test_mixed_real_documents(data, tmp_path):
    audit, report = audited(tmp_path, [{"path": f"{data}/corpus/*.jsonl.*", "domain_field": "domain"}])
    assert all_alike_are_caught(audit) > 10
    assert report["stages"][0]["dropped"]["exact duplicate"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["licences", "versioned_docs"])
def test_families_of_near_duplicates(data, tmp_path, name):
    audit, _ = audited(tmp_path, [{"path": f"{data}/neardup/{name}.docs.jsonl.zst"}])
    assert audit["block"]["whole"]
    assert all_alike_are_caught(audit) > 30


@pytest.mark.slow
def test_the_text_that_the_demo_finds(tmp_path):
    """Installed licences, modules and manuals: thousands of true near-duplicates on any machine."""
    winnow_json("demo", "--at", tmp_path / "demo")
    audit = winnow_json("audit", tmp_path / "demo", "--planted", 0)
    assert all_alike_are_caught(audit) > 10
