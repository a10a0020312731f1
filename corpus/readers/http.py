"""HTTP responses as archives hold them: status, fields, and the body as a browser would see it.

Chunks (RFC 9112, 7.1) and content codings (RFC 9110, 8.4.1) are taken off. Many crawlers store a body decoded and
leave its header as it was, so a body that shows no sign of a coding is taken as it is.
"""

import re
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import brotli
import zstandard
from isal import isal_zlib

from corpus.readers.base import Fault, longer_than
from corpus.readers.heads import MOST_HEAD, Fields, blank_line

_STATUS = re.compile(rb"(?:HTTP/\d(?:\.\d)?|ICY)[ \t]+(\d{3})\b[^\n]*\n")
_CHUNK = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]{0,4096})?\r?\n")
_CHARSET = re.compile(rb"charset\s{0,8}=\s{0,8}[\"']?\s{0,8}([^\s\"';,]{1,40})", re.IGNORECASE)
_MEDIA = re.compile(rb"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}")
_MOST_CODINGS = 4  # a body coded more often than that is a bomb
_STEP = 1 << 11  # bytes of zstd at a time: members.py says why
_WINDOW = 1 << 27
_ISAL: Any = isal_zlib.error  # its stubs call it an instance
_ERRORS: tuple[type[Exception], ...] = (*(_ISAL, zlib.error, brotli.error, zstandard.ZstdError, EOFError, MemoryError),)


class Response(NamedTuple):
    """The head of a response and where its body begins."""

    status: int
    named: Fields
    body: int


def response(block: bytes) -> Response | None:
    """What the head says; None where the block begins with none. Without a blank line all of it is head."""
    line = _STATUS.match(block)
    if line is None:
        return None
    end = blank_line(block, line.end() - 1, line.end() + MOST_HEAD)
    head = block[line.end() : end if end is not None else line.end() + MOST_HEAD]
    return Response(int(line[1]), Fields(head), end if end is not None else len(block))


@lru_cache(maxsize=1024)  # a few values are nearly all of them: 0.1 us, not 0.4
def media_type(value: bytes) -> str:
    """`text/html` of `text/html; charset=x`; "" where it is none."""
    found = _MEDIA.match(value.strip().lower())
    return found[0].decode() if found else ""


@lru_cache(maxsize=1024)
def charset(value: bytes) -> str | None:
    """The charset that a Content-Type names, as it is written."""
    found = _CHARSET.search(value)
    return found[1].decode("ascii", "replace") if found else None


def body(named: Fields, stored: bytes | memoryview, limit_mb: float) -> bytes | memoryview:
    """The body, decoded; as it was given where nothing has to come off.

    Raises Fault where it is damaged, or longer than the limit.
    """
    transfer = named.get(b"transfer-encoding")
    encoding = named.get(b"content-encoding")
    if not encoding and not transfer:
        return stored
    raw, given = bytes(stored), encoding + b"," + transfer
    if b"chunked" in transfer.lower():
        raw = dechunked(raw)
    codings = [name for word in given.lower().split(b",") if (name := word.strip().removeprefix(b"x-")) in _CODINGS]
    if len(codings) > _MOST_CODINGS:
        raise Fault(f"{len(codings)} content codings, at most {_MOST_CODINGS} are taken off")
    for name in reversed(codings):
        raw = _decoded(raw, name, limit_mb)
    return raw


def dechunked(raw: bytes) -> bytes:
    """The chunks joined. From where there are none any more the rest is taken as it is: so do browsers and warcio."""
    parts: list[bytes] = []
    at = 0
    while size := _CHUNK.match(raw, at):
        begin, length = size.end(), int(size[1], 16)
        if length == 0:
            return b"".join(parts)
        parts.append(raw[begin : begin + length])
        at = begin + length
        at += 2 if raw[at : at + 2] == b"\r\n" else raw[at : at + 1] == b"\n"
    return b"".join([*parts, raw[at:]])


def _decoded(raw: bytes, name: bytes, limit_mb: float) -> bytes:
    if not raw or raw[:64].lstrip()[:1] == b"<":  # a page already; no coding begins with it
        return raw
    most = int(limit_mb * 1e6)
    try:
        data = _CODINGS[name](raw, most)
    except _ERRORS as error:
        raise Fault(f"damaged content coding {name.decode()}: {str(error)[:100] or type(error).__name__}") from None
    if len(data) > most:
        raise Fault(longer_than(limit_mb))
    return data


def _gzip(raw: bytes, most: int) -> bytes:
    """Only its first member, as browsers read it; what there is of a truncated one."""
    return _inflated(isal_zlib.decompressobj(31), raw, most) if raw[:2] == b"\x1f\x8b" else _deflate(raw, most)


def _deflate(raw: bytes, most: int) -> bytes:
    """With the header of zlib (RFC 1950) or, as some servers send it, without."""
    headed = len(raw) > 1 and raw[0] & 15 == 8 and (raw[0] << 8 | raw[1]) % 31 == 0
    return _inflated(zlib.decompressobj(15 if headed else -15), raw, most)


def _inflated(unpack: Any, raw: bytes, most: int) -> bytes:
    parts, size, rest = [], 0, raw
    while size <= most and (data := unpack.decompress(rest, most + 1 - size)):
        parts.append(data)
        size, rest = size + len(data), unpack.unconsumed_tail
    if not size and not unpack.eof:
        raise EOFError("it ends before its first byte")
    return b"".join(parts)


def _brotli(raw: bytes, most: int) -> bytes:
    unpack, parts, size = brotli.Decompressor(), [], 0
    data = unpack.process(raw, output_buffer_limit=1 << 20)
    while data:
        parts.append(data)
        size += len(data)
        if size > most or unpack.is_finished():
            break
        data = unpack.process(b"", output_buffer_limit=1 << 20)
    if not size and not unpack.is_finished():
        raise EOFError("it ends before its first byte")
    return b"".join(parts)


def _zstd(raw: bytes, most: int) -> bytes:
    unpack, parts, size = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj(), [], 0
    for at in range(0, len(raw), _STEP):
        data = unpack.decompress(raw[at : at + _STEP])
        parts.append(data)
        size += len(data)
        if size > most or unpack.eof:
            break
    return b"".join(parts)


_CODINGS: dict[bytes, Callable[[bytes, int], bytes]] = {
    b"gzip": _gzip,
    b"deflate": _deflate,
    b"br": _brotli,
    b"zstd": _zstd,
}
