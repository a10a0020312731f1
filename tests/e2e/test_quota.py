"""A quota keeps the share of tokens that was asked for, and the same rows, on 1 and 4 workers, here and on Ray."""

import json
import random

import pytest

from pipeline.engines import engine
from pipeline.finished import Finished, kept
from pipeline.home import Home
from pipeline.progress import Silent
from pipeline.recipe import parse
from pipeline.run import Run
from pipeline.thresholds import THRESHOLDS
from stages.buckets import Buckets
from stages.quota import Quota
from stages.table import TABLE
from tests.laws.corpora import prose

QUOTA = {"column": "score", "keep_share": 0.3, "of": "token_count", "per": ["domain"]}
STAGES = ["exact", {"buckets": {"columns": ["score"], "per": ["domain"]}}, {"quota": QUOTA}]
ENGINES = [("local", 4, 1_024), pytest.param(("ray", 2, 1_024), marks=[pytest.mark.ray, pytest.mark.slow])]


@pytest.fixture(scope="module", autouse=True)
def registered():
    """The stages in the table that a finished run's recipe is read with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TABLE, "quota", Quota)
        patch.setitem(TABLE, "buckets", Buckets)
        yield


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """3,000 documents of two domains with a score of few values, and their words as a count of tokens."""
    folder, draw = tmp_path_factory.mktemp("quota"), random.Random(8)
    with (folder / "a.jsonl").open("w") as file:
        for n in range(3_000):
            text = f"{n} {prose(n % 100, draw.randrange(20, 60))}"
            row = {
                "id": f"d{n}",
                "text": text,
                "domain": f"s{n % 2}",
                "score": draw.choice([0.1, 0.5, 0.9, draw.random()]),
            }
            file.write(json.dumps(row | {"token_count": len(text.split())}) + "\n")
    return folder


def found(inputs, at, name, workers, batch_rows):
    """Digest, rows that were kept and ends of shares of a run; the share of each domain is what was asked for."""
    source = {"path": f"{inputs}/a.jsonl", "domain_field": "domain", "fields": ["score", "token_count"]}
    recipe = parse({"name": "quota", "sources": [source], "stages": STAGES, "shard_mb": 0.05})
    with engine(name, workers) as workforce:
        report = Run(recipe, Home(str(at)), workforce, Silent(), batch_rows)()
    run = Finished.at(str(at))
    rows = [row for table in run.tables(kept) for row in table.to_pylist()]
    said = run.home.json(f"{run.plan.judged[-1].folder}/{THRESHOLDS}")
    for cut in said["cuts"]:
        mine = sum(int(row["token_count"]) for row in rows if row["domain"] == cut["group"]["domain"])
        assert mine == cut["found"]["size"]
        assert abs(mine / cut["size"] - 0.3) < 0.001
    return report["digest"], sorted(row["id"] for row in rows), said["cuts"]


@pytest.fixture(scope="module")
def alone(inputs, tmp_path_factory):
    """What one worker finds."""
    return found(inputs, tmp_path_factory.mktemp("alone") / "run", "local", 1, 64)


@pytest.mark.parametrize("how", ENGINES)
def test_the_share_of_tokens_and_the_same_rows(inputs, alone, tmp_path, how):
    assert found(inputs, tmp_path / "run", *how) == alone
