"""The stores there are, and what each can do: a request at a time, never repeated here (retries.py does that).

`memory`, `gs`, `az` and `hf` go through fsspec as it is. `s3` and `http` have requests of their own in
store_s3.py and store_http.py, where fsspec's would list a page twice, take any failure for "not there", or
fill memory with a file whose server sends it whole.
"""

import shutil
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import fsspec

from corpus import retries
from corpus.credentials import refuse_secrets
from corpus.errors import RecipeError

SCHEMES = {"gcs": "gs", "abfs": "az", "abfss": "az", "s3a": "s3", "https": "http"}
"""Other names of the same stores."""

_PACKAGES = {"memory": "fsspec", "s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "hf": "huggingface_hub", "http": "aiohttp"}
"""What each needs; `winnow[s3]`, `[gs]`, `[az]`, `[hf]` and `[http]` install it."""


class Info(NamedTuple):
    """What a store says of a file or a folder. `stamp` is empty where it says nothing that moves with the content."""

    path: str
    size: int
    stamp: str
    folder: bool = False
    partial: bool = True  # parts of it can be asked for


class Store:
    """A store behind fsspec. Every method may raise what the store's library raises, FileNotFoundError among it."""

    writable = True

    def __init__(self, scheme: str, fs: Any) -> None:
        self.scheme, self.fs = scheme, fs
        self._timeout = {"timeout": retries.DEADLINE} if getattr(fs, "async_impl", False) else {}

    def path(self, url: str) -> str:
        """What the store itself calls the file."""
        return str(self.fs._strip_protocol(url))

    def url(self, path: str) -> str:
        """The URL of a path."""
        return f"{self.scheme}://{path}"

    def info(self, path: str) -> Info:
        """A file or folder; FileNotFoundError where neither is."""
        return _info(self.fs.info(path, **self._timeout))

    def first(self, path: str, size: int) -> tuple[Info, bytes]:
        """A file, and as many of its first `size` bytes as came with that; FileNotFoundError where it is not."""
        return self.info(path), b""

    def part(self, info: Info, start: int, end: int) -> bytes:
        """Bytes [start, end) of a file, all of them; fails where the content is known to be another by now."""
        options: dict[str, Any] = {**self._timeout} or {"cache_type": "none"}
        return bytes(self.fs.cat_file(info.path, start=start, end=end, **options))

    def whole(self, info: Info, into: IO[bytes]) -> None:
        """The file from its beginning, where it is not given in parts."""
        self.fs.get_file(info.path, into)

    def below(self, folder: str) -> Iterator[Info]:
        """Files below a folder, at any depth and in any order."""
        return (_info(info) for info in self.fs.find(folder, withdirs=False, detail=True).values())

    def level(self, folder: str) -> Iterator[Info]:
        """Files and folders directly in a folder; none where it is not there."""
        try:
            self.fs.invalidate_cache(folder)
            found = self.fs.ls(folder, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return iter(())
        return (_info(info) for info in found if info["name"].rstrip("/") != folder.rstrip("/"))

    def put(self, path: str, file: IO[bytes], size: int) -> None:
        """Make a file of `size` bytes, whole or not at all."""
        remote = self.fs.open(path, "wb")
        try:
            shutil.copyfileobj(file, remote, 1 << 22)
            remote.close()
        except BaseException:
            remote.discard()
            remote.closed = True  # or its end would complete the upload of what there is
            raise

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all in it."""
        self.fs.rm(path, recursive=True)

    def sweep(self, path: str) -> int:
        """Remove what killed writers left unfinished below a folder; how many."""
        return 0


def store(url: str) -> Store:
    """The store of a URL. RecipeError for one there is not, whose package is missing, or with a secret in the URL."""
    refuse_secrets(url)
    said = url.split("://", 1)[0].lower()
    kind = SCHEMES.get(said, said)
    if kind not in _PACKAGES:
        raise RecipeError(
            f"{url}: no store {said!r}. There are: a path, file://, {', '.join(f'{k}://' for k in _PACKAGES)}, https://."
        )
    try:
        return _made(kind, said)
    except ImportError as error:
        raise RecipeError(
            f"{url}: {said}:// needs the package {_PACKAGES[kind]} ({error}). Install it: pip install 'winnow[{kind}]'."
        ) from error


def _made(kind: str, said: str) -> Store:
    """fsspec keeps file systems by process, thread and options, so this is cheap."""
    if kind == "s3":
        from corpus.store_s3 import S3

        return S3(said)
    if kind == "http":
        from corpus.store_http import Web

        return Web(said)
    options = {} if kind in ("memory", "hf") else {"use_listings_cache": False}
    made = Store(said, fsspec.filesystem(said, **options))
    made.writable = kind != "hf"
    return made


def _info(info: dict[str, Any]) -> Info:
    says = ("ETag", "etag", "md5Hash", "blob_id", "LastModified", "last_modified", "created")
    stamp = next((str(info[name]) for name in says if info.get(name)), "")
    return Info(info["name"], int(info.get("size") or 0), stamp, info["type"] != "file")
