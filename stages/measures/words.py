"""Measures of words, as corpus/words.py splits them: punctuation is none, a Han character is one.

So they hold for Chinese and Japanese too, where the units are characters; what white space splits is counted
in tokens.py.
"""

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.documents import Batch
from corpus.words import HAS_LETTER, stop
from stages.languages import own
from stages.measures.base import Measure, Rows, once, per
from stages.shingles import shingles

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""Rae et al. 2021, A1.1: a text should hold at least two of them."""

_SHORT = 256  # word lengths that are counted in a table; documents whose median is longer are sorted


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


def different(batch: Batch, listed: Iterable[str]) -> np.ndarray:
    """How many different words of a list each document holds, whatever their case: int64 [N].

    ValueError where an entry is not exactly one word.
    """
    words, out = batch.words, np.zeros(len(batch), np.int64)
    _different(words.first, words.hashes, stop(listed), out)
    return out


@njit(nogil=True, cache=True)
def _different(first, hashes, listed, out):  # type: ignore[no-untyped-def]
    seen = np.full(len(listed), -1, np.int64)  # the document that held the word last
    for n in range(len(first) - 1):
        for w in range(first[n], first[n + 1]):
            for i in range(len(listed)):
                if hashes[w] == listed[i] and seen[i] != n:
                    seen[i] = n
                    out[n] += 1


def listed_words(batch: Batch, listed: Iterable[str]) -> np.ndarray:
    """How many words of each document are in a list, whatever their case: int64 [N]; ValueError as `different`."""
    words, out = batch.words, np.zeros(len(batch), np.int64)
    _listed(words.first, words.hashes, stop(listed), out)
    return out


@njit(nogil=True, cache=True)
def _listed(first, hashes, listed, out):  # type: ignore[no-untyped-def]
    for n in range(len(first) - 1):
        for w in range(first[n], first[n + 1]):
            place = np.searchsorted(listed, hashes[w])
            out[n] += place < len(listed) and listed[place] == hashes[w]


def stop_word_share(batch: Batch, listed: Iterable[str]) -> np.ndarray:
    """Words of a list per word: float64 [N]."""
    return per(listed_words(batch, listed), count(batch))


def count(batch: Batch) -> np.ndarray:
    """Words per document: int64 [N]."""
    return np.diff(batch.words.first)


def medians(first: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The median of each document's lengths, the mean of the middle two where they are even, 0 of none: float64 [N].

    first: int64 [N + 1]; lengths: integers of 0 or more.
    """
    out = np.zeros(len(first) - 1)
    _medians(first, lengths, out)
    return out


