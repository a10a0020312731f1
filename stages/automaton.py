"""Many byte strings sought in one walk: the automaton of Aho and Corasick (1975), as dense tables.

Bytes that no pattern holds share a column, so a table is as wide as the patterns have different bytes. Rows are
numbered so that those where a pattern ends come last: a step of the walk is one load and one comparison. Prose
is read at 260 MB/s a core with 400 patterns (2-core VM, CPU time, 2026-11).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

MOST_CELLS = 1 << 26
"""Cells of a table, 4 bytes each: 256 MB. 100,000 words of 10 bytes over 40 different ones take 40 million at most."""


class Automaton(NamedTuple):
    """Tables of a walk. A place is a state times the width, so that `moves[place + classes[byte]]` is the next."""

    classes: np.ndarray  # uint8 [256], the column of each byte
    moves: np.ndarray  # uint32 [states * width], the next place; unsigned, for numba looks at the sign of an index
    width: int
    ending: int  # places from here on end a pattern
    patterns: np.ndarray  # int32 [states], the longest pattern that ends there, or -1
    shorter: np.ndarray  # int32 [states], the place where the next shorter one ends, or -1
    lengths: np.ndarray  # int32 [K], bytes of each pattern


class Found(NamedTuple):
    """Every occurrence, overlapping ones too: by document, then end, then the longest first."""

    documents: np.ndarray  # int64 [F]
    patterns: np.ndarray  # int64 [F], place in the list of patterns
    ends: np.ndarray  # int64 [F], the byte behind it, from the document's own start


def automaton(patterns: Sequence[bytes], any_case: bool = False) -> Automaton:
    """The automaton of some patterns; one that stands twice is found under its first place.

    any_case: ASCII letters match in either case.
    Raises ValueError where a pattern is empty, or where the tables would be larger than MOST_CELLS.
    """
    if any_case:
        patterns = [pattern.lower() for pattern in patterns]
    if not all(patterns):
        raise ValueError(f"pattern {patterns.index(b'')} of {len(patterns):,} is empty and would be found everywhere")
    data = np.frombuffer(b"".join(patterns), np.uint8)
    offsets = np.cumsum([0, *map(len, patterns)])
    classes, width = _classes(data, any_case)
    if (len(data) + 1) * width > MOST_CELLS:
        raise ValueError(
            f"{len(patterns):,} patterns of {len(data):,} bytes, {width} different ones, take up to "
            f"{(len(data) + 1) * width:,} cells; at most {MOST_CELLS:,}. Split the list."
        )
    moves, ends, shorter, ending = _build(offsets, data, classes, width)
    return Automaton(classes, moves, width, ending, ends, shorter, np.diff(offsets).astype(np.int32))


def find(offsets: np.ndarray, data: np.ndarray, automaton: Automaton) -> Found:
    """All occurrences in N texts (corpus.buffers.utf8); their number is bounded by bytes times nested patterns."""
    a = automaton
    tables = (a.classes, a.moves, a.width, a.ending, a.patterns, a.shorter)
    nothing = np.empty((3, 0), np.int64)
    out = np.empty((3, _find(offsets, data, *tables, nothing)), np.int64)
    _find(offsets, data, *tables, out)
    return Found(*out)


def _classes(data: np.ndarray, any_case: bool) -> tuple[np.ndarray, int]:
    used = np.unique(data)
    classes = np.zeros(256, np.uint8)
    classes[used] = np.arange(1, len(used) + 1) % 256  # all 256 bytes used: the last shares column 0, else unused
    if any_case:
        classes[0x41:0x5B] = classes[0x61:0x7B]
    return classes, min(len(used) + 1, 256)


@njit(nogil=True, cache=True)
def _build(offsets, data, classes, width):  # type: ignore[no-untyped-def]
    """Moves, the pattern that ends at each state, the next shorter one's place, and the first ending place."""
    trie, pattern, states = _trie(offsets, data, classes, width)
    fail, order = np.zeros(states, np.int64), np.empty(states, np.int64)
    shorter = np.full(states, -1, np.int64)  # state
    order[0], read, made = 0, 0, 1
    while read < made:  # by depth: a state's failure state lies nearer the root, so its moves are whole
        s = order[read]
        read += 1
        for c in range(width):
            after, other = trie[s, c], trie[fail[s], c] if s else np.int32(0)
            if after < 0:
                trie[s, c] = other
                continue
            fail[after] = other
            shorter[after] = other if pattern[other] >= 0 else shorter[other]
            if pattern[after] < 0 and shorter[after] >= 0:
                pattern[after], shorter[after] = pattern[shorter[after]], shorter[shorter[after]]
            order[made] = after
            made += 1
    return _renumbered(trie[:states], pattern[:states], shorter, order)


@njit(nogil=True, cache=True)
def _trie(offsets, data, classes, width):  # type: ignore[no-untyped-def]
    trie = np.full((len(data) + 1, width), -1, np.int32)
    pattern = np.full(len(data) + 1, -1, np.int32)
    states = 1
    for p in range(len(offsets) - 1):
        s = np.int32(0)
        for b in range(offsets[p], offsets[p + 1]):
            c = classes[data[b]]
            if trie[s, c] < 0:
                trie[s, c] = states
                states += 1
            s = trie[s, c]
        if pattern[s] < 0:
            pattern[s] = p
    return trie, pattern, states


@njit(nogil=True, cache=True)
def _renumbered(trie, pattern, shorter, order):  # type: ignore[no-untyped-def]
    states, width = trie.shape
    number, ends = np.empty(states, np.int64), 0
    for turn in range(2):  # states without a pattern, then those with one, both by depth
        for s in order:
            if (pattern[s] >= 0) == (turn == 1):
                number[s] = ends
                ends += 1
        if turn == 0:
            ending = ends * width
    moves = np.empty(states * width, np.uint32)
    patterns, chain = np.empty(states, np.int32), np.empty(states, np.int32)
    for s in range(states):
        place = number[s] * width
        for c in range(width):
            moves[place + c] = number[trie[s, c]] * width
        patterns[number[s]] = pattern[s]
        chain[number[s]] = number[shorter[s]] * width if shorter[s] >= 0 else -1
    return moves, patterns, chain, ending


@njit(nogil=True, cache=True)
def _find(offsets, data, classes, moves, width, ending, patterns, shorter, out):  # type: ignore[no-untyped-def]
    """How many there are; written into `out` where it has room."""
    found = 0
    for n in range(len(offsets) - 1):
        place = np.uint32(0)
        for b in range(offsets[n], offsets[n + 1]):
            place = moves[place + classes[data[b]]]
            if place < ending:
                continue
            at = np.int64(place)
            while at >= 0:
                if found < out.shape[1]:
                    out[0, found], out[1, found], out[2, found] = n, patterns[at // width], b + 1 - offsets[n]
                found += 1
                at = np.int64(shorter[at // width])
    return found
