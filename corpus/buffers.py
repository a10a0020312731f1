"""The one file that knows how Arrow lays out strings. Everything here is a view; nothing is copied.

A `large_string` array is two buffers: int64 offsets and the UTF-8 bytes they cut. Kernels take both as
numpy arrays. Offsets of a slice do not begin at 0, and the bytes may hold text of other documents.
"""

import numpy as np
import pyarrow as pa

from corpus.left_out import left_out

with left_out("pandas"):
    pa.array([])  # the first list, at which pyarrow looks for pandas once and for all


def utf8(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and bytes of a string column: (int64 [N + 1], uint8 [B]); no copy for `large_string`.

    Nulls read as empty only where their offsets are equal, which Arrow's builders guarantee; an array
    with nulls is filled first, so the guarantee is ours. A `string` array is widened (offsets copied).
    Both are read-only whatever they lie in, for numba compiles a kernel once more for writable arrays (2 s).
    """
    if text.null_count:
        text = text.fill_null("")
    if not pa.types.is_large_string(text.type):
        text = text.cast(pa.large_string())
    _, offsets, data = text.buffers()
    if len(text) == 0 or offsets is None:
        return _read_only(np.zeros(1, np.int64)), _read_only(np.zeros(0, np.uint8))
    starts = np.frombuffer(memoryview(offsets), np.int64)[text.offset : text.offset + len(text) + 1]
    return _read_only(starts), _read_only(np.frombuffer(memoryview(data or b""), np.uint8))


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def bounds(counts: np.ndarray) -> np.ndarray:
    """Where each of so many things begins, and where the last ends: int64 [N + 1]. `np.r_` takes ten times as long."""
    out = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=out[1:])
    return out


def lengths(text: pa.Array) -> np.ndarray:
    """Bytes per document: int64 [N]; nulls count 0."""
    starts, _ = utf8(text)
    return np.diff(starts)


def total_bytes(text: pa.Array | pa.ChunkedArray) -> int:
    """Bytes of all texts of a column together."""
    chunks = text.chunks if isinstance(text, pa.ChunkedArray) else [text]
    return int(sum(int(s[-1] - s[0]) for s, _ in map(utf8, chunks)))
