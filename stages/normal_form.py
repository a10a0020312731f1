"""Unicode's composed form (NFC, UAX #15), looked for cluster by cluster so that what changed has a place.

A cluster is a character and those behind it that may compose with it or change places: what has a combining class,
or is the second half of a composition. Normalising is local to it. A kernel finds the clusters that the quick check
of UAX #15 doubts; few of them change (298 of 6,282 on real text), and each spelling is normalised once.
"""

import unicodedata
from functools import cache

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.buffers import bounds, utf8
from corpus.classes import CODE_POINTS, KIND, OTHER, classes, decode
from corpus.edits import Spans

LONGEST = 256
"""Bytes of a cluster at most: the Stream-Safe format (UAX #15, 13) allows 30 marks. Sorting more takes the square of
their number (unicodedata, 3.11), and such a run is no text: it stays as it is."""

CHANGES, JOINS, RANK = 0x80, 0x40, 0x3F
"""Of a form: never in NFC; may compose with what stands before; and a rank for each combining class, 0 for none."""


@cache
def forms() -> np.ndarray:
    """CHANGES, JOINS and RANK of every code point: uint8 [0x110000], read-only; 60 ms."""
    table = np.zeros(CODE_POINTS, np.uint8)
    points = np.flatnonzero(classes() & KIND != OTHER)  # what a newer Python knows besides must not count
    combining = np.fromiter((unicodedata.combining(chr(c)) for c in points), np.int64, len(points))
    table[points] = np.unique(combining, return_inverse=True)[1]
    for c in points.tolist():
        parts = unicodedata.decomposition(chr(c)).split()
        if parts and not parts[0].startswith("<"):
            if unicodedata.normalize("NFC", chr(c)) != chr(c):
                table[c] |= CHANGES
            elif len(parts) == 2:
                table[int(parts[1], 16)] |= JOINS
    table[0x1161:0x1176] |= JOINS  # Hangul vowels and final consonants: composed by rule, not by table
    table[0x11A8:0x11C3] |= JOINS
    table.flags.writeable = False
    return table


def composed_form(text: pa.Array, asked: np.ndarray) -> tuple[Spans, list[bytes]]:
    """The clusters that NFC changes, and what each becomes, in the documents asked for (bool [N]).

    A Python loop over doubted clusters: 6 us each with the walk that finds them, for 6,282 clusters of 90 MB.
    """
    offsets, data = utf8(text)
    row, places = _doubted(offsets, data, forms(), asked)
    known: dict[bytes, bytes] = {}
    counts, spans, by = np.zeros(len(text), np.int64), [], []
    for n, start, end in zip(row.tolist(), *places.tolist(), strict=True):
        cluster = data[offsets[n] + start : offsets[n] + end].tobytes()
        if cluster not in known:
            known[cluster] = unicodedata.normalize("NFC", cluster.decode()).encode()
        if known[cluster] != cluster:
            spans.append((start, end))
            by.append(known[cluster])
            counts[n] += 1
    starts, ends = np.array(spans, np.int64).reshape(-1, 2).T
    return Spans(bounds(counts), starts.copy(), ends.copy()), by


@njit(nogil=True, cache=True)
def _doubted(offsets, data, forms, asked):  # type: ignore[no-untyped-def]
    """Document (int64 [S]) and start and end in it (int64 [2, S]) of clusters that may not be in NFC."""
    most = np.int64(16)
    rows, places, held = np.empty(most, np.int64), np.empty((2, most), np.int64), np.int64(0)
    for n in range(len(offsets) - 1):
        b = offsets[n] if asked[n] else offsets[n + 1]
        while b < offsets[n + 1]:
            start, doubted, before = b, False, 0
            c, b = decode(data, b, offsets[n + 1])
            while True:
                doubted |= is_doubted(before, forms[c])
                before = forms[c]
                if b == offsets[n + 1]:
                    break
                c, after = decode(data, b, offsets[n + 1])
                if forms[c] & (JOINS | RANK) == 0:
                    break
                b = after
            if doubted and b - start <= LONGEST:
                if held == most:
                    rows, places = np.concatenate((rows, rows)), np.concatenate((places, places), axis=1)
                    most *= 2
                rows[held], places[0, held], places[1, held] = n, start - offsets[n], b - offsets[n]
                held += 1
    return rows[:held], places[:, :held]


@njit(inline="always")
def is_doubted(before, form):  # type: ignore[no-untyped-def]
    """The quick check of UAX #15 for a character behind another: whether the two may not be in NFC."""
    return form & (CHANGES | JOINS) != 0 or 0 < form & RANK < before & RANK
