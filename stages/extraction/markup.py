"""The syntax of HTML, piece by piece: tag names, attributes, character references, formulas.

Kernels over a page's bytes. Each takes a place and gives the place behind what it read, so that no byte is read more
than a few times. The rules are those
of the WHATWG HTML standard's tokenizer (section 13.2.5), with errors forgiven as browsers forgive them.
"""

import numpy as np
from numba import njit

from stages.extraction import tags as t

_BASIS, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_WINDOWS_1252 = np.array([ord(bytes([b]).decode("cp1252", "replace")) for b in range(128, 160)], np.int64)
_BARE = np.int64(1 << 62)
_HIDDEN = np.int64(t.HIDDEN)


@njit(nogil=True, cache=True, inline="always")
def _found(keys, values, key):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(keys) - 1)
    place = key & mask
    while keys[place] != 0:
        if keys[place] == key:
            return values[place]
        place = (place + np.uint64(1)) & mask
    return np.int64(-1)


@njit(nogil=True, cache=True, inline="always")
def _lower(byte):  # type: ignore[no-untyped-def]
    return byte | 32 if 65 <= byte <= 90 else byte


@njit(nogil=True, cache=True, inline="always")
def alphabetic(byte):  # type: ignore[no-untyped-def]
    return 97 <= (byte | 32) <= 122


@njit(nogil=True, cache=True, inline="always")
def blank(byte):  # type: ignore[no-untyped-def]
    return byte == 32 or 9 <= byte <= 13


@njit(nogil=True, cache=True)
def tag_kind(data, at, end, keys, values):  # type: ignore[no-untyped-def]
    """Kind of the tag whose name begins at `at`, and where the name ends."""
    key = _BASIS
    while at < end and not blank(data[at]) and data[at] != 62 and data[at] != 47:
        key = (key ^ np.uint64(_lower(data[at]))) * _PRIME
        at += 1
    kind = _found(keys, values, key)
    return (np.int64(0) if kind < 0 else kind), at


@njit(nogil=True, cache=True)
def _word_bits(data, at, end, keys, values):  # type: ignore[no-untyped-def]
    """Bits of the words in a class or id: runs of letters, cut before capitals, and whole."""
    bits = np.int64(0)
    part, whole, before, parts = _BASIS, _BASIS, np.uint8(0), 0
    for place in range(at, end + 1):
        byte = data[place] if place < end else np.uint8(32)
        letter = alphabetic(byte)
        if not letter or (65 <= byte <= 90 and 97 <= before <= 122):
            found = _found(keys, values, part)
            bits |= found if found > 0 else 0
            part = _BASIS
            parts += 1
        if letter:
            part = (part ^ np.uint64(byte | 32)) * _PRIME
        if letter or byte == 45 or byte == 95:
            whole = (whole ^ np.uint64(byte | 32)) * _PRIME if letter else whole
        else:
            found = _found(keys, values, whole) if parts > 1 else np.int64(0)
            bits |= found if found > 0 else 0
            whole, parts = _BASIS, 0
        before = byte
    return bits


@njit(nogil=True, cache=True, inline="always")
def _is(data, at, end, word):  # type: ignore[no-untyped-def]
    """Whether the bytes from `at` to `end` are the word (lower-case), whatever their case."""
    if end - at != len(word):
        return False
    same = True
    for k in range(len(word)):
        same = same and _lower(data[at + k]) == word[k]
    return same


@njit(nogil=True, cache=True)
def holds(data, at, end, word):  # type: ignore[no-untyped-def]
    """Whether the word stands anywhere in the bytes; white space in them is passed over."""
    matched = 0
    for place in range(at, min(end, at + 400)):
        if blank(data[place]):
            continue
        byte = _lower(data[place])
        matched = matched + 1 if byte == word[matched] else (1 if byte == word[0] else 0)
        if matched == len(word):
            return True
    return False


@njit(nogil=True, cache=True)
def attributes(data, at, end, keys, values):  # type: ignore[no-untyped-def]
    """Bits of class, id, role and of hiding, whether href is there, where alt (or type) lies, the place behind `>`."""
    bits, href, alt, alt_end = np.int64(0), False, at, at
    while at < end and data[at] != 62:
        if blank(data[at]) or data[at] == 47:
            at += 1
            continue
        name = at
        at += 1
        while at < end and not blank(data[at]) and data[at] != 62 and data[at] != 47 and data[at] != 61:
            at += 1
        stop = at
        while at < end and blank(data[at]):
            at += 1
        if at >= end or data[at] != 61:
            if _is(data, name, stop, b"hidden"):
                bits |= _HIDDEN
            continue
        at += 1
        while at < end and blank(data[at]):
            at += 1
        if at >= end:
            break
        first = at
        if data[at] == 34 or data[at] == 39:
            quote = data[at]
            at += 1
            first = at
            while at < end and data[at] != quote:
                at += 1
            last = at
            at += 1
        else:
            while at < end and not blank(data[at]) and data[at] != 62:
                at += 1
            last = at
        if last > end:
            last = end
        named = _is(data, name, stop, b"class") or _is(data, name, stop, b"id")
        if named or _is(data, name, stop, b"role") or _is(data, name, stop, b"itemprop"):
            bits |= _word_bits(data, first, min(last, first + 300), keys, values)
        elif _is(data, name, stop, b"href"):
            href = True
        elif _is(data, name, stop, b"style"):
            if holds(data, first, last, b"display:none") or holds(data, first, last, b"visibility:hidden"):
                bits |= _HIDDEN
        elif _is(data, name, stop, b"hidden") or (
            _is(data, name, stop, b"aria-hidden") and _is(data, first, last, b"true")
        ):
            bits |= _HIDDEN
        elif _is(data, name, stop, b"alt") or _is(data, name, stop, b"type") or _is(data, name, stop, b"encoding"):
            alt, alt_end = first, last
    return bits, href, alt, alt_end, min(at + 1, end)


