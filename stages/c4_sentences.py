"""Sentences of a line as datatrove counts them: spaCy's sentencizer, over spaCy's tokens.

A sentence begins at the first token behind an end mark that is neither punctuation nor another end mark; white space
that is a token to spaCy (all but one space) begins one too. A line that has citations is split without them.
"""

from functools import cache

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.borrowing import borrowed
from corpus.classes import CONNECTOR, KIND, PUNCTUATION, classes, decode
from corpus.documents import Batch
from stages.c4_lines import pieces
from stages.measures.segments import Segments
from stages.splitting import tokens

# spaCy 3.8, Sentencizer.default_punct_chars: Unicode's Sentence_Terminal of about version 11.
_MARKS = """
21 2E 3F 589 61F 6D4 700..702 7F9 964..965 104A..104B 1362 1367..1368 166E 1735..1736 1803 1809 1944..1945 1AA8..1AAB
1B5A..1B5B 1B5E..1B5F 1C3B..1C3C 1C7E..1C7F 203C..203D 2047..2049 2E2E 2E3C 3002 A4FF A60E..A60F A6F3 A6F7 A876..A877
A8CE..A8CF A92F A9C8..A9C9 AA5D..AA5F AAF0..AAF1 ABEB FE52 FE56..FE57 FF01 FF0E FF1F FF61 10A56..10A57 11047..11048
110BE..110C1 11141..11143 111C5..111C6 111CD 111DE..111DF 11238..11239 1123B..1123C 112A9 1144B..1144C 115C2..115C3
115C9..115D7 11641..11642 1173C..1173E 11A42..11A43 11A9B..11A9C 11C41..11C42 16A6E..16A6F 16AF5 16B37..16B38 16B44
1BC9F 1DA88
"""
_PUNCTUATION, _MARK = 1, 2


@cache
def marks() -> np.ndarray:
    """Which code points are punctuation (1), and which end a sentence (2): uint8 [0x110000], read-only."""
    kinds = classes() & KIND
    table = ((kinds == PUNCTUATION) | (kinds == CONNECTOR)).astype(np.uint8)
    for span in _MARKS.split():
        first, _, last = span.partition("..")
        table[int(first, 16) : int(last or first, 16) + 1] |= _MARK
    table.flags.writeable = False
    return table


def spacy_sentences(batch: Batch, found: Segments, kept: np.ndarray, citations: np.ndarray) -> np.ndarray:
    """Sentences of each line; of those with citations only where `kept` (bool [L]): int64 [L]."""
    counts = np.zeros(len(found.starts), np.int64)
    _count(batch.utf8[1], *found, *tokens(batch, "spacy"), marks(), counts)
    cited = kept & (citations > 0)
    if cited.any():
        bare = Batch(pa.record_batch([_without_citations(batch, found, cited, citations)], names=["text"]))
        starts, data = bare.utf8
        lines = Segments(np.arange(len(starts)), starts[:-1], starts[1:])
        again = np.zeros(len(bare), np.int64)
        _count(data, *lines, *tokens(bare, "spacy"), marks(), again)
        counts[cited] = again
    return counts


def _without_citations(batch: Batch, found: Segments, cited: np.ndarray, citations: np.ndarray) -> pa.Array:
    """The text of each cited line without its citations, large_string; a loop, for few pages have any."""
    left, data = pieces(batch, found, cited, citations), batch.utf8[1]
    lines: list[bytes] = []
    for a, b, begins in zip(left.starts.tolist(), left.ends.tolist(), left.begins.tolist(), strict=True):
        if begins:
            lines.append(b"")
        lines[-1] += data[a:b].tobytes()
    return pa.array(lines, pa.large_binary()).cast(pa.large_string())


@njit(nogil=True, cache=True)
def _count(data, first, starts, ends, token_first, token_starts, token_ends, marks, out):  # type: ignore[no-untyped-def]
    data, marks = borrowed(data), borrowed(marks)
    for n in range(len(first) - 1):
        t, stop = token_first[n], token_first[n + 1]
        for line in range(first[n], first[n + 1]):
            while t < stop and token_starts[t] < starts[line]:
                t += 1
            ended, before = False, np.int64(-1)  # an end mark stands before; the end of the token before
            out[line] = t < stop and token_starts[t] < ends[line]
            while t < stop and token_starts[t] < ends[line]:
                a, b = token_starts[t], token_ends[t]
                gap = a - before if before >= 0 else 0
                c, after = decode(data, a, b)
                mark = after == b and marks[c] & _MARK != 0
                punctuation = marks[c] & _PUNCTUATION != 0
                while punctuation and after < b:
                    c, after = decode(data, after, b)
                    punctuation = marks[c] & _PUNCTUATION != 0
                if ended and (gap > 1 or (gap == 1 and data[before] != 0x20)):
                    out[line] += 1
                    ended = False
                if mark:
                    ended = True
                elif ended and not punctuation:
                    out[line] += 1
                    ended = False
                before = b
                t += 1
