"""Parquet: every way a text column may be stored reads the same, and damage costs what it touches."""

import datetime
import hashlib
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import SourceError
from corpus.readers import records
from corpus.source import Source
from corpus.units import UNIT_BYTES, content_hash, units


def read(path, unit_bytes=UNIT_BYTES, **settings):
    source, rows, bad = Source(path=str(path), **settings), [], []
    for unit in units([source], lambda found: content_hash(found.url), unit_bytes):
        for piece in records(unit, source):
            assert piece.rows.schema == source.schema()
            piece.rows.validate(full=True)
            rows += piece.rows.to_pylist()
            bad += piece.bad
    return rows, bad


ROOT = Path(__file__).parents[3]
TEXTS = ["one", "", "zwei drei", "四", "one", "five" * 100]
TYPES = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.binary(),
    pa.large_binary(),
    pa.binary_view(),
    pa.dictionary(pa.int32(), pa.string()),
]


@pytest.mark.parametrize("held", TYPES, ids=str)
@pytest.mark.parametrize("dictionary", [True, False])
def test_every_string_type_reads_the_same(tmp_path, held, dictionary):
    path = tmp_path / "a.parquet"
    text = pa.array(TEXTS).cast(pa.string()).dictionary_encode() if pa.types.is_dictionary(held) else None
    table = pa.table({"text": text if text is not None else pa.array(TEXTS).cast(held)})
    pq.write_table(table, path, use_dictionary=dictionary, row_group_size=4)
    rows, bad = read(path)
    assert [row["text"] for row in rows] == TEXTS
    assert [row["id"] for row in rows] == [f"a.parquet#{n}" for n in range(6)]
    assert bad == []


@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=40),
    group=st.integers(1, 9),
    unit_bytes=st.integers(1, 400),
)
def test_how_row_groups_are_shared_out_changes_nothing(tmp_path_factory, texts, group, unit_bytes):
    path = tmp_path_factory.mktemp("p") / "a.parquet"
    pq.write_table(pa.table({"text": pa.array(texts, pa.string())}), path, row_group_size=group)
    rows, bad = read(path, unit_bytes)
    assert [(row["id"], row["text"]) for row in rows] == [(f"a.parquet#{n}", t) for n, t in enumerate(texts)]
    assert bad == []


@pytest.mark.parametrize("dictionary", [True, False])
def test_rows_that_cannot_be_documents_are_quarantined_alone(tmp_path, dictionary):
    path = tmp_path / "a.parquet"
    raw = [b"good", None, b"caf\xe9", b"a\0b", b"x" * 2000, "schön".encode(), b"\xed\xa0\x80"]
    text = pa.Array.from_buffers(pa.string(), len(raw), pa.array(raw, pa.binary()).buffers())
    pq.write_table(pa.table({"text": text}), path, use_dictionary=dictionary)
    rows, bad = read(path, max_record_mb=0.001)
    assert [row["text"] for row in rows] == ["good", "schön"]
    assert [(one.offset, one.cause) for one in bad] == [
        (1, "column 'text' is null"),
        (2, "invalid UTF-8"),
        (3, "NUL in the text"),
        (4, "longer than max_record_mb = 0.001"),
        (6, "invalid UTF-8"),
    ]
    assert bad[1].sample == r"caf\xe9"
    assert bad[3].sample == "x" * 200


def test_ids_and_domains(tmp_path):
    path = tmp_path / "a.parquet"
    columns = {"text": ["a", "b", "c"], "id": [5, None, 7], "key": ["k", "", None], "site": ["x", "", "y"]}
    pq.write_table(pa.table(columns), path)
    assert [row["id"] for row in read(path)[0]] == ["5", "a.parquet#1", "7"]
    rows, bad = read(path, id_field="key", domain_field="site")
    assert [(row["id"], row["domain"]) for row in rows] == [("k", "x")]
    assert [(one.offset, one.cause) for one in bad] == [
        (1, "column 'site' is no domain but an empty string"),
        (2, "column 'key' is null"),
    ]


def test_an_id_column_of_another_type_is_no_id_unless_asked_for(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a"], "id": [[1]]}), path)
    assert read(path)[0][0]["id"] == "a.parquet#0"
    with pytest.raises(SourceError, match=r"column 'id' holds list.* cannot be the id: strings or integers"):
        read(path, id_field="id")


def test_fields_are_kept_as_strings(tmp_path):
    path = tmp_path / "a.parquet"
    day = datetime.date(2024, 5, 1)
    held = {"s": "plain", "n": 5, "b": True, "f": 0.5, "day": day, "m": {"b": 1, "a": ["é"]}, "l": [1, None]}
    table = pa.table({"text": ["t", "u"]} | {name: [value, None] for name, value in held.items()})
    pq.write_table(table, path)
    kept = {"s": "plain", "n": "5", "b": "true", "f": "0.5", "day": '"2024-05-01"'}
    kept |= {"m": '{"a":["é"],"b":1}', "l": "[1,null]"}
    rows, _ = read(path, fields=list(held))
    assert {name: rows[0][name] for name in held} == kept
    assert {rows[1][name] for name in held} == {None}


def test_wrong_columns_are_refused_before_reading(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"content": ["a"], "n": [1], "txt": ["b"]}), path)
    with pytest.raises(SourceError, match="no column 'text' for the text; nearest is 'txt'"):
        read(path)
    with pytest.raises(SourceError, match="column 'n' holds int64, which cannot be the text"):
        read(path, text_field="n")
    with pytest.raises(SourceError, match="no column 'languag' for the field"):
        read(path, text_field="txt", fields=["languag"])
    with pytest.raises(SourceError, match="column 'n' holds int64, which cannot be the domain"):
        read(path, text_field="txt", domain_field="n")


