"""Two documents in every format, byte by byte as worked out by hand from the formats' definitions.

`a`: tokens 1 2 0, row 0; `b,`: token 0, row 2; both of domain `web`, of two bytes a token unless said otherwise.
"""

import csv
import gzip
import io
import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpus.formats.converted import read_converted
from corpus.formats.ds import metadata
from pipeline.converting import convert
from tests.corpus.token_folders import contents, folder_of

SHARDS = [("web/0", "web", [("a", 0, [1, 2, 0]), ("b,", 2, [0])])]
TOKENS = "0100020000000000"
WIDE = "01000000020000000000000000000000"


@pytest.fixture
def files(tmp_path):
    def made(format: str, vocab: int = 1000) -> dict[str, bytes]:
        folder_of(tmp_path / f"n{vocab}", SHARDS, vocab)
        convert(f"{tmp_path}/n{vocab}", f"{tmp_path}/{format}{vocab}", format)
        return contents(tmp_path / f"{format}{vocab}")

    return made


def test_llmc(files):
    # 20240520 = 0x134D888, 20240801 = 0x134D9A1; version, tokens, then zeros to the 256th int32
    found = files("llmc")["web/0-000.bin"]
    assert found[:12].hex() == "88d834010100000004000000"
    assert found[12:1024] == bytes(1012)
    assert found[1024:].hex() == TOKENS
    found = files("llmc", 70_000)["web/0-000.bin"]
    assert found[:12].hex() == "a1d934010700000004000000"
    assert found[1024:].hex() == WIDE


def test_ds(files):
    found = files("ds")
    assert found["web/0-000.ds"].hex() == TOKENS
    assert found["web/0-000.ds.index"].hex() == "03000000000000000400000000000000"
    assert found["web/0-000.ds.metadata"] == b"tokenizer.json|2\n4\n4.00 T"
    found = files("ds", 70_000)
    assert found["web/0-000.ds"].hex() == WIDE
    assert found["web/0-000.ds.metadata"] == b"tokenizer.json|4\n4\n4.00 T"


@pytest.mark.parametrize(
    ("tokens", "said"),
    [(0, "0.00 T"), (9, "9.00 T"), (12, "12.0 T"), (999, "999 T"), (1000, "1.00 kT"), (1234, "1.23 kT"),
     (45_678_901, "45.7 MT"), (10**9, "1.00 GT"), (15 * 10**12, "15.0 TT")],
)  # fmt: skip
def test_the_third_line_of_ds_metadata_has_three_digits(tokens, said):
    assert metadata("t", tokens, 2).split("\n") == ["t|2", str(tokens), said]


def test_mds(files):
    found = files("mds")
    head = (
        b'{"column_encodings": ["str", "str", "int", "ndarray:uint16"], '
        b'"column_names": ["domain", "id", "row", "tokens"], '
        b'"column_sizes": [null, null, 8, null], "compression": null, "format": "mds", "hashes": [], '
        b'"size_limit": null, "version": 2}'
    )
    # sizes of domain, id, tokens; domain; id; row; one axis (4) whose length has one byte (0); length; tokens
    a = bytes.fromhex("030000000100000008000000") + b"web" + b"a" + bytes(8) + b"\x04\x03" + bytes.fromhex(TOKENS[:12])
    b = bytes.fromhex("030000000200000004000000") + b"web" + b"b," + b"\2" + bytes(7) + b"\x04\x01" + bytes(2)
    first = 4 + 3 * 4 + len(head)
    bounds = b"".join(n.to_bytes(4, "little") for n in (2, first, first + 32, first + 32 + 29))
    assert found["web/0-000.mds"] == bounds + head + a + b
    index = json.loads(found["web/index.json"])
    assert index["version"] == 2
    assert [(s["samples"], s["raw_data"]) for s in index["shards"]] == [
        (2, {"basename": "0-000.mds", "bytes": first + 61, "hashes": {}})
    ]
    assert json.loads(head).items() <= index["shards"][0].items()