@njit(nogil=True, cache=True)
def _medians(first, lengths, out):  # type: ignore[no-untyped-def]
    held = np.zeros(_SHORT, np.int64)
    for n in range(len(first) - 1):
        size = first[n + 1] - first[n]
        if not size:
            continue
        held[:] = 0
        for w in range(first[n], first[n + 1]):
            held[min(lengths[w], _SHORT - 1)] += 1
        low, high = _middle(held, (size - 1) // 2), _middle(held, size // 2)
        if high == _SHORT - 1:
            ordered = np.sort(lengths[first[n] : first[n + 1]])
            low, high = np.int64(ordered[(size - 1) // 2]), np.int64(ordered[size // 2])
        out[n] = (low + high) / 2


@njit(nogil=True, cache=True)
def _middle(held, rank):  # type: ignore[no-untyped-def]
    """The length of the word of that rank, where held[length] words are that long."""
    length = np.int64(0)
    rank -= held[0]
    while rank >= 0:
        length += 1
        rank -= held[length]
    return length


class Spread(NamedTuple):
    """How words repeat: float64 [N] each."""

    unique: np.ndarray  # different words / words
    entropy: np.ndarray  # of the words' shares, nats
    repeated: np.ndarray  # words that stand more than once, every time / words


@once
def spread(batch: Batch) -> Spread:
    """Share of different words, of words that repeat, and the entropy of the distribution of words."""
    return spread_of(batch.words.first, batch.words.hashes)


def spread_of(first: np.ndarray, hashes: np.ndarray) -> Spread:
    """The same of any units: offsets int64 [N + 1] and a hash of each, uint64."""
    out = np.zeros((3, len(first) - 1))
    slots = 1 << max(4, (2 * int(np.diff(first).max(initial=0))).bit_length())
    _spread(first, hashes, np.zeros(slots, np.uint64), np.zeros(slots, np.int64), out)
    return Spread(*out)


@njit(nogil=True, cache=True)
def _spread(first, hashes, keys, counts, out):  # type: ignore[no-untyped-def]
    """Open addressing in a part of the table as large as the document needs, so that no sum hangs on others."""
    for n in range(len(first) - 1):
        size = first[n + 1] - first[n]
        slots = 16
        while slots < 2 * size:
            slots *= 2
        counts[:slots] = 0
        unique = 0
        for w in range(first[n], first[n + 1]):
            slot = np.int64(hashes[w] & np.uint64(slots - 1))
            while counts[slot] and keys[slot] != hashes[w]:
                slot = (slot + 1) & (slots - 1)
            keys[slot] = hashes[w]
            unique += counts[slot] == 0
            counts[slot] += 1
        entropy, repeated = 0.0, np.int64(0)
        for i in range(slots):
            if counts[i]:
                share = counts[i] / size
                entropy -= share * np.log(share)
                repeated += counts[i] * (counts[i] > 1)
        out[0, n] = unique / size if size else 0.0
        out[1, n] = max(entropy, 0.0)
        out[2, n] = repeated / size if size else 0.0


@once
def runs_of_ten(batch: Batch) -> Spread:
    """The same of runs of ten words; a text of fewer words is one run."""
    return spread_of(*shingles(batch.words, 10))


@njit(nogil=True, cache=True)
def _longest(first, lengths, out):  # type: ignore[no-untyped-def]
    for n in range(len(first) - 1):
        for w in range(first[n], first[n + 1]):
            out[n] = max(out[n], np.int64(lengths[w]))


def longest(first: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The greatest of each document's lengths, 0 of none: int64 [N]."""
    out = np.zeros(len(first) - 1, np.int64)
    _longest(first, lengths, out)
    return out


_GOPHER = "Rae et al. 2021, A1.1"
_DOLMA = "Soldaini et al. 2024 (Dolma), on our words"
_RPV2 = "Weber et al. 2024 (RedPajama-V2), on our words"

_JUICER = "Chen et al. 2024 (Data-Juicer), on our words"

ROWS: Rows = {
    "words": Measure(count, "words", _GOPHER, pa.int64()),
    "mean_word_length": Measure(lambda batch: per(sums(batch).chars, count(batch)), "code points per word", _GOPHER),
    "median_word_length": Measure(
        lambda batch: medians(batch.words.first, batch.words.chars), "median of the code points of a word", _DOLMA
    ),
    "longest_word": Measure(
        lambda batch: longest(batch.words.first, batch.words.chars),
        "code points of the longest word",
        "Raffel et al. 2020 (C4), on our words",
        pa.int64(),
    ),
    "alphabetic_word_share": Measure(
        lambda batch: per(sums(batch).alphabetic, count(batch)), "share of words with a letter, 0 to 1", _GOPHER
    ),
    "stop_words": Measure(
        lambda batch: sums(batch).stop_words,
        f"how many different ones of: {', '.join(STOP_WORDS)}",
        _GOPHER,
        pa.int64(),
    ),
    "unique_word_share": Measure(
        lambda batch: spread(batch).unique, "different words per word, case folded, 0 to 1", _RPV2
    ),
    "unigram_entropy": Measure(
        lambda batch: spread(batch).entropy, "entropy of the words' distribution, case folded, nats", _RPV2
    ),
    "repeated_10gram_share": Measure(
        lambda batch: runs_of_ten(batch).repeated,
        "runs of ten words that stand more than once, every time, per run, 0 to 1",
        _JUICER,
    ),
    "stop_word_share": Measure(
        lambda batch: stop_word_share(batch, own()["en"].function_words),
        "function words of stages/languages.txt per word, 0 to 1",
        _JUICER,
    ),
}
