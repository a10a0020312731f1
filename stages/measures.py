"""Measures: a number per document, and no opinion of it. Rules give the limits (stages/rules.py).

Every measure is a row of MEASURES; what several of them need is walked once a batch (`once`). Ratios are 0
where there is nothing to divide by, so that every measure of every text is a finite number.

Words are those of corpus/words.py: punctuation is none. This is the reading of the paper, whose words are
what its classifier of quality saw; the implementations differ in the unit more than in any limit.
"""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import cache, wraps
from typing import NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.classes import FORMAT, KIND, SPACE, classes, decode
from corpus.documents import Batch
from corpus.errors import RecipeError
from corpus.words import HAS_LETTER, stop

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""Rae et al. 2021, A1.1: a text should hold at least two of them."""

BULLETS = "•‣⁃◦●○▪▫■*-"
"""What starts a bulleted line: datatrove's • and -, DCLM's ● and *, and their kin in Unicode."""

_ELLIPSIS = 0x2026
T = TypeVar("T")


def once(function: Callable[[Batch], T]) -> Callable[[Batch], T]:
    """The same function, run at most once a batch; the result lives as long as the batch."""
    known: WeakKeyDictionary[Batch, T] = WeakKeyDictionary()

    @wraps(function)
    def remembered(batch: Batch) -> T:
        if batch not in known:
            known[batch] = function(batch)
        return known[batch]

    return remembered


class Measure(NamedTuple):
    """A number per document: int64 or float64 [N], never NaN."""

    function: Callable[[Batch], np.ndarray]
    meaning: str  # with the unit
    source: str
    type: pa.DataType = pa.float64()


def measured(batch: Batch, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The measures of those names, one array [N] each; RecipeError names the nearest where there is none."""
    return {name: measure(name).function(batch) for name in names}


def measure(name: str) -> Measure:
    """The measure of that name; RecipeError names the nearest where there is none."""
    if name not in MEASURES:
        near = get_close_matches(name, MEASURES, 1) or sorted(MEASURES)
        raise RecipeError(f"there is no measure {name!r}; did you mean {' or '.join(near)}?")
    return MEASURES[name]


class Sums(NamedTuple):
    """What one walk over the words finds: int64 [N] each."""

    chars: np.ndarray  # code points in words
    alphabetic: np.ndarray  # words with a letter
    stop_words: np.ndarray  # how many different ones


@once
def sums(batch: Batch) -> Sums:
    """Code points, alphabetic words and different stop words per document."""
    words = batch.words
    out = np.zeros((3, len(batch)), np.int64)
    _sums(words.first, words.hashes, words.chars, words.kinds, _stop_hashes(), out)
    return Sums(*out)


@cache
def _stop_hashes() -> np.ndarray:
    return stop(STOP_WORDS)


@njit(nogil=True, cache=True)
def _sums(first, hashes, chars, kinds, listed, out):  # type: ignore[no-untyped-def]
    for n in range(len(first) - 1):
        found = np.int64(0)  # a bit for each word of the list
        for w in range(first[n], first[n + 1]):
            out[0, n] += chars[w]
            out[1, n] += kinds[w] & HAS_LETTER
            for i in range(len(listed)):  # eight compares without a branch beat a table
                found |= np.int64(hashes[w] == listed[i]) << i
        for i in range(len(listed)):
            out[2, n] += found >> i & 1


class Marks(NamedTuple):
    """What one walk over the bytes finds: int64 [N] each."""

    hash_signs: np.ndarray
    ellipses: np.ndarray  # "..." without overlap, and U+2026


@once
def marks(batch: Batch) -> Marks:
    """Hash signs and ellipses per document."""
    starts, data = batch.utf8
    out = np.zeros((2, len(batch)), np.int64)
    _marks(starts, data, out)
    return Marks(*out)


@njit(nogil=True, cache=True)
def _marks(starts, data, out):  # type: ignore[no-untyped-def]
    for n in range(len(starts) - 1):
        hash_signs = ellipses = dots = np.int64(0)
        for b in range(starts[n], starts[n + 1]):
            c = data[b]
            hash_signs += c == 0x23
            dots = dots + 1 if c == 0x2E else np.int64(0)
            if dots == 3:
                ellipses += 1
                dots = np.int64(0)
            elif c == 0xA6 and b - starts[n] >= 2:  # the last byte of U+2026: E2 80 A6
                ellipses += data[b - 1] == 0x80 and data[b - 2] == 0xE2
        out[0, n], out[1, n] = hash_signs, ellipses