def test_a_column_twice_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), path)
    with pytest.raises(SourceError, match="2 columns 'text'"):
        read(path)


@pytest.mark.parametrize("where", ["header", "body"])
def test_a_damaged_row_group_costs_its_own_rows_only(tmp_path, where):
    path = tmp_path / "a.parquet"
    texts = [f"document {n} {hashlib.sha512(bytes([n])).hexdigest()}" for n in range(90)]
    table = pa.table({"text": texts})
    pq.write_table(table, path, row_group_size=30, use_dictionary=False, write_page_checksum=True)
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(0)
    place = chunk.data_page_offset + (chunk.total_compressed_size - 50 if where == "body" else 0)
    content = bytearray(path.read_bytes())
    content[place : place + 20] = bytes(20)
    path.write_bytes(content)
    rows, bad = read(path)
    assert [row["text"] for row in rows] == texts[:30] + texts[60:]
    assert [row["id"] for row in rows][30] == "a.parquet#60"
    assert [(one.file, one.offset) for one in bad] == [("a.parquet", 30)]
    assert bad[0].cause.startswith("damaged row group: 30 rows lost (")


@pytest.mark.parametrize("keep", [0, 3, 400])
def test_a_file_without_a_footer_is_one_bad_record(tmp_path, keep):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": TEXTS * 50}), path)
    path.write_bytes(path.read_bytes()[:keep])
    pq.write_table(pa.table({"text": ["fine"]}), tmp_path / "b.parquet")
    rows, bad = read(tmp_path)
    assert [row["text"] for row in rows] == ["fine"]
    assert [(one.file, one.cause.split(":")[0]) for one in bad] == [("a.parquet", "not readable as Parquet")]


def test_pieces_stay_bounded_where_one_row_group_is_large(tmp_path):
    path = tmp_path / "a.parquet"
    texts = ["x" * 10] * 5000 + ["y" * 3_000_000] * 12
    pq.write_table(pa.table({"text": texts}), path, use_dictionary=False)
    source = Source(path=str(path))
    (unit,) = units([source], lambda found: "x")
    pieces = [piece.rows for piece in records(unit, source)]
    assert sum(piece.num_rows for piece in pieces) == len(texts)
    assert max(sum(len(t) for t in piece["text"].to_pylist()) for piece in pieces) <= 8_000_000


PEAK = """
import sys
from corpus.readers import records
from corpus.source import Source
from corpus.units import units
source = Source(path=sys.argv[1], max_record_mb=float(sys.argv[2]))
rows = bad = 0
for unit in units([source], lambda found: "x"):
    for piece in records(unit, source):
        rows, bad = rows + piece.rows.num_rows, bad + len(piece.bad)
high = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(rows, bad, int(high.split()[1]) // 1024)
"""


def peak(path, limit):
    """Documents, bad records and peak memory in MB of a process that reads the path."""
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory is read from /proc; ru_maxrss would begin with what the parent holds")
    command = [sys.executable, "-c", PEAK, str(path), str(limit)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(map(int, done.stdout.split()))


@pytest.mark.parametrize(("limit", "good"), [(64, 400), (10, 0)])
def test_one_huge_string_that_all_rows_share_is_never_laid_out_at_once(tmp_path, limit, good):
    path = tmp_path / "a.parquet"
    shared = pa.DictionaryArray.from_arrays(pa.array([0] * 400, pa.int32()), pa.array(["x" * 20_000_000]))
    pq.write_table(pa.table({"text": shared}), path, compression="zstd", dictionary_pagesize_limit=1 << 30)
    rows, bad, memory = peak(path, limit)
    assert (rows, bad) == (good, 400 - good)
    assert memory < 600  # MB; laid out the text is 8 GB


@pytest.mark.parametrize("dictionary", [True, False])
def test_a_row_group_of_any_size_is_read_in_bounded_memory(tmp_path, dictionary):
    path, noise = tmp_path / "a.parquet", random.Random(1)
    texts = pa.array([noise.randbytes(5000).hex() for _ in range(20_000)])
    pq.write_table(pa.table({"text": texts}), path, use_dictionary=dictionary, compression="lz4")
    assert pq.ParquetFile(path).metadata.num_row_groups == 1
    rows, bad, memory = peak(path, 64)
    assert (rows, bad) == (20_000, 0)
    assert memory < 330  # MB, of which 140 are imports; the row group is 200 MB


def test_a_column_with_a_dot_in_its_name_is_no_nested_one(tmp_path):
    path = tmp_path / "a.parquet"
    table = {"text": [{"raw": "inner"}], "text.raw": ["outer"]}
    pq.write_table(pa.table({"text.body": ["whole"], "text.id": ["k"]}), path)
    assert read(path, text_field="text.body", id_field="text.id")[0][0]["text"] == "whole"
    pq.write_table(pa.table(table), path)
    assert read(path, text_field="text.raw", fields=["text.raw"])[0][0]["text"] == "outer"
