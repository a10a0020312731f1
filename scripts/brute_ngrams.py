"""Shared n-grams by sets of tuples of words: slow, short, and the truth that the kernels are held to."""

import unicodedata
from collections import defaultdict

import pyarrow as pa

from corpus.classes import folds
from corpus.documents import Batch


def folded(texts):
    """Words of each text as strings, and where they are: that is the shared pass's business, what they are is not."""
    one = Batch(pa.record_batch([pa.array(texts, pa.large_string())], names=["text"]))
    fold, found = folds(), []
    (_, data), words = one.utf8, one.words
    raw, starts, ends = bytes(data), words.starts.tolist(), words.ends.tolist()
    for begin, a, b in zip(one.utf8[0].tolist(), words.first[:-1].tolist(), words.first[1:].tolist(), strict=False):
        spans = list(zip(starts[a:b], ends[a:b], strict=True))
        read = [raw[x:y].decode() for x, y in spans]
        plain = ["".join(chr(fold[ord(c)]) for c in w if unicodedata.category(c) != "Cf") for w in read]
        found.append((plain, [(x - begin, y - begin) for x, y in spans]))
    return found


def brute(texts, questions, n, least_words, most_items):
    """(document, item) -> bytes that n-grams of the item cover; by sets of tuples of words."""
    grams = defaultdict(set)
    for item, (words, _) in enumerate(folded(questions)):
        size = min(n, len(words))
        if size >= min(least_words, n):
            for at in range(len(words) - size + 1):
                grams[tuple(words[at : at + size])].add((item, len(words) < n))
    grams = {gram: who for gram, who in grams.items() if len(who) <= most_items}
    found = defaultdict(set)
    sizes = {len(gram) for gram in grams}
    for row, (words, spans) in enumerate(folded(texts)):
        for size in sizes:
            for at in range(len(words) - size + 1):
                for item, whole in grams.get(tuple(words[at : at + size]), ()):
                    if whole == (size < n):
                        found[row, item].update(range(spans[at][0], spans[at + size - 1][1]))
    return found