@njit(nogil=True, cache=True)
def closing_tag(data, at, end, name, size):  # type: ignore[no-untyped-def]
    """Where `</` and the name that stands at `name` next begin; `end` where they never do."""
    while at + size + 2 <= end:
        if data[at] == 60 and data[at + 1] == 47:
            same = True
            for k in range(size):
                if _lower(data[at + 2 + k]) != _lower(data[name + k]):
                    same = False
                    break
            if same:
                return at
        at += 1
    return end


@njit(nogil=True, cache=True)
def _put(text, o, code):  # type: ignore[no-untyped-def]
    """Write a code point as UTF-8 at `o`; the place behind it."""
    if code < 0x80:
        text[o] = code
        return o + 1
    if code < 0x800:
        text[o] = 0xC0 | code >> 6
        text[o + 1] = 0x80 | code & 63
        return o + 2
    if code < 0x10000:
        text[o] = 0xE0 | code >> 12
        text[o + 1] = 0x80 | code >> 6 & 63
        text[o + 2] = 0x80 | code & 63
        return o + 3
    text[o] = 0xF0 | code >> 18
    text[o + 1] = 0x80 | code >> 12 & 63
    text[o + 2] = 0x80 | code >> 6 & 63
    text[o + 3] = 0x80 | code & 63
    return o + 4


@njit(nogil=True, cache=True)
def reference(data, at, end, text, o, keys, values):  # type: ignore[no-untyped-def]
    """Read the character reference at `at` (an `&`) into the text: places behind it in the page and in the text."""
    p = at + 1
    if p < end and data[p] == 35:
        p += 1
        base = 16 if p < end and data[p] | 32 == 120 else 10
        p += base == 16
        code, first = np.int64(0), p
        while p < end and p < first + 9:
            byte = np.int64(data[p])
            digit = byte - 48 if 48 <= byte <= 57 else ((byte | 32) - 87 if 97 <= (byte | 32) <= 102 else np.int64(99))
            if digit >= base:
                break
            code = code * base + digit
            p += 1
        if p == first:
            text[o] = 38
            return at + 1, o + 1
        if p < end and data[p] == 59:
            p += 1
        if 128 <= code < 160:
            code = _WINDOWS_1252[code - 128]
        if code == 0 or code > 0x10FFFF or 0xD800 <= code < 0xE000:
            code = np.int64(0xFFFD)
        if code < 128 and p - at < 2:
            return p, o
        return p, _put(text, o, code)
    key = _BASIS
    while p < end and p < at + 33 and (alphabetic(data[p]) or 48 <= data[p] <= 57):
        key = (key ^ np.uint64(data[p])) * _PRIME
        p += 1
    packed = _found(keys, values, key)
    ended = p < end and data[p] == 59
    if packed < 0 or (not ended and packed & _BARE == 0):
        text[o] = 38
        return at + 1, o + 1
    o = _put(text, o, packed & 0xFFFFFFFF)
    second = (packed & ~_BARE) >> 32
    return p + ended, (_put(text, o, second) if second else o)


@njit(nogil=True, cache=True)
def formula(data, at, stop, text, start, o, space, keys, values):  # type: ignore[no-untyped-def]
    """Write `$`, the TeX that lies from `at` to `stop`, and `$`; the place behind them in the text."""
    if space and o > start and text[o - 1] != 10:
        text[o] = 32
        o += 1
    while at < stop and blank(data[at]):
        at += 1
    while stop > at and blank(data[stop - 1]):
        stop -= 1
    text[o] = 36
    o += 1
    while at < stop:
        if data[at] == 38:
            at, o = reference(data, at, stop, text, o, keys, values)
        else:
            text[o] = 32 if blank(data[at]) else data[at]
            o += 1
            at += 1
    text[o] = 36
    return o + 1


@njit(nogil=True, cache=True)
def annotation(data, at, stop):  # type: ignore[no-untyped-def]
    """Where the first `<annotation ...>` before `stop` has its content; (stop, stop) where there is none."""
    while at + 11 < stop:
        if data[at] == 60 and _is(data, at + 1, at + 11, b"annotation"):
            while at < stop and data[at] != 62:
                at += 1
            first = at + 1
            while at < stop and data[at] != 60:
                at += 1
            return first, at
        at += 1
    return stop, stop
