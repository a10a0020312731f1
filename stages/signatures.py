"""MinHash signatures (Broder 1997) and their bands: two texts agree in a place with a chance of their similarity.

A shingle is hashed once and then permuted by arithmetic, k times; the least value of each permutation is a
place of the signature. `SCHEMES`:

- affine32, affine64: a * x + b modulo 2**32 or 2**64, `a` odd, behind MurmurHash3's finalizer: datasketch 2.0's,
  value for value. affine32 cuts shingles to 32 bits and is the fastest; texts of millions of shingles want affine64.
- datatrove: a * x + b in 64 bits with wrap-around, then modulo 2**61 - 1: datatrove 0.10.1's at 64 bits.
- one_permutation: shingles fall into k bins by one permutation and the least of each bin counts; an empty bin
  takes that of another (optimal densification: Shrivastava 2017). Cost does not grow with k.
"""

from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numba import njit

from corpus.hashing import combine, mix64

Scheme = Literal["affine32", "affine64", "one_permutation", "datatrove"]
SCHEMES: tuple[str, ...] = get_args(Scheme)

MERSENNE = np.uint64(2**61 - 1)
_BLOCK = 2048  # shingles: 8 or 16 kB, so that all permutations find them in the first cache
_LANES = 64  # shingles a turn of LLVM's loop takes: four registers of sixteen
_PROBES = 32  # bins an empty one asks at random; behind those the next one to the right that is not empty


def signatures(first: np.ndarray, values: np.ndarray, scheme: str, k: int, seed: int) -> np.ndarray:
    """The signature of each text: [N, k], uint32 for affine32 and uint64 for the others.

    first: int64 [N + 1], values: uint64, as stages.shingles gives them; repeats change nothing. A text without
    shingles has the largest value in every place, and whoever bands must leave it out.
    1,000 MB/s of English a core at 112 places of affine32: scripts/bench_kernels.py. ValueError for another scheme.
    """
    if scheme == "one_permutation":
        return _one_permutation(first, values, k, np.uint64(seed))
    a, b = permutations(scheme, k, seed)
    if scheme == "datatrove":
        return _mersenne(first, values, a, b)
    return _affine(first, _fmix32(values) if scheme == "affine32" else _fmix64(values), a, b)


