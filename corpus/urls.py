"""Addresses of web pages: read strictly, and written in one form so that equal addresses are equal strings.

`parse` splits as RFC 3986 says and reads what browsers read (WHATWG URL Standard, 4.4): tabs and line breaks
inside an address are nothing, a backslash is a slash, everything before the last @ of the authority is a user's
name, so that http://bank.com@evil.com/ is on evil.com.

A domain here is a host or any of its endings at a dot: a.b.example.com lies in b.example.com, example.com
and com. Which of them was registered is a matter of lists (the Public Suffix List) that change every week;
`domains` gives all endings, and a list that names a domain thereby names all below it.
"""

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import idna
import pyarrow as pa

MOST_CHARACTERS = 16_384
"""A longer address is none: servers need not take more than 8,000 octets (RFC 9110, 4.1), and no list holds one."""

SCHEMES = {"http": 80, "https": 443, "ftp": 21}
"""The schemes of documents on the web, and the port of each that need not be written."""

TRACKING = frozenset(
    (
        "fbclid", "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "msclkid", "yclid", "ysclid", "twclid", "ttclid",
        "igshid", "li_fat_id", "mc_cid", "mc_eid", "_ga", "_gl", "_hsenc", "_hsmi", "mkt_tok", "vero_id", "oly_anon_id",
        "oly_enc_id", "rb_clickid", "s_cid", "wickedid",
    )
)  # fmt: skip
"""Query parameters that say how a reader came and not what the page is: click identifiers of Google, Facebook,
Microsoft, Yandex, X, TikTok, LinkedIn, Mailchimp, HubSpot, Marketo and others, as browsers strip them; `utm_*`
(Google Analytics' campaign parameters) by prefix."""

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")  # RFC 3986, 2.3
_TRIM = "".join(map(chr, range(0x21)))  # C0 controls and the space, at both ends
_INSIDE = re.compile(r"[\t\n\r]")
_SPLIT = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):[/\\]{2}([^/\\?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.S)
_SCHEMED = re.compile(r"[\x00-\x20]*[A-Za-z][A-Za-z0-9+.-]*:(?![0-9])")  # example.com:80 has a port and no scheme
_ASCII_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})|[^A-Za-z0-9._~!$&'()*+,;=:@/?\[\]|^-]")
_NORMAL = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]|^-]*")  # nothing that _ESCAPE finds
_DOTS = re.compile(r"/\.{1,2}(?:/|$)")


class Url(NamedTuple):
    """An address in parts. Path and query are as written, without what no browser reads."""

    scheme: str  # lower-case, one of SCHEMES
    userinfo: str | None
    host: str  # lower-case A-labels without a final dot, dotted IPv4, or IPv6 in brackets, shortest form
    port: int | None  # None where absent or the scheme's own
    path: str  # empty or from the first slash on
    query: str | None
    fragment: str | None


def parse(text: str) -> Url | None:
    """The address in parts; None where it is no http, https or ftp address with a host that can exist."""
    if len(text) > MOST_CHARACTERS:
        return None
    found = _SPLIT.fullmatch(_INSIDE.sub("", text.strip(_TRIM)))
    if not found or (scheme := found[1].lower()) not in SCHEMES:
        return None
    userinfo, at, rest = found[2].rpartition("@")
    port = re.search(r":([0-9]*)$", rest)
    host = _host(rest[: port.start()] if port else rest)
    number = int(port[1][:6]) if port and port[1] else None
    if host is None or (number is not None and number > 65_535):
        return None
    known = None if number == SCHEMES[scheme] else number
    return Url(scheme, userinfo if at else None, host, known, found[3].replace("\\", "/"), found[4], found[5])


def complete(text: str) -> str:
    """The address with `http://` before it where it has no scheme, as lists and some crawls write addresses.

    What has another scheme stays as it is: mailto:x@example.com is not on example.com.
    """
    return text if _SCHEMED.match(text) else f"http://{text.lstrip(_TRIM)}"


def _host(written: str) -> str | None:
    if written.startswith("["):
        return _ipv6(written)
    host = written.lower()
    if "%" in host:
        try:
            host = unquote_to_bytes(host).decode().lower()
        except UnicodeDecodeError:
            return None
    if not host.isascii():
        try:  # UTS #46, the mapping that browsers apply before IDNA 2008; idna >= 3.7 takes linear time
            host = idna.encode(host, uts46=True).decode().lower() if len(host) <= 253 else ""
        except idna.IDNAError:
            return None
    host = host.removesuffix(".")
    if len(host) > 253 or not _ASCII_HOST.fullmatch(host):
        return None
    last = host.rpartition(".")[2]
    return _ipv4(host) if last.isdigit() or re.fullmatch("0x[0-9a-f]*", last) else host


