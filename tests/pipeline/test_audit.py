"""Audits of real runs, and of runs that were tampered with: an audit that cannot find a fault is worth nothing."""

import csv
import gzip
import io
import json
import shutil
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from corpus import shards
from corpus.documents import ID, TEXT, Batch
from corpus.errors import RecipeError
from corpus.streams import blocks
from pipeline.audit.auditing import audit
from pipeline.audit.block import _meeting
from pipeline.audit.subject import Subject
from pipeline.audit.truth import shingle_sets
from pipeline.finished import Finished, everything
from pipeline.report import audits
from stages.minhash import MinHash
from tests.laws.corpora import documents, edited, planted, prose
from tests.laws.test_runs import ran

STAGES = ["exact", "minhash"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run over 700 texts with exact and near copies, in many small shards."""
    texts = [text for text in planted(700) if "\x00" not in text]
    return ran(tmp_path_factory.mktemp("audit"), texts, stages=STAGES, shard_mb=0.05)


def rows(run):
    return {one[ID]: one for table in run.tables(everything) for one in table.to_pylist()}


def similarity_of(run):
    """Exact Jaccard of word 5-grams between any two documents, by Python sets."""
    held = rows(run)
    sets = shingle_sets(Batch(documents([one[TEXT] for one in held.values()])), MinHash())
    first = sets.first.tolist()
    known = {name: set(sets.values[first[n] : first[n + 1]].tolist()) for n, name in enumerate(held)}
    return lambda a, b: len(known[a] & known[b]) / max(1, len(known[a] | known[b]))


def outside(recall):
    """Bins whose interval misses theory: of ten at 99 % two or more do with chance 0.004."""
    return sum(not row["measured_low"] <= row["theory"] <= row["measured_high"] for row in recall if row["pairs"])


def test_all_figures_are_those_of_brute_force(run):
    held, similarity = rows(run), similarity_of(run)
    came = [name for name, one in held.items() if one["stage"] != "exact"]
    gone = {name for name in came if held[name]["stage"] == "minhash"}
    found = audit(run, planted=0)
    assert (found["documents"], found["removed"], found["verified"]) == (len(came), len(gone), len(gone))
    assert found["precision"] == found["precision_low"] == found["precision_high"] == 1.0
    alike = {pair: s for pair in combinations(came, 2) if (s := similarity(*pair)) >= 0.5}
    assert found["block"]["whole"]
    assert found["block"]["pairs"] == len(alike) == sum(row["pairs"] for row in found["recall"])
    for row in found["recall"]:
        there = [pair for pair, s in alike.items() if min(int((s - 0.5) * 20 + 1e-9), 9) == round(row["low"] * 20 - 10)]
        assert row["pairs"] == len(there)
        if there:
            assert row["caught"] == pytest.approx(np.mean([bool(gone & set(pair)) for pair in there]))
    assert outside(found["recall"]) <= 1
    assert sum(row["caught"] == 1 for row in found["recall"][6:]) == 4
    assert sum(one["removed"] for one in found["domains"].values()) == len(gone)
    clusters = {}
    for name in gone:
        clusters.setdefault(held[name]["duplicate_of"], {held[name]["duplicate_of"]}).add(name)
    assert sum(bar["clusters"] for bar in found["cluster_sizes"]) == len(clusters)
    assert sum(bar["documents"] for bar in found["cluster_sizes"]) == sum(map(len, clusters.values()))
    for bar in found["cluster_sizes"]:
        sizes = [len(c) for c in clusters.values() if bar["low"] <= len(c) <= (bar["high"] or len(c))]
        assert (bar["clusters"], bar["documents"]) == (len(sizes), sum(sizes))
    largest = sorted(((-len(c), name) for name, c in clusters.items()))[:5]
    assert [(one["documents"], one["cluster"]) for one in found["largest"]] == [(-n, name) for n, name in largest]
    for one in found["largest"]:
        worst = min((held[m]["similarity"], m) for m in clusters[one["cluster"]] if m in gone)
        assert (one["similarity"], one["member"]) == worst
        assert any(line[0] in "+-" for line in one["diff"])


def test_the_same_audit_twice_is_the_same_and_another_seed_another(run):
    one = audit(run, planted=120)
    assert json.dumps(audit(Finished.at(run.home.at), planted=120)) == json.dumps(one)
    assert audit(run, planted=120, seed=1)["edits"] != one["edits"]


def tampered(run, folder, change):
    """The run as it stands in a copy, after `change(row)` of every row that MinHash laid."""
    at = folder / "run"
    source = Finished.at(run.home.at)
    step = next(step for step in source.plan.judged if step.name == "minhash")
    shutil.copytree(run.home.at, at)
    for name in source.shards:
        url = str(at / step.folder / f"{name}.parquet")
        table = shards.read(url)
        laid = [change(dict(one)) for one in table.to_pylist()]
        shards.write(url, pa.Table.from_pylist(laid, table.schema))
    return Finished.at(str(at))


def test_a_document_that_was_wrongly_removed_is_found(run, tmp_path):
    """One document is laid to be a duplicate of another that is nothing like it."""
    held, similarity = rows(run), similarity_of(run)
    victim = next(name for name, one in held.items() if one.get("stage") == "minhash")
    stranger = next(n for n, one in held.items() if one["stage"] is None and similarity(n, victim) < 0.1)

    def change(one):
        if one["duplicate_of"] == held[victim]["duplicate_of"] and one["similarity"] == held[victim]["similarity"]:
            one["duplicate_of"] = stranger
        return one

    found = audit(tampered(run, tmp_path, change), planted=0)
    assert found["verified"] == found["removed"]
    wrong = round((1 - found["precision"]) * found["removed"])
    assert wrong == len(found["wrong"]) >= 1
    assert {one["duplicate_of"] for one in found["wrong"]} == {stranger}
    assert victim in {one["id"] for one in found["wrong"]}
    assert all(one["similarity"] < 0.8 for one in found["wrong"])
    assert "precision 1.0000" not in printed(found)


def test_pairs_that_were_not_caught_are_found(run, tmp_path):
    """All verdicts are taken back: nothing is removed, and every pair that met is still proposed, but not caught."""
    before = audit(run, planted=0)
    found = audit(tampered(run, tmp_path, lambda one: dict.fromkeys(one)), planted=0)
    assert (found["removed"], found["precision"], found["precision_low"]) == (0, None, None)
    assert found["cluster_sizes"] == found["largest"] == []
    for old, new in zip(before["recall"], found["recall"], strict=True):
        assert (new["pairs"], new["measured"], new["theory"]) == (old["pairs"], old["measured"], old["theory"])
        assert new["caught"] == (0 if new["pairs"] else None)


def test_a_keeper_that_is_in_an_index_is_not_looked_for_here(run, tmp_path):
    """Not even where a document of the run has its id: an index of an earlier snapshot has the same ids."""

    def change(one):
        return one | {"duplicate_in": one["duplicate_of"] and "an/index"}

    found = audit(tampered(run, tmp_path, change), planted=0)
    assert (found["verified"], found["precision"]) == (0, None)
    assert found["not_in_run"] == found["removed"] > 0
    assert [one["diff"] for one in found["largest"]] == [[]] * 5
    assert "not in this run" in " ".join(printed(found).split())


def test_annotated_pairs_count_as_caught(run, tmp_path):
    """Where a stage drops nothing, what it called a duplicate is caught."""
    before = audit(run, planted=0)
    found = audit(tampered(run, tmp_path, lambda one: one | {"drop": None, "value": None}), planted=0)
    assert (found["removed"], found["precision"]) == (0, None)
    assert found["recall"] == before["recall"]


def test_a_cluster_that_went_with_its_keeper_is_verified(run, tmp_path):
    """`keep: none`: the keepers are dropped too, with no duplicate to name."""
    before = audit(run, planted=0)

    def change(one):
        alone = one["cluster"] is not None and one["drop"] is None
        return one | {"drop": "near duplicate"} if alone else one

    found = audit(tampered(run, tmp_path, change), planted=0)
    assert found["removed"] > before["removed"]
    assert (found["verified"], found["precision"]) == (before["verified"], 1.0)
    assert found["cluster_sizes"] == before["cluster_sizes"]


def test_settings_of_the_stage_are_those_of_the_audit(tmp_path):
    """Character shingles, a threshold in place of bands, and containment: a summary goes for the whole text."""
    whole = [prose(n, 200) for n in range(60)]
    parts = [text[: len(text) // 2] for text in whole[:30]]
    stage = {"shingle": "char", "ngram": 20, "threshold": 0.4, "measure": "containment", "least": 0.9}
    run = ran(tmp_path, whole + parts, stages=[{"minhash": stage}])
    found = audit(run, planted=120)
    assert found["removed"] >= 20
    assert (found["precision"], found["verified"]) == (1.0, found["removed"])
    assert sum(row["pairs"] for row in found["planted"]) > 60
    assert outside(found["planted"]) <= 1
    least = min(one["similarity"] for one in rows(run).values() if one["stage"])
    assert least >= 0.9


def test_a_block_is_bounded_and_duplicates_meet_in_it(tmp_path):
    """600 originals with one near copy each: of 120 documents by chance 12 would have theirs; here nearly all have."""
    texts = [prose(n, 120) for n in range(600)]
    texts += [edited(text, n, 0.005) for n, text in enumerate(texts)]
    run = ran(tmp_path, texts, stages=["minhash"], shard_mb=0.1)
    found = audit(run, sample=120, planted=60)
    assert (found["block"]["documents"], found["block"]["whole"]) == (120, False)
    assert found["block"]["pairs"] > 30
    assert all(row["caught"] > 0.95 for row in found["recall"] if row["pairs"] and row["low"] >= 0.9)
    assert sum(row["pairs"] for row in found["edits"]) == 60
    assert found["verified"] == found["removed"]  # precision is of all that was removed, in the block or not
    taken = [_meeting(Subject.of(run), 120, seed) for seed in (1, 1, 2)]
    named = [{(n, row) for n in range(len(run.shards)) for row in one.rows(n).tolist()} for one in taken]
    assert named[0] == named[1] != named[2]


def test_long_texts_are_no_likelier_in_the_block_than_short_ones(tmp_path):
    texts = [prose(n, 30 if n % 2 else 600) for n in range(800)]
    run = ran(tmp_path, texts, stages=["minhash"])
    block = _meeting(Subject.of(run), 200, 1)
    long = (block.held["size"] > 1_000).mean()
    assert 0.5 - 4 * 0.031 < long < 0.5 + 4 * 0.031  # a standard error of 200 draws of 800


def test_texts_without_words_and_empty_runs_are_fine(tmp_path):
    run = ran(tmp_path, ["...", "!!!", "…", "one two"], stages=["minhash"])
    for sample in (0, 2, 10):
        found = audit(run, sample=sample, planted=10)
        assert found["precision"] is None
        assert not any(row["pairs"] for row in (*found["recall"], *found["planted"]))
    assert printed(audit(run))


def test_what_cannot_be_audited_is_refused_with_a_reason(run, tmp_path):
    with pytest.raises(RecipeError, match="0 minhash stages"):
        audit(ran(tmp_path / "none", ["a b c"], stages=["exact"]))
    two = ran(tmp_path / "two", ["a b c"], stages=["minhash", {"minhash": {"bands": 5}}])
    with pytest.raises(RecipeError, match="minhash, minhash_2"):
        audit(two)
    assert audit(two, stage="minhash_2")["settings"]["bands"] == 5
    with pytest.raises(RecipeError, match="no minhash stage 'exact'"):
        audit(run, stage="exact")
    with pytest.raises(RecipeError, match="at least 0"):
        audit(run, sample=-1)


def printed(facts):
    console = Console(width=100, highlight=False, emoji=False)
    with console.capture() as shown:
        audits.show(facts, console)
    return shown.get()


def test_what_is_printed_fits_and_says_what_is_known(run):
    facts = audit(run, planted=60)
    text = printed(facts)
    assert max(map(len, text.splitlines())) <= 100
    assert f"{facts['removed']:,} of {facts['removed']:,} removed documents verified" in " ".join(text.split())
    for row in facts["recall"]:
        assert f"{row['low']:.2f} to {row['high']:.2f}" in text
    hostile = "\x1b[31m\u202e[bold]x[/]"
    one = next(iter(facts["largest"]))
    facts["largest"] = [one | {"cluster": hostile, "member": hostile, "diff": [f"+{hostile}"]}]
    facts["domains"] = {hostile: next(iter(facts["domains"].values()))}
    assert "\x1b" not in printed(facts)
    assert "\u202e" not in printed(facts)


@pytest.mark.parametrize("name", ["licences", "versioned_docs"])
def test_real_near_duplicates_are_caught(data, tmp_path, name):
    """Licence texts and versions of manuals, with exact Jaccard by other hands (words as `\\w+`, lower case).

    Of the pairs of 0.9 and more at least 99 in 100 are caught, by the run and by the audit's own truth.
    """
    packed = blocks(str(data / "neardup" / f"{name}.docs.jsonl.zst"))
    held = [json.loads(line) for line in b"".join(block for _, block in packed).splitlines()]
    run = ran(tmp_path, [one["text"] for one in held], ids=[one["id"] for one in held], stages=STAGES)
    gone = {i for i, one in rows(run).items() if one["stage"] is not None}
    with gzip.open(data / "neardup" / f"{name}.pairs.csv.gz") as file:
        alike = [one for one in csv.DictReader(io.TextIOWrapper(file)) if float(one["j_w5"]) >= 0.9]
    caught = [bool({one["id_a"], one["id_b"]} & gone) for one in alike]
    assert len(caught) > 200
    assert np.mean(caught) >= 0.99
    found = audit(run, planted=300)
    assert found["precision"] == 1.0
    assert outside(found["recall"]) <= 1
    assert all(row["caught"] >= 0.99 for row in found["recall"] if row["pairs"] and row["low"] >= 0.9)


def test_more_truth_than_can_be_held_makes_the_block_smaller(tmp_path):
    """3,000 copies of one text are 4,498,500 pairs, and half of them 1,124,250; all are one family, one draw."""
    run = ran(
        tmp_path,
        ["one short text that is here again and again"] * 3_000,
        stages=[{"minhash": {"max_source_loss": 1.0}}],
    )
    found = audit(run, planted=0)
    assert found["block"] == {"documents": 1_500, "bytes": 1_500 * 43, "whole": False, "pairs": 1_124_250}
    last = found["recall"][-1]
    assert (last["pairs"], last["families"], last["measured"], last["theory"], last["caught"]) == (
        1_124_250,
        1,
        1,
        1,
        1,
    )
    assert 0 < last["measured_low"] < 0.2
    assert found["cluster_sizes"] == [{"low": 1_000, "high": 9_999, "clusters": 1, "documents": 3_000}]
