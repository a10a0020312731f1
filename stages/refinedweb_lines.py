"""RefinedWeb's turns over the lines of a document: the kernels of stages/refinedweb.py.

A line is two places that move inwards, and a mark where "items in cart" was cut out of its middle. Few lines have
the mark: such a line is copied without the cuts each time it is looked at.
"""

import numpy as np
from numba import njit

from corpus.classes import decode
from corpus.documents import Batch
from stages.line_edits import (
    DECIMAL,
    DIGIT,
    UPPER,
    WORD,
    Pieces,
    before,
    same,
    split_words,
    traits,
    trimmed,
    white,
)
from stages.measures.segments import Segments

COUNTED = (
    b"likes", b"shares", b"comments", b"retweets", b"reposts", b"quotes", b"bookmarks", b"upvotes", b"downvotes",
    b"downloads", b"views", b"followers",
)  # fmt: skip
"""What a counter counts: DCLM's counter_line_modifier."""

UPPER_CASE, NUMERIC, COUNTER, ONE_WORD, EDITED = range(5)
_CART_TURN, _MORE_TURN, _SIGN_IN_TURN, _STRIP = 4, 5, 6, 7
_STOP = 0x2E
_ANY = 2**62  # characters of a word, which nobody limits here
_CART, _MORE, _SIGN_IN = (np.frombuffer(text, np.uint8) for text in (b"items in cart", b"read more", b"sign-in"))
_THINGS = tuple(np.frombuffer(word, np.uint8) for word in COUNTED)
_SUFFIXES = np.frombuffer(b"kmb", np.uint8)


def edited(
    batch: Batch, found: Segments, limits: tuple[float, float, int, int, bool]
) -> tuple[Pieces, np.ndarray, np.ndarray]:
    """What stays of each document, which lines were cut or edited (bool [L]), and counts by rule (int64 [5, N]).

    found: lines between \\n. limits: the settings of `RefinedWeb` in their order, and whether to read as DCLM does.
    """
    starts, ends = found.starts.copy(), found.ends.copy()
    alive, (inside, touched) = np.ones(len(starts), np.bool_), np.zeros((2, len(starts)), np.bool_)
    counts = np.zeros((EDITED + 1, len(batch)), np.int64)
    _edit(batch.utf8[1], found.first, starts, ends, traits(), limits, alive, inside, touched, counts)
    return _pieces(batch, Segments(found.first, starts, ends), alive, inside), touched, counts


@njit(nogil=True, cache=True)
def _edit(data, first, starts, ends, traits, limits, alive, cut_inside, touched, counts):  # type: ignore[no-untyped-def]
    """Take the turns over each document: lines die in `alive`, and move their `starts` and `ends` inwards."""
    for n in range(len(first) - 1):
        low, high = first[n], first[n + 1]
        for turn in range(_SIGN_IN_TURN + 1):
            for line in range(low, high):
                if alive[line] and starts[line] < ends[line]:
                    out, edited = _turn(data, starts, ends, line, turn, traits, limits, cut_inside)
                    counts[min(turn, EDITED), n] += out or edited
                    touched[line] |= out or edited
                    alive[line] = not out
            if turn != ONE_WORD:
                low, high = _strip(data, starts, ends, low, high, alive, cut_inside)


@njit(nogil=True, cache=True)
def _strip(data, starts, ends, low, high, alive, cut_inside):  # type: ignore[no-untyped-def]
    """`str.strip` of the whole text: blank lines at both ends die; the lines that are then first and last."""
    while low < high:
        if alive[low]:
            b, end = _shrunk(data, starts[low], ends[low], cut_inside[low], _STRIP, False)
            if b < end:
                starts[low] = b
                break
        alive[low] = False
        low += 1
    while high > low:
        line = high - 1
        if alive[line]:
            b, end = _shrunk(data, starts[line], ends[line], cut_inside[line], _STRIP, False)
            if b < end:
                ends[line] = end
                break
        alive[line] = False
        high -= 1
    return low, high


