"""EPUB and PDF: what a reader reads, and of a bomb, a lock or a loop the cause."""

import io
import random
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.readers.base import Fault
from corpus.readers.supervised import Supervised
from tests.corpus.source_rows import read

pytest.importorskip("lxml", reason="EPUB needs lxml (the extra `books`)")
pytest.importorskip("pypdfium2", reason="PDF needs pypdfium2 (the extra `books`)")


OPF = """<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">
<metadata><dc:title>A  Book</dc:title><dc:creator>One</dc:creator><dc:creator>Two</dc:creator>
<dc:language>en</dc:language><dc:identifier>urn:isbn:1</dc:identifier></metadata>
<manifest><item id="b" href="two%20b.xhtml"/><item id="a" href="one.xhtml"/>
<item id="n" href="nav.xhtml" properties="nav"/></manifest>
<spine><itemref idref="n"/><itemref idref="a"/><itemref idref="b"/><itemref idref="a"/>
<itemref idref="lost"/></spine></package>"""
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
    '<rootfiles><rootfile full-path="{}"/></rootfiles></container>'
)
ONE = (
    "<?xml version='1.0' encoding='utf-8'?><!DOCTYPE html>"
    "<html xmlns='http://www.w3.org/1999/xhtml'><head><title>no</title>"
    "<style>no</style></head><body><h1>Chapter&nbsp;1</h1><p>Naïve <em>and</em>\n  good.<br/>Next</p><!-- no -->tail"
    "<pre>a\n  b</pre><script>no</script></body></html>"
)


def epub(more=None, package="OEBPS/book.opf", **changed):
    members = {"META-INF/container.xml": CONTAINER.format(package), "OEBPS/book.opf": OPF, "OEBPS/one.xhtml": ONE}
    members |= {"OEBPS/two b.xhtml": "<p>Last", "OEBPS/nav.xhtml": "<p>Contents</p>"} | (more or {}) | changed
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            if content is not None:
                packed.writestr(name, content)
    return out.getvalue()


def test_an_epub_is_read_in_the_order_of_its_spine(tmp_path):
    (tmp_path / "a.epub").write_bytes(epub())
    (row,), bad = read(tmp_path, fields=("title", "author", "language", "identifier", "date", "path"))
    assert bad == []
    assert row["text"].split("\n\n") == ["Chapter 1", "Naïve and good.", "Next", "tail", "a\n  b", "Last"]
    assert [row[name] for name in ("title", "author", "language", "identifier", "date")] == [
        "A Book",
        "One; Two",
        "en",
        "urn:isbn:1",
        None,
    ]


LOCK = '<encryption><EncryptedData><CipherData><CipherReference URI="{}"/></CipherData></EncryptedData></encryption>'
ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {b} "{f"&{a};" * 20}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
BROKEN = {
    "bomb": epub({"OEBPS/one.xhtml": b" " * 300_000_000}),
    "entities": epub({"OEBPS/book.opf": f"{ENTITIES}]><package>&i;</package>"}),
    "lacking": epub(package="no.opf"),
    "locked": epub({"META-INF/encryption.xml": LOCK.format("OEBPS/one.xhtml")}),
    "none": epub({"META-INF/container.xml": "<container/>"}),
    "torn": epub()[:-30],
    "wordless": epub({"OEBPS/one.xhtml": "", "OEBPS/two b.xhtml": "<p> </p>"}),
    "xml": epub({"OEBPS/book.opf": "<package>"}),
}
CAUSES = {
    "bomb": "opens to more than 256 MB",
    "entities": "not readable as EPUB: ",
    "lacking": "not readable as EPUB: it lacks 'no.opf'",
    "locked": "encrypted",
    "none": "not readable as EPUB: the container names no package",
    "torn": "not readable as EPUB: File is not a zip file",
    "wordless": "no text in its chapters",
    "xml": "not readable as EPUB: ",
}


def test_an_epub_that_cannot_be_read_says_why(tmp_path):
    for name, raw in BROKEN.items():
        (tmp_path / f"{name}.epub").write_bytes(raw)
    (tmp_path / "zz.epub").write_bytes(epub({"META-INF/encryption.xml": LOCK.format("OEBPS/font.otf")}))
    rows, bad = read(tmp_path)
    assert [row["id"] for row in rows] == ["zz.epub"]
    causes = {one.file.removesuffix(".epub"): one.cause for one in bad}
    assert {name: causes[name][: len(said)] for name, said in CAUSES.items()} == CAUSES


