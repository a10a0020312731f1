"""Arrow IPC: files and streams read as Parquet does, and a claim is looked at before it is believed."""

import struct
from contextlib import suppress

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import SourceError, WinnowError
from corpus.ipc import Damaged, footer, message
from corpus.readers import arrow, records
from corpus.source import Source
from corpus.units import UNIT_BYTES, content_hash, units

TABLE = pa.table(
    {
        "text": ["one", "", "zwei drei", "四", "one", "five" * 100],
        "lang": pa.array(["en", "en", "de", "zh", "en", "en"]).dictionary_encode(),
        "meta": [{"url": f"http://a.com/{n}", "tags": ["x", "y"]} for n in range(6)],
        "view": pa.array(["v"] * 6, pa.string_view()),
    }
)
FIELDS = ("meta.url", "meta.tags", "view", "lang")


def read(path, unit_bytes=UNIT_BYTES, **settings):
    source, rows, bad = Source(path=str(path), **settings), [], []
    for unit in units([source], lambda found: content_hash(found.url), unit_bytes):
        for piece in records(unit, source):
            assert piece.rows.schema == source.schema(pages=source.html_field is not None)
            piece.rows.validate(full=True)
            rows += piece.rows.to_pylist()
            bad += piece.bad
    return rows, bad


def write(path, table=TABLE, rows=2, stream=False, compression=None):
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(path, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as out:
        out.write_table(table, max_chunksize=rows)
    return path


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("stream", [True, False])
def test_files_and_streams_give_what_parquet_gives(tmp_path, stream, compression):
    write(tmp_path / "a.arrow", stream=stream, compression=compression)
    pq.write_table(TABLE, tmp_path / "a.parquet")
    ours, theirs = (read(tmp_path / f"a.{form}", fields=FIELDS, domain_field="lang") for form in ("arrow", "parquet"))
    assert ours[1] == theirs[1] == []
    assert [row | {"id": ""} for row in ours[0]] == [row | {"id": ""} for row in theirs[0]]
    assert [row["id"] for row in ours[0]] == [f"a.arrow#{n}" for n in range(6)]


@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=40),
    rows=st.integers(1, 9),
    unit_bytes=st.integers(1, 400),
)
def test_how_batches_are_shared_out_changes_nothing(tmp_path_factory, texts, rows, unit_bytes):
    path = write(tmp_path_factory.mktemp("a") / "a.feather", pa.table({"text": pa.array(texts, pa.string())}), rows)
    source = Source(path=str(path))
    parts = units([source], lambda found: "x", unit_bytes)
    assert sum(unit.stored_bytes for unit in parts) == path.stat().st_size
    found, bad = read(path, unit_bytes)
    assert [(row["id"], row["text"]) for row in found] == [(f"a.feather#{n}", t) for n, t in enumerate(texts)]
    assert bad == []


def test_feather_files_are_arrow_files(tmp_path):
    feather.write_feather(TABLE.select(["text"]), tmp_path / "a.feather", compression="zstd")
    assert len(read(tmp_path / "a.feather")[0]) == 6


def test_the_footer_names_each_batch_and_each_message_its_rows(tmp_path):
    path = write(tmp_path / "a.arrow", compression="zstd")
    with path.open("rb") as file:
        dictionaries, batches = footer(file)
        assert len(dictionaries) >= 1
        assert [message(file, block.offset).rows for block in batches] == [2, 2, 2]
        assert [message(file, block.offset).end for block in batches] == [sum(block) for block in batches]


def test_a_file_that_lost_its_footer_is_read_as_a_stream(tmp_path):
    whole = write(tmp_path / "a.arrow").read_bytes()
    rows = read(tmp_path / "a.arrow", domain_field="lang")[0]
    with (tmp_path / "a.arrow").open("rb") as file:
        _, batches = footer(file)
    for end, left in ((len(whole) - 1, 6), (sum(batches[1]), 4), (sum(batches[1]) + 40, 4), (batches[0].offset, 0)):
        (tmp_path / "a.arrow").write_bytes(whole[:end])
        found, bad = read(tmp_path / "a.arrow", domain_field="lang")
        assert found == rows[:left]
        assert len(bad) <= 1


def test_a_damaged_batch_costs_its_own_rows(tmp_path):
    path = write(tmp_path / "a.arrow", pa.table({"text": ["aa", "bb", "cc", "dd", "ee", "ff"]}))
    with path.open("rb") as file:
        block = footer(file)[1][1]
    raw = bytearray(path.read_bytes())
    place = raw.index(struct.pack("<iii", 0, 2, 4), block.offset)
    raw[place + 4 : place + 8] = struct.pack("<i", 1_000_000)  # an offset far outside the text
    path.write_bytes(raw)
    rows, bad = read(path)
    assert [row["text"] for row in rows] == ["aa", "bb", "ee", "ff"]
    assert [row["id"] for row in rows] == [f"a.arrow#{n}" for n in (0, 1, 4, 5)]
    assert [(one.offset, one.cause.partition(" (")[0]) for one in bad] == [(2, "damaged record batch: 2 rows lost")]