@njit(nogil=True, cache=True)
def _turn(data, starts, ends, line, turn, traits, limits, cut_inside):  # type: ignore[no-untyped-def]
    """Whether a line goes, and whether it was edited, by the rule whose turn it is. The line is not empty."""
    upper_share, digit_share, least, most, dclm = limits
    b, end = starts[line], ends[line]
    if turn == UPPER_CASE:
        return _share(data, b, end, traits, UPPER) > upper_share, False
    if turn == NUMERIC:  # most lines begin with no digit, which alone decides it for a short one
        first = traits[decode(data, b, end)[0]] & DIGIT
        hopeless = not first and end - b <= 1 / (1.0 - digit_share) if digit_share < 1.0 else True
        return not hopeless and _share(data, b, end, traits, DIGIT) > digit_share, False
    if turn == COUNTER:
        return _is_counter(data, b, end, traits), False
    if turn == ONE_WORD:
        return split_words(data, b, end, least, _ANY)[0] < least, False
    if turn == _CART_TURN:
        edited = _words(data, b, end, False, most) <= most and _next_cart(data, b, end)[0] < end
        cut_inside[line] = edited
    else:
        left, right = _shrunk(data, b, end, cut_inside[line], turn, dclm)
        edited = (left != b or right != end) and _words(data, b, end, cut_inside[line], most) <= most
        if edited:
            starts[line], ends[line] = left, right
    if not edited:
        return False, False
    blank_start, blank_end = _shrunk(data, starts[line], ends[line], cut_inside[line], _STRIP, False)
    return blank_start == blank_end, True


@njit(nogil=True, cache=True)
def _share(data, b, end, traits, bit):  # type: ignore[no-untyped-def]
    """The share of the code points of data[b:end], which is not empty, that have a trait."""
    chars = having = np.int64(0)
    while b < end:
        if data[b] < 0x80:
            having += traits[data[b]] & bit != 0
            b += 1
        else:
            c, b = decode(data, b, end)
            having += traits[c] & bit != 0
        chars += 1
    return having / chars


@njit(nogil=True, cache=True)
def _is_counter(data, b, end, traits):  # type: ignore[no-untyped-def]
    """Whether data[b:end] is a counter: a number, K, M or B, white space, what is counted, and no word beside it.

    DCLM's regular expression; each part is over where the next begins, so that a walk without a way back decides it.
    """
    b = _skipped(data, b, end, traits, WORD, False)
    digits = b
    while b < end:
        c, after = decode(data, b, end)
        if not traits[c] & DECIMAL and (b == digits or (c != 0x2C and c != 0x2E)):
            break
        b = after
    if b == digits:
        return False
    for i in range(len(_SUFFIXES)):
        if b < end and data[b] | 0x20 == _SUFFIXES[i]:
            b += 1
            break
    spaces = b
    while b < end and white(decode(data, b, end)[0]):
        b = decode(data, b, end)[1]
    if b == spaces:
        return False
    for thing in _THINGS:
        behind = same(data, b, end, thing)
        if behind >= 0:
            return _skipped(data, behind, end, traits, WORD, False) == end
    return False


@njit(nogil=True, cache=True)
def _skipped(data, b, end, traits, bit, having):  # type: ignore[no-untyped-def]
    """The end of the run at `b` of characters that all have the trait, or all have it not."""
    while b < end:
        c, after = decode(data, b, end)
        if (traits[c] & bit != 0) != having:
            break
        b = after
    return b


@njit(nogil=True, cache=True)
def _next_cart(data, b, end):  # type: ignore[no-untyped-def]
    """The next "items in cart" in data[b:end], with one white space before it: (start, end), or (end, end)."""
    begin = b
    while b < end:
        if data[b] | 0x20 == _CART[0]:
            behind = same(data, b, end, _CART)
            if behind >= 0:
                return _behind_white(data, begin, b), behind
        b += 1
    return end, end


@njit(nogil=True, cache=True)
def _behind_white(data, b, end):  # type: ignore[no-untyped-def]
    """`end`, or the start of the one white space before it in data[b:end]."""
    at = before(data, b, end) if b < end else end
    return at if at < end and white(decode(data, at, end)[0]) else end


