"""GPT-3: n-grams are cut with what stands around them, and documents cut into many pieces go (Brown et al. 2020, C).

n is that of the benchmark: the 5th percentile of its items' words, between 8 and 13. What is left of a document is
pieces; the paper makes documents of them, here they stay one, a blank line between two.
"""

import numpy as np
from numba import njit

from corpus.documents import Batch
from corpus.edits import Spans
from stages.decontamination.items import Item
from stages.decontamination.matches import Rule
from stages.decontamination.ngram_index import Index, index, measured
from stages.decontamination.ngrams import by_grams, item_words

FEWEST, MOST = 8, 13  # words of an n-gram
AROUND = 200  # characters that go on either side of an n-gram
LEAST_PIECE = 200  # characters of a piece that stays
MOST_PIECES = 10  # a document that is cut into more goes
BETWEEN = b"\n\n"


def _index(items: list[Item], least_words: int, most_items: int, frequent: np.ndarray) -> Index:
    whole = item_words(items, MOST, least_words)
    n = lengths([item.benchmark for item in items], whole.sizes)
    return index(measured(whole.first, whole.words, whole.item, n, least_words), most_items, frequent)


def lengths(benchmarks: list[str], sizes: np.ndarray) -> np.ndarray:
    """The n of each item's benchmark: int64 [I]. sizes: words of each item."""
    names, of = np.unique(np.array(benchmarks), return_inverse=True)
    fifth = [np.percentile(sizes[of == b], 5) for b in range(len(names))]
    return np.clip(np.array(fifth).astype(np.int64), FEWEST, MOST)[of]


RULE = Rule("cut", 0.0, _index, by_grams)


def widened(batch: Batch, spans: Spans) -> tuple[Spans, np.ndarray]:
    """What goes, n-grams with AROUND characters and short pieces, and into how many pieces each document is cut.

    The pieces, int64 [N], are those between what goes, short ones counted; 0 where nothing is cut.
    """
    offsets, data = batch.utf8
    first, starts, ends, pieces = _widened(offsets, data, *spans)
    return Spans(first, starts, ends), pieces


@njit(nogil=True, cache=True)
def _widened(offsets, data, first, starts, ends):  # type: ignore[no-untyped-def]
    out_first, pieces = np.zeros(len(first), np.int64), np.zeros(len(first) - 1, np.int64)
    begins, stops, size = np.empty(len(starts), np.int64), np.empty(len(starts), np.int64), np.int64(0)
    for n in range(len(first) - 1):
        text, own = data[offsets[n] : offsets[n + 1]], size
        for s in range(first[n], first[n + 1]):
            low, high = _back(text, starts[s]), _ahead(text, ends[s])
            if size > own and low <= stops[size - 1]:
                stops[size - 1] = high
            else:
                begins[size], stops[size] = low, high
                size += 1
        pieces[n], size = _without_short(text, begins, stops, own, size)
        out_first[n + 1] = size
    return out_first, begins[:size], stops[:size], pieces


@njit(nogil=True, cache=True)
def _without_short(text, begins, stops, own, size):  # type: ignore[no-untyped-def]
    """Pieces between the spans [own : size], and how many spans there are once short pieces are in them."""
    edge, kept, pieces = np.int64(0), own, np.int64(0)
    for i in range(own, size):
        begin, stop = begins[i], stops[i]
        pieces += begin > edge
        if not _short(text, edge, begin):
            begins[kept], stops[kept] = begin, stop
            kept += 1
        elif kept > own:
            stops[kept - 1] = stop
        else:
            begins[kept], stops[kept] = edge, stop
            kept += 1
        edge = stop
    if kept > own:
        pieces += len(text) > edge
        if _short(text, edge, len(text)):
            stops[kept - 1] = len(text)
    return pieces, kept


@njit(nogil=True, cache=True)
def _short(text, begin, end):  # type: ignore[no-untyped-def]
    """Whether text[begin:end] has fewer than LEAST_PIECE characters; looks at no more than that."""
    count = 0
    for b in range(begin, end):
        count += text[b] & 0xC0 != 0x80
        if count >= LEAST_PIECE:
            return False
    return True


@njit(nogil=True, cache=True)
def _back(text, at):  # type: ignore[no-untyped-def]
    for _ in range(AROUND):
        if at == 0:
            break
        at -= 1
        while at > 0 and text[at] & 0xC0 == 0x80:
            at -= 1
    return at


@njit(nogil=True, cache=True)
def _ahead(text, at):  # type: ignore[no-untyped-def]
    for _ in range(AROUND):
        if at == len(text):
            break
        at += 1
        while at < len(text) and text[at] & 0xC0 == 0x80:
            at += 1
    return at
