"""Shingles: the n-grams of a text as 64-bit hashes: of words, of characters, or of words as datatrove hashes them.

A text shorter than n is one shingle, the whole of it; an empty text has none. All give offsets int64 [N + 1]
and values uint64, in order and with repeats. `most` ends a long text after its first so many shingles; how
many texts that meets is `capped`.
"""

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.buffers import bounds, utf8
from corpus.classes import BREAK, KIND, SPACE, classes, decode
from corpus.hashing import mix64
from corpus.words import Words
from corpus.xxhash import xxh64

UNLIMITED = 2**62

_PHI = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, made odd; its powers tell the places apart
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))


def shingles(words: Words, ngram: int, most: int = UNLIMITED) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of every run of `ngram` words of the shared word pass; a text without words has none.

    2,600 MB/s a core on English, whatever `ngram` is: scripts/bench_kernels.py.
    """
    return ngrams(words.first, words.hashes, ngram, most)


def ngrams(first: np.ndarray, hashes: np.ndarray, ngram: int, most: int = UNLIMITED) -> tuple[np.ndarray, np.ndarray]:
    """The same where only the hashes of words are known: int64 [N + 1], uint64 [W] (corpus/word_hashes.py)."""
    return _words(first, hashes, _offsets(np.diff(first), ngram, most), ngram)


def char_shingles(text: pa.Array, ngram: int, most: int = UNLIMITED) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of every run of `ngram` code points of the texts, as a rule normalised ones.

    text: large_string [N], nulls count as empty. Five or six times as many as of words: cap long texts.
    105 MB/s a core: scripts/bench_kernels.py.
    """
    starts, data = utf8(text)
    return _chars(starts, data, _offsets(_characters(starts, data), ngram, most), ngram)


def datatrove_shingles(text: pa.Array, ngram: int, most: int = UNLIMITED) -> tuple[np.ndarray, np.ndarray]:
    """XXH64 of every run of `ngram` words, joined by one space: datatrove 0.10.1's, where it splits alike.

    text: large_string [N] as `stages.normalisation.DATATROVE` makes it. Words are what stands between white
    space; datatrove asks spaCy for English, which cuts "cannot" and "dont" in two as well. It gives no
    shingle to a text shorter than `ngram`.
    """
    first, ends, joined = _joined(*utf8(text), classes())
    return _hashed(first, ends, joined, _offsets(np.diff(first), ngram, most), ngram)


def characters(text: pa.Array) -> np.ndarray:
    """Code points of each text: int64 [N]; nulls count 0."""
    return _characters(*utf8(text))


def datatrove_words(text: pa.Array) -> np.ndarray:
    """Words of each text as `datatrove_shingles` splits it: int64 [N]."""
    return np.diff(_joined(*utf8(text), classes())[0])


def capped(counts: np.ndarray, ngram: int, most: int) -> int:
    """How many texts of so many words or characters (int64 [N]) have more than `most` shingles."""
    return int(np.count_nonzero(counts - ngram + 1 > most))


def _offsets(counts: np.ndarray, ngram: int, most: int) -> np.ndarray:
    """Where the shingles of each text go: int64 [N + 1]."""
    many = np.minimum(np.maximum(counts - ngram + 1, np.minimum(counts, 1)), most)
    return bounds(many)


@njit(nogil=True, cache=True)
def _words(first: np.ndarray, hashes: np.ndarray, offsets: np.ndarray, ngram: int) -> tuple[np.ndarray, np.ndarray]:
    """sum(hash[j] * phi**(j + 1)), mixed. Word hashes are mixed already, so a sum of products is enough; the next
    one is had from the last, since phi is odd and so has an inverse."""
    values = np.empty(offsets[-1], np.uint64)
    for n in range(len(first) - 1):
        of, out = hashes[first[n] : first[n + 1]], values[offsets[n] : offsets[n + 1]]
        h, place = np.uint64(0), np.uint64(1)
        for j in range(min(ngram, len(of))):
            place *= _PHI
            h += of[j] * place
        for i in range(len(out)):
            if i:
                h = h * _INVERSE - of[i - 1] + of[i - 1 + ngram] * place
            out[i] = mix64(h)
    return offsets, values


