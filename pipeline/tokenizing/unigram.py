"""A byte-level Unigram tokenizer (Kudo 2018, "Subword Regularization", section 3.2), trained the same way every time.

Hugging Face's own trainer sums floats in the order of a salted hash table, so two calls on one text give two files
(tokenizers 0.23.3); this one walks sorted words in one thread. Its steps and constants are those of SentencePiece's
trainer: frequent substrings as seeds, two rounds of expectation-maximisation, a quarter pruned, and so on. Pieces
are whole characters, at most 16 bytes, or one of the 256 bytes.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import tokenizers
from numba import njit
from tokenizers import decoders, models

from pipeline.tokenizing.training import Splitting, refuse_small, refuse_spelled, specials, without_long_runs

LONGEST = 16
"""Bytes of a piece; SentencePiece's max_sentencepiece_length, which counts characters."""

SEEDS_PER_PIECE, MOST_SEEDS = 10, 1_000_000  # to begin with; the second is SentencePiece's seed_sentencepiece_size
ROUNDS, SHRINK, LEAST_EXPECTED = 2, 0.75, 0.5  # EM rounds a pruning, what pruning leaves, uses below which a piece goes
_FAR = -1e6  # the score of special tokens: text always has a better path, through its bytes
_BASE = np.uint64(0x9E3779B97F4A7C15)  # of the rolling hash; odd, so no length maps two words to one by a factor of 2


class Words(NamedTuple):
    """Different words of the text, sorted."""

    data: np.ndarray  # uint8 [B]
    starts: np.ndarray  # int64 [W + 1]
    counts: np.ndarray  # float64 [W]


class Pieces(NamedTuple):
    """A vocabulary: where in Words.data each piece is found, and a hash table over them."""

    places: np.ndarray  # int64 [P], byte
    sizes: np.ndarray  # int64 [P], bytes; 0: a byte by its place in this list, for a byte need not occur
    scores: np.ndarray  # float64 [P], log probability

    def only(self, rows: np.ndarray) -> "Pieces":
        """Some of them."""
        return Pieces(self.places[rows], self.sizes[rows], self.scores[rows])


def train_unigram(
    texts: Iterable[list[str]], vocab: int, splitting: Splitting | None = None, special: Sequence[str] = ()
) -> str:
    """A byte-level Unigram, as the text of a tokenizer.json; arguments, limits and errors as of `train_bpe`.

    8 MB of text and 32,000 pieces take 10 CPU s, half of it the pre-tokenizer; BPE takes 5.
    """
    refuse_small(vocab, special)
    cut = splitting or Splitting()
    words = _words(texts, cut)
    room = vocab - len(specials(special)) - 256
    pieces = _pruned(words, _seeds(words, min(MOST_SEEDS, SEEDS_PER_PIECE * vocab)), room)
    text = _json(words, pieces, cut, special)
    refuse_spelled(text, special)
    return text


def _words(texts: Iterable[list[str]], splitting: Splitting) -> Words:
    """What the pre-tokenizer makes of the text, counted. A Python loop over pieces: 1.7 MB/s, the library's own."""
    counts: Counter[str] = Counter()
    pre_tokenizer = splitting.pre_tokenizer
    for batch in texts:
        for text in without_long_runs(batch):
            counts.update(word for word, _ in pre_tokenizer.pre_tokenize_str(text))
    raw = sorted((word.translate(BYTES).encode("latin-1"), count) for word, count in counts.items())
    starts = np.zeros(len(raw) + 1, np.int64)
    np.cumsum([len(word) for word, _ in raw], out=starts[1:])
    data = np.frombuffer(b"".join(word for word, _ in raw), np.uint8)
    return Words(data, starts, np.array([count for _, count in raw], np.float64))


def _byte_letters() -> list[str]:
    """The letter that byte-level tokenizers write for each byte: itself where it prints, else the next from 256 on
    (Radford et al. 2019, encoder.py)."""
    prints = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte) if byte in prints else chr(next(others)) for byte in range(256)]


_LETTERS = _byte_letters()
BYTES = {ord(letter): byte for byte, letter in enumerate(_LETTERS)}
"""For str.translate: a byte-level token to characters 0 to 255, its bytes."""


def _seeds(words: Words, most: int) -> Pieces:
    """The 256 bytes, then the substrings of whole characters that cover the most text, by uses times length."""
    places, sizes, uses = [], [], []
    for size in range(2, LONGEST + 1):
        hashes, at, count = _windows(words.data, words.starts, words.counts, size, _BASE)
        _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
        used = np.bincount(inverse, count, len(first))
        often = used >= 2
        places.append(at[first[often]])
        sizes.append(np.full(int(often.sum()), size))
        uses.append(used[often])
    place, long, use = np.concatenate(places), np.concatenate(sizes), np.concatenate(uses)
    best = np.lexsort((place, long, -use * long))[:most]
    place, long, use = place[best], long[best], use[best] * long[best]
    single = np.bincount(words.data, np.repeat(words.counts, np.diff(words.starts)), 256)
    all_uses = np.concatenate((np.maximum(single, 1), use))
    bytes_ = np.zeros(256, np.int64)
    return Pieces(np.r_[np.arange(256), place], np.r_[bytes_, long], np.log(all_uses) - np.log(all_uses.sum()))


