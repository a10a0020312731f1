"""Lists of domains, addresses and words: read from UT1's layout, kept as sorted hashes beside their bytes.

A list of 4.6 million domains is a Python set of 500 MB in each worker; here it is 40 bytes an entry. A lookup
finds the hash through its leading bits and then compares the bytes, so no entry is hit by chance.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.buffers import utf8
from corpus.errors import RecipeError
from corpus.hashing import mix64
from corpus.storage import exists, glob, join, names

_PRIME = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no byte of a string is ever lost from its hash


class Listed(NamedTuple):
    """Strings in the order of their hashes, each once."""

    hashes: np.ndarray  # uint64 [K], ascending
    shift: int  # the leading 64 - shift bits of a hash say where to look
    buckets: np.ndarray  # int64 [2 ** (64 - shift) + 1]: hashes of bucket i are [buckets[i] : buckets[i + 1]]
    offsets: np.ndarray  # int64 [K + 1]
    data: np.ndarray  # uint8 [B], the strings

    def entry(self, place: int) -> str:
        """The string at a place that a lookup gave."""
        return bytes(self.data[self.offsets[place] : self.offsets[place + 1]]).decode()


def listed(strings: Iterable[str]) -> Listed:
    """The strings, ready for lookups, without empty and repeated ones. 1 million domains are read and listed in 3 s."""
    unique = pa.array(sorted(set(strings) - {""}), pa.large_string())
    offsets, data = utf8(unique)
    hashes = _hashes(offsets, data)
    order = np.argsort(hashes, kind="stable")
    ordered = unique.take(pa.array(order))
    bits = max(1, len(order).bit_length())
    edges = np.arange(1 << bits, dtype=np.uint64) << np.uint64(64 - bits)
    buckets = np.r_[np.searchsorted(hashes[order], edges), len(order)].astype(np.int64)
    return Listed(hashes[order], 64 - bits, buckets, *utf8(ordered))


@njit(nogil=True, cache=True)
def _hashes(offsets, data):  # type: ignore[no-untyped-def]
    out = np.empty(len(offsets) - 1, np.uint64)
    for n in range(len(out)):
        h = np.uint64(0)
        for b in range(offsets[n + 1] - 1, offsets[n] - 1, -1):
            h = step(h, data[b])
        out[n] = mix64(h)
    return out


@njit(inline="always")
def step(h, byte):  # type: ignore[no-untyped-def]
    """The running hash of a string read from its end; `mix64` of it is the string's."""
    return (h + np.uint64(byte) + np.uint64(1)) * _PRIME


@njit(nogil=True, cache=True)
def place(data, start, end, h, listed):  # type: ignore[no-untyped-def]
    """Where data[start:end], of running hash `h`, stands in the list; -1 where it does not."""
    hashes, shift, buckets, offsets, held = listed
    mixed = mix64(h)
    bucket = np.int64(mixed >> np.uint64(shift))
    for i in range(buckets[bucket], buckets[bucket + 1]):
        if hashes[i] == mixed and offsets[i + 1] - offsets[i] == end - start:
            same = True
            for k in range(end - start):
                same &= held[offsets[i] + k] == data[start + k]
            if same:
                return i
    return np.int64(-1)


def category_files(folder: str, categories: Iterable[str], kind: str) -> tuple[str, ...]:
    """Files `folder/category/kind`, plain or .gz, of those categories that have one.

    kind: "domains" or "urls". Raises RecipeError where a category has neither; it names those there are.
    """
    found = []
    for category in categories:
        held = names(join(folder, category)) if "/" not in category and category not in ("", ".", "..") else set()
        if not held & {"domains", "domains.gz", "urls", "urls.gz"}:
            raise RecipeError(f"{folder}: no category {category!r} with a list of domains or urls; {_there(folder)}")
        found += [join(folder, category, name) for name in (kind, f"{kind}.gz") if name in held]
    return tuple(found)


def _there(folder: str) -> str:
    if not exists(folder):
        return "there is no such folder. UT1's lists: https://dsi.ut-capitole.fr/blacklists/"
    there = sorted({found.url.split("/")[-2] for found in glob(join(folder, "*", "*"))})
    return f"there are: {', '.join(there) or 'none'}"
