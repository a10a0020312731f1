"""The tables of a fastText model that scoring looks things up in, built in compiled loops: a model has a million words.

A word's hash is FNV-1a in 32 bits over signed characters: a byte from 0x80 on flips the upper 24 bits too, as the
first fastText had it and all models since were trained.
"""

import numpy as np
from numba import njit

FNV_BASIS, FNV_PRIME = np.uint32(2_166_136_261), np.uint32(16_777_619)
_GOLDEN = np.uint64(0x9E37_79B9_7F4A_7C15)
_NOT_BUILT = 10**15  # buildTree's count of a node that is not there yet


@njit(inline="always")
def fnv(h, byte):  # type: ignore[no-untyped-def]
    """The hash of what hashed to `h` followed by a byte (both unsigned)."""
    signed = np.uint32(byte) | (np.uint32(0xFFFF_FF00) if byte & 0x80 else np.uint32(0))
    return np.uint32((h ^ signed) * FNV_PRIME)


@njit(inline="always")
def slot_of(key, slots):  # type: ignore[no-untyped-def]
    """Where to begin to look for a key among `slots`, a power of two."""
    return np.int64((np.uint64(key) * _GOLDEN) >> np.uint64(32)) & (slots - 1)


@njit(nogil=True, cache=True)
def entries(raw, at, size, words):  # type: ignore[no-untyped-def]
    """Start, end and count of each entry, and where they end; -1 there if they are cut short or out of order."""
    starts, ends, counts = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, np.int64)
    for n in range(size):
        starts[n] = at
        while at < len(raw) and raw[at]:
            at += 1
        if at + 10 > len(raw) or raw[at + 9] != (n >= words):
            return starts, ends, counts, -1
        ends[n] = at
        for byte in range(8):
            counts[n] |= np.int64(raw[at + 1 + byte]) << (8 * byte)
        at += 10
    return starts, ends, counts, at


def _room(count: int) -> int:
    """Slots for so many keys, at most half of them taken."""
    return 1 << max(2 * count, 1).bit_length()


def word_slots(raw: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Places in the dictionary by hash, -1 where free: int32 [power of two]. Of equal words the last counts."""
    slots = np.full(_room(len(starts)), -1, np.int32)
    _fill_words(raw, starts, ends, slots)
    return slots


@njit(nogil=True, cache=True)
def _fill_words(raw, starts, ends, slots):  # type: ignore[no-untyped-def]
    for n in range(len(starts)):
        h = FNV_BASIS
        for b in range(starts[n], ends[n]):
            h = fnv(h, raw[b])
        slots[find(raw, starts[n], ends[n], h, raw, starts, ends, slots)] = n


@njit(nogil=True, cache=True)
def find(data, b, end, h, raw, starts, ends, slots):  # type: ignore[no-untyped-def]
    """The slot of the word data[b:end] of hash `h`: that which holds it, or the free one where it would go."""
    slot = slot_of(h, len(slots))
    while slots[slot] >= 0:
        n = slots[slot]
        if ends[n] - starts[n] == end - b:
            same = True
            for i in range(end - b):
                if raw[starts[n] + i] != data[b + i]:
                    same = False
                    break
            if same:
                break
        slot = (slot + 1) & (len(slots) - 1)
    return slot


def buckets(kept: np.ndarray, bucket: int) -> tuple[np.ndarray, np.ndarray]:
    """Which buckets are kept, as bits with a running count, and their rows in order of the bucket.

    uint64 [bucket / 64, 2]: bits, and how many are set before them; int64 [kept]. A sixth of a byte a bucket.
    """
    numbers, last = np.unique(kept[::-1, 0], return_index=True)
    bits = np.zeros((bucket + 63) // 64 * 64, np.bool_)
    bits[numbers] = True
    words = np.packbits(bits, bitorder="little").view("<u8")
    before = np.cumsum(bits.reshape(-1, 64).sum(axis=1)) - bits.reshape(-1, 64).sum(axis=1)
    return np.stack([words, before.astype(np.uint64)], axis=1), kept[::-1, 1][last].astype(np.int64)


@njit(inline="always")
def kept_row(bucket, kept):  # type: ignore[no-untyped-def]
    """The row of a bucket, -1 where it was pruned: without a branch to guess wrong."""
    word, bit = kept[bucket >> 6, 0], np.uint64(1) << np.uint64(bucket & 63)
    x = word & (bit - np.uint64(1))
    x -= (x >> np.uint64(1)) & np.uint64(0x5555_5555_5555_5555)
    x = (x & np.uint64(0x3333_3333_3333_3333)) + ((x >> np.uint64(2)) & np.uint64(0x3333_3333_3333_3333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F_0F0F_0F0F_0F0F)
    below = (x * np.uint64(0x0101_0101_0101_0101)) >> np.uint64(56)
    row = np.int64(kept[bucket >> 6, 1] + below)
    return row if word & bit else np.int64(-1)


@njit(nogil=True, cache=True)
def tree(counts):  # type: ignore[no-untyped-def]
    """Left and right child of each node of fastText's Huffman tree: int32 [2 L - 1], -1 at the L leaves.

    counts: int64 [L], rarest last; the root is the last node.
    """
    labels = len(counts)
    nodes = np.full(2 * labels - 1, _NOT_BUILT, np.int64)
    nodes[:labels] = counts
    children = np.full((2, 2 * labels - 1), -1, np.int32)
    leaf, node = labels - 1, labels
    for n in range(labels, 2 * labels - 1):
        for side in range(2):
            if leaf >= 0 and nodes[leaf] < nodes[node]:
                children[side, n] = leaf
                leaf -= 1
            else:
                children[side, n] = node
                node += 1
        nodes[n] = nodes[children[0, n]] + nodes[children[1, n]]
    return children[0], children[1]
