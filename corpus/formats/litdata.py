"""litdata's chunks for its `TokensLoader`: uint32 N, uint32 [N + 1] where documents begin and end, the tokens.

A folder's `index.json` names its chunks, so each domain is a data set of its own to `StreamingDataset`, and
`CombinedStreamingDataset` mixes them. It has no place for ids; rows.py's file has them.
Source: litdata 0.2.76, streaming/writer.py (_create_chunk), item_loader.py (TokensLoader), constants.py.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from corpus.errors import ShardError
from corpus.formats.base import Format, Part, Piece, lengths_between
from corpus.formats.files import Destination, Source
from corpus.formats.rows import with_rows, write_rows
from corpus.manifest import ShardEntry, TokenizerCard

_MOST = (1 << 32) - 1  # bytes of a chunk, by uint32
_KINDS = {np.dtype("<u2"): "no_header_tensor:20", np.dtype("<i4"): "no_header_tensor:16"}  # torch.uint16, torch.int32
_LEAF = '[1, {"type": null, "context": null, "children_spec": []}]'  # a sample is one tensor, no tree of them


class LitData(Format):
    """Chunks of litdata, which litgpt and PyTorch Lightning train on."""

    name = "litdata"
    reads = "litdata (TokensLoader), litgpt"

    def write(self, to: Destination, name: str, part: Part, tokenizer: TokenizerCard) -> None:
        """`<name>.bin` and `<name>.rows.parquet`; `index` must follow."""
        width = part.tokens.itemsize
        bounds = 8 + 4 * len(part.lengths) + width * np.concatenate(([0], np.cumsum(part.lengths, dtype=np.int64)))
        if bounds[-1] > _MOST:
            raise ShardError(
                f"{name}: {len(part.lengths):,} documents take {bounds[-1]:,} bytes, a chunk of litdata holds at most "
                f"{_MOST:,}"
            )
        with to.file(f"{name}.bin") as file:
            file.write(np.uint32(len(part.lengths)).tobytes() + bounds.astype("<u4").tobytes())
            file.write(part.tokens)
        write_rows(to, name, part)

    def read(self, of: Source, name: str, entry: ShardEntry, dtype: np.dtype) -> Part:
        """As in the base."""
        tokens, lengths = parsed(of.url(f"{name}.bin"), of.content(f"{name}.bin"), dtype)
        return with_rows(of, name, entry, tokens, lengths)

    def index(self, to: Destination, folder: str, pieces: Sequence[Piece], dtype: np.dtype) -> None:
        """The folder's `index.json`."""
        sizes = [to.files[f"{piece.name}.bin"].bytes for piece in pieces]
        chunks = [_line(piece, size) for piece, size in zip(pieces, sizes, strict=True)]
        config = {
            "chunk_bytes": max(sizes),
            "chunk_size": None,
            "compression": None,
            "data_format": [_KINDS[dtype]],
            "data_spec": _LEAF,
            "encryption": None,
            "item_loader": "TokensLoader",
        }
        to.write(f"{folder}index.json", json.dumps({"chunks": chunks, "config": config}, sort_keys=True).encode())


def _line(piece: Piece, size: int) -> dict[str, Any]:
    file = f"{piece.name}.bin".rpartition("/")[2]
    return {"chunk_bytes": size, "chunk_size": piece.documents, "dim": piece.tokens, "filename": file}


def parsed(name: str, content: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """The tokens of a chunk, and its documents' lengths int64 [N]. ShardError where it contradicts itself."""
    count = int(content[:4].view("<u4")[0]) if len(content) >= 8 else -1
    head = 8 + 4 * count
    if count < 0 or head > len(content) or (len(content) - head) % dtype.itemsize:
        raise ShardError(f"{name}: not a chunk: {len(content):,} bytes cannot hold {count:,} documents of {dtype}")
    bounds = content[4:head].view("<u4").astype(np.int64) - head
    if np.any(bounds % dtype.itemsize):
        raise ShardError(f"{name}: a document begins within a token; it was altered")
    tokens = content[head:].view(dtype)
    return tokens, lengths_between(name, bounds // dtype.itemsize, len(tokens))