@njit(nogil=True, cache=True)
def _characters(starts: np.ndarray, data: np.ndarray) -> np.ndarray:
    counts = np.zeros(len(starts) - 1, np.int64)
    for n in range(len(counts)):
        count = np.int64(0)
        for b in range(np.uint64(starts[n]), np.uint64(starts[n + 1])):  # vectors: 20 GB/s, 2 with signs and in place
            count += data[b] & 0xC0 != 0x80
        counts[n] = count
    return counts


@njit(nogil=True, cache=True)
def _chars(starts: np.ndarray, data: np.ndarray, offsets: np.ndarray, ngram: int) -> tuple[np.ndarray, np.ndarray]:
    """As `_words`, of mixed code points; `back` walks behind `b` by the width of a shingle."""
    values = np.empty(offsets[-1], np.uint64)
    for n in range(len(starts) - 1):
        b, stop, out = starts[n], starts[n + 1], values[offsets[n] : offsets[n + 1]]
        back = b
        h, place, width = np.uint64(0), np.uint64(1), 0
        while b < stop and width < ngram:
            c, b = decode(data, b, stop)
            place *= _PHI
            h += mix64(c + 1) * place
            width += 1
        for i in range(len(out)):
            if i:
                old, back = decode(data, back, stop)
                new, b = decode(data, b, stop)
                h = h * _INVERSE - mix64(old + 1) + mix64(new + 1) * place
            out[i] = mix64(h)
    return offsets, values


@njit(nogil=True, cache=True)
def _joined(starts: np.ndarray, data: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Words one behind the other with one space between: offsets of texts, ends of words, bytes."""
    first, out = np.zeros(len(starts), np.int64), np.empty(starts[-1] - starts[0] + len(starts), np.uint8)
    ends, word, used = np.empty(len(out) // 2 + 1, np.int64), 0, 0
    for n in range(len(starts) - 1):
        b, stop, inside = starts[n], starts[n + 1], False
        while b < stop:
            c, after = decode(data, b, stop)
            kind = classes[c] & KIND
            space = (kind == SPACE and c != 0x200B) or kind == BREAK  # U+200B is no white space to Python
            if space and inside:
                ends[word], out[used] = used, 0x20
                word, used = word + 1, used + 1
            inside = not space
            for i in range(b, after if inside else b):
                out[used] = data[i]
                used += 1
            b = after
        if inside:
            ends[word], out[used] = used, 0x20
            word, used = word + 1, used + 1
        first[n + 1] = word
    return first, ends[:word], out[:used]


@njit(nogil=True, cache=True)
def _hashed(
    first: np.ndarray, ends: np.ndarray, data: np.ndarray, offsets: np.ndarray, ngram: int
) -> tuple[np.ndarray, np.ndarray]:
    values = np.empty(offsets[-1], np.uint64)
    for n in range(len(first) - 1):
        last = first[n + 1] - 1
        for i in range(offsets[n + 1] - offsets[n]):
            word = first[n] + i
            start = ends[word - 1] + 1 if word else 0
            values[offsets[n] + i] = xxh64(data, start, ends[min(word + ngram - 1, last)])
    return offsets, values


@njit(nogil=True, cache=True)
def shared(a: np.ndarray, b: np.ndarray) -> int:
    """How many members two sorted sets have in common."""
    i, j, both = 0, 0, 0
    while i < len(a) and j < len(b):
        if a[i] == b[j]:
            both += 1
            i += 1
            j += 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    return both


@njit(nogil=True, cache=True)
def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """Shared share of two sorted sets: |a & b| / |a | b|; 0 where both are empty."""
    both = shared(a, b)
    union = len(a) + len(b) - both
    return both / union if union else 0.0