@njit(nogil=True, cache=True)
def _shrunk(data, b, end, cut_inside, turn, dclm):  # type: ignore[no-untyped-def]
    """data[b:end] with its end or start cut by a rule, as places: what was cut inside is passed over."""
    if not cut_inside:
        return _shorter(data, b, end, turn, dclm)
    bare, places = _bare(data, b, end)
    left, right = _shorter(bare, 0, len(bare), turn, dclm)
    return (places[left], places[right - 1] + 1) if left < right else (end, end)


@njit(nogil=True, cache=True)
def _words(data, b, end, cut_inside, most):  # type: ignore[no-untyped-def]
    if cut_inside:
        bare, _ = _bare(data, b, end)
        return split_words(bare, 0, len(bare), most, _ANY)[0]
    return split_words(data, b, end, most, _ANY)[0]


@njit(nogil=True, cache=True)
def _bare(data, b, end):  # type: ignore[no-untyped-def]
    """A line without its "items in cart", and where each byte lay."""
    bare, places, size = np.empty(end - b, np.uint8), np.empty(end - b, np.int64), 0
    while b < end:
        start, behind = _next_cart(data, b, end)
        for at in range(b, start):
            bare[size], places[size] = data[at], at
            size += 1
        b = behind
    return bare[:size], places[:size]


@njit(nogil=True, cache=True)
def _shorter(text, b, end, turn, dclm):  # type: ignore[no-untyped-def]
    if turn == _STRIP:
        return trimmed(text, b, end)
    if turn == _SIGN_IN_TURN:
        behind = same(text, b, end, _SIGN_IN)
        if behind < 0:
            return b, end
        return (decode(text, behind, end)[1] if behind < end and white(decode(text, behind, end)[0]) else behind), end
    at = end
    for _ in range(3):
        if at <= b or not (dclm or text[at - 1] == _STOP):
            return b, end
        at = before(text, b, at)
    start = at - len(_MORE)
    if start < b or same(text, start, at, _MORE) != at:
        return b, end
    return b, _behind_white(text, b, start)


def _pieces(batch: Batch, found: Segments, alive: np.ndarray, cut_inside: np.ndarray) -> Pieces:
    """What is left of the lines that are left."""
    data = batch.utf8[1]
    # "items in cart" takes 13 bytes, so a line has no more pieces than that allows.
    most = int(alive.sum() + ((found.ends - found.starts)[cut_inside] // len(_CART) + 1).sum())
    first, starts, ends = np.zeros(len(found.first), np.int64), *np.zeros((2, most), np.int64)
    begins = np.zeros(most, np.bool_)
    _lay_pieces(data, *found, alive, cut_inside, first, starts, ends, begins)
    held = first[-1]
    return Pieces(first, starts[:held], ends[:held], begins[:held])


@njit(nogil=True, cache=True)
def _lay_pieces(data, first, starts, ends, alive, cut_inside, piece_first, piece_starts, piece_ends, begins):  # type: ignore[no-untyped-def]
    p = np.int64(0)
    for n in range(len(first) - 1):
        for line in range(first[n], first[n + 1]):
            if not alive[line]:
                continue
            b, end = starts[line], ends[line]
            begins[p] = True
            while True:
                start, behind = _next_cart(data, b, end) if cut_inside[line] else (end, end)
                piece_starts[p], piece_ends[p] = b, start
                p += 1
                if start == end:
                    break
                b = behind
        piece_first[n + 1] = p


@njit(nogil=True, cache=True)
def within(word_first, words, first, starts, ends):  # type: ignore[no-untyped-def]
    """Words of each document that begin in one of its pieces: int64 [N]."""
    out = np.zeros(len(first) - 1, np.int64)
    for n in range(len(out)):
        w = word_first[n]
        for p in range(first[n], first[n + 1]):
            while w < word_first[n + 1] and words[w] < starts[p]:
                w += 1
            while w < word_first[n + 1] and words[w] < ends[p]:
                out[n] += 1
                w += 1
    return out
