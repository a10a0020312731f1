"""gzip members of ordinary size, opened at once: what a healthy archive consists of.

Whatever is not healthy is left to members.py, which opens the member again from its beginning in steps that do not
depend on what was read before it; so damage costs the same bytes however a file is cut.
"""

from typing import Any

from isal import igzip_lib

from corpus.readers.feed import Feed

MOST = 1 << 22
"""Bytes that a member opened at once may have; a longer one is opened as a stream."""

_LEAST_FED, _MOST_FED = 1 << 12, 1 << 16
"""Bytes a decompressor is given at once, about four times the size of the members so far. What lies behind the end of
a member is copied (0.4 us for 16 KB), and parts of one are joined. Of 4, 16, 32 and 64 KB, 32 was the fastest for real
pages with requests and metadata (12 KB a member) and for dolma/sample-0001 (7 KB), 4 to 16 for aut/example (3 KB)."""

_FORGETS = 16  # members: a run of requests and metadata does not hide the pages
_NEW: Any = igzip_lib.IgzipDecompressor
_ISAL: Any = igzip_lib.IsalError  # its stubs call it an instance
_ERRORS: tuple[type[Exception], ...] = (_ISAL, OSError, EOFError, ValueError)


class WholeMembers:
    """Opens members one after the other."""

    def __init__(self) -> None:
        self._mean = 4096.0  # stored bytes of a member

    def next(self, feed: Feed) -> bytes | None:
        """The member at the feed's position, which then stands behind it; None, the feed as it was, where it is
        damaged or longer than MOST."""
        at, unpack = feed.position, _NEW(igzip_lib.DECOMP_GZIP)
        step, parts, room = min(_MOST_FED, max(_LEAST_FED, int(4 * self._mean))), [], MOST
        try:
            while not unpack.eof:
                fed = feed.take(step)
                data = unpack.decompress(fed, room)
                parts.append(data)
                room -= len(data)
                if room <= 0 or not len(fed):
                    feed.seek(at)
                    return None
        except _ERRORS:
            feed.seek(at)
            return None
        feed.back(len(unpack.unused_data))
        self._mean += (feed.position - at - self._mean) / _FORGETS
        return parts[0] if len(parts) == 1 else b"".join(parts)
