"""Other readings of what a word is: runs between white space, and spaCy's English tokens.

corpus/words.py is ours; published filters counted other units, and differ in these more than in any limit.
"whitespace" is `str.split()` (Dolma, NeMo). "spacy" is the tokenizer of `spacy.blank("en")` (datatrove) without
its white-space tokens (english_tokens.py), but for one thing: an exception is never put together across a space.
"""

from typing import Literal

import numpy as np
from numba import njit

from corpus.classes import decode
from corpus.documents import Batch
from corpus.words import Tokens
from stages.english import SPACE, characters
from stages.english_tokens import byte_kinds, english_tokens, facts

Kind = Literal["whitespace", "spacy"]


def tokens(batch: Batch, kind: Kind) -> Tokens:
    """The tokens of each document, split once and handed on with what is kept; `given` goes before "spacy".

    350 MB/s a core on English at white space, 190 as spaCy: scripts/bench_filters.py. Of 932 real documents, 120,000
    made chunks and every mark of Unicode, none was split otherwise than by spaCy 3.8.
    """
    if kind not in batch.splits:
        batch.splits[kind] = batch.resplit(kind, lambda documents: _split(documents, kind))
    return batch.splits[kind]


def given(batch: Batch, tokens: Tokens) -> None:
    """Take a splitting made elsewhere (spaCy's own, or that of another language) as the "spacy" of this batch."""
    batch.splits["spacy"] = tokens


def _split(batch: Batch, kind: Kind) -> Tokens:
    starts, data = batch.utf8
    # Every byte may be a token (!!!!). Address space is reserved for that; what is not needed is never touched.
    size = int(starts[-1] - starts[0])
    first, places = np.zeros(len(starts), np.int64), np.empty((2, size), np.int64)
    if kind == "whitespace":
        _whitespace(starts, data, characters(), first, places)
    else:
        english_tokens(starts, data, byte_kinds(), characters(), facts(), first, places, np.empty(size, np.int64))
    return Tokens(first, places[0, : first[-1]], places[1, : first[-1]])


@njit(nogil=True, cache=True)
def _whitespace(starts, data, bits, first, places):  # type: ignore[no-untyped-def]
    t = np.int64(0)
    for n in range(len(starts) - 1):
        b, stop = starts[n], starts[n + 1]
        begin = b
        while b < stop:
            c, after = decode(data, b, stop)
            if bits[c] & SPACE:
                if begin < b:
                    places[0, t], places[1, t] = begin, b
                    t += 1
                begin = after
            b = after
        if begin < stop:
            places[0, t], places[1, t] = begin, stop
            t += 1
        first[n + 1] = t
