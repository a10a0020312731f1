"""The stage `extract` on pages: every engine, what it lays, why it drops, and laws that hold for any bytes."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import ARTICLE, SENTENCE, batch, rows

from corpus.documents import CORE, DROP, HTML, TEXT, VALUE, Batch
from corpus.errors import RecipeError
from stages.extract import CAREFUL, Extract

ENGINES = ("plain", "blocks", "resiliparse", "trafilatura", "cascade")
SAID = ("title", "published", "canonical_url", "html_lang")
TEXTS = (
    "",
    "<p>One.</p>",
    "a < b &amp; c",
    "<ul><li>1<li>2</ul>",
    "<td>x<tr>",
    "</p></div>",
    "é&nbsp;日本",
    "<pre> a\n b</pre>",
)
pieces = st.sampled_from(TEXTS) | st.text(max_size=30)
some_html = st.lists(pieces, max_size=8).map(lambda found: "".join(found).encode()) | st.binary(max_size=60)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_article_gives_its_text_and_what_it_says_of_itself(engine):
    row = rows(Extract(engine=engine), [ARTICLE])[0]
    assert row[DROP] is None
    assert row[TEXT].count(SENTENCE.strip()) == 9
    assert "color: red" not in row[TEXT]
    assert "not text" not in row[TEXT]
    assert [row[name] for name in SAID] == [
        "High water & mud",
        "2024-02-29",
        "https://gazette.example/high-water",
        "en-gb",
    ]
    assert row["extract_engine"] == ("blocks" if engine == "cascade" else engine)
    assert ("Ten gardens" in row[TEXT]) == ("Copyright" in row[TEXT]) == (engine == "plain")


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_that_were_plain_text_stay_as_they_are(engine):
    stage = Extract(engine=engine)
    alone, beside = rows(stage, [None])[0], rows(stage, [ARTICLE, None])[1]
    assert set(alone.values()) == {None} == set(beside.values())


def test_a_batch_without_pages_passes_unchanged():
    given = Batch(pa.record_batch([["a"], pa.array(["text"], pa.large_string()), ["d"]], schema=CORE))
    assert HTML not in given.rows.schema.names
    table = Extract().checked(Extract().annotate(given), 1)
    assert all(column.null_count == 1 for column in table.columns)


def test_what_is_no_page_is_dropped_with_the_number_that_sank_it():
    stage = Extract(engine="blocks", max_html_mb=0.01)
    found = rows(
        stage, [b"<p>" + b"a" * 10_000, bytes(range(1, 32)) * 9, b"<title>only</title><script>1</script>", b""]
    )
    assert [row[DROP] for row in found] == ["too_large", "not_html", "empty", "empty"]
    assert found[0][VALUE] == pytest.approx(0.010003)
    assert found[2]["title"] == "only"
    assert all(row[TEXT] is None and row["extract_engine"] is None for row in found)


def test_a_page_of_more_blocks_than_a_walk_holds_is_dropped():
    row = rows(Extract(engine="plain"), [b"<p>a" * 100_001])[0]
    assert (row[DROP], row[VALUE]) == ("too_many_blocks", 100_000)


def test_the_cascade_asks_trafilatura_where_it_is_in_doubt():
    assert rows(Extract(doubt=1e9), [ARTICLE])[0]["extract_engine"] == "blocks"
    assert rows(Extract(doubt=-1.0), [ARTICLE])[0]["extract_engine"] == "trafilatura"


@pytest.mark.parametrize("answer", ["", "another text"])
def test_where_the_careful_engine_finds_nothing_the_fast_ones_text_stays(answer, tmp_path, monkeypatch):
    module = f"careful_{len(answer)}"
    (tmp_path / f"{module}.py").write_text(f"def answer(page, markdown): return {answer!r}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(CAREFUL, "cascade", (module, "answer"))
    links = (
        b"<nav class=menu><ul>" + b"<li><a href=/>Home</a></li>" * 9 + b"</ul></nav>"
    )  # nothing is kept of it: in doubt whatever the limit
    article, bare = rows(Extract(doubt=-1.0), [ARTICLE])[0], rows(Extract(doubt=1e9), [links])[0]
    assert (article["extract_engine"], bare[DROP]) == (("trafilatura", None) if answer else ("blocks", "empty"))
    assert bare[TEXT] == (answer or None)


@pytest.mark.parametrize("name", ["seconds", "max_html_mb"])
def test_limits_that_let_nothing_through_are_refused(name):
    with pytest.raises(RecipeError, match=name):
        Extract(**{name: 0})


@pytest.mark.parametrize("engine", ENGINES)
@given(pages=st.lists(st.none() | some_html, max_size=5), cut=st.integers(0, 5), labels=st.text(max_size=8))
@settings(max_examples=25)
def test_any_bytes_under_any_label_give_text_or_a_reason_and_batching_changes_nothing(engine, pages, cut, labels):
    stage, charsets = Extract(engine=engine), [labels] * len(pages)
    whole = rows(stage, pages, charsets)
    assert whole == rows(stage, pages[:cut], charsets[:cut]) + rows(stage, pages[cut:], charsets[cut:])
    for page, row in zip(pages, whole, strict=True):
        assert (row[DROP] is None) == (row[VALUE] is None)
        assert (row[TEXT] is None) == (page is None or row[DROP] is not None)
        assert row[TEXT] is None or "\0" not in row[TEXT]


@given(st.text(st.characters(exclude_characters="&<\x7f", exclude_categories=("Cs", "Cc")), max_size=60))
def test_plain_text_of_a_paragraph_is_its_words(said):
    words = " ".join(said.replace("\xa0", " ").split(" ")).strip()
    row = rows(Extract(engine="plain"), [f"<p>{said}</p>".encode()])[0]
    assert (row[TEXT] or "").split() == words.split()


def test_markdown_keeps_headings_lists_tables_code_and_formulas():
    page = b"""<body><h2>Title</h2><p>Use <code>x = 1</code> &amp; <math><annotation encoding="application/x-tex">x^2
    </annotation></math>.</p><ol><li>one<ul><li>inner</li></ul></li><li>two</li></ol><pre>  a
  b</pre><table><tr><th>k</th><th>v</th></tr><tr><td>1</td><td>a|b</td></tr></table>
    <blockquote>said</blockquote><p># no</p>"""
    assert rows(Extract(engine="plain", markdown=True), [page])[0][TEXT] == (
        "## Title\n\nUse `x = 1` & $x^2$.\n\n1. one\n  - inner\n2. two\n\n```\n  a\n  b\n```\n\n"
        "| k | v |\n| --- | --- |\n| 1 | a\\|b |\n\n> said\n\n\\# no"
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_markdown(engine):
    text = rows(Extract(engine=engine, markdown=True), [ARTICLE])[0][TEXT]
    assert text.startswith("# High water & mud\n") or engine in ("plain", "trafilatura")
    assert "# High water & mud" in text


def test_the_batch_helper_is_what_sources_hand_on():
    given = batch([ARTICLE, None])
    assert given.rows.schema.names[-2:] == ["html", "charset"]
    assert given.text.to_pylist() == ["", "words of row 1"]
