"""RedPajama-V2's quality signals, those that a text alone defines, under their published names.

Normalised words are runs between white space without ASCII punctuation, case folded; raw words are runs of \\w and
runs of what is neither \\w nor white space (NLTK's WordPunctTokenizer). Not as published: lengths count code points
as they stand, not after decomposition (NFD), and ratios are not rounded. The signals of single lines are laid as
their mean over the document. Where the original has null for nothing to divide by, these have 0.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.buffers import bounds
from corpus.classes import KIND, LOWER, classes, decode, encode, folds
from corpus.documents import TEXT, Batch
from stages.measures.base import Measure, Rows, once, per
from stages.measures.characters import ALPHANUMERIC, SPECIAL, UPPER, WHITE, characters, properties
from stages.measures.marks import marks
from stages.measures.segments import Segments, Shapes, newline_lines, shapes
from stages.measures.words import Spread, spread_of
from stages.splitting import tokens

BULLETS = "\u2022\u2023\u25b6\u25c0\u25e6\u25a0\u25a1\u25aa\u25ab\u2013"


class Normal(NamedTuple):
    """Normalised words of N documents; those of document n are [first[n] : first[n + 1]]."""

    first: np.ndarray  # int64 [N + 1]
    hashes: np.ndarray  # uint64 [W]
    chars: np.ndarray  # int64 [N], code points in all of them


@once
def normal(batch: Batch) -> Normal:
    """Normalised words, hashed."""
    split, (_, data) = tokens(batch, "whitespace"), batch.utf8
    first, hashes = np.zeros(len(batch) + 1, np.int64), np.empty(len(split.starts), np.uint64)
    chars = np.zeros(len(batch), np.int64)
    _normal(data, *split, properties(), folds(), first, hashes, chars)
    return Normal(first, hashes[: first[-1]], chars)


@njit(nogil=True, cache=True)
def _normal(data, begin, starts, ends, properties, folds, first, hashes, chars):  # type: ignore[no-untyped-def]
    w = np.int64(0)
    for n in range(len(begin) - 1):
        for t in range(begin[n], begin[n + 1]):
            h, b, size = np.uint64(0xCBF29CE484222325), starts[t], np.int64(0)
            while b < ends[t]:
                c, after = decode(data, b, ends[t])
                if c >= 0x80 or not properties[c] & SPECIAL or properties[c] & ALPHANUMERIC or c < 0x21:
                    code, width = encode(folds[c])
                    for i in range(width):  # FNV-1a
                        h = (h ^ (code >> np.uint64(8 * i) & np.uint64(0xFF))) * np.uint64(0x100000001B3)
                    size += 1
                b = after
            if size:
                hashes[w] = h ^ h >> np.uint64(32)
                w += 1
                chars[n] += size
        first[n + 1] = w


def in_a_row(batch: Batch, phrase: str) -> np.ndarray:
    """How often the normalised words of a phrase stand in a row: int64 [N]."""
    wanted = normal(Batch(pa.record_batch([pa.array([phrase], pa.large_string())], names=[TEXT]))).hashes
    found = normal(batch)
    hits = np.ones(max(len(found.hashes) - len(wanted) + 1, 0), np.bool_)
    for i, one in enumerate(wanted):
        hits &= found.hashes[i : len(hits) + i] == one
    of = np.repeat(np.arange(len(batch)), np.diff(found.first))
    hits &= of[: len(hits)] == of[len(of) - len(hits) :]  # a row ends with its document
    return np.bincount(of[: len(hits)][hits], minlength=len(batch))


@once
def normal_spread(batch: Batch) -> Spread:
    """Share of different normalised words and their entropy."""
    return spread_of(normal(batch).first, normal(batch).hashes)


class Raw(NamedTuple):
    """What one walk over the characters finds: int64 [N] each."""

    words: np.ndarray  # runs of \\w, runs of punctuation
    unlettered: np.ndarray  # of these without an ASCII letter
    capitals: np.ndarray  # of these with an upper-case letter and no lower-case one
    sentences: np.ndarray  # matches of \\b[^.!?]+[.!?]*


@once
def raw(batch: Batch) -> Raw:
    """Raw words and sentences."""
    starts, data = batch.utf8
    out = np.zeros((4, len(batch)), np.int64)
    _raw(starts, data, properties(), classes(), out)
    return Raw(*out)


@njit(nogil=True, cache=True)
def _raw(starts, data, properties, classes, out):  # type: ignore[no-untyped-def]
    for n in range(len(starts) - 1):
        b, stop = starts[n], starts[n + 1]
        run, lettered, upper, lower = 0, False, False, False  # run: 0 white space, 1 \w, 2 neither
        previous, inside, closing = False, False, False  # of \w; of a sentence; of its end marks
        while b < stop:
            c, b = decode(data, b, stop)
            p = properties[c]
            word = p & ALPHANUMERIC != 0 or c == 0x5F
            kind = 1 if word else 0 if p & WHITE else 2
            if kind != run:
                _close(run, lettered, upper, lower, out, n)
                run, lettered, upper, lower = kind, False, False, False
            lettered |= 0x61 <= c | 0x20 <= 0x7A and c < 0x80
            upper |= p & UPPER != 0
            lower |= classes[c] & KIND == LOWER
            mark = c == 0x2E or c == 0x21 or c == 0x3F
            if inside and closing and not mark:
                inside = False
            if inside:
                closing = mark
            elif not mark and word != previous:
                out[3, n] += 1
                inside, closing = True, False
            previous = word
        _close(run, lettered, upper, lower, out, n)


@njit(nogil=True, cache=True)
def _close(run, lettered, upper, lower, out, n):  # type: ignore[no-untyped-def]
    if run:
        out[0, n] += 1
        out[1, n] += not lettered
        out[2, n] += upper and not lower


@once
def ended_lines(batch: Batch) -> Segments:
    """Lines that end at a line feed, and what is left behind the last where something is."""
    pieces = newline_lines(batch)
    last = pieces.first[1:] - 1
    kept = np.ones(len(pieces.starts), np.bool_)
    kept[last[pieces.starts[last] == pieces.ends[last]]] = False
    return Segments(bounds(kept)[pieces.first], pieces.starts[kept], pieces.ends[kept])


@once
def line_shapes(batch: Batch) -> Shapes:
    """How lines start and end; blank ones count."""
    return shapes(batch, ended_lines(batch), BULLETS, ("...", "…"), (".", "!", "?", "”"))


@once
def line_means(batch: Batch) -> np.ndarray:
    """Over lines, the sums of: normalised words, upper-case share, share of numerals, float64 [3, N]."""
    lines, (_, data) = ended_lines(batch), batch.utf8
    out = np.zeros((3, len(batch)))
    _line_means(data, *lines, batch.utf8[0], properties(), out)
    return out


@njit(nogil=True, cache=True)
def _line_means(data, first, starts, ends, offsets, properties, out):  # type: ignore[no-untyped-def]
    for n in range(len(first) - 1):
        for s in range(first[n], first[n + 1]):
            b, stop = starts[s], ends[s]
            chars = np.int64(ends[s] < offsets[n + 1])  # the line feed belongs to the line
            upper, numerals, bare, words = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
            outside = True
            while b < stop:
                c, b = decode(data, b, stop)
                p = properties[c]
                chars += 1
                upper += p & UPPER != 0
                numerals += p & ALPHANUMERIC != 0 and p & SPECIAL != 0
                white = p & WHITE != 0
                punctuation = c < 0x80 and c > 0x20 and p & SPECIAL and not p & ALPHANUMERIC
                words += outside and not white and not punctuation
                # A run of punctuation alone is no word; punctuation inside one does not end it.
                outside = white or (outside and punctuation)
                bare += not punctuation and not white
            out[0, n] += words
            out[1, n] += upper / chars if chars else 0.0
            out[2, n] += numerals / (bare + words - 1) if words else 0.0  # a space between words


_SOURCE = "Weber et al. 2024 (RedPajama-V2), table of quality signals"


def _mean_of(row: int, meaning: str) -> Measure:
    return Measure(
        lambda batch: per(line_means(batch)[row], line_shapes(batch).counted), f"{meaning}, mean over lines", _SOURCE
    )


ROWS: Rows = {
    "rps_doc_word_count": Measure(lambda batch: np.diff(normal(batch).first), "normalised words", _SOURCE, pa.int64()),
    "rps_doc_num_sentences": Measure(
        lambda batch: raw(batch).sentences, "matches of \\b[^.!?]+[.!?]*", _SOURCE, pa.int64()
    ),
    "rps_doc_mean_word_length": Measure(
        lambda batch: per(normal(batch).chars, np.diff(normal(batch).first)), "code points per normalised word", _SOURCE
    ),
    "rps_doc_symbol_to_word_ratio": Measure(
        lambda batch: per(marks(batch).hash_signs + marks(batch).ellipses, raw(batch).words),
        "hash signs and ellipses (..., U+2026) per raw word",
        _SOURCE,
    ),
    "rps_doc_frac_lines_end_with_ellipsis": Measure(
        lambda batch: per(line_shapes(batch).ended, line_shapes(batch).counted),
        "share of lines that end with an ellipsis, 0 to 1",
        _SOURCE,
    ),
    "rps_doc_frac_no_alph_words": Measure(
        lambda batch: per(raw(batch).unlettered, raw(batch).words),
        "share of raw words without an ASCII letter, 0 to 1",
        _SOURCE,
    ),
    "rps_doc_frac_unique_words": Measure(
        lambda batch: normal_spread(batch).unique, "different normalised words per normalised word, 0 to 1", _SOURCE
    ),
    "rps_doc_unigram_entropy": Measure(
        lambda batch: normal_spread(batch).entropy, "entropy of the normalised words' distribution, nats", _SOURCE
    ),
    "rps_doc_frac_all_caps_words": Measure(
        lambda batch: per(raw(batch).capitals, raw(batch).words),
        "share of raw words in capitals, 0 to 1",
        _SOURCE,
    ),
    "rps_doc_lorem_ipsum": Measure(
        lambda batch: per(
            in_a_row(batch, "lorem ipsum"), normal(batch).chars + np.maximum(np.diff(normal(batch).first) - 1, 0)
        ),
        "times the words lorem ipsum stand in a row per character of the normalised words with a space between them",
        _SOURCE,
    ),
    "rps_doc_curly_bracket": Measure(
        lambda batch: per(characters(batch).curly, characters(batch).all), "curly brackets per character", _SOURCE
    ),
    "rps_lines_ending_with_terminal_punctution_mark": Measure(
        lambda batch: per(line_shapes(batch).closed, line_shapes(batch).counted),
        "share of lines that end with . ! ? or ”, 0 to 1",
        _SOURCE,
    ),
    "rps_lines_start_with_bulletpoint": Measure(
        lambda batch: per(line_shapes(batch).bulleted, line_shapes(batch).counted),
        "share of lines that start with a bullet, 0 to 1",
        _SOURCE,
    ),
    "rps_lines_num_words": _mean_of(0, "normalised words"),
    "rps_lines_uppercase_letter_fraction": _mean_of(1, "share of upper-case letters, 0 to 1"),
    "rps_lines_numerical_chars_fraction": _mean_of(
        2, "share of numerals in what is left without ASCII punctuation, 0 to 1"
    ),
    "rps_lines_javascript_counts": Measure(
        lambda batch: per(in_a_row(batch, "javascript"), line_shapes(batch).counted),
        "normalised words that are javascript, mean over lines",
        _SOURCE,
    ),
}