@njit(nogil=True, cache=True)
def _windows(data, starts, counts, size, base):
    """Hash, place and uses of every run of `size` bytes in a word that is whole characters."""
    hashes, places = np.empty(len(data), np.uint64), np.empty(len(data), np.int64)
    uses, found = np.empty(len(data), np.float64), 0
    for n in range(len(starts) - 1):
        for at in range(starts[n], starts[n + 1] - size + 1):
            end = at + size
            if data[at] & 0xC0 == 0x80 or (end < starts[n + 1] and data[end] & 0xC0 == 0x80):
                continue
            h = np.uint64(0)
            for b in range(at, end):
                h = h * base + np.uint64(data[b]) + np.uint64(1)
            hashes[found], places[found], uses[found] = h ^ (h >> np.uint64(29)), at, counts[n]
            found += 1
    return hashes[:found], places[:found], uses[:found]


@njit(nogil=True, cache=True)
def _table(data, places, sizes, base):
    """Slots of an open hash table: piece number or -1. Bytes are not in it, for their number is the byte."""
    slots = np.full(1 << (int(np.log2(2 * len(places) + 2)) + 1), -1, np.int64)
    for p in range(len(places)):
        if sizes[p] == 0:
            continue
        h = np.uint64(0)
        for b in range(places[p], places[p] + sizes[p]):
            h = h * base + np.uint64(data[b]) + np.uint64(1)
        slot = (h ^ (h >> np.uint64(29))) & np.uint64(len(slots) - 1)
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & np.uint64(len(slots) - 1)
        slots[slot] = p
    return slots


@njit(nogil=True, cache=True)
def _lattice(data, start, end, slots, places, sizes, base, found):
    """found[i, size - 1]: the piece of that size at the i-th byte of a word, -1 where there is none."""
    mask = np.uint64(len(slots) - 1)
    for i in range(end - start):
        h = np.uint64(0)
        for size in range(1, min(LONGEST, end - start - i) + 1):
            h = h * base + np.uint64(data[start + i + size - 1]) + np.uint64(1)
            found[i, size - 1] = np.int64(data[start + i]) if size == 1 else -1
            slot = (h ^ (h >> np.uint64(29))) & mask
            while size > 1 and slots[slot] >= 0:
                p = slots[slot]
                same = sizes[p] == size
                for b in range(size):
                    same = same and data[places[p] + b] == data[start + i + b]
                if same:
                    found[i, size - 1] = p
                    break
                slot = (slot + np.uint64(1)) & mask


@njit(nogil=True, cache=True)
def _expected(data, starts, counts, slots, places, sizes, scores, base):
    """Uses of each piece, expected over all ways to cut each word: float64 [P]."""
    uses = np.zeros(len(places))
    longest = 0
    for n in range(len(starts) - 1):
        longest = max(longest, starts[n + 1] - starts[n])
    found = np.empty((longest, LONGEST), np.int64)
    ahead, behind = np.empty(longest + 1), np.empty(longest + 1)
    for n in range(len(starts) - 1):
        size = starts[n + 1] - starts[n]
        _lattice(data, starts[n], starts[n + 1], slots, places, sizes, base, found)
        ahead[: size + 1], behind[: size + 1] = -np.inf, -np.inf
        ahead[0], behind[size] = 0.0, 0.0
        for i in range(size):
            for step in range(1, min(LONGEST, size - i) + 1):
                p = found[i, step - 1]
                if p >= 0:
                    ahead[i + step] = np.logaddexp(ahead[i + step], ahead[i] + scores[p])
        for i in range(size - 1, -1, -1):
            for step in range(1, min(LONGEST, size - i) + 1):
                p = found[i, step - 1]
                if p >= 0:
                    behind[i] = np.logaddexp(behind[i], behind[i + step] + scores[p])
                    uses[p] += counts[n] * np.exp(ahead[i] + scores[p] + behind[i + step] - ahead[size])
    return uses


@njit(nogil=True, cache=True)
def _best(found, size, scores, without, best, back):
    """The best way to cut a word without the piece `without`: back[i] is the piece that ends at byte i."""
    best[: size + 1] = -np.inf
    best[0] = 0.0
    for i in range(size):
        for step in range(1, min(LONGEST, size - i) + 1):
            p = found[i, step - 1]
            if p >= 0 and p != without and best[i] + scores[p] > best[i + step]:
                best[i + step], back[i + step] = best[i] + scores[p], p


