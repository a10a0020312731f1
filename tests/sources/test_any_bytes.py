"""Whatever the bytes of a file are, a reader gives documents, bad records or one of Winnow's own errors."""

import bz2
import gzip
import io
import struct
import zipfile

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import SourceError
from corpus.readers import FORMATS, records
from corpus.source import Source
from corpus.units import units

ZIPPED = io.BytesIO()
with zipfile.ZipFile(ZIPPED, "w") as packed:
    packed.writestr("META-INF/container.xml", "<container><rootfile full-path='a'/></container>")
TABLE = pa.BufferOutputStream()
with pa.ipc.new_file(TABLE, pa.schema([("text", pa.string())])) as out:
    out.write_batch(pa.record_batch({"text": ["a", "b"]}))

LIKELY = {
    "csv": [b"text,b\n", b'"', b",", b"\n", b"a,1\n", b'"x""y",2\n'],
    "arrow": [TABLE.getvalue().to_pybytes(), b"ARROW1", b"\xff\xff\xff\xff", struct.pack("<i", 16), bytes(8)],
    "wikipedia": [b"<page>", b"</page>", b"<revision><text>a</text></revision>", b"<ns>0</ns>", b"&amp;", b"&x;"],
    "notebook": [b"{", b"}", b'"cells":', b"[", b"]", b'"source":', b'"a"', b","],
    "markdown": [b"# a\n", b"```\n", b"---\n", b"    x\n"],
    "latex": [b"\\begin{verbatim}", b"\\end{verbatim}", b"$", b"{", b"}", b"\\section", b"a"],
    "epub": [ZIPPED.getvalue(), b"PK\x03\x04", b"PK\x05\x06" + bytes(18)],
    "pdf": [
        b"%PDF-1.4\n",
        b"1 0 obj",
        b"<</Type/Catalog/Pages 1 0 R>>",
        b"endobj\n",
        b"trailer<</Root 1 0 R>>",
        b"%%EOF",
    ],
}
LIBRARIES = {"wikipedia": "mwparserfromhell", "markdown": "markdown_it", "latex": "pylatexenc", "pdf": "pypdfium2"}


def read(path, form, unit_bytes=1 << 26):
    source = Source(path=str(path), format=form, max_record_mb=0.5)
    rows, bad = [], []
    for unit in units([source], lambda found: "x", unit_bytes):
        for piece in records(unit, source):
            piece.rows.validate(full=True)
            assert piece.rows.schema == source.schema()
            rows += piece.rows.to_pylist()
            bad += piece.bad
    return rows, bad


@pytest.mark.parametrize("form", LIKELY)
@settings(max_examples=12)
@given(data=st.data())
def test_any_bytes(tmp_path_factory, form, data):
    pytest.importorskip(LIBRARIES.get(form, "orjson"))
    raw = b"".join(data.draw(st.lists(st.sampled_from(LIKELY[form]) | st.binary(max_size=12), max_size=12)))
    path = tmp_path_factory.mktemp("b") / f"a{(*FORMATS[form].suffixes, '.any')[0]}"
    path.write_bytes(raw)
    try:
        whole = read(path, form)
    except SourceError:  # any other error fails
        return
    assert all(one.cause and one.file == path.name and 0 <= one.offset <= len(raw) for one in whole[1])
    if form == "wikipedia":  # the one of these that is cut by bytes
        assert read(path, form, unit_bytes=16) == whole


PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".zst": zstandard.compress}


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("form", [form for form in LIKELY if FORMATS[form].packed])
def test_bombs_and_torn_streams_of_every_format_are_bad_records(tmp_path, form, suffix):
    pytest.importorskip(LIBRARIES.get(form, "orjson"))
    path = tmp_path / f"a.any{suffix}"
    path.write_bytes(PACK[suffix](b"<page>" + b" x" * 400_000))
    rows, bad = read(path, form)
    assert rows == []
    assert ("longer than max_record_mb = 0.5" in bad[0].cause, len(bad)) == (True, 1)
    path.write_bytes(PACK[suffix](b"text" * 1000)[:-6])
    rows, bad = read(path, form)
    assert rows == []
    assert bad[0].cause.startswith(("damaged stream", "not readable as CSV"))
