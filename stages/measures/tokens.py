"""Measures of other units than our words: runs between white space, spaCy's tokens, ASCII chunks.

Published readings of the same rule differ in the unit first (stages/splitting.py). The walk is one a unit; the
rows that name a reading are in dialects.py.
"""

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numba import njit

from corpus.borrowing import borrowed
from corpus.classes import decode, folds
from corpus.documents import Batch
from corpus.hashing import eight_bytes
from corpus.words import Tokens
from stages.measures.characters import ALPHABETIC, ALPHANUMERIC, properties
from stages.measures.fineweb import terminal
from stages.splitting import Kind, tokens

_LETTER, WORDED, _HASH, _DOTS = 1, 2, 4, 8
"""What a token holds: a letter, a character that datatrove takes for no punctuation, a hash sign, U+2026."""

# datatrove 0.10.1, utils/text.py, PUNCTUATION_SET without its TERMINAL_PUNCTUATION: CCNet's list and control
# characters. ¡ and ¿ are missing from it, and a full-width 1 (FF11) stands in it.
_PUNCTUATION = """
0..8 B..1F 22..2D 2F 3A..3E 40 5B..60 7B..9F AB B4 BB 2013..2014 2019 201C..201E 2026 2236 2501 25BA 3001 3008..300D
3010..3011 FF05 FF08..FF09 FF0C FF11 FF1A..FF1B FF5E
"""


_ONES, _HIGH, _CASE = (np.uint64(byte * 0x0101_0101_0101_0101) for byte in (0x01, 0x80, 0x20))
_FROM_A, _BEHIND_Z = _ONES * np.uint64(0x80 - 0x61), _ONES * np.uint64(0x80 - 0x7B)
_MIX = np.uint64(0xD1342543DE82EF95)  # as in corpus/hashing.py


class Units(NamedTuple):
    """What one walk over the tokens finds: int64 [N] each, and the length of every token."""

    all: np.ndarray
    chars: np.ndarray  # code points
    alphabetic: np.ndarray  # with a letter
    worded: np.ndarray  # not of datatrove's punctuation alone
    worded_chars: np.ndarray  # code points of those
    symbols: np.ndarray  # with a hash sign or U+2026
    marks: np.ndarray  # an ellipsis, or runs of hash signs per code point above 0.5
    lengths: np.ndarray  # int32 [T], code points


_walked: WeakKeyDictionary[Batch, dict[str, tuple[Tokens, Units]]] = WeakKeyDictionary()


def units(batch: Batch, kind: Kind) -> Units:
    """Counts of one kind of tokens; walked once a batch and splitting."""
    known, split = _walked.setdefault(batch, {}), tokens(batch, kind)
    if kind not in known or known[kind][0] is not split:  # `splitting.given` may come later
        known[kind] = (split, _units_of(batch, split))
    return known[kind][1]


def _units_of(batch: Batch, split: Tokens) -> Units:
    _, data = batch.utf8
    out, lengths = np.zeros((6, len(batch)), np.int64), np.empty(len(split.starts), np.int32)
    _units(data, *split, held(), out, lengths)
    chars, alphabetic, worded, worded_chars, symbols, marks = out
    return Units(np.diff(split.first), chars, alphabetic, worded, worded_chars, symbols, marks, lengths)


@cache
def held() -> np.ndarray:
    """What a character adds to its token: uint8 [0x110000]."""
    table = np.where(properties() & ALPHABETIC, np.uint8(_LETTER), np.uint8(0)) | np.uint8(WORDED)
    for span in _PUNCTUATION.split():
        first, _, last = span.partition("..")
        table[int(first, 16) : int(last or first, 16) + 1] &= ~np.uint8(WORDED)
    table[terminal()] &= ~np.uint8(WORDED)
    table[0x23] |= _HASH
    table[0x2026] |= _DOTS
    return table


@njit(nogil=True, cache=True)
def _units(data, first, starts, ends, held, out, lengths):  # type: ignore[no-untyped-def]
    data, held = borrowed(data), borrowed(held)
    for n in range(len(first) - 1):
        all_chars = alphabetic = worded = worded_chars = symbols = marks = np.int64(0)  # in registers, not in `out`
        for t in range(first[n], first[n + 1]):
            a, b = starts[t], ends[t]
            bits, chars, i = np.uint8(0), np.int64(0), a
            if b - a == 1:
                bits, chars, i = held[data[a]], np.int64(1), b  # a byte of its own is ASCII
            elif b - a <= 8 and a + 8 <= len(data):
                x = eight_bytes(data, a)
                small = x & ~_HIGH | _CASE  # as in `_ascii_word` of corpus/words.py
                letters = (small + _FROM_A) & ~(small + _BEHIND_Z) & ~x
                if not (letters ^ _HIGH) & _HIGH & (~np.uint64(0) >> np.uint64(64 - 8 * (b - a))):
                    bits, chars, i = np.uint8(_LETTER | WORDED), np.int64(b - a), b  # ASCII letters alone
            while i < b:
                if data[i] < 0x80:
                    bits |= held[data[i]]
                    i += 1
                else:
                    c, i = decode(data, i, b)
                    bits |= held[c]
                chars += 1
            lengths[t] = chars
            is_worded = np.int64(bits >> 1 & 1)
            all_chars += chars
            alphabetic += bits & _LETTER
            worded += is_worded
            worded_chars += chars * is_worded
            symbols += bits & (_HASH | _DOTS) != 0
            if b - a == 1:
                marks += data[a] == 0x23
            elif bits & _HASH or not is_worded:
                marks += _mark(data, a, b, chars)
        out[:, n] = all_chars, alphabetic, worded, worded_chars, symbols, marks


