"""Text files: one document each, whole and named by their path, or quarantined whole."""

import gzip

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import RecipeError
from corpus.readers import records
from corpus.source import Source
from corpus.units import units
from tests.corpus.source_rows import read


@given(st.dictionaries(st.from_regex(r"[a-c]/[a-e]{1,3}", fullmatch=True), st.binary(max_size=12), min_size=1))
def test_every_file_is_a_document_or_bad_in_the_order_of_names(tmp_path_factory, contents):
    folder = tmp_path_factory.mktemp("t")
    for name, content in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / f"{name}.txt").write_bytes(content)
    rows, bad = read(folder / "**" / "*.txt")
    names = [row["id"] for row in rows]
    assert names == sorted(names)
    assert sorted(names + [one.file for one in bad]) == sorted(f"{name}.txt" for name in contents)
    for row in rows:
        assert row["text"].encode() == contents[row["id"].removesuffix(".txt")].removeprefix(b"\xef\xbb\xbf")


def test_what_is_no_text_is_quarantined_with_its_reason(tmp_path):
    contents = {
        "bom.txt": b"\xef\xbb\xbfwith a mark",
        "empty.txt": b"",
        "latin.txt": b"caf\xe9",
        "long.txt": b"x" * 20_001,
        "nul.txt": b"a\0b",
        "plain.md": "schön\r\n".encode(),
        "script.py.gz": gzip.compress(b"print(1)\n"),
        "squeezed.txt.zst": pa.compress(b"packed", codec="zstd", asbytes=True),
        "torn.txt.gz": gzip.compress(bytes(range(65, 90)) * 500)[:-12],
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    rows, bad = read(tmp_path, max_record_mb=0.02)
    assert {row["id"]: row["text"] for row in rows} == {
        "bom.txt": "with a mark",
        "plain.md": "schön\r\n",
        "script.py.gz": "print(1)\n",
        "squeezed.txt.zst": "packed",
    }
    assert {one.file: one.cause.split(":")[0] for one in bad} == {
        "empty.txt": "empty file",
        "latin.txt": "invalid UTF-8",
        "long.txt": "longer than max_record_mb = 0.02",
        "nul.txt": "NUL in the text",
        "torn.txt.gz": "damaged stream",
    }


def test_the_path_can_be_kept_as_a_field(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("x")
    rows, _ = read(tmp_path, fields=["path"], domain="notes")
    assert rows == [{"id": "sub/a.txt", "text": "x", "domain": "notes", "path": "sub/a.txt"}]


@pytest.mark.parametrize(
    "settings",
    [{"fields": ["path", "lang"]}, {"id_field": "id"}, {"domain_field": "d"}, {"text_field": "body"}],
    ids=lambda s: next(iter(s)),
)
def test_fields_of_records_are_refused(tmp_path, settings):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(RecipeError, match=f"text files have no fields, but {next(iter(settings))} names"):
        read(tmp_path, **settings)


def test_pieces_are_bounded(tmp_path):
    for n in range(12):
        (tmp_path / f"{n:02}.txt").write_bytes(b"x" * 3_000_000)
    source = Source(path=str(tmp_path))
    pieces = [p for unit in units([source], lambda found: "x") for p in records(unit, source)]
    assert sum(piece.rows.num_rows for piece in pieces) == 12
    assert max(piece.rows.nbytes for piece in pieces) < 12_000_000
