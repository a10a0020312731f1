"""MDS, Mosaic's streaming data sets: a sample is a document with its domain, id, row and tokens.

A folder's `index.json` names its shards, so each domain is a data set of its own to `StreamingDataset` (a `Stream`),
and mixes by their proportions. Source: mosaicml-streaming 0.13, base/format/mds and docs "MDS format":

    uint32 N, uint32 [N + 1] where samples begin and end in the file, the columns as JSON, then samples:
    uint32 sizes of domain, id and tokens; domain; id; int64 row; tokens as ndim and shape and numbers
"""

import json
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from corpus.buffers import utf8
from corpus.errors import ShardError
from corpus.formats.base import Format, Part, Piece, ends, gathered, strings
from corpus.formats.files import Destination, Source
from corpus.manifest import ShardEntry, TokenizerCard

_MOST = (1 << 32) - 1  # bytes of a file, by uint32
_WIDTHS = (1, 2, 4)  # bytes that a shape takes, by its code 0 to 2
_SIZES = struct.Struct("<III")
_AT_ONCE = 4096  # documents encoded before they are written


class Mds(Format):
    """`.mds` of mosaicml-streaming, LLM Foundry and Composer."""

    name = "mds"
    reads = "mosaicml-streaming (LLM Foundry)"

    def write(self, to: Destination, name: str, part: Part, tokenizer: TokenizerCard) -> None:
        """`<name>.mds`; `index` must follow."""
        ids, text = utf8(part.ids)
        sizes = _sizes(len(part.domain.encode()), np.diff(ids), part.lengths, part.tokens.itemsize)
        head = json.dumps(_config(part.tokens.dtype), sort_keys=True).encode()
        bounds = 8 + 4 * len(sizes) + len(head) + np.concatenate(([0], np.cumsum(sizes)))
        if bounds[-1] > _MOST:
            raise ShardError(
                f"{name}: {len(sizes):,} documents take {bounds[-1]:,} bytes, a file of MDS holds at most {_MOST:,}"
            )
        with to.file(f"{name}.mds") as file:
            file.write(np.uint32(len(sizes)).tobytes() + bounds.astype("<u4").tobytes() + head)
            stops = ends(part.lengths)
            for first in range(0, len(sizes), _AT_ONCE):
                some = range(first, min(first + _AT_ONCE, len(sizes)))
                file.write(b"".join(_samples(part, ids, text, stops, some)))

    def read(self, of: Source, name: str, entry: ShardEntry, dtype: np.dtype) -> Part:
        """As in the base."""
        return parsed(of.url(f"{name}.mds"), of.content(f"{name}.mds"), entry, dtype)

    def index(self, to: Destination, folder: str, pieces: Sequence[Piece], dtype: np.dtype) -> None:
        """The folder's `index.json`."""
        lines = [{**_config(dtype), **_line(to, piece)} for piece in pieces]
        content = json.dumps({"shards": lines, "version": 2}, sort_keys=True)
        to.write(f"{folder}index.json", content.encode())


def _line(to: Destination, piece: Piece) -> dict[str, Any]:
    file = f"{piece.name}.mds"
    raw = {"basename": file.rpartition("/")[2], "bytes": to.files[file].bytes, "hashes": {}}
    return {"raw_data": raw, "samples": piece.documents, "zip_data": None}


def _config(dtype: np.dtype) -> dict[str, Any]:
    """What a file says of its columns, which are in the order of their names."""
    return {
        "column_encodings": ["str", "str", "int", f"ndarray:{dtype.name}"],
        "column_names": ["domain", "id", "row", "tokens"],
        "column_sizes": [None, None, 8, None],
        "compression": None,
        "format": "mds",
        "hashes": [],
        "size_limit": None,
        "version": 2,
    }


def _code(lengths: np.ndarray) -> np.ndarray:
    """How an array's length is stored: 0, 1, 2 for uint8, uint16, uint32."""
    return (lengths > 0xFF).astype(np.int64) + (lengths > 0xFFFF)


def _sizes(domain: int, ids: np.ndarray, lengths: np.ndarray, token_bytes: int) -> np.ndarray:
    """Bytes of each sample: int64 [N]."""
    return 12 + domain + ids + 8 + 1 + np.array(_WIDTHS)[_code(lengths)] + lengths * token_bytes


