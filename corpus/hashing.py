"""Our own hashes: seeded, the same in every process, on every machine and for ever (golden values hold them).

`mix64` and `combine` are for kernels and compile into them; `hash64` and `digest128` take whole columns;
`stable_hash` takes a handful of settings. The built-in `hash()` differs from process to process.
"""

import hashlib

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.blake2 import LANES, blake2b_128
from corpus.buffers import utf8
from corpus.left_out import left_out

with left_out("scipy.linalg", "cffi"):  # what numba asks for before the first kernel, and once only
    import numba.core.typing.cffi_utils
    import numba.np.arraymath  # noqa: F401

# Stafford's variant 13 of the MurmurHash3 finalizer, as in SplitMix64 (Steele, Lea and Flood 2014).
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, made odd: SplitMix64's increment
_ODD = np.uint64(0xD1342543DE82EF95)  # multiplier of good spectral quality (Steele and Vigna 2021, table 6)
_LONG = 1 << 16  # bytes: longer texts are digested by themselves


@njit(inline="always")
def mix64(x):  # type: ignore[no-untyped-def]
    """uint64 -> uint64, one to one: every bit of the result hangs on every bit of `x`. mix64(0) is 0."""
    x = np.uint64(x)
    x = (x ^ (x >> np.uint64(30))) * _MIX_A
    x = (x ^ (x >> np.uint64(27))) * _MIX_B
    return x ^ (x >> np.uint64(31))


@njit(inline="always")
def combine(h, x):  # type: ignore[no-untyped-def]
    """The hash of a sequence that hashed to `h`, followed by `x`: order counts, and zeros count.

    For a fixed `h` one to one in `x`, and the other way round.
    """
    return mix64(np.uint64(h) * _ODD + np.uint64(x) + _GOLDEN)


@njit(inline="always")
def stirred(h, x):  # type: ignore[no-untyped-def]
    """As `combine` by one product, whose next step need not wait for three: to tell apart what one document holds.

    A hash of 0 and zeros stay 0, so a sequence begins with its length or ends with `combine`.
    """
    h = (h ^ x) * _ODD
    return h ^ (h >> np.uint64(32))


@njit(inline="always")
def eight_bytes(data, b):  # type: ignore[no-untyped-def]
    """The bytes data[b : b + 8] as a uint64, the first lowest on every machine. LLVM makes one load of it."""
    at, word = np.uint64(b), np.uint64(0)
    for i in range(8):
        word |= np.uint64(data[at + np.uint64(i)]) << np.uint64(8 * i)
    return word


@njit(inline="always")
def byte(data, b):  # type: ignore[no-untyped-def]
    """data[b] where `b` is not negative: without a sign numba does not ask whether to count from the end."""
    return data[np.uint64(b)]


def hash64(strings: pa.Array, seed: int) -> np.ndarray:
    """A hash of each string's exact bytes: uint64 [N]; nulls hash as the empty string.

    Not against an adversary, who can make collisions: identity of documents is `digest128`.
    1.6 GB/s a core on documents, 130 million short strings a second: scripts/bench_kernels.py.
    """
    starts, data = utf8(strings)
    return np.asarray(_hash64(starts, data, np.uint64(seed % 2**64)))


@njit(nogil=True, cache=True)
def _hash64(starts, data, seed):  # type: ignore[no-untyped-def]
    hashes = np.empty(len(starts) - 1, np.uint64)
    for n in range(len(hashes)):
        h = combine(seed, np.uint64(starts[n + 1] - starts[n]))  # the length tells "a" from "a\0"
        b = starts[n]
        while b + 8 <= starts[n + 1]:
            h = combine(h, eight_bytes(data, b))
            b += 8
        tail = np.uint64(0)
        while b < starts[n + 1]:
            tail = tail << np.uint64(8) | np.uint64(data[b])
            b += 1
        hashes[n] = combine(h, tail)
    return hashes


def digest128(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """BLAKE2b-128 of each document's exact bytes, as two halves: (uint64 [N], uint64 [N]), both big-endian.

    Collisions cannot be made on purpose. Many texts go side by side (corpus/blake2.py), long ones one by one through
    hashlib, for a lane by itself is slow: 64 kB take it a millisecond.
    """
    starts, data = utf8(text)
    size, halves = np.diff(starts), np.empty((len(starts) - 1, 2), np.uint64)
    long = (size > _LONG) | (len(size) < LANES)
    blake2b_128(starts, data, np.flatnonzero(~long), halves)
    view, as_bytes = data.data, halves.view(np.uint8)
    for n in np.flatnonzero(long).tolist():
        digest = hashlib.blake2b(view[starts[n] : starts[n + 1]], digest_size=16).digest()
        as_bytes[n] = np.frombuffer(digest, np.uint8)
    halves = halves.view(">u8").astype(np.uint64)
    return np.ascontiguousarray(halves[:, 0]), np.ascontiguousarray(halves[:, 1])


def stable_hash(*parts: str | bytes | int, bits: int = 64) -> int:
    """A hash of a few values in order, in [0, 2**bits); "ab", "c" and "a", "bc" differ, and so do 1 and "1".

    bits: a multiple of 8, at most 512; ValueError from hashlib otherwise.
    """
    digest = hashlib.blake2b(digest_size=bits // 8)
    for part in parts:
        kind, body = _tagged(part)
        digest.update(kind + len(body).to_bytes(8, "little") + body)
    return int.from_bytes(digest.digest(), "little")


def _tagged(part: str | bytes | int) -> tuple[bytes, bytes]:
    if isinstance(part, str):
        return b"s", part.encode()
    if isinstance(part, bytes):
        return b"b", part
    return b"i", str(int(part)).encode()
