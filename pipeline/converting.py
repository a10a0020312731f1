"""Token shards from one format to another, and the one stream that every format is read as.

Nothing is believed on the way: files are digested before they are read, and the tokens of each shard must have the
checksum that its `.bin` had when they were made, whatever they were stored as since.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any

import numpy as np

from corpus import shards
from corpus.errors import RecipeError, ShardError
from corpus.formats.base import PART_BYTES, Part, Piece, cut, joined, part_name
from corpus.formats.converted import Converted, converted, is_converted, read_converted, write_converted
from corpus.formats.files import Destination, Source, mapped, one
from corpus.formats.table import FORMATS, NATIVE
from corpus.manifest import Manifest, ShardEntry, digest, manifest_of, read_manifest, write_manifest
from corpus.storage import exists, join, names, read_bytes, remove, sweep, write_bytes
from corpus.tokens import Origin, read_shard, write_shard
from pipeline.places import local, make

MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.json"
_UNFINISHED = "winnow-convert.unfinished"
_SAYS = b"Here `winnow convert` is writing. Until it has ended nothing is whole, and it may remove all again.\n"


@dataclass(frozen=True)
class Tokens:
    """Tokens at rest in any format."""

    folder: str
    manifest: Manifest  # of the Megatron shards, wherever they are now
    made: Converted | None  # None: these are the Megatron shards

    @classmethod
    def at(cls, url: str) -> "Tokens":
        """By a manifest, or the folder that holds it. ShardError where none is there, or it is damaged."""
        url = url if url.endswith(".json") else join(url, MANIFEST)
        folder = url.rpartition("/")[0] or "."
        if not is_converted(url):
            return cls(folder, read_manifest(url), None)
        made = read_converted(url)
        if made.layout not in FORMATS:
            raise ShardError(f"{url}: holds tokens as {made.layout!r}; this version reads {', '.join(FORMATS)}")
        return cls(folder, made.manifest, made)

    @property
    def format(self) -> str:
        """A name of corpus/formats/table.py, or `megatron`."""
        return NATIVE if self.made is None else self.made.layout

    def shards(self) -> Iterator[tuple[ShardEntry, Iterator[Part]]]:
        """Each shard with its parts, in the order of their paths; the same documents in every format.

        A shard's parts are to be read before the next shard is asked for. ShardError where a file is missing, altered
        or malformed; so whoever has read to the end has checked every file.
        """
        for entry in self.manifest.shards:
            yield entry, _as_made(self.folder, entry, self._parts(entry))
        if self.made is not None:
            of = Source(self.folder, self.made.files)
            for name in _without_parts(self.made):
                of.content(name)
        self.tokenizer()

    def _parts(self, entry: ShardEntry) -> Iterator[Part]:
        if self.made is None:
            yield _native(self.folder, entry)
            return
        of, dtype = Source(self.folder, self.made.files), np.dtype(self.manifest.dtype).newbyteorder("<")
        for number in range(self.made.parts[entry.path]):
            yield FORMATS[self.made.layout].read(of, part_name(entry.path, number), entry, dtype)

    def tokenizer(self) -> bytes | None:
        """The tokenizer.json that lies with the tokens; None where none does. ShardError where it is another."""
        url = join(self.folder, TOKENIZER)
        if not exists(url):
            return None
        text = read_bytes(url)
        if digest(text) != self.manifest.tokenizer.hash:
            raise ShardError(
                f"{url}: BLAKE2b-128 {digest(text)}; the tokens were made with {self.manifest.tokenizer.hash}"
            )
        return text


def _without_parts(made: Converted) -> list[str]:
    """The files that belong to no part: indexes of folders, the tokenizer."""
    parts = {part_name(path, n) for path, count in made.parts.items() for n in range(count)}
    return sorted(name for name in made.files if not _starts(name) & parts)


def _starts(file: str) -> set[str]:
    """What a file is called before each of its dots: one is the name of its part."""
    return {file[:n] for n, letter in enumerate(file) if letter == "."}


def _native(folder: str, entry: ShardEntry) -> Part:
    url = join(folder, entry.path)
    shard = read_shard(url, verify=entry)
    if digest(mapped(f"{url}.rows.parquet").data) != entry.checksums.rows:
        raise ShardError(f"{url}.rows.parquet: its checksum is not the manifest's; it was altered")
    table = shards.read(f"{url}.rows.parquet").combine_chunks()
    if table.num_rows != len(shard):
        raise ShardError(f"{url}.rows.parquet: {table.num_rows:,} rows for {len(shard):,} documents")
    return Part(entry.domain, entry.source, table["row"].to_numpy(), one(table["id"]), shard.lengths, shard.ids)


def _as_made(folder: str, entry: ShardEntry, parts: Iterable[Part]) -> Iterator[Part]:
    """The parts, and after the last a ShardError unless together they are what the manifest says of the shard."""
    hashed, documents, largest = hashlib.blake2b(digest_size=16), 0, -1
    for part in parts:
        hashed.update(np.ascontiguousarray(part.tokens).view(np.uint8).data)
        documents += len(part.lengths)
        largest = max(largest, int(part.tokens.max()) if len(part.tokens) else -1)
        yield part
    found = (documents, largest, hashed.hexdigest())
    asked = (entry.documents, entry.max_id, entry.checksums.bin)
    if found != asked:
        raise ShardError(
            f"{join(folder, entry.path)}: {found[0]:,} documents with ids to {found[1]:,} and checksum {found[2]}; "
            f"when they were made there were {asked[0]:,}, ids to {asked[1]:,}, checksum {asked[2]}"
        )


def convert(manifest_url: str, out: str, format: str, *, part_bytes: int = PART_BYTES) -> dict[str, Any]:
    """Write the tokens of a manifest to the folder `out` as `format`.

    Returns {format, documents, tokens, domains, files, bytes, manifest}: tokens of each domain, bytes of the files.

    manifest_url: of token shards or of an earlier conversion, or its folder. format: of corpus/formats/table.py, or
    `megatron` for what it was once. part_bytes: where a shard is cut in parts; no result but file names depends on it.
    The manifest is written last; until then nothing reads the folder, and whatever stops the work empties it again.
    Raises RecipeError for an unknown format or where something lies at `out`, ShardError where the tokens are damaged.
    """
    if format not in (*FORMATS, NATIVE):
        raise RecipeError(f"--format {format}: there are {', '.join((*FORMATS, NATIVE))}")
    tokens = Tokens.at(manifest_url)
    with _emptied_on_failure(out):
        files = _as_megatron(tokens, out) if format == NATIVE else _as_format(tokens, out, format, part_bytes)
    return {
        "format": format,
        "documents": tokens.manifest.documents,
        "tokens": tokens.manifest.tokens,
        "domains": {name: total.tokens for name, total in tokens.manifest.domains.items()},
        "files": files[0],
        "bytes": files[1],
        "manifest": join(out, MANIFEST),
    }


@contextmanager
def _emptied_on_failure(out: str) -> Iterator[None]:
    """RecipeError unless `out` is empty, absent, or what a killed conversion left; those files are removed first."""
    path = local(out, "convert to")
    if path:
        make(path, "convert to")
    there, mark = names(out), join(out, _UNFINISHED)
    if there and not (_UNFINISHED in there and read_bytes(mark) == _SAYS):
        raise RecipeError(f"{out}: holds {sorted(there)[0]} already; name an empty folder, or one that is not there")
    _empty(out)
    write_bytes(mark, _SAYS)
    try:
        yield
    except BaseException:
        _empty(out)
        raise
    remove(mark)


def _empty(out: str) -> None:
    sweep(out)
    for name in sorted(names(out), key=lambda name: name == _UNFINISHED):  # the mark goes last
        remove(join(out, name))


def _as_format(tokens: Tokens, out: str, format: str, part_bytes: int) -> tuple[int, int]:
    """Files that were written, and their bytes."""
    to, counts, pieces = Destination(out), dict[str, int](), list[Piece]()
    dtype = np.dtype(tokens.manifest.dtype).newbyteorder("<")
    for entry, parts in tokens.shards():
        number = -1
        for number, part in enumerate(chain.from_iterable(cut(part, part_bytes) for part in parts)):
            name = part_name(entry.path, number)
            FORMATS[format].write(to, name, part, tokens.manifest.tokenizer)
            pieces.append(Piece(name, len(part.lengths), len(part.tokens)))
        counts[entry.path] = number + 1
    for folder, group in groupby(sorted(pieces, key=lambda p: (_folder(p), p.name)), key=_folder):
        FORMATS[format].index(to, folder, list(group), dtype)
    if (text := tokens.tokenizer()) is not None:
        to.write(TOKENIZER, text)
    write_converted(join(out, MANIFEST), converted(format, tokens.manifest, counts, to.files))
    return len(to.files), sum(entry.bytes for entry in to.files.values())


def _folder(piece: Piece) -> str:
    """The folder of a piece with its slash; "" at the top."""
    return "".join(piece.name.rpartition("/")[:2])


def _as_megatron(tokens: Tokens, out: str) -> tuple[int, int]:
    """As `_as_format`; a shard that was cut in parts is whole again, so one must fit memory."""
    entries, size = [], 0
    for entry, parts in tokens.shards():
        whole = joined(list(parts))
        origin = Origin(entry.source, whole.rows, whole.ids)
        made = write_shard(
            out,
            entry.path,
            whole.lengths,
            whole.tokens,
            whole.tokens.dtype,
            domain=entry.domain,
            text_bytes=entry.bytes,
            origin=origin,
        )
        if made.checksums.idx != entry.checksums.idx:
            raise ShardError(f"{entry.path}: its documents have other lengths than when they were made")
        entries.append(made)
        size += sum(mapped(f"{join(out, entry.path)}{suffix}").size for suffix in (".bin", ".idx", ".rows.parquet"))
    text = tokens.tokenizer()
    if text is not None:
        write_bytes(join(out, TOKENIZER), text)
    write_manifest(join(out, MANIFEST), manifest_of(tokens.manifest.tokenizer, entries))
    return 3 * len(entries) + (text is not None), size + len(text or b"")


def check(manifest_url: str) -> Manifest:
    """What the tokens at a manifest are, in any format, once every file was read in full and agrees with it.

    ShardError names the first that does not. Of Megatron shards corpus.tokens.check asks for more.
    """
    tokens = Tokens.at(manifest_url)
    for _, parts in tokens.shards():
        for _ in parts:
            pass
    return tokens.manifest
