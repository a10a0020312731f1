"""Measures of source files: how long lines are, what part is comment, data, or bytes written as text.

Lines are `str.splitlines()`. Comments are told from how a line starts, without a parser, in the languages most
files are in; the measure is for limits, not for linguistics.
"""

import string
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.classes import decode
from corpus.documents import Batch
from stages.measures.base import Measure, Rows, once, per
from stages.measures.characters import DECIMAL, WHITE, characters, properties
from stages.measures.segments import packed, python_lines, stripped
from stages.measures.words import count

COMMENTS = ("//", "/*", "*/", "* ", "#!", "# ", "##", "--", ";;", "; ", "% ", "%%", "<!--")
"""How a comment line starts; a line that is one of *, #, ; or % alone is one too. #include and #define are none."""

_LEAST_BASE64, _LEAST_UNITS = 64, 8
_BASE64, _HEX, _SECOND, _ESCAPE, _WORD = 1, 2, 4, 8, 16


class Layout(NamedTuple):
    """What one walk over the lines finds: int64 [N] each."""

    lines: np.ndarray  # blank ones too
    shown: np.ndarray  # not blank
    longest: np.ndarray  # code points of the longest line
    chars: np.ndarray  # code points in lines, without their ends
    comment: np.ndarray  # of these in comment lines
    data: np.ndarray  # lines at least half of whose visible characters are digits


@once
def layout(batch: Batch) -> Layout:
    """Lines, their lengths and what they are."""
    _, data = batch.utf8
    out = np.zeros((6, len(batch)), np.int64)
    _layout(data, *python_lines(batch), properties(), *packed(COMMENTS), out)
    return Layout(*out)


@njit(nogil=True, cache=True)
def _layout(data, first, starts, ends, properties, text, places, out):  # type: ignore[no-untyped-def]
    for n in range(len(first) - 1):
        out[0, n] = first[n + 1] - first[n]
        for s in range(first[n], first[n + 1]):
            chars, visible, digits = _counted(data, starts[s], ends[s], properties)
            out[2, n] = max(out[2, n], chars)
            out[3, n] += chars
            if visible:
                out[1, n] += 1
                out[4, n] += chars * _comment(data, starts[s], ends[s], properties, text, places)
                out[5, n] += 2 * digits >= visible


@njit(nogil=True, cache=True)
def _counted(data, b, end, properties):  # type: ignore[no-untyped-def]
    """Code points, those that are no white space, and decimal digits."""
    chars, white, digits = np.int64(0), np.int64(0), np.int64(0)
    while b < end:
        c, b = decode(data, b, end)
        chars += 1
        white += properties[c] & WHITE != 0
        digits += properties[c] & DECIMAL != 0
    return chars, chars - white, digits


@njit(nogil=True, cache=True)
def _comment(data, a, b, properties, text, places):  # type: ignore[no-untyped-def]
    """Whether a line starts as comments do."""
    a, b = stripped(data, a, b, properties)
    x = data[a]
    if b - a == 1:
        return x == 0x2A or x == 0x23 or x == 0x3B or x == 0x25
    for k in range(len(places) - 1):
        size = places[k + 1] - places[k]
        same = size <= b - a
        for i in range(size):
            same = same and data[a + i] == text[places[k] + i]
        if same:
            return True
    return False


class Encoded(NamedTuple):
    """Bytes written as text, by the patterns of StarCoder2: int64 [N] each."""

    chars: np.ndarray  # in runs of base64, hexadecimal and \\uXXXX, each pattern for itself
    longest: np.ndarray  # the longest of those runs


@once
def encoded(batch: Batch) -> Encoded:
    """Runs of 64 base64 characters or line feeds, of 8 hexadecimal bytes, of 8 Unicode escapes, or more."""
    starts, data = batch.utf8
    out = np.zeros((2, len(batch)), np.int64)
    _encoded(starts, data, _kinds(), out)
    return Encoded(*out)


@cache
def _kinds() -> np.ndarray:
    """What a byte may be: part of base64, first or second in a hexadecimal unit, part of \\w: uint8 [256]."""
    table = np.zeros(256, np.uint8)
    word = string.ascii_letters + string.digits
    sets = (
        (_BASE64, word + "+/\n="), (_HEX, string.hexdigits + "\\"), (_SECOND, string.hexdigits + "x"),
        (_ESCAPE, "\\"), (_WORD, word + "_"),
    )  # fmt: skip
    for kind, those in sets:
        table[[ord(char) for char in those]] |= kind
    table[0x80:] |= _WORD  # what is beyond ASCII counts as a letter
    return table


@njit(nogil=True, cache=True)
def _encoded(starts, data, kinds, out):  # type: ignore[no-untyped-def]
    for n in range(len(starts) - 1):
        begin, stop = starts[n], starts[n + 1]
        base64, free, before = begin, begin, np.uint8(0)
        for b in range(begin, stop):
            bits = kinds[data[b]]
            if not bits & _BASE64:
                _noted(b - base64, _LEAST_BASE64, out, n)
                base64 = b + 1
            if bits & _HEX and b >= free:
                # \\b before it: one of the two is part of \\w, and a backslash is not.
                bounded = (before & _WORD != 0) == (bits & _ESCAPE != 0)
                if bounded and b + 1 < stop and kinds[data[b + 1]] & _SECOND:
                    free = b + _noted(_hex_run(data, kinds, begin, b, stop), 1, out, n)
                elif bits & _ESCAPE:
                    free = b + _noted(_unicode_run(data, b, stop), 1, out, n)
            before = bits
        _noted(stop - base64, _LEAST_BASE64, out, n)