@lru_cache(maxsize=8)
def permutations(scheme: str, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Factors and summands of the k permutations, in the type of the signature; as the library named draws them.

    ValueError where the scheme has none. datatrove's own seed is 1.
    """
    draw = np.random.RandomState(seed)
    if scheme == "affine32":
        a = draw.randint(0, 1 << 31, k, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
        return a, draw.randint(0, 1 << 32, k, dtype=np.uint32)
    if scheme == "affine64":
        a = draw.randint(0, 1 << 63, k, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        return a, draw.randint(0, 1 << 64, k, dtype=np.uint64)
    if scheme == "datatrove":
        return draw.randint(1, MERSENNE, k, dtype=np.uint64), draw.randint(0, MERSENNE, k, dtype=np.uint64)
    raise ValueError(f"no permutations are known for {scheme!r}; schemes are: {', '.join(SCHEMES)}")


def bands(signatures: np.ndarray, bands: int) -> tuple[np.ndarray, np.ndarray]:
    """128-bit keys of each band: two uint64 [N, bands]; a band's number is part of its key.

    ValueError where the places do not divide into so many bands.
    """
    if bands < 1 or signatures.shape[1] % bands:
        raise ValueError(f"{signatures.shape[1]:,} places of a signature do not make {bands:,} bands of equal rows")
    return _bands(signatures, bands)


@njit(nogil=True, cache=True)
def _affine(first: np.ndarray, values: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Permutation by permutation over a block, for a minimum over many shingles stays in registers: 5 ns a shingle
    for 112 places with AVX-512, 1.8 times as fast as all permutations of one shingle after another."""
    most = a.dtype.type(-1)
    least, block = np.full((len(first) - 1, len(a)), most, a.dtype), np.empty(_BLOCK, a.dtype)
    for n in range(len(first) - 1):
        for start in range(first[n], first[n + 1], _BLOCK):
            size = _filled(block, values[start : min(start + _BLOCK, first[n + 1])])
            for k in range(len(a)):
                m, by, plus = least[n, k], a[k], b[k]
                for i in range(size):
                    m = min(m, a.dtype.type(by * block[i] + plus))
                least[n, k] = m
    return least


@njit(nogil=True, cache=True)
def _mersenne(first: np.ndarray, values: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """As `_affine`, modulo 2**61 - 1: the high three bits are added, and what is too large by one modulus wraps."""
    least, block = np.full((len(first) - 1, len(a)), np.uint64(2**64 - 1)), np.empty(_BLOCK, np.uint64)
    for n in range(len(first) - 1):
        for start in range(first[n], first[n + 1], _BLOCK):
            size = _filled(block, values[start : min(start + _BLOCK, first[n + 1])])
            for k in range(len(a)):
                m, by, plus = least[n, k], a[k], b[k]
                for i in range(size):
                    x = by * block[i] + plus
                    x = (x & MERSENNE) + (x >> np.uint64(61))
                    m = min(m, min(x, x - MERSENNE))  # below the modulus the difference is a huge number
                least[n, k] = m
    return least


@njit(nogil=True, cache=True)
def _filled(block: np.ndarray, values: np.ndarray) -> int:
    """Copy values and repeat the first up to a multiple of _LANES, so that no slow rest is left; the size."""
    block[: len(values)] = values
    size = (len(values) + _LANES - 1) // _LANES * _LANES
    block[len(values) : size] = values[0]
    return size


@njit(nogil=True, cache=True)
def _fmix32(values: np.ndarray) -> np.ndarray:
    """MurmurHash3's finalizer of the low 32 bits: one to one, and every bit is spread."""
    out = np.empty(len(values), np.uint32)
    for i in range(len(values)):
        h = np.uint32(values[i])
        h = np.uint32(h ^ (h >> np.uint32(16)))
        h = np.uint32(h * np.uint32(0x85EBCA6B))
        h = np.uint32(h ^ (h >> np.uint32(13)))
        h = np.uint32(h * np.uint32(0xC2B2AE35))
        out[i] = np.uint32(h ^ (h >> np.uint32(16)))
    return out


@njit(nogil=True, cache=True)
def _fmix64(values: np.ndarray) -> np.ndarray:
    """The same for 64 bits."""
    out = np.empty(len(values), np.uint64)
    for i in range(len(values)):
        h = values[i]
        h = (h ^ (h >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
        h = (h ^ (h >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
        out[i] = h ^ (h >> np.uint64(33))
    return out


@njit(nogil=True, cache=True)
def _one_permutation(first: np.ndarray, values: np.ndarray, k: int, seed: np.uint64) -> np.ndarray:
    """One bin in k holds the least of its own; the empty ones are filled when all shingles are in."""
    empty = np.uint64(2**64 - 1)
    least = np.full((len(first) - 1, k), empty)
    salt = combine(seed, np.uint64(k))
    for n in range(len(first) - 1):
        row = least[n]
        for i in range(first[n], first[n + 1]):
            h = mix64(values[i] ^ salt)
            place = _bin(h, k)
            row[place] = min(row[place], h)
        if first[n + 1] > first[n]:
            _densified(row, empty, salt)
    return least


@njit(inline="always")
def _bin(h, k):  # type: ignore[no-untyped-def]
    """The high 32 bits spread over k bins."""
    return np.int64(((h >> np.uint64(32)) * np.uint64(k)) >> np.uint64(32))


@njit(nogil=True, cache=True)
def _densified(row: np.ndarray, empty: np.uint64, salt: np.uint64) -> None:
    """Fill each empty bin from bins it asks in an order of its own, the same for every text.

    Two texts agree in a bin with a chance of their similarity whatever that order is. At random the variance is
    least; the walk to the right behind _PROBES bounds the time of a text of few shingles, which has few bins to find.
    """
    held, k = row.copy(), len(row)
    right = np.empty(k, np.int64)  # the next bin that is not empty, round the end
    at = -1
    for turn in range(2 * k - 1, -1, -1):
        at = turn % k if held[turn % k] != empty else at
        right[turn % k] = at
    for place in range(k):
        asked, probe = place, 0
        while held[asked] == empty and probe < _PROBES:
            probe += 1
            asked = _bin(combine(salt ^ np.uint64(place), np.uint64(probe)), k)
        row[place] = held[right[asked]]


@njit(nogil=True, cache=True)
def _bands(signatures: np.ndarray, bands: int) -> tuple[np.ndarray, np.ndarray]:
    rows = signatures.shape[1] // bands
    key = np.empty((len(signatures), bands), np.uint64)
    key2 = np.empty((len(signatures), bands), np.uint64)
    for n in range(len(signatures)):
        for band in range(bands):
            h, g = np.uint64(2 * band), np.uint64(2 * band + 1)
            for r in range(band * rows, (band + 1) * rows):
                h, g = combine(h, np.uint64(signatures[n, r])), combine(g, np.uint64(signatures[n, r]))
            key[n, band], key2[n, band] = h, g
    return key, key2
