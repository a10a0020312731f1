"""The walk over addresses: hosts, words and sub-words of whole columns, for stages/url.py.

Addresses are first written lower-case and unescaped into one buffer, since %70orn is a word too. Hosts of plain
addresses (http or https, a name of ASCII letters, no port, no user) are told here; all others by corpus/urls.py.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.buffers import utf8
from corpus.urls import bare, complete, parse
from stages.url_lists import place, step

MOST_SOFT = 64
"""Different soft words counted in one address; an address of 16 kB could hold 5,000."""


class Places(NamedTuple):
    """Addresses lower-case and unescaped in one buffer, and the host of each."""

    text: np.ndarray  # uint8, the addresses, then hosts that only `parse` could tell
    starts: np.ndarray  # int64 [N]
    ends: np.ndarray  # int64 [N]
    host_starts: np.ndarray  # int64 [N]
    host_ends: np.ndarray  # int64 [N]; as the start where there is none
    is_ip: np.ndarray  # bool [N]: the host is an IP address, of which no ending is a domain
    read: np.ndarray  # bool [N]

    @classmethod
    def of(cls, urls: pa.Array) -> "Places":
        """Plain addresses in a kernel; the others, 1 in 100 of a crawl, by `parse` at 5 us each."""
        offsets, data = utf8(urls)
        text = np.empty(offsets[-1] - offsets[0], np.uint8)
        starts, ends, host_starts, host_ends = np.empty((4, len(urls)), np.int64)
        plain = np.zeros(len(urls), np.bool_)
        _read(offsets, data, text, starts, ends, host_starts, host_ends, plain)
        read, is_ip, more = plain.copy(), np.zeros(len(urls), np.bool_), []
        size = len(text)
        for n in np.flatnonzero(~plain).tolist():
            url = urls[n].as_py()
            known = parse(complete(url)) if url else None
            host = bare(known.host).encode() if known else b""
            read[n], is_ip[n] = known is not None, host[-1:].isdigit() or host[-1:] == b"]"
            host_starts[n], host_ends[n] = size, size + len(host)
            size += len(host)
            more.append(host)
        text = np.r_[text, np.frombuffer(b"".join(more), np.uint8)]
        return cls(text, starts, ends, host_starts, host_ends, is_ip, read)


@njit(nogil=True, cache=True)
def _read(offsets, data, text, starts, ends, host_starts, host_ends, plain):  # type: ignore[no-untyped-def]
    """Lower case and unescape each address; where it is plain http(s)://host, tell the host."""
    t = np.int64(0)
    for n in range(len(offsets) - 1):
        b, stop = offsets[n], offsets[n + 1]
        starts[n], clean = t, True
        escaped_before = stop
        while b < stop:
            c = data[b]
            b += 1
            if c == 0x25 and b + 1 < stop and _hex(data[b]) >= 0 and _hex(data[b + 1]) >= 0:
                c = np.uint8(_hex(data[b]) * 16 + _hex(data[b + 1]))
                escaped_before = min(escaped_before, t)
                b += 2
            if 0x41 <= c <= 0x5A:
                c |= np.uint8(0x20)
            clean &= 0x20 < c < 0x80
            text[t] = c
            t += 1
        ends[n] = t
        host_starts[n] = host_ends[n] = t
        if clean:
            _plain_host(text, starts[n], t, escaped_before, n, host_starts, host_ends, plain)


@njit(inline="always")
def _hex(c):  # type: ignore[no-untyped-def]
    if 0x30 <= c <= 0x39:
        return np.int64(c) - 0x30
    small = np.int64(c) | 0x20
    return small - 0x57 if 0x61 <= small <= 0x66 else np.int64(-1)


