"""What becomes of a line under C4's rules, and what stays of it: the kernels of stages/c4.py.

The order is that of `c4_utils.clean_page`. A line is judged stripped and without its citations, so a line that has
some is copied without them; few have.
"""

from functools import cache

import numpy as np
from numba import njit

from corpus.borrowing import borrowed
from corpus.classes import TERMINATOR, classes, decode
from corpus.documents import Batch
from corpus.hashing import eight_bytes
from stages.line_edits import DECIMAL, Pieces, before, same, split_words, traits, trimmed, white
from stages.measures.segments import Segments

KEPT, LONG_WORD, UNENDED, FEW_WORDS, LOREM_IPSUM, JAVASCRIPT, CURLY_BRACKET, POLICY = range(8)
"""What became of a line, in the order of the checks."""

PHRASES = (
    (LOREM_IPSUM, b"lorem ipsum"), (JAVASCRIPT, b"javascript"),
    (POLICY, b"terms of use"), (POLICY, b"privacy policy"), (POLICY, b"cookie policy"),
    (POLICY, b"uses cookies"), (POLICY, b"use of cookies"), (POLICY, b"use cookies"),
)  # fmt: skip
"""c4_utils: what a line must not hold, whatever the case."""

_OPENING, _CLOSING, _CURLY, _STOP = 0x5B, 0x5D, 0x7B, 0x2E
_NOTES = tuple(np.frombuffer(note, np.uint8) for note in (b"[edit]", b"[citation needed]"))
_ONES, _HIGH = (np.uint64(byte * 0x0101_0101_0101_0101) for byte in (0x01, 0x80))
_OPENINGS = np.uint64(_OPENING) * _ONES
_LONGEST = max(len(phrase) for _, phrase in PHRASES)


def judged(
    batch: Batch, found: Segments, marks: bytes, least: int, most: int, paper: bool
) -> tuple[np.ndarray, np.ndarray]:
    """What becomes of each line (uint8 [L], KEPT to POLICY), and the citations it holds (int64 [L]).

    marks: the bytes a line may end in, any where there are none; least: words; most: code points of a word.
    paper: citations are gone when words are counted; datatrove counts them too.
    """
    ends = np.zeros(256, np.bool_)
    ends[list(marks)] = True
    what, citations = np.zeros(len(found.starts), np.uint8), np.zeros(len(found.starts), np.int64)
    limits = (paper, bool(marks), least, most)
    _judge(batch.utf8[1], found.starts, found.ends, limits, ends, *_phrases(), traits(), what, citations)
    return what, citations


@cache
def _phrases() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """PHRASES as a table of bytes with lengths and reasons, and by its first byte the second of each, else 0."""
    table, begins = np.zeros((len(PHRASES), _LONGEST), np.uint8), np.zeros(256, np.uint8)
    for row, (_, phrase) in enumerate(PHRASES):
        table[row, : len(phrase)] = list(phrase)
        begins[[phrase[0], phrase[0] - 0x20]] = phrase[1]  # phrases that share the first letter share the second
    begins[_CURLY] = _CURLY
    sizes = np.array([len(phrase) for _, phrase in PHRASES])
    return table, sizes, np.array([reason for reason, _ in PHRASES]), begins


@njit(nogil=True, cache=True)
def _judge(data, starts, ends, limits, marks, phrases, sizes, whys, begins, traits, judged, citations):  # type: ignore[no-untyped-def]
    data, marks, phrases = borrowed(data), borrowed(marks), borrowed(phrases)
    sizes, whys, begins, traits = borrowed(sizes), borrowed(whys), borrowed(begins), borrowed(traits)
    paper, terminal, least, most = limits
    bare = np.empty(0, np.uint8)  # a line without its citations
    for line in range(len(starts)):
        b, end = trimmed(data, starts[line], ends[line])
        words, long = split_words(data, b, end, end - b, most)
        if long:
            judged[line] = LONG_WORD
            continue
        cited, behind = _citation(data, b, end, traits)
        if cited == end:
            judged[line] = _reason(data, b, end, words, terminal, least, marks, phrases, sizes, whys, begins)
            continue
        if len(bare) < end - b:
            bare = np.empty(end - b, np.uint8)
        size = np.int64(0)
        while True:
            bare[size : size + cited - b] = data[b:cited]
            size += cited - b
            if cited == end:
                break
            citations[line] += 1
            b = behind
            cited, behind = _citation(data, b, end, traits)
        if paper:  # datatrove counts words while the citations are still there
            words = split_words(bare, 0, size, size, most)[0]
        judged[line] = _reason(bare, 0, size, words, terminal, least, marks, phrases, sizes, whys, begins)


@njit(nogil=True, cache=True)
def _citation(data, b, end, traits):  # type: ignore[no-untyped-def]
    """The next of [digits], [edit] and [citation needed] in data[b:end], as (start, end); (end, end) for none."""
    data, traits = borrowed(data), borrowed(traits)
    while b < end:
        while b + 8 <= end:
            x = eight_bytes(data, b) ^ _OPENINGS
            if (x - _ONES) & ~x & _HIGH:  # a byte of it is 0
                break
            b += 8
        if b < end and data[b] == _OPENING:
            c, after = np.int64(0), b + 1
            while after < end:
                c, at = decode(data, after, end)
                if not traits[c] & DECIMAL:
                    break
                after = at
            if after < end and c == _CLOSING:
                return b, after + 1
            for wanted in _NOTES:
                if b + len(wanted) <= end and (data[b : b + len(wanted)] == wanted).all():
                    return b, b + len(wanted)
        b += 1
    return end, end


