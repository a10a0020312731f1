"""Files behind URLs: `file`, `s3`, `gs`, `az`, `hf`, `http`, `memory` (stores.py); a bare path is local.

What is written through `whole` appears under its name only when it is complete: locally by a rename, on
an object store by one put or an upload that is completed last. A file that exists is whole. Every request to a
store is asked again where it fails for a reason that passes (retries.py); what stays is a StoreError.
"""

import glob as globs
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fsspec.implementations.local import LocalFileSystem

from corpus import listing, remote
from corpus.errors import RecipeError
from corpus.retries import StoreError, retried
from corpus.stores import Info, Store, store

_ASIDE = ".aside-"  # what an unfinished local write is called; `sweep` removes those a kill left behind


_LOCAL = LocalFileSystem()


@dataclass(frozen=True)
class Found:
    """One file that a pattern matched. `stamp` changes when the content may have changed."""

    url: str
    size: int  # bytes as stored
    stamp: str  # ETag or checksum where the store gives one, else "mtime_ns"
    real: str  # the file itself where the URL is a link to it, else the URL


def filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL and the path within it. RecipeError as of `stores.store`."""
    if is_local(url):  # fsspec takes "::" for a chain of URLs; Perl's manual pages have it in their names
        return _LOCAL, LocalFileSystem._strip_protocol(str(url))
    there = store(url)
    return there.fs, there.path(url)


def is_local(url: str) -> bool:
    """True where the URL lies on a mounted file system."""
    return "://" not in str(url) or str(url).split("://", 1)[0].lower() in ("file", "local")


def located(url: str) -> str:
    """The path of a URL within its store, without asking it: absolute locally, the address without query on the web."""
    if is_local(url):
        return str(LocalFileSystem._strip_protocol(str(url)))
    scheme, path = url.split("://", 1)
    return f"{scheme}://{path.split('?', 1)[0]}" if is_web(url) else path.strip("/")


def is_web(url: str) -> bool:
    """True for the address of a file on a web server, which may end in a query and lies in no folder."""
    return url.split("://", 1)[0].lower() in ("http", "https")


def refuse_read_only(url: str) -> None:
    """RecipeError for a URL that nothing can be written to."""
    if not is_local(url) and not store(url).writable:
        raise RecipeError(
            f"{url}: {url.split('://', 1)[0]}:// is read only. Write to a path, or to s3://, gs:// or az://."
        )


def glob(pattern: str) -> list[Found]:
    """Files that a path, a glob or a URL with globs matches, sorted by URL; folders are not files.

    Locally by Python's own glob, 20 times faster than fsspec's, which asks for the status of every name below
    the pattern's fixed folder; like a shell's, its wildcards do not match names that begin with a dot.
    """
    if is_local(pattern):
        path = filesystem(pattern)[1]
        return [_local(p) for p in sorted(_expanded(path)) if os.path.isfile(p) and _ASIDE not in p]
    there = store(pattern)
    return [_found(there, info) for info in listing.matching(there, there.path(pattern))]


def _expanded(path: str) -> list[str]:
    """A name that exists is itself, even with a bracket in it. Of `a/**` Python's glob gives `a/` too, if a file."""
    found = [path] if os.path.exists(path) else globs.glob(path, recursive=True)
    return [os.path.normpath(p) for p in found if not p.endswith("/")]


def _local(path: str) -> Found:
    seen = os.stat(path)
    return Found(path, seen.st_size, f"{seen.st_mtime_ns}", os.path.realpath(path))


def _found(there: Store, info: Info) -> Found:
    return Found(there.url(info.path), info.size, info.stamp, there.url(info.path))


def opened(url: str) -> IO[bytes]:
    """The file, open for reading bytes. FileNotFoundError where there is none, StoreError where a store will not."""
    return open(filesystem(url)[1], "rb") if is_local(url) else remote.opened(store(url), url)


def read_bytes(url: str) -> bytes:
    """The whole file."""
    with opened(url) as file:
        return file.read()


