"""Wikipedia dumps: articles however the file is cut, broken pages alone, and no page that hangs the reader."""

import bz2
import gzip
from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import RecipeError
from corpus.readers import records
from corpus.readers.base import Fault
from corpus.readers.supervised import Supervised
from corpus.readers.wikipedia import pages
from corpus.source import Source
from corpus.units import UNIT_BYTES, content_hash, units

pytest.importorskip("mwparserfromhell", reason="wikitext needs mwparserfromhell (the extra `wikipedia`)")

HEAD = (
    '<mediawiki xml:lang="de">\n<siteinfo><base>https://de.wikipedia.org/wiki/Wikipedia:Hauptseite</base><namespaces>'
    '<namespace key="6" case="first-letter">Datei</namespace><namespace key="14">Kategorie</namespace>'
    "</namespaces></siteinfo>\n"
)


def page(number, text, space=0, more="", title=None):
    return (
        f"  <page>\n    <title>{escape(title or f'Seite {number}')}</title>\n    <ns>{space}</ns>\n"
        f"    <id>{number}</id>\n"
        f"{more}    <revision>\n      <id>{number + 1000}</id>\n      <timestamp>2024-01-01T00:00:00Z</timestamp>\n"
        f"      <contributor><username>x</username><id>5</id></contributor>\n      <model>wikitext</model>\n"
        f'      <text bytes="{len(text)}" xml:space="preserve">{escape(text)}</text>\n    </revision>\n  </page>\n'
    )


def read(path, unit_bytes=UNIT_BYTES, **named):
    source, rows, bad, skipped = Source(path=str(path), format="wikipedia", **named), [], [], {}
    for unit in units([source], lambda found: content_hash(found.url), unit_bytes):
        for piece in records(unit, source):
            assert piece.rows.schema == source.schema()
            rows += piece.rows.to_pylist()
            bad += piece.bad
            skipped = {kind: skipped.get(kind, 0) + piece.skipped.get(kind, 0) for kind in {*skipped, *piece.skipped}}
    return rows, bad, skipped


def test_articles_are_documents_and_all_else_is_skipped_by_kind(tmp_path):
    redirect = '<redirect title="Seite 1" />'
    pages = [page(1, "eins", title="A & B/C"), page(2, "talk", 1), page(3, "#REDIRECT [[x]]", more=redirect)]
    pages += [page(4, "{}").replace("wikitext", "json"), page(5, "zwei"), page(6, "Vorlage", 10)]
    (tmp_path / "dump.xml").write_text(HEAD + "".join(pages) + "</mediawiki>")
    rows, bad, skipped = read(tmp_path / "dump.xml", fields=("title", "url", "date", "revision", "wikitext"))
    assert rows[0] == {
        "id": "1",
        "text": "eins",
        "domain": "default",
        "title": "A & B/C",
        "url": "https://de.wikipedia.org/wiki/A_%26_B/C",
        "date": "2024-01-01T00:00:00Z",
        "revision": "1001",
        "wikitext": "eins",
    }
    assert [row["id"] for row in rows] == ["1", "5"]
    assert bad == []
    assert skipped == {"namespace 1": 1, "namespace 10": 1, "redirect": 1, "model json": 1}


WIKITEXT = """'''Anarchism''' is a [[political way|philosophy]] and ''a'' [[movement]].<ref>{{c}}</ref> {{lang|el|ἄν}}
[[Datei:a.jpg|thumb|200px|a [[caption]]]][[Bild:b.png|mini|x]][[:Kategorie:Shown]]
{{Infobox|name=x|text={{nested}}}}
== History ==
=== Early ===
* item one
* item [http://x.org two]
** nested
{| class=wikitable
|-
| a || b
|}
Tom &amp; Jerry <!-- no --> <math>x^2 < y</math>

<syntaxhighlight lang="python">
print(1)
</syntaxhighlight>
== References ==
{{reflist}}
=== Notes ===
[[Kategorie:Foo]]
"""


def test_wikitext_becomes_what_a_reader_reads(tmp_path):
    (tmp_path / "dump.xml").write_text(HEAD + page(1, WIKITEXT))
    (row,), bad, _ = read(tmp_path / "dump.xml")
    assert bad == []
    assert row["text"].split("\n") == [
        "Anarchism is a philosophy and a movement. ἄν",
        "Kategorie:Shown",
        "",
        "History",
        "",
        "Early",
        "",
        "* item one",
        "* item two",
        "  * nested",
        "",
        "Tom & Jerry  $x^2 < y$",
        "",
        "```python",
        "print(1)",
        "```",
    ]


parts = st.lists(
    st.sampled_from(
        [
            page(1, "eins"),
            page(2, "talk", 1),
            page(3, "zwei\n" * 30),
            "<page><title>open",
            "</page>",
            "<page>",
            "\xe9",
            "x",
        ]
    ),
    max_size=12,
)


@settings(max_examples=20)
@given(parts=parts, unit_bytes=st.integers(20, 3000))
def test_how_a_dump_is_cut_changes_nothing(tmp_path_factory, parts, unit_bytes):
    path = tmp_path_factory.mktemp("w") / "a.xml"
    path.write_text("".join(parts))
    assert read(path, unit_bytes, text_field="wikitext") == read(path, text_field="wikitext")


