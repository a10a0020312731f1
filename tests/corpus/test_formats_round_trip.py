"""Laws of conversion: whatever tokens are stored as, they are the same documents, and come back as the same bytes."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import RecipeError, ShardError
from corpus.formats.base import Part, cut, joined
from corpus.formats.files import Destination
from corpus.formats.table import FORMATS
from pipeline.converting import Tokens, check, convert
from tests.corpus.token_folders import ALL, TOKENIZER, card, contents, documents, folder_of, stream, token_folders

SHARDS = [
    ("web/00000", "web", [("d0", 0, [5, 6, 7, 0]), ("d1", 2, [0]), ("d2", 3, [999, 0])]),
    ("code/00000", "Code", [("d3", 1, [8] * 400 + [0])]),
]


@settings(max_examples=40)
@given(token_folders(), st.sampled_from(ALL), st.sampled_from([1, 300, 1 << 28]))
def test_every_format_holds_the_same_documents_and_gives_the_same_bytes_back(tmp_path_factory, given, format, most):
    at = tmp_path_factory.mktemp("t")
    before = folder_of(at / "before", *given)
    convert(before, f"{at}/there", format, part_bytes=most)
    assert stream(at / "there") == stream(before)
    assert stream(before) == [
        (path, domain, f"corpus/{path}.parquet", *document)
        for path, domain, documents in sorted(given[0])
        for document in documents
    ]
    convert(f"{at}/there/manifest.json", f"{at}/back", "megatron")
    assert contents(at / "back") == contents(before)


@settings(max_examples=25)
@given(token_folders(), st.sampled_from(ALL), st.sampled_from(ALL), st.sampled_from([300, 1 << 28]))
def test_the_way_a_format_was_reached_changes_none_of_its_bytes(tmp_path_factory, given, first, second, most):
    at = tmp_path_factory.mktemp("t")
    before = folder_of(at / "before", *given)
    convert(before, f"{at}/direct", second, part_bytes=most)
    convert(before, f"{at}/first", first, part_bytes=most)
    convert(f"{at}/first", f"{at}/second", second, part_bytes=most)
    assert contents(at / "second") == contents(at / "direct")


@given(token_folders(), st.integers(1, 3000))
def test_parts_are_small_or_one_document_and_together_the_shard(given, most):
    for path, domain, rows in given[0]:
        tokens = np.array([i for _, _, t in rows for i in t], np.int32)
        lengths = np.array([len(t) for _, _, t in rows], np.int64)
        ids, places = pa.array([r[0] for r in rows], pa.string()), np.array([r[1] for r in rows], np.int64)
        whole = Part(domain, path, places, ids, lengths, tokens)
        parts = list(cut(whole, most))
        assert documents(joined(parts)) == documents(whole)
        for part in parts:
            size = 4 * len(part.tokens) + sum(len(i.encode()) for i in part.ids.to_pylist())
            assert len(part.lengths) <= 1 or size <= most


@pytest.mark.parametrize("format", ALL)
def test_a_long_document_is_a_part_of_its_own(tmp_path, format):
    folder_of(tmp_path / "n", [("web/0", "web", [("a", 0, [1, 0]), ("b", 1, [2] * 5000 + [0]), ("c", 2, [3, 0])])])
    convert(f"{tmp_path}/n", f"{tmp_path}/out", format, part_bytes=500)
    sizes = [len(part.lengths) for _, parts in Tokens.at(f"{tmp_path}/out").shards() for part in parts]
    assert sizes == [1, 1, 1]
    assert {name.split(".")[0] for name in contents(tmp_path / "out") if "-" in name} == {
        f"web/0-00{n}" for n in range(3)
    }


def test_a_part_s_bytes_count_ids_and_domain_too(tmp_path):
    documents = [("x" * 1000, n, [n, 0]) for n in range(10)]
    folder_of(tmp_path / "n", [("web/0", "y" * 200, documents)])
    convert(f"{tmp_path}/n", f"{tmp_path}/out", "mds", part_bytes=3000)
    sizes = [len(content) for name, content in contents(tmp_path / "out").items() if name.endswith(".mds")]
    assert len(sizes) == 5
    assert max(sizes) <= 3000 + 300  # what stands before the documents


@pytest.mark.parametrize("format", [*ALL, "megatron"])
def test_no_shards_are_a_manifest_alone(tmp_path, format):
    done = convert(folder_of(tmp_path / "n", []), f"{tmp_path}/out", format)
    assert (done["documents"], done["tokens"], done["files"]) == (0, 0, 0)
    assert list(contents(tmp_path / "out")) == ["manifest.json"]
    assert stream(tmp_path / "out") == []


@pytest.mark.parametrize("format", [*ALL, "megatron"])
def test_the_tokenizer_goes_along_and_another_is_refused(tmp_path, format):
    folder_of(tmp_path / "n", SHARDS)
    (tmp_path / "n/tokenizer.json").write_bytes(TOKENIZER)
    done = convert(f"{tmp_path}/n", f"{tmp_path}/out", format)
    files = contents(tmp_path / "out")
    assert files["tokenizer.json"] == TOKENIZER
    assert done["files"] == len(files) - 1
    assert done["bytes"] == sum(len(content) for name, content in files.items() if name != "manifest.json")
    assert (done["documents"], done["tokens"], done["domains"]) == (4, 408, {"web": 7, "Code": 401})
    (tmp_path / "n/tokenizer.json").write_bytes(TOKENIZER + b" ")
    with pytest.raises(ShardError, match=r"tokenizer.json: .* the tokens were made with"):
        convert(f"{tmp_path}/n", f"{tmp_path}/other", format)


def test_folders_live_on_any_file_system():
    folder_of("memory://formats/n", SHARDS)
    for format in ALL:
        convert("memory://formats/n/manifest.json", f"memory://formats/{format}", format)
        assert stream(f"memory://formats/{format}") == stream("memory://formats/n")


# What must not happen


def test_a_folder_with_anything_in_it_is_left_alone(tmp_path):
    folder_of(tmp_path / "n", SHARDS)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/winnow-convert.unfinished").write_text("not by winnow")
    before = contents(tmp_path)
    for out in ("mine", "n"):
        with pytest.raises(RecipeError, match="name an empty folder"):
            convert(f"{tmp_path}/n", f"{tmp_path}/{out}", "ds")
    with pytest.raises(RecipeError, match="--format bin: there are llmc, ds, mds, litdata, olmo, parquet, megatron"):
        convert(f"{tmp_path}/n", f"{tmp_path}/new", "bin")
    assert contents(tmp_path) == before
    (tmp_path / "file").write_text("a file")
    with pytest.raises(RecipeError, match="a file is in the way"):
        convert(f"{tmp_path}/n", f"{tmp_path}/file", "ds")


def test_damaged_tokens_leave_an_empty_folder(tmp_path):
    folder_of(tmp_path / "n", SHARDS)
    bin = tmp_path / "n/web/00000.bin"
    bin.write_bytes(b"\1" + bin.read_bytes()[1:])
    with pytest.raises(ShardError, match="altered"):
        convert(f"{tmp_path}/n", f"{tmp_path}/out", "llmc")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_a_killed_conversion_left_is_gone_after_the_next(tmp_path, monkeypatch):
    folder_of(tmp_path / "n", SHARDS)
    monkeypatch.setattr("pipeline.converting._empty", lambda out: None)  # a kill empties nothing
    monkeypatch.setattr("pipeline.converting.write_converted", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        convert(f"{tmp_path}/n", f"{tmp_path}/out", "mds")
    assert "code/00000-000.mds" in contents(tmp_path / "out")
    (tmp_path / "out/web.aside-1234").write_bytes(b"half")
    with pytest.raises(ShardError, match="no manifest there"):
        stream(tmp_path / "out")
    monkeypatch.undo()
    folder_of(tmp_path / "less", SHARDS[:1])
    convert(f"{tmp_path}/less", f"{tmp_path}/out", "mds")
    assert sorted(contents(tmp_path / "out")) == ["manifest.json", "web/00000-000.mds", "web/index.json"]


def endless(tokens: int, dtype: type) -> Part:
    """A document of so many tokens that takes no memory."""
    lengths, one = np.array([tokens], np.int64), np.zeros(1, np.int64)
    return Part("web", "s", one, pa.array(["x"]), lengths, np.broadcast_to(np.zeros(1, dtype), (tokens,)))


@pytest.mark.parametrize(
    ("format", "tokens", "dtype"),
    [("llmc", 1 << 31, np.uint16), ("mds", 1 << 30, np.int32), ("litdata", 1 << 30, np.int32)],
)
def test_what_a_format_has_no_numbers_for_is_refused_before_it_is_written(tmp_path, format, tokens, dtype):
    with pytest.raises(ShardError, match=r"web/0: .* holds at most [24],\d{3},\d{3},\d{3}"):
        FORMATS[format].write(Destination(str(tmp_path)), "web/0", endless(tokens, dtype), card())
    assert not list(tmp_path.rglob("*"))


def test_an_id_longer_than_a_csv_reader_takes_comes_back(tmp_path):
    folder_of(tmp_path / "n", [("web/0", "web", [("x" * 200_000, 0, [1, 0]), ("y,\n", 1, [0])])])
    convert(f"{tmp_path}/n", f"{tmp_path}/out", "olmo")
    assert len(gzip.decompress((tmp_path / "out/web/0-000.csv.gz").read_bytes())) > 200_000
    assert stream(tmp_path / "out") == stream(tmp_path / "n")


def test_checking_reads_every_format(tmp_path):
    folder_of(tmp_path / "n", SHARDS)
    for format in ALL:
        convert(f"{tmp_path}/n", f"{tmp_path}/{format}", format)
        assert check(f"{tmp_path}/{format}") == check(f"{tmp_path}/n")
        Path(tmp_path / format / "manifest.json").unlink()
        with pytest.raises(ShardError, match="no manifest there"):
            check(f"{tmp_path}/{format}")