@contextmanager
def whole(url: str) -> Iterator[IO[bytes]]:
    """A file to write to that takes its name only when the block ends without an error.

    RecipeError, before the block begins, where nothing can be written to the URL.
    """
    if is_local(url):
        with _renamed(filesystem(url)[1]) as file:
            yield file
    else:  # nothing is uploaded where the block raised
        refuse_read_only(url)
        with tempfile.TemporaryFile() as aside:
            yield aside
            _uploaded(store(url), url, aside)


def _uploaded(there: Store, url: str, aside: IO[bytes]) -> None:
    size = aside.seek(0, os.SEEK_END)

    def put() -> None:
        aside.seek(0)
        there.put(there.path(url), aside, size)

    try:
        retried(put, url)
    except FileNotFoundError as error:
        raise StoreError(f"{url}: cannot be written ({error}). Is there such a bucket?") from error


@contextmanager
def _renamed(path: str) -> Iterator[IO[bytes]]:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    aside = f"{path}{_ASIDE}{secrets.token_hex(4)}"
    try:
        with open(aside, "wb") as file:
            yield file
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def write_bytes(url: str, content: bytes) -> None:
    """Put `content` at `url`, whole or not at all."""
    with whole(url) as file:
        file.write(content)


def exists(url: str) -> bool:
    """True where a file or folder of that name is."""
    return os.path.exists(filesystem(url)[1]) if is_local(url) else _seen(url) is not None


def is_folder(url: str) -> bool:
    """True where a folder of that name is; a web server has none."""
    found = None if is_local(url) else _seen(url)
    return os.path.isdir(filesystem(url)[1]) if is_local(url) else found is not None and found.folder


def size(url: str) -> int:
    """Bytes of a file. FileNotFoundError where there is none."""
    found = None if is_local(url) else _seen(url)
    if is_local(url):
        return os.path.getsize(filesystem(url)[1])
    if found is None:
        raise FileNotFoundError(url)
    return found.size


def _seen(url: str) -> Info | None:
    there = store(url)
    return listing.seen(there, there.path(url))


def names(folder: str) -> set[str]:
    """Names (not URLs) of the whole files directly in a folder; empty where there is no such folder."""
    if is_local(folder):
        try:
            return {e.name for e in os.scandir(filesystem(folder)[1]) if _ASIDE not in e.name}
        except FileNotFoundError:
            return set()
    there = store(folder)
    return {info.path.rstrip("/").rsplit("/", 1)[-1] for info in listing.level(there, there.path(folder))}


def sizes(folder: str) -> dict[str, int]:
    """Bytes of the whole files directly in a folder, by name; empty where there is no such folder."""
    if is_local(folder):
        try:
            found = [e for e in os.scandir(filesystem(folder)[1]) if _ASIDE not in e.name and e.is_file()]
        except FileNotFoundError:
            return {}
        return {e.name: e.stat().st_size for e in found}
    there = store(folder)
    listed = listing.level(there, there.path(folder))
    return {info.path.rsplit("/", 1)[-1]: info.size for info in listed if not info.folder}


def remove(url: str) -> None:
    """Remove a file or a folder with all in it; fine where there is none."""
    if is_local(url):
        path = filesystem(url)[1]
        if os.path.exists(path):
            _LOCAL.rm(path, recursive=True)
        return
    refuse_read_only(url)
    there = store(url)
    with suppress(FileNotFoundError):
        retried(lambda: there.remove(there.path(url)), url)


def sweep(folder: str) -> int:
    """Remove what killed writers left unfinished below a folder; returns how many files.

    On a store those are uploads that were never completed, which cost until they are given up.
    """
    if not is_local(folder):
        there = store(folder)
        return there.sweep(there.path(folder))
    left = list(Path(filesystem(folder)[1]).rglob(f"*{_ASIDE}*"))
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def join(folder: str, *parts: str) -> str:
    """`folder/part/part`, for paths and URLs alike."""
    return "/".join([str(folder).rstrip("/"), *parts])