@njit(nogil=True, cache=True)
def _reason(data, b, end, words, terminal, least, marks, phrases, sizes, whys, begins):  # type: ignore[no-untyped-def]
    """What becomes of a line that is stripped and has lost its citations."""
    data, marks, phrases = borrowed(data), borrowed(marks), borrowed(phrases)
    sizes, whys, begins = borrowed(sizes), borrowed(whys), borrowed(begins)
    if terminal:
        dots = end - b >= 3 and data[end - 1] == _STOP and data[end - 2] == _STOP and data[end - 3] == _STOP
        if b == end or not marks[data[end - 1]] or dots:
            return UNENDED
    if words < least:
        return FEW_WORDS
    reason = POLICY + 1
    for at in range(np.uint64(b), np.uint64(end)):
        second = begins[data[at]]
        if second == 0:
            continue
        if second == _CURLY:
            reason = min(reason, CURLY_BRACKET)
        elif at + np.uint64(1) < np.uint64(end) and data[at + np.uint64(1)] | 0x20 == second:
            for row in range(len(sizes)):
                if whys[row] < reason and same(data, np.int64(at), end, phrases[row, : sizes[row]]) >= 0:
                    reason = whys[row]
    return reason if reason <= POLICY else KEPT


def sentences(batch: Batch, found: Segments, citations: np.ndarray) -> np.ndarray:
    """Sentences of each line, by the ends that corpus/words.py finds: int64 [L]."""
    words, counts = batch.words, np.zeros(len(found.starts), np.int64)
    stops = (words.first, words.starts, words.sentence_first, words.sentence_ends)
    _count_sentences(batch.utf8[1], *found, stops, citations, classes(), traits(), counts)
    return counts


@njit(nogil=True, cache=True)
def _count_sentences(data, first, starts, ends, split, citations, classes, traits, out):  # type: ignore[no-untyped-def]
    """Ends of sentences in a line, and one more where words follow the last: a line's end ends one too."""
    word_first, words, sentence_first, stops = split
    for n in range(len(first) - 1):
        w, s = word_first[n], sentence_first[n]
        for line in range(first[n], first[n + 1]):
            reached = starts[line]
            while s < sentence_first[n + 1] and stops[s] <= ends[line]:
                out[line] += stops[s] > starts[line]
                reached = max(reached, stops[s])
                s += 1
            while w < word_first[n + 1] and words[w] < reached:
                w += 1
            out[line] += w < word_first[n + 1] and words[w] < ends[line]
            if citations[line]:
                out[line] += _ends_before_citations(data, starts[line], ends[line], classes, traits)


@njit(nogil=True, cache=True)
def _ends_before_citations(data, b, end, classes, traits):  # type: ignore[no-untyped-def]
    """Ends like `so.[1] Then`, which are none to who does not know citations."""
    count, start, ended = np.int64(0), b, False
    reached = np.int64(-1)  # behind the citation before
    while True:
        b, behind = _citation(data, b, end, traits)
        if behind >= end:
            return count
        if b != reached:  # in so.[1][2] both follow the full stop
            ended = b > start and classes[decode(data, before(data, start, b), b)[0]] & TERMINATOR != 0
        count += ended and white(decode(data, behind, end)[0])
        b = reached = behind


def pieces(batch: Batch, found: Segments, kept: np.ndarray, citations: np.ndarray) -> Pieces:
    """The lines that are kept, stripped and without their citations."""
    first, most = np.zeros(len(found.first), np.int64), int((citations[kept] + 1).sum())
    starts, ends, begins = np.zeros(most, np.int64), np.zeros(most, np.int64), np.zeros(most, np.bool_)
    _lay_pieces(batch.utf8[1], *found, kept, traits(), first, starts, ends, begins)
    return Pieces(first, starts, ends, begins)


@njit(nogil=True, cache=True)
def _lay_pieces(data, first, starts, ends, kept, traits, piece_first, piece_starts, piece_ends, begins):  # type: ignore[no-untyped-def]
    p = np.int64(0)
    for n in range(len(first) - 1):
        for line in range(first[n], first[n + 1]):
            if not kept[line]:
                continue
            b, end = trimmed(data, starts[line], ends[line])
            begins[p] = True
            while True:
                cited, behind = _citation(data, b, end, traits)
                piece_starts[p], piece_ends[p] = b, cited
                p += 1
                if cited == end:
                    break
                b = behind
        piece_first[n + 1] = p


@njit(nogil=True, cache=True)
def long_lines(offsets, data, least):  # type: ignore[no-untyped-def]
    """Lines between \\n of at least so many code points: int64 [N]."""
    out = np.zeros(len(offsets) - 1, np.int64)
    for n in range(len(out)):
        chars = np.int64(0)
        for b in range(offsets[n], offsets[n + 1]):
            if data[b] == 0x0A:
                out[n] += chars >= least
                chars = np.int64(0)
            else:
                chars += data[b] & 0xC0 != 0x80
        out[n] += chars >= least
    return out
