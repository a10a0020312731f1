"""The table that stages/english_tokens.py asks for exceptions and units, in one array for its kernels.

From KEYS on keys by open addressing; from CUTS on, for the same slots, where an exception is split and where affixes
alone would split it (the upper and the lower half); from SIEVE on a bit for each place that an exception hashes to;
from PAIRS on a bit for each two first bytes of tokens that may have to be joined.
"""

import numpy as np
from numba import njit

from corpus.borrowing import borrowed
from corpus.hashing import eight_bytes, mix64

LONGEST = 32  # bytes of an exception at most: a bit for each place where it is cut
MOST = 12  # tokens that affixes cut an exception into at most
WORD, UNIT = np.uint64(0), np.uint64(1 << 32)  # seeds: exceptions and units share a table
SLOTS = 1 << 12
KEYS, CUTS, SIEVE, PAIRS = 0, SLOTS, 2 * SLOTS, 2 * SLOTS + 1024  # sieve and pairs are 2**16 bits each
SIZE = PAIRS + 1024

_MULTIPLIER = np.uint64(0xD1342543DE82EF95)  # as in corpus/hashing.py
_FNV = np.uint64(0x100000001B3)  # FNV-1a's prime


@njit(nogil=True, cache=True)
def exception(data, a, e, table):  # type: ignore[no-untyped-def]
    """The slot of the exception that data[a:e] is, or -1."""
    data, table = borrowed(data), borrowed(table)
    if a >= e or e - a > LONGEST or not listed(table, SIEVE, sieve_place(data, a, e)):
        return np.int64(-1)
    return slot_of(key_of(data, a, e, WORD), table)


@njit(nogil=True, cache=True)
def slot_of(key, table):  # type: ignore[no-untyped-def]
    """Where a key stands in the table, or -1."""
    table = borrowed(table)
    slot = np.int64(key & np.uint64(SLOTS - 1))
    while table[KEYS + slot]:
        if table[KEYS + slot] == key:
            return slot
        slot = (slot + 1) & (SLOTS - 1)
    return np.int64(-1)


@njit(inline="always")
def listed(table, start, place):  # type: ignore[no-untyped-def]
    """Whether the bit at `place` of the set that starts at `start` is set."""
    return table[start + (place >> 6)] >> np.uint64(place & 63) & np.uint64(1) != 0


@njit(inline="always", cache=True)  # called from Python as well: 0.2 s to compile
def sieve_place(data, a, e):  # type: ignore[no-untyped-def]
    """The bit of data[a:e] in the sieve, by its first eight bytes and its length."""
    size = min(e - a, np.int64(8))
    head = np.uint64(0)
    if a + 8 <= len(data):
        head = eight_bytes(data, a) & (~np.uint64(0) >> np.uint64(64 - 8 * size))
    else:
        for i in range(size):
            head |= np.uint64(data[a + i]) << np.uint64(8 * i)
    return np.int64((head ^ np.uint64(e - a)) * _MULTIPLIER >> np.uint64(48))


@njit(nogil=True, cache=True)
def key_of(data, a, e, seed):  # type: ignore[no-untyped-def]
    """A hash of the bytes, never 0."""
    data = borrowed(data)
    h = np.uint64(e - a) ^ seed
    for b in range(a, e):
        h = (h ^ np.uint64(data[b])) * _FNV
    return mix64(h) | np.uint64(1) << np.uint64(63)


def _bits(lengths: list[int]) -> int:
    """A bit for the last byte of each piece."""
    return sum(1 << (int(end) - 1) for end in np.cumsum(lengths))


def free(key: int, table: np.ndarray) -> int:
    """A slot for a new key, which is written there."""
    slot = int(key) % SLOTS
    while table[KEYS + slot]:
        slot = (slot + 1) % SLOTS
    table[KEYS + slot] = key
    return slot


def _set(table: np.ndarray, start: int, place: int) -> None:
    table[start + (place >> 6)] |= np.uint64(1) << np.uint64(place & 63)


def enter(text: bytes, pieces: list[int], apart: list[int], table: np.ndarray) -> None:
    """Add an exception, of whose tokens without exceptions `apart` gives the bytes."""
    data = np.frombuffer(text, np.uint8)
    slot = free(key_of(data, 0, len(text), WORD), table)
    table[CUTS + slot] = _bits(pieces) << 32
    _set(table, SIEVE, sieve_place(data, 0, len(text)))
    if 1 < len(apart) <= MOST:
        table[CUTS + slot] |= np.uint64(_bits(apart))
        if apart != pieces:
            _set(table, PAIRS, text[0] << 8 | text[apart[0]])
