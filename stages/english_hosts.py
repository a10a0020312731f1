"""Whether a chunk of text is a URL or an e-mail address, as spaCy takes one whole (its URL_MATCH), in one walk."""

import numpy as np
from numba import njit

from corpus.classes import decode
from stages.english import ALPHA, LOWER
from stages.english_affixes import is_digit


@njit(nogil=True, cache=True)
def url(data, a, e, bits):  # type: ignore[no-untyped-def]
    """Whether data[a:e] is a URL: a host, maybe a scheme or who asks before it, a port and a path behind it.

    Every place where the host may start is tried; a try ends at the first @, so all of them walk once.
    """
    if _host(data, a, e, bits):
        return True
    b, letters, scheme = a, 0, True
    while b < e:
        c, after = decode(data, b, e)
        if scheme and c == 0x3A:
            slashes = e - b > 3 and data[b + 1] == 0x2F and data[b + 2] == 0x2F
            if letters >= 2 and slashes and _host(data, b + 3, e, bits):
                return True
            scheme = False
        scheme = scheme and (bits[c] & ALPHA != 0 or is_digit(c) or c == 0x5F or c == 0x2B or c == 0x2D or c == 0x2E)
        letters += 1
        if c == 0x40 and b > a and _host(data, after, e, bits):
            return True
        b = after
    return False


@njit(nogil=True, cache=True)
def _host(data, b, e, bits):  # type: ignore[no-untyped-def]
    """Whether data[b:e] is labels with full stops between, the last of lower-case letters; then port and path."""
    begin, labels, size, lower, edge = b, 0, 0, True, False  # edge: the last character may end a label
    while b < e:
        c, after = decode(data, b, e)
        inner = c == 0x2D or c == 0x5F
        edge_now = is_digit(c) or (0x41 <= c <= 0x5A) or (0x61 <= c <= 0x7A) or (0xA1 <= c <= 0xFFFF)
        if c == 0x2E:
            if not edge or size > 64:
                return False
            labels, size, lower, edge = labels + 1, 0, True, False
        elif edge_now or (inner and size):
            size, edge = size + 1, edge_now
            lower = lower and bits[c] & LOWER != 0
        else:
            break
        b = after
    domain = labels > 0 and lower and edge and 2 <= size <= 63
    if not domain and not (labels == 3 and _public(data, begin, b)):
        return False
    if b < e and data[b] == 0x3A:
        port = b + 1
        while port < e and port < b + 6 and is_digit(data[port]):
            port += 1
        if port - b < 3:
            return False
        b = port
    return b == e or data[b] == 0x2F or data[b] == 0x3F or data[b] == 0x23


@njit(nogil=True, cache=True)
def _public(data, b, e):  # type: ignore[no-untyped-def]
    """Whether data[b:e] are the four numbers of an address that is not of a private network."""
    octets = np.zeros(4, np.int64)
    place = digits = 0
    for i in range(b, e):
        if data[i] == 0x2E:
            place, digits = place + 1, 0
        elif not is_digit(data[i]) or digits == 3 or (digits == 2 and octets[place] < 10):
            return False
        else:
            octets[place] = octets[place] * 10 + data[i] - 0x30
            digits += 1
    one, two = octets[0], octets[1]
    private = one == 10 or one == 127 or (one == 169 and two == 254) or (one == 192 and two == 168)
    private = private or (one == 172 and 16 <= two <= 31)
    sound = 1 <= one <= 223 and two <= 255 and octets[2] <= 255 and 1 <= octets[3] <= 254
    return sound and not private and data[b] != 0x30