@njit(nogil=True, cache=True)
def _mark(data, a, b, chars):  # type: ignore[no-untyped-def]
    """Whether data[a:b] is an ellipsis, bare or in () or [], is -», or holds more runs of # than half its length."""
    data = borrowed(data)
    runs, inside = 0, False
    for i in range(a, b):
        runs += data[i] == 0x23 and not inside
        inside = data[i] == 0x23
    if 2 * runs > chars:
        return True
    if chars == 2:
        return data[a] == 0x2D and data[a + 1] == 0xC2 and data[a + 2] == 0xBB  # -»
    enclosed = (data[a] == 0x28 and data[b - 1] == 0x29) or (data[a] == 0x5B and data[b - 1] == 0x5D)
    if enclosed and (chars == 3 or chars == 5):
        a, b, chars = a + 1, b - 1, chars - 2
    if chars == 1:
        return b - a == 3 and data[a] == 0xE2 and data[a + 1] == 0x80 and data[a + 2] == 0xA6
    return chars == 3 and b - a == 3 and data[a] == 0x2E and data[a + 1] == 0x2E and data[a + 2] == 0x2E


class Listed(NamedTuple):
    """Tokens that are in a list: int64 [N] each."""

    different: np.ndarray
    occurrences: np.ndarray


def listed(batch: Batch, kind: Kind, words: Iterable[str], *, fold: bool = False) -> Listed:
    """Tokens equal to a word of the list, byte for byte, or with `fold` whatever their case."""
    split, (_, data) = tokens(batch, kind), batch.utf8
    wanted, out = sorted(set(words)), np.zeros((2, len(batch)), np.int64)
    if not fold and max(map(len, map(str.encode, wanted)), default=0) <= 8:
        keys = np.array([int.from_bytes(word.encode(), "little") for word in wanted], np.uint64)
        _listed_short(data, *split, keys, out)
        return Listed(*out)
    table = folds() if fold else np.arange(0, dtype=np.int32)
    longest = max(map(len, wanted), default=0)
    raw = [np.frombuffer(word.encode(), np.uint8) for word in wanted]
    keys = np.array(sorted({int(_key(word, 0, len(word), table, longest)) for word in raw}), np.uint64)
    _listed(data, *split, keys, longest, table, out)
    return Listed(*out)


@njit(nogil=True, cache=True)
def _listed(data, first, starts, ends, keys, longest, folds, out):  # type: ignore[no-untyped-def]
    seen = np.full(len(keys), -1, np.int64)  # the document that held the word last
    for n in range(len(first) - 1):
        for t in range(first[n], first[n + 1]):
            if ends[t] - starts[t] > 4 * longest:
                continue
            key = _key(data, starts[t], ends[t], folds, longest)
            for i in range(len(keys)):
                if keys[i] == key:
                    out[0, n] += seen[i] != n
                    out[1, n] += 1
                    seen[i] = n


@njit(nogil=True, cache=True)
def _listed_short(data, first, starts, ends, keys, out):  # type: ignore[no-untyped-def]
    """The same of words of at most eight bytes, which are numbers; the sieve has a bit for each word, of 4,096."""
    seen, sieve, masks = np.full(len(keys), -1, np.int64), np.zeros(64, np.uint64), np.zeros(10, np.uint64)
    for size in range(1, 9):
        masks[size] = ~np.uint64(0) >> np.uint64(64 - 8 * size)
    for key in keys:
        h = key * _MIX
        sieve[h >> np.uint64(58)] |= np.uint64(1) << (h >> np.uint64(52) & np.uint64(63))
    for n in range(len(first) - 1):
        for t in range(first[n], first[n + 1]):
            a, size, x = starts[t], ends[t] - starts[t], np.uint64(0)
            if a + 8 <= len(data):
                x = eight_bytes(data, a) & masks[min(size, 9)]
            elif size <= 8:
                for i in range(size):
                    x |= np.uint64(data[a + i]) << np.uint64(8 * i)
            h = x * _MIX
            if x and sieve[h >> np.uint64(58)] >> (h >> np.uint64(52) & np.uint64(63)) & np.uint64(1):
                for i in range(len(keys)):
                    if keys[i] == x and data[a + size - 1]:  # "a" and "a\0" are the same number
                        out[0, n] += seen[i] != n
                        out[1, n] += 1
                        seen[i] = n


@njit(nogil=True, cache=True)
def _key(data, a, b, folds, longest):  # type: ignore[no-untyped-def]
    """FNV-1a of the code points, folded where there is a table of folds; 0 where there are more than `longest`."""
    h, size = np.uint64(0xCBF29CE484222325), 0
    while a < b:
        if size == longest:
            return np.uint64(0)
        c, a = decode(data, a, b)
        h = (h ^ np.uint64(folds[c] if len(folds) else c)) * np.uint64(0x100000001B3)
        size += 1
    return h


def ascii_chunks(batch: Batch) -> np.ndarray:
    """Runs between ASCII white space or NUL that start with a letter or number: int64 [N].

    fastText's words, as DCLM counts them: without those that start with punctuation.
    """
    starts, data = batch.utf8
    out = np.zeros(len(batch), np.int64)
    _ascii_chunks(starts, data, properties(), out)
    return out


@njit(nogil=True, cache=True)
def _ascii_chunks(starts, data, properties, out):  # type: ignore[no-untyped-def]
    for n in range(len(starts) - 1):
        outside = True
        for b in range(starts[n], starts[n + 1]):
            x = data[b]
            space = x == 0x20 or 0x09 <= x <= 0x0D or x == 0
            if outside and not space:
                out[n] += properties[decode(data, b, starts[n + 1])[0]] & ALPHANUMERIC != 0
            outside = space