class Lines(NamedTuple):
    """What one walk over both ends of each line finds: int64 [N] each, blank lines left out."""

    shown: np.ndarray  # lines that are not blank
    bulleted: np.ndarray  # first visible character in BULLETS
    trailing: np.ndarray  # last visible character an ellipsis, or the last three full stops


@once
def lines(batch: Batch) -> Lines:
    """Lines that show something, those that start with a bullet, those that end with an ellipsis."""
    words, (_, data) = batch.words, batch.utf8
    out = np.zeros((3, len(batch)), np.int64)
    _lines(words.line_first, words.line_starts, words.line_ends, data, classes(), _bullets(), out)
    return Lines(*out)


@cache
def _bullets() -> np.ndarray:
    return np.array(sorted(map(ord, BULLETS)), np.int64)


@njit(nogil=True, cache=True)
def _lines(first, starts, ends, data, classes, bullets, out):  # type: ignore[no-untyped-def]
    for n in range(len(first) - 1):
        for line in range(first[n], first[n + 1]):
            c, b = _first_visible(data, starts[line], ends[line], classes)
            if c < 0:
                continue
            out[0, n] += 1
            for bullet in bullets:
                out[1, n] += c == bullet
            out[2, n] += _ends_in_ellipsis(data, b, ends[line], classes)


@njit(nogil=True, cache=True)
def _first_visible(data, b, end, classes):  # type: ignore[no-untyped-def]
    """The first code point that is no space or format character, and its place; -1 where there is none."""
    while b < end:
        c, after = decode(data, b, end)
        kind = classes[c] & KIND
        if kind != SPACE and kind != FORMAT:
            return c, b
        b = after
    return np.int64(-1), end


@njit(nogil=True, cache=True)
def _ends_in_ellipsis(data, b, end, classes):  # type: ignore[no-untyped-def]
    """Whether the last visible characters of data[b:end], which has a visible one, are an ellipsis."""
    while end > b:
        at = end - 1
        while at > b and data[at] & 0xC0 == 0x80:  # back to the first byte of the character
            at -= 1
        c, _ = decode(data, at, end)
        kind = classes[c] & KIND
        if kind != SPACE and kind != FORMAT:
            full_stops = at - b >= 2 and data[at] == 0x2E and data[at - 1] == 0x2E and data[at - 2] == 0x2E
            return c == _ELLIPSIS or full_stops
        end = at
    return False


def count(batch: Batch) -> np.ndarray:
    """Words per document: int64 [N]."""
    return np.diff(batch.words.first)


def per(parts: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """parts / whole, and 0 where the whole is 0: float64 [N]."""
    shares: np.ndarray = np.divide(parts, whole, out=np.zeros(len(whole)), where=whole != 0)
    return shares


_GOPHER = "Rae et al. 2021, A1.1"

MEASURES: dict[str, Measure] = {
    "words": Measure(count, "words", _GOPHER, pa.int64()),
    "mean_word_length": Measure(lambda batch: per(sums(batch).chars, count(batch)), "code points per word", _GOPHER),
    "hash_word_ratio": Measure(
        lambda batch: per(marks(batch).hash_signs, count(batch)), "hash signs (#) per word", _GOPHER
    ),
    "ellipsis_word_ratio": Measure(
        lambda batch: per(marks(batch).ellipses, count(batch)), "ellipses (... or U+2026) per word", _GOPHER
    ),
    "bullet_line_share": Measure(
        lambda batch: per(lines(batch).bulleted, lines(batch).shown),
        "share of the lines that are not blank that start with a bullet, 0 to 1",
        _GOPHER,
    ),
    "ellipsis_line_share": Measure(
        lambda batch: per(lines(batch).trailing, lines(batch).shown),
        "share of the lines that are not blank that end with an ellipsis, 0 to 1",
        _GOPHER,
    ),
    "alphabetic_word_share": Measure(
        lambda batch: per(sums(batch).alphabetic, count(batch)),
        "share of words with a letter, 0 to 1",
        _GOPHER,
    ),
    "stop_words": Measure(
        lambda batch: sums(batch).stop_words,
        f"how many different ones of: {', '.join(STOP_WORDS)}",
        _GOPHER,
        pa.int64(),
    ),
}
"""Every measure by the name of its column."""
