"""The most frequent run of 2 to 4 tokens: how often each two stand is counted first, without their names.

Counters are shared by pairs that fall together, so that a count is never too low, and by name are counted those runs
alone whose pairs all stand often enough.
"""

import numpy as np
from numba import njit

from corpus.hashing import mix64

_ONE = np.uint64(1)
_MIX = np.uint64(0xD1342543DE82EF95)  # as in corpus/hashing.py


@njit(nogil=True, cache=True)
def table_size(count):  # type: ignore[no-untyped-def]
    """Slots of a table for so many keys: a power of two, at least twice as many."""
    size = 64
    while size < 2 * count:
        size *= 2
    return size


@njit(inline="always")
def _place(h, size):  # type: ignore[no-untyped-def]
    """A slot of a table of `size`, a power of two, for a sum of products of hashes."""
    return np.int64((h * _MIX) >> np.uint64(32)) & (size - 1)


@njit(nogil=True, cache=True)
def pairs_of(hashes, pairs, slots, counts, often):  # type: ignore[no-untyped-def]
    """Write a hash of each two tokens and how often they stand at most; how often the one of most does, at least."""
    table, most, leader = table_size(len(pairs)) // 2, np.int32(0), np.uint64(0)
    counts[:table] = 0
    for t in range(len(pairs)):
        pair = hashes[t] * _MIX + hashes[t + 1]
        slot = _place(pair, table)
        pairs[t], slots[t] = pair, slot
        counts[slot] += 1
        if counts[slot] > most:
            most, leader = counts[slot], pair
    if most < 2:
        return np.int64(1)
    least = np.int64(0)
    for t in range(len(pairs)):
        often[t] = counts[slots[t]]
        least += pairs[t] == leader
    return max(np.int64(2), least)


@njit(nogil=True, cache=True)
def top(pairs, hashes, often, size, least, listed, grams, slots, keys, counts):  # type: ignore[no-untyped-def]
    """The first place of the most frequent n-gram, the first of equally frequent ones, and how often it stands.

    An n-gram stands no more often than any two tokens in it, so if one is found to stand `least` times, none of those
    with a pair that stands less is the most frequent. If none is, what was found says how far to go down.
    """
    last = np.uint64(len(hashes) - size)
    if size > 2:
        for t in range(last + _ONE):
            often[t] = min(often[t], often[t + _ONE])  # of the pairs in it: `size` goes up in steps of one
    while True:
        few = np.int64(0)
        for t in range(last + _ONE):
            listed[few] = t
            few += often[t] >= least
        for k in range(few):
            t = listed[k]
            gram = pairs[t]
            for i in range(2, size):
                gram = gram * _MIX + hashes[t + i]
            grams[k] = gram
        t, found = _most_frequent(grams, listed[:few], slots, keys, counts)
        if found >= least or least == 2:
            return t, found
        least = max(np.int64(2), found)


@njit(nogil=True, cache=True)
def _most_frequent(grams, listed, slots, keys, counts):  # type: ignore[no-untyped-def]
    """Among the n-grams at these places, counted by name: the first place of the most frequent, and its count."""
    table, often = table_size(len(listed)), np.int32(1)
    keys[:table] = 0
    for k in range(len(listed)):
        slot = _find(keys, table, grams[k])
        slots[k] = slot
        counts[slot] = counts[slot] + 1 if keys[slot] else 1
        keys[slot] = mix64(grams[k]) | _ONE
        often = max(often, counts[slot])
    if often > 1:
        for k in range(len(listed)):
            if counts[slots[k]] == often:
                return np.int64(listed[k]), np.int64(often)
    return np.int64(0), np.int64(1)


@njit(inline="always")
def _find(keys, table, h):  # type: ignore[no-untyped-def]
    """The slot of a hash, or the free one it would take."""
    key = mix64(h) | _ONE
    slot = np.int64(key >> np.uint64(20)) & (table - 1)
    while keys[slot] and keys[slot] != key:
        slot = (slot + 1) & (table - 1)
    return slot
