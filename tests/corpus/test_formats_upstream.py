"""Conformance: what others wrote we read, what we wrote others read, by their own readers and writers.

Each needs its package and is skipped without it; test_formats_golden.py holds the same formats byte by byte.
"""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.formats import ds, litdata, mds
from corpus.manifest import read_manifest
from pipeline.converting import convert
from tests.corpus.token_folders import contents, folder_of

WEB = [("d0", 0, [5, 6, 7, 0]), ("d,1", 2, [0]), ("d2", 3, [*range(1, 300), 0])]
SHARDS = [("code/0", "Code", [("d3", 1, [8, 9, 0])]), ("web/0", "web", WEB), ("web/1", "web", [("d4", 9, [3, 0])])]
STREAM = [i for _, _, tokens in WEB for i in tokens]
VOCABS = pytest.mark.parametrize(("vocab", "dtype"), [(1000, np.dtype("<u2")), (70_000, np.dtype("<i4"))])


@pytest.fixture
def made(tmp_path):
    def made(format: str, vocab: int) -> Path:
        folder_of(tmp_path / "n", SHARDS, vocab)
        convert(f"{tmp_path}/n", f"{tmp_path}/{format}", format)
        return tmp_path / format

    return made


@VOCABS
def test_datatrove_reads_ds(made, vocab, dtype):
    dataset = pytest.importorskip("datatrove.utils.dataset")
    pytest.importorskip("torch")
    file = made("ds", vocab) / "web/0-000.ds"
    read = dataset.DatatroveFileDataset(str(file), seq_len=9, token_size=dtype.itemsize, return_positions=True)
    windows = [read[n] for n in range(len(read))]
    assert [i for w in windows for i in w["input_ids"].tolist()] == STREAM[: 10 * len(read)]
    assert windows[0]["positions"].tolist() == [0, 1, 2, 3, 0, 0, 1, 2, 3, 4]  # documents of 4, 1 and 300


@VOCABS
def test_datatrove_writes_the_same_ds(made, tmp_path, vocab, dtype):
    tokens = pytest.importorskip("datatrove.pipeline.tokens.tokenizer")
    theirs = tokens.TokenizedFile(
        str(tmp_path), "theirs.ds", tokenizer_name_or_path="tokenizer.json", save_final_metadata=True,
        token_size=dtype.itemsize,
    )  # fmt: skip
    for _, _, document in WEB:
        theirs.write(document, None)
    theirs.close()
    ours = contents(made("ds", vocab))
    for suffix in ("", ".index", ".metadata"):
        assert (tmp_path / f"theirs.ds{suffix}").read_bytes() == ours[f"web/0-000.ds{suffix}"]


@given(st.integers(0, 10**15) | st.sampled_from([9_994, 9_995, 9_996, 999_499, 999_500, 1225, 1235]))
def test_humanize_says_the_number_of_tokens_so(tokens):
    humanize = pytest.importorskip("humanize")
    assert ds.metadata("t", tokens, 2).split("\n")[2] == humanize.metric(tokens, unit="T")


@VOCABS
def test_mosaicml_streaming_reads_mds(made, vocab, dtype):
    streaming = pytest.importorskip("streaming")
    folder = made("mds", vocab) / "web"
    read = streaming.StreamingDataset(local=str(folder), batch_size=1, shuffle=False)
    samples = [read[n] for n in range(len(read))]
    assert [(s["domain"], s["id"], s["row"], s["tokens"].tolist()) for s in samples] == [
        ("web", *document) for document in [*WEB, ("d4", 9, [3, 0])]
    ]
    assert samples[0]["tokens"].dtype == dtype


@VOCABS
def test_mosaicml_streaming_writes_the_same_mds(made, tmp_path, vocab, dtype):
    streaming = pytest.importorskip("streaming")
    columns = {"domain": "str", "id": "str", "row": "int", "tokens": f"ndarray:{dtype.name}"}
    with streaming.MDSWriter(columns=columns, out=str(tmp_path / "theirs"), size_limit=None) as writer:
        for id, row, tokens in WEB:
            writer.write({"domain": "web", "id": id, "row": row, "tokens": np.array(tokens, dtype)})
    theirs = (tmp_path / "theirs/shard.00000.mds").read_bytes()
    assert theirs == contents(made("mds", vocab))["web/0-000.mds"]
    entry = read_manifest(f"{tmp_path}/n/manifest.json").shards[1]
    assert mds.parsed("theirs", np.frombuffer(theirs, np.uint8), entry, dtype).tokens.tolist() == STREAM


@VOCABS
def test_litdata_reads_its_chunks(made, vocab, dtype):
    upstream = pytest.importorskip("litdata")
    loader = upstream.streaming.item_loader.TokensLoader(block_size=10)
    read = upstream.StreamingDataset(str(made("litdata", vocab) / "web"), item_loader=loader)
    blocks = [read[n] for n in range(len(read))]
    assert [i for block in blocks for i in block.tolist()] == STREAM[: 10 * (len(STREAM) // 10)]
    assert str(blocks[0].dtype) == f"torch.{dtype.name}"


@VOCABS
def test_litdata_writes_the_same_chunks(made, tmp_path, vocab, dtype):
    pytest.importorskip("litdata")
    torch = pytest.importorskip("torch")
    from litdata.streaming.item_loader import TokensLoader
    from litdata.streaming.writer import BinaryWriter

    writer = BinaryWriter(str(tmp_path / "theirs"), chunk_bytes="1MB", item_loader=TokensLoader())
    for n, (_, _, tokens) in enumerate(WEB):
        writer[n] = torch.from_numpy(np.array(tokens, dtype))
    writer.done()
    theirs = (tmp_path / "theirs/chunk-0-0.bin").read_bytes()
    assert theirs == contents(made("litdata", vocab))["web/0-000.bin"]
    tokens, lengths = litdata.parsed("theirs", np.frombuffer(theirs, np.uint8), dtype)
    assert (tokens.tolist(), lengths.tolist()) == (STREAM, [len(t) for _, _, t in WEB])


@pytest.mark.filterwarnings("ignore")
@VOCABS
def test_megatron_reads_what_came_back(made, tmp_path, vocab, dtype):
    pytest.importorskip("megatron.core")
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    made("litdata", vocab)
    convert(f"{tmp_path}/litdata", f"{tmp_path}/back", "megatron")
    read = IndexedDataset(f"{tmp_path}/back/web/0")
    assert [read[n].tolist() for n in range(len(read))] == [tokens for _, _, tokens in WEB]
    assert read[0].dtype == dtype
    assert read.document_indices.tolist() == [0, 1, 2, 3]