@given(
    parts=st.lists(st.sampled_from([b"<page>", b"</page>", b"<pa", b"ge>", b"x" * 30, b"</page"]), max_size=20),
    steps=st.lists(st.integers(1, 40), min_size=1),
    limit=st.integers(10, 60),
)
def test_how_a_stream_is_blocked_changes_nothing(parts, steps, limit):
    raw, stream, offset = b"".join(parts), [], 0
    while offset < len(raw):
        step = steps[len(stream) % len(steps)]
        stream.append((offset, raw[offset : offset + step]))
        offset += step
    whole = [(one.begin, one.cause) for one in pages(iter([(0, raw)]), limit / 1e6)]
    assert [(one.begin, one.cause) for one in pages(iter(stream), limit / 1e6)] == whole


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize(("suffix", "pack"), [("bz2", bz2.compress), ("gz", gzip.compress)])
def test_compressed_dumps_multistream_too(tmp_path, suffix, pack, members):
    raw = (HEAD + "".join(page(n, f"text {n}") for n in range(30))).encode()
    step = len(raw) // members + 1
    packed = b"".join(pack(raw[at : at + step]) for at in range(0, len(raw), step))
    (tmp_path / f"a-pages-articles.xml.{suffix}").write_bytes(packed)
    source = Source(path=str(tmp_path))
    (unit,) = units([source], lambda found: "x")
    assert unit.format == "wikipedia"
    assert len(read(tmp_path / f"a-pages-articles.xml.{suffix}")[0]) == 30


def test_a_broken_page_costs_itself(tmp_path):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    broken = [
        "<page><title>x</page>",
        "<page><title>&b;</title></page>",
        f"<page>{bomb}<title>&b;</title></page>",
        "<page><title>x</title>",
        "<page>" + "<a>" * 100_000 + "</page>",
        f"<page>{'x' * 60_000}</page>",
        page(7, "a\ufffeb").replace("\ufffe", "\x01"),
    ]
    body = "".join(one + page(n, f"good {n}") for n, one in enumerate(broken))
    (tmp_path / "a.xml").write_text(bomb + HEAD + body + page(99, "last"))
    rows, bad, _ = read(tmp_path / "a.xml", max_record_mb=0.05)
    assert [row["text"] for row in rows] == [f"good {n}" for n in range(7)] + ["last"]
    raw = (tmp_path / "a.xml").read_bytes()
    assert all(raw[one.offset :].startswith(b"<page>") for one in bad)
    assert [one.cause for one in bad] == [
        "broken XML: mismatched tag",
        "broken XML: undefined entity",
        "broken XML: not well-formed (invalid token)",
        "broken XML: the page is never closed",
        "longer than max_record_mb = 0.05",
        "longer than max_record_mb = 0.05",
        "broken XML: not well-formed (invalid token)",
    ]


def test_a_page_that_hangs_the_parser_costs_its_limit_and_the_next_is_read():
    with Supervised("wikitext", 0.5, 2000) as child:
        with pytest.raises(Fault, match=r"takes more than 0\.5 s of processor time"):
            child.parse(b"File\n" + b"[[a]] " * 300_000)
        assert child.parse(b"File\n[[a|b]]")["text"] == "b"
        with pytest.raises(Fault, match="longer than a page can be"):
            child.parse(b"\n" + b"x" * 2_200_000)


@pytest.mark.parametrize("mark", ["{{a|", "[[a|", "<ref>", "<b>", "<div a=", "{|\n|-\n"])
def test_what_would_hang_the_parser_is_refused_by_its_bytes_and_not_by_the_clock(child, mark):
    with pytest.raises(Fault, match="too many marks that are never closed"):
        child.parse(b"\n" + b"}}" * 50_000 * (mark == "{{a|") + mark.encode() * 100_000)
    assert child.parse(b"\n" + mark.encode() * 3)["text"] is not None


def test_a_page_that_asks_for_too_much_memory_costs_itself():
    with Supervised("wikitext", 20, 150) as child:
        with pytest.raises(Fault, match=r"takes more than 150 MB of memory"):
            child.parse(b"\n" + b"[[a]] " * 300_000)
        assert child.parse(b"\n[[a|b]]")["text"] == "b"


@settings(max_examples=30)
@given(
    st.lists(
        st.sampled_from(
            ["[[", "]]", "{{", "}}", "|", "==", "\n", "*", "<ref>", "</ref>", "''", "a", "é", "&lt;", "{|", "|}"]
        ),
        max_size=40,
    )
)
def test_any_wikitext_is_a_text(child, pieces):
    assert child.parse(("File\n" + "".join(pieces)).encode())["text"] is not None


@pytest.fixture(scope="module")
def child():
    with Supervised("wikitext", 20, 2000) as child:
        yield child


def test_a_field_that_no_dump_has_is_refused(tmp_path):
    (tmp_path / "a.xml").write_text(HEAD)
    with pytest.raises(RecipeError, match="wikipedia has no field 'titel' for the field; nearest is 'title'"):
        read(tmp_path / "a.xml", fields=("titel",))