@njit(nogil=True, cache=True)
def _plain_host(text, start, end, escaped_before, n, host_starts, host_ends, plain):  # type: ignore[no-untyped-def]
    b = start
    for c in b"http":
        if b >= end or text[b] != c:
            return
        b += 1
    b += b < end and text[b] == 0x73
    if end - b < 4 or text[b] != 0x3A or text[b + 1] != 0x2F or text[b + 2] != 0x2F or end - start > 16_384:
        return
    b += 3
    if end - b > 4 and text[b] == 0x77 and text[b + 1] == 0x77 and text[b + 2] == 0x77 and text[b + 3] == 0x2E:
        dots = 0
        for k in range(b, end):
            if text[k] == 0x2F or text[k] == 0x3F or text[k] == 0x23:
                break
            dots += text[k] == 0x2E
        b += 4 if dots > 1 else 0
    host, label, letter = b, b, False  # letter: the last label begins with one, so the host is no IPv4 address
    while b < end:
        c = text[b]
        if c == 0x2E:
            if b == label:
                return
            label = b + 1
        elif c == 0x2F or c == 0x3F or c == 0x23:
            break
        elif 0x61 <= c <= 0x7A or 0x30 <= c <= 0x39 or c == 0x2D or c == 0x5F:
            letter = 0x61 <= c <= 0x7A if b == label else letter
            if b - label >= 63:
                return
        else:
            return
        b += 1
    if b > label and letter and b - host <= 253 and escaped_before >= b:
        host_starts[n], host_ends[n], plain[n] = host, b, True


@njit(nogil=True, cache=True)
def walk_domains(text, starts, ends, is_ip, domains, url_hosts, hit, on_host):  # type: ignore[no-untyped-def]
    """The longest listed domain that a host is or lies in; and whether addresses on this very host are listed."""
    for n in range(len(starts)):
        h = np.uint64(0)
        for b in range(ends[n] - 1, starts[n] - 1, -1):
            h = step(h, text[b])
            whole = b == starts[n]
            if whole or (text[b - 1] == 0x2E and not is_ip[n]):
                at = place(text, b, ends[n], h, domains)
                if at >= 0:
                    hit[0, n], hit[1, n] = 0 if whole else 1, at
                if whole:
                    on_host[n] = place(text, b, ends[n], h, url_hosts) >= 0


@njit(nogil=True, cache=True)
def found_places(offsets, data, listed):  # type: ignore[no-untyped-def]
    out = np.empty(len(offsets) - 1, np.int64)
    for n in range(len(out)):
        h = np.uint64(0)
        for b in range(offsets[n + 1] - 1, offsets[n] - 1, -1):
            h = step(h, data[b])
        out[n] = place(data, offsets[n], offsets[n + 1], h, listed)
    return out


@njit(inline="always")
def _of_word(c):  # type: ignore[no-untyped-def]
    return 0x61 <= c <= 0x7A or 0x30 <= c <= 0x39 or c >= 0x80


@njit(nogil=True, cache=True)
def walk_words(text, starts, ends, hard, soft, least, hit, soft_words):  # type: ignore[no-untyped-def]
    """Words are runs of letters and digits, read from the end; a hard word outranks soft ones."""
    seen = np.empty(MOST_SOFT, np.int64)
    for n in range(len(starts)):
        b, known, banned = ends[n] - 1, 0, np.int64(-1)
        while b >= starts[n]:
            end, h = b + 1, np.uint64(0)
            while b >= starts[n] and _of_word(text[b]):
                h = step(h, text[b])
                b -= 1
            if b + 1 < end:
                at = place(text, b + 1, end, h, hard)
                banned = at if at >= 0 else banned
                at = place(text, b + 1, end, h, soft)
                if at >= 0 and known < MOST_SOFT and not _among(seen, known, at):
                    seen[known] = at
                    known += 1
            b -= 1
        soft_words[n] = known
        if hit[0, n] < 0 and banned >= 0:
            hit[0, n], hit[1, n] = 3, banned
        elif hit[0, n] < 0 and known >= least:
            hit[0, n], hit[1, n] = 4, seen[known - 1]


@njit(inline="always")
def _among(seen, known, at):  # type: ignore[no-untyped-def]
    found = False
    for i in range(known):
        found |= seen[i] == at
    return found


@njit(nogil=True, cache=True)
def walk_subwords(text, starts, ends, classes, moves, width, ending, patterns, hit):  # type: ignore[no-untyped-def]
    """The first sub-word in an address from which all but letters and digits is left out."""
    for n in range(len(starts)):
        if hit[0, n] >= 0:
            continue
        at = np.uint32(0)
        for b in range(starts[n], ends[n]):
            if _of_word(text[b]):
                at = moves[at + classes[text[b]]]
                if at >= ending:
                    hit[0, n], hit[1, n] = 5, patterns[at // width]
                    break
