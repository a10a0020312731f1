"""N-grams that a document holds more than once: the most frequent of 2 to 4 words, the copies of 5 to 10.

An n-gram can only repeat where both (n-1)-grams in it do, so each n looks only at what the one before
left. Tables are bounded by the document and used for one after the other.
datatrove's long n-grams are strings without spaces, for which that does not hold: datatrove_grams.py.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from corpus.hashing import combine

PAPER, DCLM, DOLMA, NEMO = range(4)
SIZES = range(2, 11)
_TOPS = 4  # n-grams up to so many words are measured by the most frequent one, longer ones by their copies

_BASE = np.uint64(0x9E3779B97F4A7C15)
_ONE = np.uint64(1)


class Grams(NamedTuple):
    """Tokens of N documents, ready for n-grams; those of document n are [first[n] : first[n + 1]]."""

    first: np.ndarray  # int64 [N + 1]
    hashes: np.ndarray  # uint64 [T]
    chars: np.ndarray  # int64 [T], code points
    glued: np.ndarray  # bool [T]: exactly one space between this token and the next


def shares(grams: Grams, text_chars: np.ndarray, dialect: int) -> np.ndarray:
    """The share of characters in repeated n-grams, n from 2 to 10, as a dialect reads it: float64 [9, N].

    text_chars: int64 [N], code points. 60 MB/s a core on English beside the splitting: scripts/bench_filters.py.
    """
    out = np.zeros((len(SIZES), len(text_chars)))
    _shares(*grams, text_chars, dialect, out)
    return out


@njit(nogil=True, cache=True)
def hashed(data, starts, ends):  # type: ignore[no-untyped-def]
    """Tokens by their bytes: polynomials of them (uint64 [T]) and code points (int64 [T]).

    Strings of a thousand letters can be made that collide (Thue-Morse, whatever the odd base): their maker gains a
    wrong share for a document of his own.
    """
    values, chars = np.empty(len(starts), np.uint64), np.empty(len(starts), np.int64)
    for t in range(len(starts)):
        h, count = np.uint64(0), np.int64(0)
        for b in range(starts[t], ends[t]):
            h = h * _BASE + np.uint64(data[b]) + _ONE
            count += data[b] & 0xC0 != 0x80
        values[t], chars[t] = h, count
    return values, chars


@njit(nogil=True, cache=True)
def joined_by_space(data, starts, ends):  # type: ignore[no-untyped-def]
    """Whether exactly one space stands between a token and the next: bool [T]."""
    glued = np.zeros(len(starts), np.bool_)
    for t in range(len(starts) - 1):
        glued[t] = starts[t + 1] == ends[t] + 1 and data[ends[t]] == 0x20
    return glued


@njit(nogil=True, cache=True)
def _shares(first, hashes, chars, glued, text_chars, dialect, out):  # type: ignore[no-untyped-def]
    most = 1
    for n in range(len(first) - 1):
        most = max(most, first[n + 1] - first[n])
    size = 2
    while size < 2 * most:
        size *= 2
    keys, counts = np.empty(size, np.uint64), np.empty(size, np.int32)
    state = np.empty(most, np.uint64), np.empty(most, np.int32), np.empty(most, np.uint8), np.empty(most, np.int64)
    for n in range(len(first) - 1):
        a, b = first[n], first[n + 1]
        _document(hashes[a:b], chars[a:b], glued[a:b], text_chars[n], dialect, keys, counts, state, out[:, n])


@njit(nogil=True, cache=True)
def _document(hashes, chars, glued, text_chars, dialect, keys, counts, state, out):  # type: ignore[no-untyped-def]
    values, slots, marks, before = state
    total = np.int64(0)
    for t in range(len(hashes)):
        before[t] = total  # code points of the tokens before
        total += chars[t]
        values[t] = hashes[t]
        marks[t] = _REPEATED
    for n in range(2, 11):
        count = len(hashes) - n + 1
        if count < 1:
            out[n - 2] = 1.0 if dialect == NEMO else 0.0
        else:
            left = _counted(hashes, values, slots, marks, count, n, keys, counts)
            if n <= _TOPS:
                out[n - 2] = _top(
                    chars, glued, values, slots, marks, left, count, n, before, total, text_chars, dialect, counts
                )
            elif left:
                out[n - 2] = _again(chars, marks, count, n, before, total, text_chars, dialect)


_REPEATED, _LATER = 1, 2  # marks of an n-gram: it stands at least twice; it stood before


@njit(nogil=True, cache=True)
def _counted(hashes, values, slots, marks, count, n, keys, counts):  # type: ignore[no-untyped-def]
    """Mark the n-grams that repeat, given the marks of n - 1, and count them by slot; how many repeat."""
    candidates = 0
    for t in range(count):
        marks[t] = marks[t] & marks[t + 1] & _REPEATED
        candidates += marks[t]
    for t in range(count, min(count + 1, len(marks))):
        marks[t] = 0
    if not candidates:
        return 0
    size = 2
    while size < 2 * candidates:
        size *= 2
    keys[:size] = 0
    for t in range(count):
        if marks[t]:
            values[t] = combine(values[t], hashes[t + n - 1])
            key = values[t] | _ONE
            slot = np.int64(key >> np.uint64(20)) & (size - 1)
            while keys[slot] and keys[slot] != key:
                slot = (slot + 1) & (size - 1)
            counts[slot] = counts[slot] + 1 if keys[slot] else 1
            marks[t] = _REPEATED | (_LATER if keys[slot] else 0)
            keys[slot] = key
            slots[t] = slot
    left = 0
    for t in range(count):
        if marks[t] and counts[slots[t]] < 2:
            marks[t] = 0
        left += marks[t] != 0
    return left


@njit(nogil=True, cache=True)
def _top(chars, glued, values, slots, marks, left, count, n, before, total, text_chars, dialect, counts):  # type: ignore[no-untyped-def]
    """The share of the most frequent n-gram; of equally frequent ones the longest (paper, DCLM) or the first."""
    longest = dialect in (PAPER, DCLM)
    top, often, length = np.int64(0), np.int64(1), np.int64(0)
    if not left:
        if longest or not total:
            return 0.0
        length = _length(chars, before, 0, n)
    for t in range(count if left else 0):
        if marks[t] == _REPEATED and counts[slots[t]] >= often:  # its first copy
            size = _length(chars, before, t, n)
            if counts[slots[t]] > often or (longest and size > length):
                top, often, length = np.int64(t), np.int64(counts[slots[t]]), size
    if dialect in (DCLM, DOLMA):
        return often * length / total
    reach, covered = np.int64(0), np.int64(0)  # places before `reach` are counted
    for t in range(top, count if left else top + 1):
        if t == top or (marks[t] and slots[t] == slots[top]):
            if dialect == PAPER:
                covered += _length(chars, before, max(t, reach), t + n - max(t, reach))
                reach = t + n
            elif t >= reach:
                together = True
                for i in range(t, t + n - 1):
                    together = together and glued[i]
                if together:
                    covered += length + n - 1
                    reach = t + n
    return covered / (total if dialect == PAPER else text_chars)


@njit(nogil=True, cache=True)
def _again(chars, marks, count, n, before, total, text_chars, dialect):  # type: ignore[no-untyped-def]
    """The share of characters in n-grams that repeat: later copies, or all of them (DCLM, Dolma)."""
    covered, whole, reach = np.int64(0), np.int64(0), np.int64(0)
    for t in range(count):
        if dialect == DOLMA:
            size = _length(chars, before, t, n)
            whole += size
            covered += size if marks[t] else 0
        elif (marks[t] & _LATER) or (dialect == DCLM and marks[t]):
            start = max(t, reach)
            covered += _length(chars, before, start, t + n - start)
            if dialect == NEMO:
                covered += min(t + n - start, n - 1)  # spaces
            reach = t + n
    return covered / (whole if dialect == DOLMA else text_chars if dialect == NEMO else total)


@njit(inline="always")
def _length(chars, before, t, n):  # type: ignore[no-untyped-def]
    """Code points of the n tokens from t on."""
    return before[t + n - 1] + chars[t + n - 1] - before[t] if n > 0 else np.int64(0)