def _ipv6(written: str) -> str | None:
    try:
        return f"[{ipaddress.IPv6Address(written[1:-1].partition('%')[0])}]" if written.endswith("]") else None
    except ValueError:
        return None


def _ipv4(host: str) -> str | None:
    """An IPv4 address as browsers read it: 127.1, 0x7f.0.0.1, 017700000001 and 2130706433 are all 127.0.0.1."""
    parts, value = host.split("."), 0
    for place, part in enumerate(parts):
        octal = len(part) > 1 and part[0] == "0" and part[1:2] != "x"
        try:
            number = int(part[2:] or "0", 16) if part[:2] == "0x" else int(part, 8 if octal else 10)
        except ValueError:
            return None
        bytes_left = 4 - place if place == len(parts) - 1 else 1
        if len(parts) > 4 or "_" in part or "-" in part or number >= 256**bytes_left:
            return None
        value = value << 8 * bytes_left | number
    return str(ipaddress.IPv4Address(value))


def domains(host: str) -> list[str]:
    """The host and every ending of it at a dot, the longest first; an IP address is one domain.

    At most 127 of them, for a host has at most 253 characters.
    """
    if host.startswith("[") or host.rpartition(".")[2].isdigit():
        return [host]
    labels = host.split(".")
    return [".".join(labels[place:]) for place in range(len(labels))]


def bare(host: str) -> str:
    """The host without a leading `www.`, as lists write hosts; www.com stays."""
    return host.removeprefix("www.") if host.count(".") > 1 else host


def canonical(url: str) -> str | None:
    """The address in the one form that stands for all its spellings; None where `parse` gives none.

    RFC 3986, 6.2.2: scheme and host lower-case, escapes upper-case, unreserved characters unescaped, dot segments
    removed. 6.2.3: the scheme's own port and an empty path's absence. WHATWG: what must be escaped is escaped, as
    UTF-8. As web archives key pages (SURT, IA's canonicalizer): user name and fragment are left out, parameters
    are sorted, empty ones left out, one slash at the end of a path is left out, repeated slashes are one.
    Ours: parameters in TRACKING and `utm_*` are left out. The scheme stays, and so does `www.`: both change pages.
    """
    parts = parse(url)
    if parts is None:
        return None
    port = "" if parts.port is None else f":{parts.port}"
    path, query = _path(parts.path), _query(parts.query)
    return f"{parts.scheme}://{parts.host}{port}{path}{query and '?' + query}"


def _path(written: str) -> str:
    path = _escaped(written)
    if "//" in path:
        path = re.sub("/{2,}", "/", path)
    if _DOTS.search(path):
        path = _without_dots(path)
    return path.removesuffix("/") or "/"


def _without_dots(path: str) -> str:
    """RFC 3986, 5.2.4, on a path that starts with a slash; a final dot segment leaves a slash."""
    left: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del left[-1:]
        elif segment != ".":
            left.append(segment)
    return "/" + "/".join([*left, ""] if segments[-1] in (".", "..") else left)


def _query(written: str | None) -> str:
    kept = [_escaped(part) for part in (written or "").split("&") if part]
    return "&".join(sorted(part for part in kept if not _tracks(part)))


def _tracks(parameter: str) -> bool:
    name = parameter.partition("=")[0].lower()
    return name in TRACKING or name.startswith("utm_")


def _escaped(written: str) -> str:
    if _NORMAL.fullmatch(written):
        return written
    return _ESCAPE.sub(_one, written.encode("utf-8", "surrogatepass")).decode()


def _one(found: re.Match[bytes]) -> bytes:
    """An escape in its normal form, or the escape of a byte that must not stand in an address."""
    byte = int(found[1], 16) if found[1] else found[0][0]
    return bytes([byte]) if found[1] and byte in _UNRESERVED else b"%%%02X" % byte


def canonical_urls(column: pa.Array) -> pa.Array:
    """`canonical` of each address: string [N], null where it is null or none.

    A Python loop: 160,000 addresses of 60 characters a second (the lists of phishing pages of UT1, one core, 2026-11).
    """
    return pa.array([None if url is None else canonical(url) for url in column.to_pylist()], pa.string())
