"""Any file as a stream of decompressed blocks: bounded memory, and every good byte before a damage.

Reading starts at full speed (2-core VM, CPU time, 77 MB of JSONL: gzip 340 MB/s, zstd 900). A
decompressor that fails throws away what the failing call had already made, so the stream is then read
again to that place, with ever smaller steps: first in the compressed bytes, then in the decompressed ones.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal, Self

import pyarrow as pa

from corpus import seekable
from corpus.errors import SourceError
from corpus.storage import located, opened

BLOCK = 1 << 22
"""Bytes per block, decompressed. Reading JSONL is equally fast from 256 KB to 4 MB."""

Codec = Literal["gzip", "zstd", "bz2"]
CODECS: dict[str, Codec] = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
"""Suffix -> decompressor. Several members, frames or bzip2 streams in a row are one stream; a zstd frame may ask
for a window of at most 128 MB (the library's limit), which bounds what a hostile one can allocate."""

_STEP = 1 << 16  # bytes pyarrow asks of the file at a time, and of the decompressor here


class Damage(Exception):
    """The stream cannot be decompressed past `offset` decompressed bytes; `cause` in the library's words."""

    def __init__(self, offset: int, cause: str) -> None:
        super().__init__(f"damaged after {offset:,} decompressed bytes: {cause}")
        self.offset, self.cause = offset, cause


def codec(url: str) -> Codec | None:
    """The decompressor that the name asks for; None for a plain file."""
    return next((name for suffix, name in CODECS.items() if located(url).lower().endswith(suffix)), None)


class SourceFile:
    """A file of a source, open for reading. It fails with SourceError only, so that what a library raises
    beside that (OSError, mostly) is about the content: a broken disk must not pass for a damaged record."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._file = self._tried(opened, url)

    def _tried(self, ask: Callable[..., Any], *arguments: object) -> Any:
        try:
            return ask(*arguments)
        except OSError as error:
            raise SourceError(
                f"{self._url}: cannot be read ({error.strerror or error}). Was it removed since the run was "
                f"planned, or may this user not read it? Mend that, or take it out of the recipe's sources."
            ) from error

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; fewer at the end only."""
        return self._tried(self._file.read, size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of any file."""
        return self._tried(self._file.seek, offset, whence)

    def tell(self) -> int:
        """As of any file."""
        return self._tried(self._file.tell)

    def close(self) -> None:
        """As of any file."""
        self._file.close()

    @property
    def closed(self) -> bool:
        """As of any file."""
        return bool(self._file.closed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def blocks(url: str, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """(decompressed offset, bytes) of the file in order, each block of at most BLOCK bytes.

    start: first byte wanted; what is before is read too where neither the file is plain nor a seek table helps.
    Raises SourceError where the file cannot be read, and Damage, after the last good byte, where it cannot be
    decompressed further.
    """
    name = codec(url)
    offset, pending, held = start, [], 0
    try:
        for piece in _plain(url, start) if name is None else _from(url, name, start):
            pending.append(piece)
            held += len(piece)
            if held >= BLOCK:
                yield offset, b"".join(pending)
                offset, pending, held = offset + held, [], 0
    except Damage:
        if held:
            yield offset, b"".join(pending)
        raise
    if held:
        yield offset, b"".join(pending)


def _plain(url: str, start: int) -> Iterator[bytes]:
    with SourceFile(url) as file:
        file.seek(start)
        while piece := file.read(BLOCK):
            yield piece


def _from(url: str, name: Codec, start: int) -> Iterator[bytes]:
    """Decompressed bytes from `start` on; Damage says its place in the whole."""
    stored, offset = _frame_before(url, start) if name == "zstd" and start else (0, 0)
    try:
        for piece in _decompressed(url, name, stored):
            wanted = piece[max(0, start - offset) :]
            offset += len(piece)
            if wanted:
                yield wanted
    except Damage as damage:
        raise Damage(offset, damage.cause) from damage


def _frame_before(url: str, start: int) -> tuple[int, int]:
    """Where to begin to get at a decompressed byte: stored and decompressed offset, by the table if there is one."""
    with SourceFile(url) as file:
        try:
            table = seekable.frames(file)
        except seekable.Wrong:
            table = None
    return table.before(start) if table is not None else (0, 0)


def _decompressed(url: str, name: Codec, stored: int) -> Iterator[bytes]:
    """All that the file opens to from a stored byte on, where a member begins."""
    done = 0  # bytes handed out
    fine: int | None = None  # from this compressed byte on the decompressor is fed one byte at a time
    step = _STEP
    while True:
        with SourceFile(url) as file:
            file.seek(stored)
            raw: Any = _Feed(file, fine)
            stream = pa.CompressedInputStream(pa.PythonFile(raw, "r"), name)
            try:
                _skip(stream, done)
                while piece := stream.read(step):
                    done += len(piece)
                    yield piece
                return
            except (OSError, pa.ArrowException) as error:
                if step == 1:
                    raise Damage(done, str(error)) from error
                # The damage lies in the last bytes fed; 65,536 single bytes take 0.2 s.
                fine, step = (max(0, raw.fed - _STEP), step) if fine is None else (fine, 1)


def _skip(stream: pa.NativeFile, count: int) -> None:
    while count:
        count -= len(stream.read(min(_STEP, count)))


class _Feed:
    """What pyarrow reads compressed bytes from: counts them, and trickles from byte `fine` on."""

    closed = False

    def __init__(self, file: SourceFile, fine: int | None) -> None:
        self._file, self._fine, self.fed = file, fine, 0

    def read(self, size: int) -> bytes:
        if self._fine is not None:
            size = 1 if self.fed >= self._fine else min(size, self._fine - self.fed)
        piece = self._file.read(size)
        self.fed += len(piece)
        return piece

    def close(self) -> None:
        self.closed = True
