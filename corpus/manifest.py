"""The manifest of a folder of token shards: what tokenizer made them, how many tokens of which domain, checksums.

A trainer reads it first and refuses what does not match. Schema and example: docs/reference/tokens.md.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corpus.errors import ShardError
from corpus.storage import read_bytes, write_bytes

PATH = r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$"  # relative, and never upwards


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Count = Annotated[int, Field(ge=0)]
Id = Annotated[int, Field(ge=-1)]  # -1 where there are no tokens
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]  # BLAKE2b-128


class TokenizerCard(_Strict):
    """What a trainer must know of the tokenizer, and the hash by which it refuses another."""

    file: str
    hash: Digest
    vocab: Count  # every id is below it, added tokens included
    eos_id: Count
    eos_text: str
    bos_id: Count | None  # None: nothing is put before a document
    policy: Literal["one eos after each document"]


class Checksums(_Strict):
    """BLAKE2b-128 of a shard's three files."""

    bin: Digest
    idx: Digest
    rows: Digest


class ShardEntry(_Strict):
    """A token shard's line of the manifest. `path` is relative to the manifest and has no suffix."""

    path: Annotated[str, Field(pattern=PATH)]
    domain: str
    documents: Count
    tokens: Count
    bytes: Count  # UTF-8 text the tokens were made of
    max_id: Id
    checksums: Checksums
    source: str  # the corpus shard; `<path>.rows.parquet` has the rows and ids of its documents


class DomainTotals(_Strict):
    """A domain's sums over its shards."""

    documents: Count
    tokens: Count
    bytes: Count
    shards: Count


class Manifest(_Strict):
    """What a folder of token shards holds: made by `manifest_of`, kept as JSON with sorted keys."""

    format: Literal["winnow-tokens/1"]
    tokenizer: TokenizerCard
    dtype: Literal["uint16", "int32"]
    max_id: Id
    documents: Count
    tokens: Count
    bytes: Count
    domains: dict[str, DomainTotals]
    shards: tuple[ShardEntry, ...]


def token_dtype(vocab: int) -> np.dtype:
    """uint16 where every id below `vocab` fits two bytes, else int32: what Megatron reads."""
    return np.dtype("<u2") if vocab <= 1 << 16 else np.dtype("<i4")


def manifest_of(tokenizer: TokenizerCard, entries: Sequence[ShardEntry]) -> Manifest:
    """The manifest of these shards, in the order of their paths, with their sums."""
    entries = tuple(sorted(entries, key=lambda entry: entry.path))
    names = sorted({entry.domain for entry in entries})
    return Manifest(
        format="winnow-tokens/1",
        tokenizer=tokenizer,
        dtype="uint16" if token_dtype(tokenizer.vocab) == np.uint16 else "int32",
        max_id=max((entry.max_id for entry in entries), default=-1),
        domains={name: DomainTotals(**_sums([e for e in entries if e.domain == name])) for name in names},
        shards=entries,
        **{k: n for k, n in _sums(entries).items() if k != "shards"},
    )


def _sums(entries: Sequence[ShardEntry]) -> dict[str, int]:
    names = ("documents", "tokens", "bytes")
    return {name: sum(getattr(entry, name) for entry in entries) for name in names} | {"shards": len(entries)}


def write_manifest(url: str, manifest: Manifest) -> None:
    """Put the manifest at `url` as JSON: the same manifest, the same bytes."""
    write_bytes(url, (json.dumps(manifest.model_dump(mode="json"), sort_keys=True, indent=1) + "\n").encode())


def read_manifest(url: str) -> Manifest:
    """The manifest at `url`; ShardError where it is missing or breaks the schema."""
    try:
        return Manifest.model_validate_json(read_bytes(url))
    except FileNotFoundError as error:
        raise ShardError(f"{url}: no manifest there; were the tokens written to the end?") from error
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}, found {first['input']!r:.80}"
        raise ShardError(f"{url}: not a manifest that this version reads: {what}") from error


def digest(content: bytes | memoryview) -> str:
    """BLAKE2b-128 as 32 hex digits."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()
