"""Texts made alike before they are compared: case, numbers, punctuation, white space, diacritics, in that order.

The order counts: "1|2|3" is "0 0 0" here, and "0" where punctuation goes first. It is that of datatrove 0.10.1
(utils/text.py, simplify_text), whose text `DATATROVE` gives byte for byte. Tables stand for Unicode 14.0, so
no Python version changes a result: corpus/forms.py.
"""

from dataclasses import dataclass, fields
from functools import cache
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
from numba import njit

from corpus import forms
from corpus.buffers import utf8
from corpus.classes import BREAK, CODE_POINTS, CONNECTOR, KIND, PUNCTUATION, SPACE, SYMBOL, classes, decode
from corpus.errors import RecipeError
from corpus.normal_forms import nfkc, put, room, without_marks

SEPARATORS = (0x2C, 0x2E, 0x60C, 0x66B, 0x2396, 0x2397, 0x2398)
"""Between the digits of one number, once (datatrove 0.10.1, NUMBERS_PATTERN)."""

DATATROVE_PUNCTUATION = (
    *range(9), *range(0x0B, 0x20), *range(0x21, 0x30), *range(0x3A, 0x41), *range(0x5B, 0x61), *range(0x7B, 0xA0),
    0xAB, 0xB4, 0xBB, 0x2013, 0x2014, 0x2019, 0x201C, 0x201D, 0x201E, 0x2026, 0x2236, 0x2501, 0x25BA, 0x3001, 0x3002,
    0x3008, 0x3009, 0x300A, 0x300B, 0x300C, 0x300D, 0x3010, 0x3011,
    0xFF01, 0xFF05, 0xFF08, 0xFF09, 0xFF0C, 0xFF0E, 0xFF11, 0xFF1A, 0xFF1B, 0xFF1F, 0xFF5E,
)  # fmt: skip
"""datatrove 0.10.1, utils/text.py, PUNCTUATION: CCNet's list and control characters."""

_ZERO_WIDTH_SPACE = 0x200B  # a space between words, but not white space to Unicode, str.strip and \\s
_DOTTED_I, _SIGMA, _FINAL_SIGMA, _DOT_ABOVE = 0x130, 0x3A3, 0x3C2, 0x307
_DIGIT, _SEPARATOR, _GAP, _SPECIAL = 16, 32, 64, 128  # bits beside those of corpus.forms.traits


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """What makes two texts alike; as it stands, nothing: every choice is "keep"."""

    case: Literal["keep", "lower"] = "keep"  # as str.lower: final sigma, and two code points for U+0130
    digits: Literal["keep", "zero"] = "keep"  # zero: a number of any script, with one separator inside, is one 0
    punctuation: Literal["keep", "space", "datatrove"] = "keep"  # space: categories P and S; datatrove: its list
    white_space: Literal["keep", "squeeze"] = "keep"  # squeeze: one space for each run, none at the ends
    diacritics: Literal["keep", "strip", "nfkc"] = "keep"  # strip: NFD without nonspacing marks

    def __post_init__(self) -> None:
        for field in fields(self):
            choices = get_args(field.type)
            if getattr(self, field.name) not in choices:
                raise RecipeError(
                    f"normalisation: {field.name} {getattr(self, field.name)!r} is none of: {', '.join(choices)}"
                )


PLAIN = Normalisation(case="lower", digits="zero", punctuation="space", white_space="squeeze", diacritics="strip")
DATATROVE = Normalisation(
    case="lower", digits="zero", punctuation="datatrove", white_space="squeeze", diacritics="strip"
)


def normalised(text: pa.Array, how: Normalisation) -> pa.Array:
    """The texts as `how` makes them: large_string [N], without nulls; nulls count as empty.

    Stripping may leave two spaces where a mark stood alone between them, as datatrove's does.
    170 MB/s a core on English books with all choices, as `PLAIN`, 120 on web pages: scripts/bench_kernels.py.
    """
    if how == Normalisation():
        return text.fill_null("").cast(pa.large_string())
    both = utf8(text)
    if how != Normalisation(diacritics=how.diacritics):
        both = _fixed(*_mapped(*both, *_maps(how)))
    if how.diacritics != "keep":
        form = nfkc if how.diacritics == "nfkc" else without_marks
        both = _fixed(*form(*both, how.white_space == "squeeze"))
    return pa.LargeStringArray.from_buffers(len(text), *map(pa.py_buffer, both))


