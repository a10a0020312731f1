"""Best-fit decreasing over one buffer of documents: which piece lies in which sequence.

The longest piece first, each into the sequence with the least room that suffices. With a tree over the room left
(as Ding et al. 2024 do it) a piece takes log2(room) steps, not one a sequence.
"""

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def best_fit(begins, lengths, room):  # type: ignore[no-untyped-def]
    """Pieces in each sequence, and where each begins and its tokens, of one buffer of documents.

    Whole sequences first, then what remains of each document, the longest first, each where the least room that
    suffices is left; of equals the sequence last touched. A tree over the room left finds it in log2(room) steps.
    """
    rests = lengths % room
    order = np.argsort(-rests, kind="mergesort")
    whole = int((lengths // room).sum())
    kept = int((rests > 0).sum())
    sequence = np.empty(whole + kept, np.int64)  # of each piece
    at, tokens = np.empty(whole + kept, np.int64), np.empty(whole + kept, np.int64)
    used = 0
    for n in range(len(lengths)):
        for k in range(lengths[n] // room):
            sequence[used], at[used], tokens[used] = used, begins[n] + k * room, room
            used += 1
    opened = _fitted(rests[order[:kept]], room, sequence[used:], used)
    for k in range(kept):
        n = order[k]
        at[used + k], tokens[used + k] = begins[n] + lengths[n] - rests[n], rests[n]
    by_sequence = np.argsort(sequence, kind="mergesort")
    return np.bincount(sequence, minlength=opened), at[by_sequence], tokens[by_sequence]


@njit(nogil=True, cache=True)
def _fitted(pieces, room, sequence, opened):  # type: ignore[no-untyped-def]
    """Give each piece (descending) a sequence, those from `opened` on; returns how many there are then."""
    leaves = 1
    while leaves <= room:
        leaves *= 2
    filled = np.zeros(2 * leaves, np.int64)  # sequences with so much room, summed up the tree
    top = np.full(leaves, -1, np.int64)  # the last touched of those with that room
    under = np.empty(len(pieces), np.int64)  # the one touched before it
    base = opened
    for k in range(len(pieces)):
        left = _least(filled, leaves, pieces[k])
        if left < 0:
            left, one = room, opened
            opened += 1
        else:
            one = top[left]
            top[left] = under[one - base]
            _count(filled, leaves, left, -1)
        sequence[k] = one
        left -= pieces[k]
        if left > 0:
            under[one - base] = top[left]
            top[left] = one
            _count(filled, leaves, left, 1)
    return opened


@njit(nogil=True, cache=True)
def _count(filled, leaves, leaf, change):  # type: ignore[no-untyped-def]
    node = leaves + leaf
    while node:
        filled[node] += change
        node //= 2


@njit(nogil=True, cache=True)
def _least(filled, leaves, least):  # type: ignore[no-untyped-def]
    """The smallest room of `least` or more that a sequence has; -1 where none has it."""
    node = leaves + least
    if filled[node]:
        return least
    while node > 1:
        if node % 2 == 0 and filled[node + 1]:
            node += 1
            while node < leaves:
                node *= 2
                if filled[node] == 0:
                    node += 1
            return node - leaves
        node //= 2
    return -1
