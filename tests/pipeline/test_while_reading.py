"""Stages that run while reading: what they keep, count and sample, whatever the pieces; and what plans refuse."""

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.documents import BYTES, CHARSET, DOMAIN, DROP, HTML, ID, TEXT, VALUE
from corpus.errors import RecipeError, StageError
from corpus.hashing import digest128
from corpus.source import Source
from pipeline.lays import Lay
from pipeline.left import CLIPPED, REASONS, SAMPLED, SEED, Left
from pipeline.plan import plan
from pipeline.recipe import parse
from pipeline.spent import Stopwatch
from pipeline.while_reading import WhileReading
from stages.c4 import C4
from stages.exact import Exact
from stages.gopher_quality import GopherQuality
from stages.url import UrlRules
from tests.e2e.pages import TABLE, PageText, crawl, recipe

SOURCE = Source(path="a", html_field="html", fields=("url",))
STAGES = (UrlRules(), PageText(least=5), GopherQuality(min_words=30), C4(min_sentences=1))
LAYS = tuple(Lay(stage.name, stage, f"{n}-{stage.name}") for n, stage in enumerate(STAGES))


def pages(rows):
    """Rows of a crawl as a reader hands them on; a row with `text` instead of `html` was plain text."""
    html = [row["html"].encode() if "html" in row else None for row in rows]
    columns = [[row["id"] for row in rows], [row.get("text", "") for row in rows], [row["site"] for row in rows]]
    columns += [[row["url"] for row in rows], html, [None if page is None else "utf-8" for page in html]]
    schema = SOURCE.schema(pages=True)
    return pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def read(pieces, lays=LAYS, batch_rows=1_024):
    """What is kept of the pieces, as dicts, and what left."""
    fused, left = WhileReading(SOURCE, lays, batch_rows), Left(SOURCE.fields)
    tables = [fused(piece, left, Stopwatch()) for piece in pieces]
    return [row for table in tables for row in table.to_pylist()], left


def one_by_one(rows, stages=STAGES):
    """The reference: each document alone through each stage, (kept rows, (stage, reason, bytes) of the others)."""
    kept, gone = [], {}
    for row in rows:
        fused = WhileReading(SOURCE, tuple(Lay(s.name, s, s.name) for s in stages), 1)
        left = Left(SOURCE.fields)
        kept += fused(pages([row]), left, Stopwatch()).to_pylist()
        for (stage, reason, _), (_, size) in left.dropped.items():
            gone[row["id"]] = (stage, reason, size)
    return kept, gone


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return crawl(tmp_path_factory.mktemp("crawl"), 200)