def pdf(*texts, lang="en-GB", more=b"", kids=None, packed=False):
    """A PDF of a page a text, by hand: objects and a trailer (PDFium finds them without an index)."""
    pages = range(10, 10 + 2 * len(texts), 2)
    kids = kids or " ".join(f"{n} 0 R" for n in pages)
    objects = {1: b"<</Type/Catalog/Pages 2 0 R/Lang(%s)>>" % lang.encode()}
    objects[2] = f"<</Type/Pages/Count {len(texts)}/Kids[{kids}]>>".encode()
    objects[3] = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    objects[4] = b"<</Title(A Title)/Author(Some One)>>"
    for n, text in zip(pages, texts, strict=True):
        objects[n] = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F 3 0 R>>>>"
        objects[n] += b"/Contents %d 0 R>>" % (n + 1)
        lines = b"".join(b"(%s) Tj 0 -20 Td " % line.encode() for line in text.split("\n"))
        content = b"BT /F 12 Tf 50 700 Td " + lines + b"ET"
        content = zlib.compress(content) if packed else content
        objects[n + 1] = b"<</Length %d%s>>stream\n%s\nendstream" % (
            len(content),
            b"/Filter/FlateDecode" * packed,
            content,
        )
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (n, held) for n, held in objects.items())
    return b"%PDF-1.4\n" + body + b"trailer\n<</Root 1 0 R/Info 4 0 R/Size 99" + more + b">>\n%%EOF"


def test_a_pdf_gives_its_pages_and_what_it_says_of_itself(tmp_path):
    for name, packed in (("a", False), ("b", True)):
        (tmp_path / f"{name}.pdf").write_bytes(pdf("First page\nsecond line", "Second page", packed=packed))
    rows, bad = read(tmp_path, fields=("title", "author", "language", "pages", "path"))
    assert bad == []
    assert [row["text"] for row in rows] == ["First page\nsecond line\n\nSecond page"] * 2
    about = [rows[0][name] for name in ("title", "author", "language", "pages", "path")]
    assert about == ["A Title", "Some One", "en-GB", "2", "a.pdf"]


LOCKED = b"/Encrypt<</Filter/Standard/V 1/R 2/O<%s>/U<%s>/P -4>>/ID[<00><00>]" % (b"ab" * 32, b"cd" * 32)


def test_a_pdf_that_cannot_be_read_says_why(tmp_path):
    held = {"locked": pdf("x", more=LOCKED), "junk": b"%PDF-1.4 junk", "scan": pdf(""), "plain": b"no PDF at all"}
    held["loop"] = pdf("Page", kids="2 0 R " * 50)
    held["claims"] = pdf("Page").replace(b"/Count 1", b"/Count 2000000000")
    for name, raw in held.items():
        (tmp_path / f"{name}.pdf").write_bytes(raw)
    rows, bad = read(tmp_path)
    causes = {one.file.removesuffix(".pdf"): one.cause for one in bad}
    assert causes["locked"] == "encrypted"
    assert causes["scan"] == "no text: a scan, or letters drawn as shapes"
    assert causes["junk"].startswith("not readable as PDF: ")
    assert causes["plain"].startswith("not readable as PDF: ")
    assert {row["id"] for row in rows} | set(causes) >= {"loop.pdf", "claims"} or "loop" in causes


def test_a_pdf_whose_stream_is_a_bomb_costs_its_limits():
    bomb = zlib.compress(b"BT /F 12 Tf (x) Tj ET " * 20_000_000, 9)
    raw = pdf("x", packed=True)
    start, end = raw.index(b"stream\n") + 7, raw.index(b"\nendstream")
    with Supervised("pdf", 2, 700) as child:
        with pytest.raises(Fault, match=r"takes more than|the parser died of it|cannot be parsed|no text"):
            child.parse(raw[:start] + bomb + raw[end:])
        assert child.parse(pdf("after"))["text"] == "after"


WHOLE = {"epub": epub(), "pdf": pdf("Some words", "and more", packed=True)}


def outcome(child, raw):
    """The text of a file, or the cause why there is none."""
    try:
        return child.parse(raw)["text"]
    except Fault as fault:
        return fault.cause


@pytest.mark.parametrize("form", WHOLE)
@settings(max_examples=40)
@given(seed=st.integers(0, 1 << 30), keep=st.floats(0.2, 1))
def test_mutated_books_give_a_text_or_a_cause(parsers, form, seed, keep):
    raw, chance = bytearray(WHOLE[form]), random.Random(seed)
    for _ in range(chance.randrange(8)):
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    assert outcome(parsers[form], raw[: max(1, int(keep * len(raw)))])


@pytest.fixture(scope="module")
def parsers():
    with Supervised("epub", 10, 1500) as books, Supervised("pdf", 10, 1500) as papers:
        yield {"epub": books, "pdf": papers}