def test_lengths_of_mds_take_as_few_bytes_as_they_fit(tmp_path):
    documents = [(str(n), n, [7] * n) for n in (0, 255, 256, 65_535, 65_536)]
    folder_of(tmp_path / "n", [("web/0", "web", documents)])
    convert(f"{tmp_path}/n", f"{tmp_path}/out", "mds")
    content = contents(tmp_path / "out")["web/0-000.mds"]
    bounds = np.frombuffer(content[4:28], "<u4")
    for n, (start, stop) in zip((0, 255, 256, 65_535, 65_536), pairwise(bounds), strict=True):
        tokens = int.from_bytes(content[start + 8 : start + 12], "little")
        array = content[stop - tokens : stop]
        code = 0 if n < 256 else 1 if n < 65_536 else 2
        assert array[0] == 4 + code
        assert int.from_bytes(array[1 : 1 + (1 << code)], "little") == n
        assert len(array) == 1 + (1 << code) + 2 * n


def test_litdata(files):
    found = files("litdata")
    # 2 documents; they begin at 4 + 3 * 4 = 16 and 22, and end at 24
    assert found["web/0-000.bin"].hex() == "02000000100000001600000018000000" + TOKENS
    index = json.loads(found["web/index.json"])
    assert index["chunks"] == [{"chunk_bytes": 24, "chunk_size": 2, "dim": 4, "filename": "0-000.bin"}]
    assert index["config"]["data_format"] == ["no_header_tensor:20"]
    assert index["config"]["item_loader"] == "TokensLoader"
    found = files("litdata", 70_000)
    assert found["web/0-000.bin"].hex() == "02000000100000001c00000020000000" + WIDE
    assert json.loads(found["web/index.json"])["config"]["data_format"] == ["no_header_tensor:16"]


def test_olmo(files):
    found = files("olmo")
    assert found["web/0-000.npy"].hex() == TOKENS
    text = gzip.decompress(found["web/0-000.csv.gz"])
    assert text == b'0,3,a,corpus/web/0.parquet,0\r\n3,4,"b,",corpus/web/0.parquet,2\r\n'
    assert found["web/0-000.csv.gz"][4:8] == bytes(4)  # no time
    rows = list(csv.reader(io.StringIO(text.decode(), newline="")))
    assert rows == [["0", "3", "a", "corpus/web/0.parquet", "0"], ["3", "4", "b,", "corpus/web/0.parquet", "2"]]
    assert files("olmo", 70_000)["web/0-000.npy"].hex() == WIDE


def test_parquet(files):
    found = pq.read_table(io.BytesIO(files("parquet")["web/0-000.parquet"]))
    assert found.to_pydict() == {
        "domain": ["web", "web"],
        "id": ["a", "b,"],
        "row": [0, 2],
        "tokens": [[1, 2, 0], [0]],
    }
    assert found.schema.field("tokens").type == pa.list_(pa.uint16())
    wide = pq.read_schema(io.BytesIO(files("parquet", 70_000)["web/0-000.parquet"]))
    assert wide.field("tokens").type == pa.list_(pa.int32())


@pytest.mark.parametrize("format", ["llmc", "ds", "litdata"])
def test_what_has_no_place_for_ids_has_them_beside(files, format):
    rows = pq.read_table(io.BytesIO(files(format)["web/0-000.rows.parquet"])).to_pydict()
    assert rows == {"row": [0, 2], "id": ["a", "b,"], "tokens": [3, 1]}


def test_the_documented_manifest_is_a_sealed_one(tmp_path):
    page = (Path(__file__).parents[2] / "docs/reference/tokens.md").read_text(encoding="utf-8")
    example = next(e for e in re.findall(r"```json\n(.*?)```", page, re.DOTALL) if "winnow-converted" in e)
    (tmp_path / "manifest.json").write_text(example)
    assert read_converted(f"{tmp_path}/manifest.json").layout == "litdata"
