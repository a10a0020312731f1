"""A page's bytes as UTF-8, whatever they were. No bytes raise; what cannot be read is U+FFFD.

In this order: a byte order mark; UTF-8 where all bytes are valid UTF-8 (text of another charset with letters beyond
ASCII hardly ever is, and servers that declare latin-1 for it are many); what the server or record declared; what the
page declares in its first 4,096 bytes (the standard's prescan takes 1,024); detection by resiliparse. Labels are the
WHATWG Encoding standard's: `iso-8859-1` means windows-1252. Python's other codecs, some of them no charsets at all,
cannot be named.
"""

import codecs
import re

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_DECLARED = re.compile(rb"""<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s{0,9}=\s{0,9}["']?([\w:.-]{2,40})""", re.I)
_PRESCAN = 4_096
_STATEFUL = b"\x1b$"  # ISO-2022-JP is ASCII only to look at


def utf8(page: bytes, declared: str | None = None) -> bytes:
    """The page in UTF-8, without byte order mark and NULs."""
    for mark, name in _MARKS:
        if page.startswith(mark):
            return _clean(_recoded(page[len(mark) :], name))
    if _STATEFUL not in page and not _wide(page) and _valid(page):
        return _clean(page)
    return _clean(_recoded(page, _named(page, declared)))


def _valid(page: bytes) -> bool:
    if page.isascii():
        return True
    try:
        page.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _wide(page: bytes) -> bool:
    """Whether it looks like UTF-16 without a mark: a NUL beside the first `<`."""
    return page[:2] in (b"<\0", b"\0<")


def _named(page: bytes, declared: str | None) -> str:
    """The charset of a page by what is declared, else by detection; one that Python can decode."""
    from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5  # 0.1 s, and most pages are UTF-8

    if _wide(page):
        return "utf-16-le" if page[0] else "utf-16-be"
    inside = _DECLARED.search(page[:_PRESCAN])
    for label in (declared, inside[1].decode("ascii", "replace") if inside else None):
        known = map_encoding_to_html5(label.strip().lower(), False) if label else None
        if known and known not in ("utf-8", "utf-16-le", "utf-16-be") and _known(known):
            return known
        if known == "utf-8" and _nearly(page):
            return known
    found = detect_encoding(page) or "utf-8"
    return found if _known(found) else "cp1252"


def _known(name: str) -> bool:
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True


def _nearly(page: bytes) -> bool:
    """Whether damage is rare for UTF-8: fewer than one bad place in ten letters beyond ASCII."""
    text = page.decode("utf-8", "replace")
    beyond = sum(byte > 127 for byte in page[:20_000])
    return text[:20_000].count("\ufffd") * 10 < beyond


def _recoded(page: bytes, name: str) -> bytes:
    return page.decode(name, "replace").encode("utf-8", "replace")


def _clean(page: bytes) -> bytes:
    return page.replace(b"\0", b"") if b"\0" in page else page