@njit(nogil=True, cache=True)
def _used(data, starts, counts, slots, places, sizes, scores, base):
    """Uses of each piece in the best cuts of all words: float64 [P]."""
    uses = np.zeros(len(places))
    longest = 0
    for n in range(len(starts) - 1):
        longest = max(longest, starts[n + 1] - starts[n])
    found, best = np.empty((longest, LONGEST), np.int64), np.empty(longest + 1)
    back = np.zeros(longest + 1, np.int64)
    for n in range(len(starts) - 1):
        size = starts[n + 1] - starts[n]
        _lattice(data, starts[n], starts[n + 1], slots, places, sizes, base, found)
        _best(found, size, scores, -1, best, back)
        while size > 0:
            uses[back[size]] += counts[n]
            size -= max(1, sizes[back[size]])
    return uses


@njit(nogil=True, cache=True)
def _losses(data, slots, places, sizes, scores, uses, base):
    """What the likelihood of the text loses without each piece: float64 [P], -1 for one that is never the best cut."""
    losses, whole = np.full(len(places), -1.0), uses.sum()
    found, best = np.empty((LONGEST, LONGEST), np.int64), np.empty(LONGEST + 1)
    back = np.zeros(LONGEST + 1, np.int64)
    for p in range(len(places)):
        size = sizes[p]
        if size == 0 or uses[p] == 0:
            continue
        _lattice(data, places[p], places[p] + size, slots, places, sizes, base, found)
        _best(found, size, scores, p, best, back)
        parts, instead = 0, 0.0
        while size > 0:
            instead += np.log(uses[back[size]] + uses[p])
            parts += 1
            size -= max(1, sizes[back[size]])
        with_it = np.log(uses[p]) - np.log(whole)
        without = instead - parts * np.log(whole + uses[p] * (parts - 1))
        losses[p] = uses[p] / whole * (with_it - without)
    return losses


def _pruned(words: Words, pieces: Pieces, room: int) -> Pieces:
    """The 256 bytes and at most `room` pieces, after as many rounds of EM and pruning as it takes."""
    while True:
        for _ in range(ROUNDS):
            pieces = _maximised(words, pieces)
        many = len(pieces.sizes) - 256
        if many <= room:
            return pieces
        arrays = words.data, words.starts, words.counts, _table(words.data, *pieces[:2], _BASE), *pieces, _BASE
        losses = _losses(words.data, arrays[3], *pieces, _used(*arrays), _BASE)[256:]
        left = np.argsort(-losses, kind="stable")[: max(room, int(many * SHRINK))]
        pieces = pieces.only(np.r_[np.arange(256), 256 + np.sort(left)])


def _maximised(words: Words, pieces: Pieces) -> Pieces:
    """The scores under which the text is likelier; pieces hardly used are gone, but for the bytes."""
    slots = _table(words.data, pieces.places, pieces.sizes, _BASE)
    uses = _expected(*words, slots, *pieces, _BASE)
    rows = np.flatnonzero((uses >= LEAST_EXPECTED) | (np.arange(len(uses)) < 256))
    kept = np.maximum(uses[rows], LEAST_EXPECTED)
    scores = _digamma(kept) - _digamma(np.array([kept.sum()]))  # SentencePiece's Bayesian step: rare ones get less
    return Pieces(pieces.places[rows], pieces.sizes[rows], scores)


def _digamma(x: np.ndarray) -> np.ndarray:
    """The logarithmic derivative of the gamma function for x > 0, to 1e-9: Abramowitz and Stegun 6.3.5 and 6.3.18."""
    shift = np.zeros_like(x)
    x = x.copy()
    for _ in range(7):
        small = x < 7
        shift[small] -= 1 / x[small]
        x[small] += 1
    square = 1 / (x * x)
    return shift + np.log(x) - 0.5 / x - square * (1 / 12 - square * (1 / 120 - square / 252))


def _json(words: Words, pieces: Pieces, splitting: Splitting, special: Sequence[str]) -> str:
    """The tokenizer.json: special tokens, then pieces, the likeliest first; scores to a millionth."""
    spelled = [_spelled(words, pieces, p) for p in range(len(pieces.sizes))]
    scored = zip(spelled, np.round(pieces.scores, 6).tolist(), strict=True)
    ranked = sorted(scored, key=lambda one: (-one[1], one[0]))
    vocab = [(token, _FAR) for token in specials(special)] + ranked
    unigram = tokenizers.Tokenizer(models.Unigram(vocab, unk_id=None, byte_fallback=False))
    unigram.pre_tokenizer, unigram.decoder = splitting.pre_tokenizer, decoders.ByteLevel()
    unigram.add_special_tokens(specials(special))
    return unigram.to_str()


def _spelled(words: Words, pieces: Pieces, p: int) -> str:
    place, size = int(pieces.places[p]), int(pieces.sizes[p])
    raw = bytes([place]) if size == 0 else words.data[place : place + size].tobytes()
    return "".join(_LETTERS[byte] for byte in raw)
