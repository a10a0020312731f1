"""NFKC, and NFD without its nonspacing marks, by kernels over the tables of corpus/forms.py.

A run of characters that stay as they are is copied; what may still change waits in `run` until a starter
comes that composes with nothing before it. Time and memory are in proportion to the text, whatever it holds.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit

from corpus import forms
from corpus.classes import CODE_POINTS, decode, encode
from corpus.hashing import eight_bytes

_FEW = 16  # marks that are sorted by insertion


def nfkc(starts: np.ndarray, data: np.ndarray, trim: bool) -> tuple[np.ndarray, np.ndarray]:
    """NFKC of texts as `corpus.buffers.utf8` gives them, in the same shape; `trim` takes spaces from their ends."""
    return _formed(starts, data, _form(True), trim)


def without_marks(starts: np.ndarray, data: np.ndarray, trim: bool) -> tuple[np.ndarray, np.ndarray]:
    """NFD without characters of category Mn, likewise."""
    return _formed(starts, data, _form(False), trim)


class _Form(NamedTuple):
    at: np.ndarray
    parts: np.ndarray
    combining: np.ndarray
    dropped: np.ndarray  # bool [0x110000]
    pairs: np.ndarray
    to: np.ndarray
    seconds: np.ndarray
    moves: np.ndarray  # bool [0x110000], whether it can be anything but what it is, at the end of a run


@cache
def _form(compose: bool) -> _Form:
    """NFKC where it composes, NFD without nonspacing marks where not."""
    nothing, marks, (pairs, to, seconds) = np.zeros(CODE_POINTS, np.bool_), _marks(), forms.compositions()
    at, parts = forms.decompositions(compose)
    dropped, seconds = (nothing, seconds) if compose else (marks, nothing)
    moves = (at > 0) | (forms.combining() > 0) | dropped | seconds
    for table in (nothing, moves):
        table.flags.writeable = False
    return _Form(at, parts, forms.combining(), dropped, pairs, to, seconds, moves)


def _marks() -> np.ndarray:
    marks = forms.traits() & forms.NONSPACING > 0
    marks.flags.writeable = False
    return marks


@njit(nogil=True, cache=True)
def _formed(starts, data, form, trim):  # type: ignore[no-untyped-def]
    """Decompose, order the marks, compose or drop; `run` holds what the next code point may still change."""
    ends, out, used = np.zeros(len(starts), np.int64), np.empty(starts[-1] - starts[0] + 64, np.uint8), 0
    run, held = np.empty(64, np.int32), 0
    for n in range(len(starts) - 1):
        b, stop = starts[n], starts[n + 1]
        while b < stop:
            last, end = _plain(data, b, stop, form.moves)
            if end > b:
                if used + 4 * held + end - b > len(out):
                    out = room(out, used + 4 * held + end - b)
                if held:
                    used = _flushed(out, used, run, held, form)
                still = last if end < stop else end  # the last one may compose with what follows
                for i in range(still - b):
                    out[used + i] = data[b + i]
                used += still - b
                run[0], held = decode(data, last, stop)[0], end > still
                b = end
            else:
                c, b = decode(data, b, stop)
                at = form.at[c]
                count = form.parts[at] if at else 1
                if held + count > len(run):
                    run = room(run, held + count)
                if used + 4 * (held + count) > len(out):
                    out = room(out, used + 4 * (held + count))
                for i in range(count):
                    p = form.parts[at + 1 + i] if at else c
                    if not form.combining[p] and not form.seconds[p]:
                        used = _flushed(out, used, run, held, form)
                        held = 0
                    run[held] = p
                    held += 1
        out = room(out, used + 4 * held)
        used = _flushed(out, used, run, held, form)
        held = 0
        if trim:
            used = _trimmed(out, ends[n], used)
        ends[n + 1] = used
    return ends, out[:used]


@njit(nogil=True, cache=True)
def _plain(data, b, stop, moves):  # type: ignore[no-untyped-def]
    """The run of characters from `b` on that stay as they are: where its last one starts, and its end."""
    last = b
    while b < stop:
        while b + 8 <= stop and not eight_bytes(data, b) & np.uint64(0x8080808080808080):
            last, b = b + 7, b + 8
        if b < stop:
            c, after = decode(data, b, stop)
            if moves[c]:
                break
            last, b = b, after
    return last, b


@njit(nogil=True, cache=True)
def _flushed(out, used, run, held, form):  # type: ignore[no-untyped-def]
    """Write run[:held], in canonical order and composed, at most four bytes each; what is used now."""
    if held > 1:
        _order(run, held, form.combining)
        held = _composed(run, held, form)
    for i in range(held):
        if not form.dropped[run[i]]:
            used = put(out, used, run[i])
    return used


@njit(nogil=True, cache=True)
def _order(run, held, combining):  # type: ignore[no-untyped-def]
    """Canonical order: stretches without a starter by combining class, equal ones as they came."""
    start = 0
    while start < held:
        stop = start
        while stop < held and combining[run[stop]]:
            stop += 1
        if stop - start > _FEW:
            _count_sort(run[start:stop], combining)
        else:
            for i in range(start + 1, stop):
                p, j = run[i], i
                while j > start and combining[run[j - 1]] > combining[p]:
                    run[j] = run[j - 1]
                    j -= 1
                run[j] = p
        start = stop + 1


@njit(nogil=True, cache=True)
def _count_sort(run, combining):  # type: ignore[no-untyped-def]
    """For the megabyte of marks that nobody writes: in proportion to its length."""
    places = np.zeros(257, np.int64)
    for p in run:
        places[np.int64(combining[p]) + 1] += 1
    places = np.cumsum(places)
    for p in run.copy():
        run[places[combining[p]]] = p
        places[combining[p]] += 1


@njit(nogil=True, cache=True)
def _composed(run, held, form):  # type: ignore[no-untyped-def]
    """Compose in place what is not blocked (Unicode 14.0, section 3.11, D117); how many are left."""
    starter, last, used = -1, 0, 0  # last: combining class of the last one kept behind the starter
    for i in range(held):
        p = run[i]
        of = form.combining[p]
        to = 0
        if starter >= 0 and form.seconds[p] and (last < of or last == 0):
            to = _pair(form.pairs, form.to, run[starter], p)
        if to:
            run[starter] = to
        else:
            if of == 0:
                starter = used
            last = of
            run[used] = p
            used += 1
    return used


@njit(nogil=True, cache=True)
def _pair(pairs, to, first, second):  # type: ignore[no-untyped-def]
    """What the two compose to; 0 where they do not."""
    key = np.int64(first) << 21 | np.int64(second)
    at = np.searchsorted(pairs, key)
    return to[at] if at < len(pairs) and pairs[at] == key else np.int32(0)


@njit(nogil=True, cache=True)
def _trimmed(out, start, used):  # type: ignore[no-untyped-def]
    """Take spaces from both ends of out[start:used]; where it ends now."""
    while used > start and out[used - 1] == 0x20:
        used -= 1
    first = start
    while first < used and out[first] == 0x20:
        first += 1
    if first > start:
        for i in range(used - first):
            out[start + i] = out[first + i]
    return used - (first - start)


@njit(nogil=True, cache=True)
def room(out, size):  # type: ignore[no-untyped-def]
    """`out`, or a copy of at least twice the room where `size` values do not fit."""
    if size <= len(out):
        return out
    larger = np.empty(max(size, 2 * len(out)), out.dtype)
    larger[: len(out)] = out
    return larger


@njit(inline="always")
def put(out, used, c):  # type: ignore[no-untyped-def]
    """Write a code point as UTF-8; the place behind it."""
    if c < 0x80:
        out[used] = c
        return used + 1
    code, size = encode(c)
    for i in range(size):
        out[used + i] = np.uint8(code >> np.uint64(8 * i))
    return used + size
