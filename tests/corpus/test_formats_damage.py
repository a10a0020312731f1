"""Damage to converted tokens is named, whichever file and byte it hits; bytes that are none of ours never crash."""

import json
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import ShardError
from corpus.formats import ds, litdata, llmc, mds, olmo
from corpus.formats.converted import converted, read_converted, write_converted
from corpus.formats.files import Destination, Source, digest
from corpus.manifest import read_manifest
from pipeline.converting import Tokens, check, convert
from tests.corpus.token_folders import ALL, TOKENIZER, contents, folder_of, stream

U2, I4 = np.dtype("<u2"), np.dtype("<i4")
SHARDS = [
    ("code/0", "Code", [("d0", 1, [8, 9, 0])]),
    ("web/0", "web", [("d1", 0, [5, 6, 7, 0]), ("d2", 2, [0]), ("d3", 3, [999, 0])]),
]


@pytest.fixture(params=ALL)
def folder(request, tmp_path):
    folder_of(tmp_path / "n", SHARDS)
    (tmp_path / "n/tokenizer.json").write_bytes(TOKENIZER)
    convert(f"{tmp_path}/n", f"{tmp_path}/out", request.param)
    return tmp_path / "out"


def test_one_flipped_bit_in_any_file_is_found_and_the_file_named(folder):
    for name, content in contents(folder).items():
        for at in range(0, len(content), max(1, len(content) // 40)):
            flipped = content[at] ^ (1 << at % 8)
            (folder / name).write_bytes(content[:at] + bytes([flipped]) + content[at + 1 :])
            with pytest.raises(ShardError, match=re.escape(name)):
                check(str(folder))
        (folder / name).write_bytes(content)
    assert check(str(folder)).tokens == 10


def test_cut_short_longer_or_missing_is_named(folder):
    for name, content in contents(folder).items():
        for other in (content[:-2], b"", content + b"x"):
            (folder / name).write_bytes(other)
            with pytest.raises(ShardError, match=re.escape(name)):
                check(str(folder))
        (folder / name).unlink()
        with pytest.raises(ShardError, match=rf"{re.escape(name)}: .*there"):
            check(str(folder))
        (folder / name).write_bytes(content)


def test_tokens_that_are_whole_but_not_these_are_found(folder, tmp_path):
    """Files and seal of one conversion under the manifest of another: only the checksum of the tokens can tell."""
    layout = Tokens.at(str(folder)).format
    other = [(path, domain, [(id, row, [t % 5 for t in tokens]) for id, row, tokens in documents])
             for path, domain, documents in SHARDS]  # fmt: skip
    folder_of(tmp_path / "m", other)
    convert(f"{tmp_path}/m", f"{tmp_path}/other", layout)
    theirs = read_converted(f"{tmp_path}/other/manifest.json")
    mixed = converted(layout, read_manifest(f"{tmp_path}/n/manifest.json"), theirs.parts, dict(theirs.files))
    write_converted(f"{tmp_path}/other/manifest.json", mixed)
    with pytest.raises(ShardError, match=r"code/0: 1 documents with ids to 4 .* when they were made .* ids to 9"):
        stream(tmp_path / "other")


def resealed(folder, change) -> None:
    """The manifest after a change that somebody sealed anew."""
    plain = json.loads((folder / "manifest.json").read_text())
    plain.pop("seal")
    change(plain)
    plain["seal"] = digest(json.dumps(plain, sort_keys=True).encode())
    (folder / "manifest.json").write_text(json.dumps(plain))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update(layout="tar"), "'tar'; this version reads llmc, ds"),
        (lambda m: m.update(format="winnow-converted/2"), "format"),
        (lambda m: m["parts"].pop("web/0"), "does not name each shard"),
        (lambda m: m["parts"].update({"web/0": 0}), "parts"),
        (lambda m: m["parts"].update({"web/0": 2}), "names no such file"),
        (lambda m: m["files"].update({"../x": m["files"]["tokenizer.json"]}), "files"),
        (lambda m: m["manifest"].update(tokens=11), "not the sums"),
        (lambda m: m.update(surprise=1), "surprise"),
    ],
)
def test_a_manifest_that_says_what_cannot_be_is_refused(tmp_path, change, said):
    folder_of(tmp_path / "n", SHARDS)
    (tmp_path / "n/tokenizer.json").write_bytes(TOKENIZER)
    convert(f"{tmp_path}/n", f"{tmp_path}/out", "ds")
    resealed(tmp_path / "out", lambda plain: None)
    assert check(str(tmp_path / "out")).tokens == 10
    resealed(tmp_path / "out", change)
    with pytest.raises(ShardError, match=said):
        check(str(tmp_path / "out"))


