"""Files behind URLs (fsspec): `file`, `s3`, `gs`, `az`, `hf`, `memory`; a bare path is local.

What is written through `whole` appears under its name only when it is complete: locally by a rename, on
an object store by one put. A file that exists is whole.
"""

import glob as globs
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

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
    """The fsspec file system of a URL and the path within it."""
    if "://" not in str(url):  # fsspec takes "::" for a chain of URLs; Perl's manual pages have it in their names
        return _LOCAL, LocalFileSystem._strip_protocol(str(url))
    fs, path = fsspec.core.url_to_fs(str(url))
    return fs, path


def is_local(url: str) -> bool:
    """True where the URL lies on a mounted file system."""
    return isinstance(filesystem(url)[0], LocalFileSystem)


def glob(pattern: str) -> list[Found]:
    """Files that a path, a glob or a URL with globs matches, sorted by URL; folders are not files.

    Locally by Python's own glob, 20 times faster than fsspec's, which asks for the status of every name below
    the pattern's fixed folder; like a shell's, its wildcards do not match names that begin with a dot.
    """
    fs, path = filesystem(pattern)
    if isinstance(fs, LocalFileSystem):
        return [_local(p) for p in sorted(_expanded(path)) if os.path.isfile(p) and _ASIDE not in p]
    found = fs.glob(path, detail=True) if any(c in path for c in "*?[") else _one(fs, path)
    rows = [_found(fs, info) for _, info in sorted(found.items()) if info["type"] == "file"]
    return [f for f in rows if _ASIDE not in f.url]


def _one(fs: Any, path: str) -> dict[str, dict[str, Any]]:
    return {path: fs.info(path)} if fs.exists(path) else {}


def _expanded(path: str) -> list[str]:
    """A name that exists is itself, even with a bracket in it."""
    return [path] if os.path.exists(path) else [os.path.normpath(p) for p in globs.glob(path, recursive=True)]


def _local(path: str) -> Found:
    seen = os.stat(path)
    return Found(path, seen.st_size, f"{seen.st_mtime_ns}", os.path.realpath(path))


def _found(fs: Any, info: dict[str, Any]) -> Found:
    stamp = info.get("ETag") or info.get("etag") or info.get("md5Hash") or info.get("LastModified") or ""
    url = fs.unstrip_protocol(info["name"])
    return Found(url, int(info["size"]), f"{stamp}", url)


def opened(url: str) -> IO[bytes]:
    """The file, open for reading bytes."""
    fs, path = filesystem(url)
    return open(path, "rb") if isinstance(fs, LocalFileSystem) else fs.open(path, "rb")


def read_bytes(url: str) -> bytes:
    """The whole file."""
    with opened(url) as file:
        return file.read()


@contextmanager
def whole(url: str) -> Iterator[IO[bytes]]:
    """A file to write to that takes its name only when the block ends without an error."""
    fs, path = filesystem(url)
    if isinstance(fs, LocalFileSystem):
        with _renamed(path) as file:
            yield file
    else:  # object stores show a key when its upload completes; nothing is uploaded where the block raised
        with tempfile.TemporaryFile() as aside:
            yield aside
            aside.seek(0)
            with fs.open(path, "wb") as remote:
                shutil.copyfileobj(aside, remote, 1 << 22)


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
    fs, path = filesystem(url)
    return bool(fs.exists(path))


def names(folder: str) -> set[str]:
    """Names (not URLs) of the whole files directly in a folder; empty where there is no such folder."""
    fs, path = filesystem(folder)
    if isinstance(fs, LocalFileSystem):
        try:
            return {e.name for e in os.scandir(path) if _ASIDE not in e.name}
        except FileNotFoundError:
            return set()
    fs.invalidate_cache(path)
    return {p.rstrip("/").rsplit("/", 1)[-1] for p in fs.ls(path, detail=False)} if fs.exists(path) else set()


def remove(url: str) -> None:
    """Remove a file or a folder with all in it; fine where there is none."""
    fs, path = filesystem(url)
    if fs.exists(path):
        fs.rm(path, recursive=True)


def sweep(folder: str) -> int:
    """Remove what killed writers left unfinished under a local folder; returns how many files."""
    if not is_local(folder):
        return 0
    left = list(Path(filesystem(folder)[1]).rglob(f"*{_ASIDE}*"))
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def join(folder: str, *parts: str) -> str:
    """`folder/part/part`, for paths and URLs alike."""
    return "/".join([str(folder).rstrip("/"), *parts])