def _fixed(starts: np.ndarray, data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read-only, as `utf8` gives them: another compilation (2 s) is spared."""
    starts.flags.writeable = data.flags.writeable = False
    return starts, data


@cache
def _maps(how: Normalisation) -> tuple[np.ndarray, np.ndarray]:
    """What each code point becomes, int32 [0x110000], and the bits that say how, uint8 [0x110000]."""
    to = forms.lowers().copy() if how.case == "lower" else np.arange(CODE_POINTS, dtype=np.int32)
    bits = forms.traits() & np.uint8(forms.CASED | forms.IGNORABLE)
    if how.case == "lower":
        bits[[_DOTTED_I, _SIGMA]] |= np.uint8(_SPECIAL)
        to[_DOTTED_I] = ord("i")
    if how.digits == "zero":
        bits[forms.traits() & forms.DIGIT > 0] |= np.uint8(_DIGIT)
        bits[list(SEPARATORS)] |= np.uint8(_SEPARATOR)
    blank = _punctuation(how.punctuation)
    to[blank] = ord(" ")
    bits[blank] &= np.uint8(0xFF ^ _SPECIAL)
    if how.white_space == "squeeze":
        kinds = classes() & KIND
        bits[blank | ((kinds == SPACE) | (kinds == BREAK))] |= np.uint8(_GAP)
        bits[_ZERO_WIDTH_SPACE] &= np.uint8(0xFF ^ _GAP)
    to.flags.writeable = bits.flags.writeable = False
    return to, bits


def _punctuation(choice: str) -> np.ndarray:
    """The code points that become a space: bool [0x110000]."""
    if choice == "space":
        return np.isin(classes() & KIND, (PUNCTUATION, SYMBOL, CONNECTOR))
    blank = np.zeros(CODE_POINTS, np.bool_)
    blank[list(DATATROVE_PUNCTUATION if choice == "datatrove" else ())] = True
    return blank


@njit(nogil=True, cache=True)
def _mapped(starts, data, to, bits):  # type: ignore[no-untyped-def]
    """Case, digits, punctuation and white space in one walk."""
    ends, out = np.zeros(len(starts), np.int64), np.empty(starts[-1] - starts[0] + 64, np.uint8)
    for n in range(len(starts) - 1):
        b, used, gap = starts[n], ends[n], False
        while True:
            b, used, gap = _walk(data, starts[n], b, starts[n + 1], to, bits, out, ends[n], used, gap)
            if b == starts[n + 1]:
                break
            out = room(out, len(out) + 1)
        ends[n + 1] = used
    return ends, out[: ends[-1]]


@njit(nogil=True, cache=True)
def _walk(data, start, b, stop, to, bits, out, begin, used, gap):  # type: ignore[no-untyped-def]
    """Map from `b` on as far as `out` has room: where it stopped, what is used, whether a space is due."""
    while b < stop and used + 8 <= len(out):
        c, after = decode(data, b, stop)
        kind = bits[c]
        if kind & (_DIGIT | _GAP) == _GAP:
            gap = used > begin
            b = after
            continue
        if gap:
            out[used] = 0x20
            used += 1
            gap = False
        if kind & _DIGIT:
            used, after = put(out, used, 0x30), _number_end(data, after, stop, bits)
        elif kind & _SPECIAL:
            if c == _SIGMA and _final(data, start, b, after, stop, bits):
                used = put(out, used, _FINAL_SIGMA)
            else:
                used = put(out, used, to[c])
            if c == _DOTTED_I:
                used = put(out, used, _DOT_ABOVE)
        else:
            used = put(out, used, to[c])
        b = after
    return b, used, gap


@njit(nogil=True, cache=True)
def _number_end(data, b, stop, bits):  # type: ignore[no-untyped-def]
    """The end of a number behind its first digit: digits, and once a separator with digits behind it."""
    separated = False
    while b < stop:
        c, after = decode(data, b, stop)
        if not bits[c] & _DIGIT:
            if separated or not bits[c] & _SEPARATOR or after >= stop:
                break
            c, after = decode(data, after, stop)
            if not bits[c] & _DIGIT:
                break
            separated = True
        b = after
    return b


@njit(nogil=True, cache=True)
def _final(data, start, before, behind, stop, bits):  # type: ignore[no-untyped-def]
    """Whether a capital sigma ends its word: behind a cased letter and before none, what is ignorable left out.

    Each walk ends at the next sigma, so that a text of nothing else is walked twice at most.
    """
    cased = False
    while before > start:
        before -= 1
        if data[before] & 0xC0 != 0x80:
            kind = bits[decode(data, before, stop)[0]]
            if not kind & forms.IGNORABLE:
                cased = kind & forms.CASED > 0
                break
    while cased and behind < stop:
        c, behind = decode(data, behind, stop)
        if not bits[c] & forms.IGNORABLE:
            return not bits[c] & forms.CASED
    return cased