@pytest.mark.parametrize("content", [b"", b"{half", b"[]", b'{"format": "winnow-converted/1"}', b"\xff", b"[" * 10**5])
def test_a_manifest_that_is_none_is_an_error(tmp_path, content):
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ShardError, match="not a manifest"):
        check(f"{tmp_path}/manifest.json")


# Bytes that are none of ours: readers before checksums help


def refused_or_read(read) -> None:
    said = "x: nothing was refused"
    try:
        read()
    except ShardError as error:
        said = str(error)
    assert "x: " in said  # it names the file


def files_of(format: str, folder) -> tuple[dict[str, bytes], object]:
    folder_of(folder / "n", SHARDS)
    convert(f"{folder}/n", f"{folder}/out", format)
    entry = read_manifest(f"{folder}/n/manifest.json").shards[1]
    return contents(folder / "out"), entry


@settings(max_examples=150)
@given(data=st.data())
def test_files_of_any_bytes_are_errors_and_never_crashes(tmp_path_factory, data):
    format, suffix = data.draw(
        st.sampled_from(
            [
                ("llmc", ".bin"),
                ("ds", ".ds.index"),
                ("mds", ".mds"),
                ("litdata", ".bin"),
                ("olmo", ".csv.gz"),
                ("parquet", ".parquet"),
            ]
        )
    )
    files, entry = files_of(format, tmp_path_factory.mktemp("t"))
    good = files[f"web/0-000{suffix}"]
    head = data.draw(st.integers(0, len(good)))
    bad = good[:head] + data.draw(st.binary(max_size=40)) + data.draw(st.sampled_from([b"", good[head + 1 :]]))
    content = np.frombuffer(bad, np.uint8)
    reads = {
        "llmc": lambda: llmc.parsed("x", content, U2),
        "ds": lambda: ds.parsed("x", content, 7),
        "mds": lambda: mds.parsed("x", content, entry, U2),
        "litdata": lambda: litdata.parsed("x", content, U2),
        "olmo": lambda: olmo.parsed("x", content),
        "parquet": lambda: table_of(bad),
    }
    refused_or_read(reads[format])


def table_of(content: bytes) -> None:
    to = Destination("memory://formats-damage")
    to.write("x", content)
    Source(to.folder, to.files).table("x", pa.schema([("domain", pa.string())]))


@settings(max_examples=150)
@given(data=st.data())
def test_mds_whose_columns_stand_but_whose_samples_are_any_bytes(tmp_path_factory, data):
    files, entry = files_of("mds", tmp_path_factory.mktemp("t"))
    good = files["web/0-000.mds"]
    first = int.from_bytes(good[4:8], "little")
    body = bytearray(good[first:])
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    content = np.frombuffer(good[:first] + bytes(body), np.uint8)
    refused_or_read(lambda: mds.parsed("x", content, entry, U2))


def test_other_dtypes_and_columns_are_named(tmp_path):
    files, entry = files_of("mds", tmp_path)
    content = {name: np.frombuffer(value, np.uint8) for name, value in files.items()}
    with pytest.raises(ShardError, match=r"ndarray:uint16.*not.*ndarray:int32"):
        mds.parsed("x", content["web/0-000.mds"], entry, I4)
    with pytest.raises(ShardError, match="of domain 'Code', the manifest says 'web'"):
        mds.parsed("x", content["code/0-000.mds"], entry, U2)
    header = np.frombuffer(llmc.header(2, U2) + bytes(4), np.uint8)
    assert llmc.parsed("x", header, U2).tolist() == [0, 0]
    with pytest.raises(ShardError, match=r"1 tokens of int32 for llm.c: it begins with 88d83401"):
        llmc.parsed("x", header, I4)
    with pytest.raises(ShardError, match="no whole number"):
        llmc.parsed("x", header[:-1], U2)