@settings(max_examples=15)
@given(st.lists(st.integers(0, 200), max_size=6), st.integers(1, 300))
def test_pieces_and_batches_change_nothing(rows, cuts, batch_rows):
    whole, left = read([pages(rows)])
    ends = sorted({min(cut, len(rows)) for cut in cuts} | {len(rows)})
    pieces = [pages(rows[a:b]) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    again, left_again = read(pieces, batch_rows=batch_rows)
    assert again == whole
    assert left_again.marker() == left.marker()
    assert left_again.sampled().equals(left.sampled())


def test_every_document_is_kept_or_counted_with_the_stage_the_reason_and_its_bytes(rows):
    kept, left = read([pages(rows)])
    alone, gone = one_by_one(rows)
    assert kept == alone
    assert len(kept) + len(gone) == left.read == left.pages == len(rows)
    counts = {}
    for row in rows:
        if row["id"] in gone:
            stage, reason, size = gone[row["id"]]
            count = counts.setdefault((stage, reason, row["site"]), [0, 0])
            count[0], count[1] = count[0] + 1, count[1] + size
    assert counts == left.dropped
    stages = {stage for stage, _, _ in counts}
    assert stages == {"url_rules", "page_text", "gopher_quality", "c4"}  # else this would prove little
    assert all(size == 0 for (stage, _, _), (_, size) in counts.items() if stage in ("url_rules", "page_text"))


def test_what_is_kept_has_the_last_text_all_columns_and_no_page(rows):
    kept, left = read([pages(rows)])
    made = {row["id"]: row["html"].partition("<p>")[2].partition("</p>")[0] for row in rows}
    cut = 0
    for row in kept:
        assert not {HTML, CHARSET, DROP, VALUE, BYTES} & set(row)
        assert row["title"] == f"page {int(row['id'][1:])}"
        assert row["url"].startswith("http://a.com")
        assert {"words", "kept_sentences", "c4_spans", "tags"} <= set(row)
        assert row[TEXT] in made[row["id"]]
        cut += row["c4_spans"] is not None
    assert cut == sum(count for count, _ in left.cut.values()) > 0
    assert {stage for stage, _ in left.cut} == {"c4"}  # a text made of a page is no edit


def test_bytes_cut_are_what_the_text_lost(rows):
    before = {row["id"]: len(row[TEXT].encode()) for row in read([pages(rows)], LAYS[:3])[0]}
    kept, left = read([pages(rows)])
    lost = sum(before[row["id"]] - len(row[TEXT].encode()) for row in kept)
    assert lost == sum(less for _, less in left.cut.values()) > 0


def test_plain_text_beside_pages_is_edited_not_made(rows):
    """Of a record that was text its text counts from the start, also where a stage drops it first."""
    plain = [{**{k: v for k, v in row.items() if k != "html"}, "text": "too short " * 3} for row in rows[:14]]
    kept, left = read([pages([*plain, *rows[14:]])])
    assert left.pages == len(rows) - 14
    assert kept == read([pages(rows[14:])])[0]
    words = sum(size for (stage, _, _), (_, size) in left.dropped.items() if stage == "url_rules")
    assert words == 30 * sum(n % 7 == 0 for n in range(14)) == 60


def test_without_stages_documents_pass_as_they_are():
    rows = pages([{"id": "a", "text": "some text", "site": "s", "url": None}])
    kept, left = read([rows], ())
    assert kept == [{"id": "a", "text": "some text", "domain": "s", "url": None}]
    assert (left.read, left.pages, left.dropped) == (1, 0, {})


def test_a_page_that_no_stage_reads_is_refused(rows):
    with pytest.raises(RecipeError, match=r"source a: it holds pages .* name `extract` in `while_reading`"):
        read([pages(rows[:1])], ())
    with pytest.raises(RecipeError, match="name `extract`"):
        read([pages(rows[:1])], LAYS[:1])


def test_a_stage_that_fails_is_named(rows):
    class Failing(PageText):
        def _made(self, page):
            raise ValueError("no such page")

    with pytest.raises(StageError, match="stage page_text_2: ValueError: no such page"):
        read([pages(rows[:3])], (Lay("page_text_2", Failing(), "f"),))


def test_a_stage_that_drops_all_leaves_an_empty_table_of_the_same_columns(rows):
    strict = (LAYS[1], Lay("gopher_quality", GopherQuality(min_words=10**5), "g"), LAYS[3])
    kept = WhileReading(SOURCE, strict, 10)(pages(rows), left := Left(SOURCE.fields), Stopwatch())
    some = WhileReading(SOURCE, (LAYS[1], LAYS[2], LAYS[3]), 10)(pages(rows), Left(SOURCE.fields), Stopwatch())
    assert kept.num_rows == 0 < some.num_rows
    assert kept.schema == some.schema
    assert sum(count for count, _ in left.dropped.values()) == len(rows)


def test_the_later_of_two_that_lay_a_column_stands(rows):
    twice = (LAYS[1], Lay("gopher_quality", GopherQuality(min_words=1), "g"), LAYS[3], Lay("again", LAYS[2].stage, "h"))
    kept, _ = read([pages(rows)], twice)
    assert kept
    for row in kept:
        assert row["words"] == len(row[TEXT].split())  # of the text that C4 had cut


# Samples


def gone(ids, reasons, texts=None):
    texts = texts or ["text"] * len(ids)
    columns = {ID: pa.array(ids, pa.string()), TEXT: pa.array(texts, pa.large_string())}
    columns |= {DOMAIN: pa.array(["web"] * len(ids)), "url": pa.nulls(len(ids), pa.string())}
    values = pa.array([float(n) for n in range(len(ids))], pa.float64())
    return pa.table(columns | {DROP: pa.array(reasons, pa.string()), VALUE: values})


@settings(max_examples=30)
@given(st.lists(st.tuples(st.text(max_size=3), st.sampled_from("abc")), max_size=120), st.integers(1, 50))
def test_a_sample_has_those_with_the_least_hash_of_each_reason_first_come_of_equal_ids(rows, size):
    left = Left(("url",))
    for start in range(0, len(rows), size):
        left.drop("stage", gone(*zip(*rows[start : start + size], strict=True)))
    high, low = digest128(pa.array([SEED + id_ for id_, _ in rows], pa.large_string()))
    order = sorted(range(len(rows)), key=lambda n: (high[n], low[n], n))
    expected = [rows[n][0] for reason in "abc" for n in [n for n in order if rows[n][1] == reason][:SAMPLED]]
    found = left.sampled()
    assert (found[ID].to_pylist() if found else []) == expected


def test_a_sample_is_bounded_whatever_ids_texts_and_reasons_are():
    left, many = Left(("url",)), [f"reason {n}" for n in range(500)]
    left.drop("stage", gone(["字" * 10**5] * 500, many, ["字" * 10**4] * 500))
    found = left.sampled()
    assert found.num_rows == REASONS
    assert found[ID].to_pylist()[0] == found[TEXT].to_pylist()[0] == "字" * CLIPPED
    assert found[BYTES].to_pylist()[0] == 3 * 10**4
    assert sum(count for count, _ in left.dropped.values()) == 500
    assert len(json.dumps(left.marker())) < 10**6


# Plans


def planned(folder, **more):
    return plan(parse(recipe(folder, **more), table=TABLE))


def folders(folder, **more):
    made = planned(folder, **more)
    return {step.name: step.folder for step in made.steps}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plans")
    crawl(folder, 20)
    (folder / "text").mkdir()
    (folder / "text" / "a.txt").write_text("some text")
    return folder


def test_a_change_while_reading_reads_again_and_a_later_one_does_not(inputs):
    before = folders(inputs)
    fused = ["url_rules", {"page_text": {"least": 6}}, {"gopher_quality": {"min_words": 30}}]
    assert folders(inputs, while_reading=fused)["documents"] != before["documents"]
    later = folders(inputs, stages=["pii", "exact", {"minhash": {"bands": 9}}])
    assert {name for name in before if before[name] != later[name]} == {"minhash", "kept"}
    without = folders(inputs, while_reading=[], stages=[{"page_text": {"least": 5}}])
    assert len({before["documents"], without["documents"], folders(inputs, while_reading=fused)["documents"]}) == 3


def test_where_stages_are_named_does_not_matter_up_to_what_reads_pages(inputs):
    first, second = ["url_rules", "page_text"], ["exact"]
    assert folders(inputs, while_reading=first, stages=second) == folders(
        inputs, while_reading=[], stages=[*first, *second]
    )


def test_documents_say_which_stages_they_hang_on(inputs):
    made = planned(inputs)
    assert list(made.documents.parts["while_reading"]) == ["url_rules", "page_text", "gopher_quality", "c4"]
    assert [step.name for step in made.while_reading] == list(made.documents.parts["while_reading"])
    assert [step.name for step in made.judged] == ["pii", "exact", "minhash"]
    assert made.judged[0].folder.startswith("05-pii-")


PAGES = ["page_text"]
REFUSED = [
    ({"while_reading": [], "stages": []}, r"sources\[0\].html_field: it names pages .* name `extract`"),
    ({"while_reading": ["url_rules"]}, "name `extract`"),
    ({"while_reading": ["gopher_quality", "page_text"], "stages": ["url_rules"], "fields": ["words"]}, "of that name"),
    ({"while_reading": PAGES, "fields": []}, None),
    ({"while_reading": PAGES, "html_field": None}, "page_text: it makes text of pages .* no source has any"),
    ({"while_reading": ["url_rules", *PAGES], "fields": []}, "reads a column 'url', which no stage before it lays"),
    ({"while_reading": PAGES, "stages": [{"exact": {"prefer": ["tags"]}}]}, None),
    ({"while_reading": PAGES, "stages": [{"exact": {"prefer": ["tagz"]}}]}, "did you mean 'tags'"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "said"), REFUSED)
def test_what_cannot_run_is_refused_before_anything_is_read(inputs, more, said):
    whole = recipe(inputs, **{key: value for key, value in more.items() if key in ("while_reading", "stages")})
    whole["sources"][0] |= {key: value for key, value in more.items() if key not in ("while_reading", "stages")}
    if whole["sources"][0]["html_field"] is None:
        whole["sources"][0] |= {"html_field": None, "text_field": "html"}
    if said is None:
        plan(parse(whole, table=TABLE))
        return
    with pytest.raises(RecipeError, match=said):
        plan(parse(whole, table=TABLE))


def test_a_stage_that_compares_is_refused_also_where_no_recipe_was_read(rows):
    with pytest.raises(StageError, match="exact: it compares documents"):
        read([pages(rows)], (LAYS[1], Lay("exact", Exact(), "e")))