def test_rows_that_cannot_be_documents_are_quarantined_alone(tmp_path):
    raw = [b"good", None, b"caf\xe9", b"a\0b", "schön".encode()]
    text = pa.Array.from_buffers(pa.string(), len(raw), pa.array(raw, pa.binary()).buffers())
    rows, bad = read(write(tmp_path / "a.arrow", pa.table({"text": text}), 10))
    assert [row["text"] for row in rows] == ["good", "schön"]
    assert [(one.offset, one.cause) for one in bad] == [
        (1, "column 'text' is null"),
        (2, "invalid UTF-8"),
        (3, "NUL in the text"),
    ]


@pytest.mark.parametrize("stream", [True, False])
def test_a_batch_that_opens_to_too_much_is_left_out_and_said(tmp_path, stream, monkeypatch):
    """The limit is lowered so that the bomb is small: what is tested is that the claim is seen before it is opened."""
    monkeypatch.setattr(arrow, "_MOST_BYTES", 1_000_000)
    table = pa.table({"text": ["small", "small", "x" * 3_000_000, "y", "small", "small"]})
    path = write(tmp_path / "a.arrow", table, stream=stream, compression="zstd")
    assert path.stat().st_size < 10_000
    rows, bad = read(path)
    assert [row["text"] for row in rows] == ["small"] * (2 if stream else 4)
    assert bad[0].offset == 2
    assert "2 rows lost (it opens to 3 MB, 1 at most are read at once)" in bad[0].cause


def test_wrong_columns_are_refused_before_reading(tmp_path):
    path = write(tmp_path / "a.arrow")
    with pytest.raises(SourceError, match=r"no column 'txt' for the text; nearest is 'text'"):
        read(path, text_field="txt")
    with pytest.raises(SourceError, match=r"no column 'meta\.urls' for the field; in 'meta' nearest is 'url'"):
        read(path, fields=("meta.urls",))


@pytest.mark.parametrize("form", ["arrow", "parquet"])
def test_pages_of_bytes_come_as_they_are_and_pages_of_strings_as_utf8(tmp_path, form):
    pages = [b"<p>caf\xe9</p>", None, b"<p>\0</p>"]
    for held in (pa.binary(), pa.large_binary(), pa.dictionary(pa.int32(), pa.binary())):
        column = pa.array(pages, pa.binary())
        column = column.dictionary_encode() if pa.types.is_dictionary(held) else column.cast(held)
        table = pa.table({"page": column, "m": [{"html": "<b>ü</b>"}] * 3})
        path = tmp_path / f"a.{form}"
        write(path, table) if form == "arrow" else pq.write_table(table, path)
        rows, bad = read(path, html_field="page", domain="d")
        assert [(row["html"], row["charset"], row["text"]) for row in rows] == [
            (pages[0], None, ""),
            (pages[2], None, ""),
        ]
        assert [(one.offset, one.cause) for one in bad] == [(1, "column 'page' is null")]
    rows, bad = read(path, html_field="m.html")
    assert [(row["html"], row["charset"]) for row in rows] == [("<b>ü</b>".encode(), "utf-8")] * 3
    with pytest.raises(SourceError, match=r"no column 'm\.htm' for the text; in 'm' nearest is 'html'"):
        read(path, html_field="m.htm")


WHOLE = {}


@given(data=st.data())
def test_mutated_files_give_documents_or_bad_records_and_never_an_error_of_a_library(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("m")
    stream, compression = data.draw(st.booleans()), data.draw(st.sampled_from([None, "zstd"]))
    key = (stream, compression)
    if key not in WHOLE:
        WHOLE[key] = write(folder / "w.arrow", stream=stream, compression=compression).read_bytes()
    raw = bytearray(WHOLE[key])
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=4)):
        raw[place : place + 1] = data.draw(st.binary(max_size=3))
    path = folder / "a.arrow"
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw)
    with suppress(WinnowError):
        read(path)


@given(st.binary(max_size=60))
def test_a_footer_of_any_bytes_is_damage(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("f") / "a.arrow"
    path.write_bytes(b"ARROW1\0\0" + raw + struct.pack("<i", len(raw)) + b"ARROW1")
    with path.open("rb") as file:
        try:
            footer(file)
            message(file, 8)
        except Damaged:
            pass
    assert read(path)[0] == []