def _samples(part: Part, ids: np.ndarray, text: np.ndarray, stops: np.ndarray, some: range) -> Iterator[bytes]:
    """The samples of some documents. A Python loop: 2 us a document, as long as digesting 2 kB of tokens."""
    domain, codes = part.domain.encode(), _code(part.lengths[some.start : some.stop]).tolist()
    for n, code in zip(some, codes, strict=True):
        start, end = int(stops[n] - part.lengths[n]), int(stops[n])
        id, tokens = text[ids[n] : ids[n + 1]].tobytes(), part.tokens[start:end].tobytes()
        shape = bytes([1 << 2 | code]) + (end - start).to_bytes(_WIDTHS[code], "little")
        sizes = _SIZES.pack(len(domain), len(id), len(shape) + len(tokens))
        yield b"".join((sizes, domain, id, int(part.rows[n]).to_bytes(8, "little", signed=True), shape, tokens))


def parsed(name: str, content: np.ndarray, entry: ShardEntry, dtype: np.dtype) -> Part:
    """The documents of a file. ShardError where it is no such file, or of other columns, domain or dtype."""
    bounds = _bounds(name, content, dtype)
    starts, stops = bounds[:-1], bounds[1:]
    sizes = _at(content, starts, 12).view("<u4").reshape(-1, 3).astype(np.int64)  # of domain, id, tokens
    id, row = starts + 12 + sizes[:, 0], starts + 12 + sizes[:, 0] + sizes[:, 1]
    if np.any(row + 8 + sizes[:, 2] != stops) or np.any(sizes[:, 2] < 2):
        raise ShardError(f"{name}: a document's sizes are not those of its bytes; it was altered")
    domains = strings(name, content, starts + 12, id).unique().to_pylist()
    if domains not in ([], [entry.domain]):
        raise ShardError(f"{name}: documents of domain {domains[0]!r}, the manifest says {entry.domain!r}")
    lengths, tokens = _arrays(name, content, row + 8, stops, dtype)
    rows = _at(content, row, 8).view("<i8").reshape(-1)
    return Part(entry.domain, entry.source, rows, strings(name, content, id, row), lengths, tokens)


def _bounds(name: str, content: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Where samples begin and end: int64 [N + 1], checked against the file, whose columns must be ours."""
    count = int(content[:4].view("<u4")[0]) if len(content) >= 8 else -1
    if count < 0 or 8 + 4 * count > len(content):
        raise ShardError(f"{name}: not MDS: {len(content):,} bytes cannot hold {count:,} documents")
    bounds = content[4 : 8 + 4 * count].view("<u4").astype(np.int64)
    if bounds[0] < 8 + 4 * count or bounds[-1] != len(content) or np.any(np.diff(bounds) < 12):
        raise ShardError(f"{name}: not MDS: its documents do not part its {len(content):,} bytes")
    asked = json.dumps({**_config(dtype), "size_limit": 0}, sort_keys=True)
    found = bytes(content[8 + 4 * count : bounds[0]])
    try:
        said = json.dumps({**json.loads(found), "size_limit": 0}, sort_keys=True)
    except (ValueError, TypeError, RecursionError):
        said = repr(found[:200])
    if said != asked:
        raise ShardError(f"{name}: its columns are {said}, not {asked}")
    return bounds


def _arrays(
    name: str, content: np.ndarray, starts: np.ndarray, stops: np.ndarray, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """Lengths int64 [N] and numbers of one-dimensional arrays."""
    codes = content[starts].astype(np.int64) - (1 << 2)
    if np.any((codes < 0) | (codes > 2)):
        raise ShardError(f"{name}: tokens of a document are no one-dimensional array; it was altered")
    begin = starts + 1 + np.array(_WIDTHS)[codes]
    lengths = (stops - begin) // dtype.itemsize
    if np.any(begin > stops) or np.any(lengths * dtype.itemsize != stops - begin):
        raise ShardError(f"{name}: tokens of a document are no whole number of {dtype}; it was altered")
    for code, width in enumerate(_WIDTHS):
        of = codes == code
        said = _at(content, starts[of] + 1, width).view(f"<u{width}").reshape(-1)
        if not np.array_equal(said, lengths[of]):
            raise ShardError(f"{name}: a document's length is not that of its tokens; it was altered")
    return lengths, gathered(content, begin, stops).view(dtype)


def _at(content: np.ndarray, places: np.ndarray, size: int) -> np.ndarray:
    """`size` bytes at each place: uint8 [N, size]; ShardError cannot occur, for sizes were checked before."""
    return content[places[:, None] + np.arange(size)] if len(places) else np.zeros((0, size), np.uint8)
