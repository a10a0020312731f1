"""One command from text to a model on a mixture that was searched and judged, and the same again does nothing twice."""

import json
import sysconfig
from pathlib import Path

import pytest
import yaml

from tests.e2e.runs import ROOT, start
from tests.e2e.test_json import fits

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # 19 proxies and a model: 40 s of CPU, twice the wait below

SMALL = {"layers": 2, "width": 16, "heads": 2, "ffn_width": 32, "context": 32}
KINDS = {"code": "pipeline/*.py", "docs": "docs/**/*.md"}


def recipe(folder):
    """Three domains of real text, and the recipe that ships over them, smaller."""
    paths = {name: sorted(ROOT.glob(pattern)) for name, pattern in KINDS.items()}
    paths["library"] = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:60]
    (folder / "data").mkdir()
    for domain, own in paths.items():
        texts = [path.read_text(encoding="utf-8", errors="replace")[:6_000] for path in own]
        lines = [json.dumps({"id": f"{domain}-{n}", "text": text, "domain": domain}) for n, text in enumerate(texts)]
        (folder / "data" / f"{domain}.jsonl").write_text("\n".join(lines) + "\n")
    said = yaml.safe_load((ROOT / "recipes" / "mixture.yaml").read_text())
    said["sources"][0]["path"] = str(folder / "data" / "*.jsonl")
    said["stages"] = ["exact"]
    said["tokens"]["vocab"] = 400
    said["mixture"] |= {"swarm": {"runs": 10}, "proxies": {"budget": 6_000}, "settings": {"most_epochs": 100}}
    said["train"] |= {"model": SMALL, "budget": 12_000, "batch": {"tokens": 512, "micro": 16}}
    said["train"] |= {"most_epochs": 100, "evaluation": {"held_out": 0.1}}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(said))
    return folder / "recipe.yaml"


def carried_out(path, at, workers, *words):
    """What the run prints. Ten minutes, for 20 trainings on a machine that others share."""
    process = start("run", path, "--at", at, "--workers", workers, *words)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out


def test_a_recipe_goes_from_text_to_a_judged_mixture_and_a_model(tmp_path):
    path, at = recipe(tmp_path), tmp_path / "run"
    summary = json.loads(carried_out(path, at, 2, "--json").splitlines()[-1])
    fits(summary, "run")
    facts = json.loads((at / "experiment.json").read_text())
    fits(facts, "experiment")
    assert summary["experiment"] == str(at / "experiment.json")
    assert facts["means"].keys() == {"regmix", "proportional", "uniform"}
    assert facts["verdict"]
    assert facts["off"] == pytest.approx(facts["measured"] / facts["predicted"] - 1)
    assert abs(facts["off"]) < 0.1  # of a loss near the start's: nothing of this size learns much
    assert facts["domains"].keys() == {"code", "docs", "library"}
    assert sum(one["allotted"] for one in facts["domains"].values()) == 12_000
    for one in facts["domains"].values():  # to within a sequence on either side
        assert abs(one["trained"] - one["allotted"]) <= 2 * SMALL["context"]
        assert 0 < one["bits_per_byte"] < 8
    before = {file: file.stat().st_mtime_ns for file in at.rglob("result.json")}
    assert len(before) == 10 + 9
    said = carried_out(path, at, 1)
    assert f"foretold {facts['predicted']:.4f}, measured {facts['measured']:.4f}" in said
    assert facts["verdict"][0] in said
    assert json.loads((at / "report.json").read_text())["digest"] == summary["digest"]
    assert {file: file.stat().st_mtime_ns for file in at.rglob("result.json")} == before
    assert json.loads((at / "experiment.json").read_text()) == facts
