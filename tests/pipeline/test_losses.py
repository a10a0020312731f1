"""The alarm: a domain that would lose nearly all of its documents stops the run before anything is laid."""

import json
from dataclasses import replace

import pytest

from corpus.errors import StageError
from pipeline.comparing import compare
from pipeline.engines import engine
from pipeline.losses import FEWEST
from stages.exact import Exact
from tests.laws.compared import comparison, documents, kept, laid


def boilerplate(count):
    """`count` documents of one domain with three texts among them, and two others that stay."""
    texts = [f"page {0 if n < count // 2 else 1 if n < count - 100 else 2}" for n in range(count)]
    return documents([*texts, "a", "b"], ["shop"] * count + ["blog"] * 2)


def run(all_):
    with engine("local", 1) as inline:
        list(compare(all_, inline))
    return laid(all_)


def test_a_domain_that_loses_more_than_allowed_stops_the_run(tmp_path):
    all_ = comparison(tmp_path, Exact(), boilerplate(FEWEST), 300)
    with pytest.raises(StageError) as caught:
        run(all_)
    said = str(caught.value)
    assert f"exact would drop {FEWEST - 3:,} of the {FEWEST:,} documents of domain 'shop' (99.7%" in said
    assert "max_source_loss is 95.0%" in said
    assert "'t00000' (500 documents), 't00500' (400 documents), 't00900' (100 documents)" in said
    assert "--set exact.max_source_loss=1" in said
    assert not list((tmp_path / "stage").glob("*.parquet"))

    sent = (tmp_path / "stage" / "work" / "send" / "000000.rows").stat().st_mtime_ns
    allowed = replace(all_, stage=Exact(max_source_loss=1.0))
    assert sent == (tmp_path / "stage" / "work" / "send" / "000000.rows").stat().st_mtime_ns
    assert kept(run(allowed)) == {"t00000", "t00500", "t00900", "t01000", "t01001"}


def test_the_table_of_losses_lies_in_the_stage_s_folder(tmp_path):
    run(comparison(tmp_path, Exact(), boilerplate(FEWEST - 1), 300))
    assert json.loads((tmp_path / "stage" / "losses.json").read_text()) == {
        "shop": [FEWEST - 1, FEWEST - 4],
        "blog": [2, 0],
    }


def test_a_loss_of_just_what_is_allowed_is_none(tmp_path):
    table = documents(["same"] * 950 + [f"own {n}" for n in range(FEWEST - 950)], ["d"] * FEWEST)
    found = run(comparison(tmp_path, Exact(max_source_loss=0.949), table))
    assert len(kept(found)) == FEWEST - 949