@njit(nogil=True, cache=True)
def _noted(size, least, out, n):  # type: ignore[no-untyped-def]
    """Count a run that is long enough; its size is given back."""
    if size >= least:
        out[0, n] += size
        out[1, n] = max(out[1, n], size)
    return size


@njit(inline="always")
def _hex(x):  # type: ignore[no-untyped-def]
    return 0x30 <= x <= 0x39 or 0x41 <= x <= 0x46 or 0x61 <= x <= 0x66


@njit(inline="always")
def _boundary(data, kinds, begin, b, stop):  # type: ignore[no-untyped-def]
    """\\b before data[b]."""
    return (b > begin and kinds[data[b - 1]] & _WORD != 0) != (b < stop and kinds[data[b]] & _WORD != 0)


@njit(nogil=True, cache=True)
def _hex_run(data, kinds, begin, b, stop):  # type: ignore[no-untyped-def]
    """Bytes of (?:\\b(?:0x|\\\\x)?[0-9a-fA-F]{2}(?:,|\\b\\s*)){8,} at `b`; a failed try reads seven units at most."""
    start, units = b, 0
    while b < stop and _boundary(data, kinds, begin, b, stop):
        i = b
        if i + 3 < stop and data[i + 1] == 0x78 and (data[i] == 0x30 or data[i] == 0x5C):
            i += 2
        if i + 1 >= stop or not (_hex(data[i]) and _hex(data[i + 1])):
            break
        i += 2
        if i < stop and data[i] == 0x2C:
            i += 1
        elif _boundary(data, kinds, begin, i, stop):
            while i < stop and (data[i] == 0x20 or 0x09 <= data[i] <= 0x0D or 0x1C <= data[i] <= 0x1F):
                i += 1
        else:
            break
        units += 1
        b = i
    return b - start if units >= _LEAST_UNITS else np.int64(0)


@njit(nogil=True, cache=True)
def _unicode_run(data, b, stop):  # type: ignore[no-untyped-def]
    """Bytes of (?:\\\\u[0-9a-fA-F]{4}){8,} at `b`."""
    start, units = b, 0
    while b + 6 <= stop and data[b] == 0x5C and data[b + 1] == 0x75:
        if not (_hex(data[b + 2]) and _hex(data[b + 3]) and _hex(data[b + 4]) and _hex(data[b + 5])):
            break
        b += 6
        units += 1
    return b - start if units >= _LEAST_UNITS else np.int64(0)


def xml_header(batch: Batch) -> np.ndarray:
    """1 where `<?xml version=` stands in the first 100 bytes, else 0: int64 [N]."""
    starts, data = batch.utf8
    out = np.zeros(len(batch), np.int64)
    _xml_header(starts, data, np.frombuffer(b"<?xml version=", np.uint8), out)
    return out


@njit(nogil=True, cache=True)
def _xml_header(starts, data, text, out):  # type: ignore[no-untyped-def]
    for n in range(len(starts) - 1):
        for b in range(starts[n], min(starts[n] + 100, starts[n + 1]) - len(text) + 1):
            same = True
            for i in range(len(text)):
                same = same and data[b + i] == text[i]
            out[n] |= np.int64(same)


_V1 = "Li et al. 2023 (StarCoder), 3"
_V2 = "Lozhkov et al. 2024 (StarCoder2), 2.1"

ROWS: Rows = {
    "code_lines": Measure(lambda batch: layout(batch).lines, "lines, blank ones too", _V2, pa.int64()),
    "longest_line": Measure(lambda batch: layout(batch).longest, "code points of the longest line", _V2, pa.int64()),
    "mean_line_length": Measure(
        lambda batch: per(layout(batch).chars, layout(batch).lines), "code points per line, blank ones too", _V2
    ),
    "chars_per_line": Measure(
        lambda batch: per(characters(batch).all, layout(batch).lines),
        "code points of the text, line ends too, per line",
        "Chen et al. 2024 (Data-Juicer), average_line_length_filter",
    ),
    "chars": Measure(lambda batch: characters(batch).all, "code points", "Chen et al. 2024 (Data-Juicer)", pa.int64()),
    "comment_char_share": Measure(
        lambda batch: per(layout(batch).comment, layout(batch).chars),
        "characters in lines that start as comments do, per character in lines, 0 to 1",
        "Ben Allal et al. 2023 (SantaCoder), 4.1, without a parser",
    ),
    "data_line_share": Measure(
        lambda batch: per(layout(batch).data, layout(batch).shown),
        "lines at least half digits per line that is not blank, 0 to 1",
        "ours",
    ),
    "letters_per_word": Measure(
        lambda batch: per(characters(batch).alphabetic, count(batch)),
        "letters of the text per word",
        "Weber et al. 2024 (RedPajama-V1, GitHub), on our words",
    ),
    "encoded_char_share": Measure(
        lambda batch: np.minimum(per(encoded(batch).chars, characters(batch).all), 1.0),
        "characters in runs of base64, hexadecimal bytes or Unicode escapes per character, 0 to 1",
        _V2,
    ),
    "longest_encoded_run": Measure(
        lambda batch: encoded(batch).longest, "characters of the longest such run", _V2, pa.int64()
    ),
    "xml_header": Measure(xml_header, "1 where <?xml version= stands in the first 100 bytes", _V1, pa.int64()),
}
