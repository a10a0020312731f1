"""Files of web servers (http://, https://), read only, by the HTTP session of fsspec.

Parts are asked for by ranges. What is given is stored as it came: no content encoding is asked for, none undone.
A server that cannot give parts sends the whole file, which is kept aside on disk while it is read.
"""

from collections.abc import Iterator
from typing import IO, Any

import aiohttp
import fsspec
from fsspec.asyn import sync

from corpus import retries
from corpus.errors import RecipeError
from corpus.retries import StoreError
from corpus.stores import Info, Store

MOST_WHOLE = 1 << 30
"""Bytes of a file that is fetched whole for want of ranges: above that, every unit of it would fetch a GB anew."""

_SLOWEST = 250_000  # bytes a second such a file must come with


class Web(Store):
    """Addresses of single files. Nothing here can list or write."""

    writable = False

    def __init__(self, scheme: str) -> None:
        wires = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=retries.DEADLINE)
        session = {"trust_env": True, "auto_decompress": False, "timeout": wires}  # ~/.netrc and HTTPS_PROXY are heeded
        super().__init__(scheme, fsspec.filesystem("http", client_kwargs=session))

    def path(self, url: str) -> str:
        """The address itself."""
        return url

    def url(self, path: str) -> str:
        """The address itself."""
        return path

    def info(self, path: str) -> Info:
        """A file, by asking for its first byte: what comes tells the size, and whether parts are given."""

        async def ask() -> tuple[int, Any]:
            async with await self._request("GET", path, {"Range": "bytes=0-0"}) as answer:
                if answer.status != 416:  # there is no first byte
                    _check(answer)
                return answer.status, answer.headers

        status, heads = sync(self.fs.loop, ask, timeout=retries.DEADLINE)
        size = heads.get("Content-Range", "").rpartition("/")[2] or heads.get("Content-Length", "")
        if not size.isdecimal() or (status == 416 and int(size)):
            raise StoreError(f"{path}: the server does not tell its size. Download the file, and give its path.")
        return Info(path, int(size), _stamp(heads), partial=status != 200)

    async def _request(self, method: str, path: str, headers: dict[str, str]) -> Any:
        session = await self.fs.set_session()
        asked = {"Accept-Encoding": "identity", **headers}
        return session.request(method, self.fs.encode_url(path), headers=asked, allow_redirects=True)

    def part(self, info: Info, start: int, end: int) -> bytes:
        """Bytes [start, end); a server that sends something else has lost the file or cannot give parts."""

        async def ask() -> Any:
            async with await self._request("GET", info.path, {"Range": f"bytes={start}-{end - 1}"}) as answer:
                _check(answer)
                span = f"bytes {start}-{end - 1}/{info.size}"
                if answer.status != 206 or answer.headers.get("Content-Range") != span:
                    return None
                self._same(info, answer.headers)
                return await answer.read()

        piece = sync(self.fs.loop, ask, timeout=retries.DEADLINE)
        if piece is None:
            raise StoreError(
                f"{info.path}: the server did not give the bytes {start:,} to {end:,} that it was asked for. "
                f"Has the file changed? Download it, and give its path."
            )
        return bytes(piece)

    def whole(self, info: Info, into: IO[bytes]) -> None:
        """The file from its beginning, for servers that give no parts. StoreError for a GB and more."""
        if info.size > MOST_WHOLE:
            raise StoreError(
                f"{info.path}: {info.size:,} bytes, and the server gives files whole only (no ranges), "
                f"which is done up to {MOST_WHOLE:,}. Download it, and give its path."
            )
        into.seek(0)
        into.truncate()

        async def ask() -> None:
            async with await self._request("GET", info.path, {}) as answer:
                _check(answer)
                self._same(info, answer.headers)
                async for piece in answer.content.iter_chunked(1 << 20):
                    into.write(piece)
                    if into.tell() > info.size:
                        break

        sync(self.fs.loop, ask, timeout=retries.DEADLINE + info.size / _SLOWEST)
        if into.tell() != info.size:
            raise ConnectionError(f"{into.tell():,} bytes came of {info.size:,}")

    def _same(self, info: Info, heads: Any) -> None:
        if _stamp(heads) != info.stamp:
            raise StoreError(f"{info.path}: it changed while it was read. Plan again.")

    def below(self, folder: str) -> Iterator[Info]:
        """RecipeError: web servers do not list."""
        raise RecipeError(
            f"{folder}: a web server does not list its files, so http:// takes no globs and no folders. "
            f"Name each file, several in a list; a * or [ in a name is written %2A or %5B."
        )

    def level(self, folder: str) -> Iterator[Info]:
        """RecipeError: web servers do not list."""
        return self.below(folder)


def _stamp(heads: Any) -> str:
    return str(heads.get("ETag") or heads.get("Last-Modified") or "")


def _check(answer: Any) -> None:
    if answer.status in (404, 410):
        raise FileNotFoundError(str(answer.url))
    answer.raise_for_status()
