"""The manifest of a converted folder: the manifest of the tokens as it was, and every file with its checksum.

So nothing is lost on the way: what reads it knows the tokenizer, the domains and the checksum that the tokens of
each shard had before. The last line seals the rest. Schema and example: docs/reference/tokens.md.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from corpus.errors import ShardError
from corpus.formats.files import FileEntry
from corpus.manifest import PATH, Digest, Manifest, digest, manifest_of
from corpus.storage import read_bytes, write_bytes

NAME = "winnow-converted/1"

Path = Annotated[str, Field(pattern=PATH)]


class Converted(BaseModel):
    """What a folder of converted tokens holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["winnow-converted/1"]
    layout: str  # a name of corpus/formats/table.py
    manifest: Manifest  # of the Megatron shards that were converted
    parts: dict[Path, Annotated[int, Field(ge=1)]]  # how many parts a shard was cut in
    files: dict[Path, FileEntry]
    seal: Digest  # of all above

    @model_validator(mode="after")
    def _every_shard_has_parts(self) -> "Converted":
        if sorted(self.parts) != [entry.path for entry in self.manifest.shards]:
            raise ValueError("`parts` does not name each shard of the manifest once")
        if manifest_of(self.manifest.tokenizer, self.manifest.shards) != self.manifest:
            raise ValueError("the totals of `manifest` are not the sums of its shards")
        return self


def converted(layout: str, manifest: Manifest, parts: dict[str, int], files: dict[str, FileEntry]) -> Converted:
    """The manifest of these files, sealed."""
    plain = {
        "format": NAME,
        "layout": layout,
        "manifest": manifest.model_dump(mode="json"),
        "parts": parts,
        "files": {name: entry.model_dump() for name, entry in files.items()},
    }
    return Converted.model_validate_json(json.dumps({**plain, "seal": _seal(plain)}))


def write_converted(url: str, made: Converted) -> None:
    """Put it at `url` as JSON: the same manifest, the same bytes."""
    write_bytes(url, (json.dumps(made.model_dump(mode="json"), sort_keys=True, indent=1) + "\n").encode())


def read_converted(url: str) -> Converted:
    """The manifest at `url`; ShardError where it is missing, breaks the schema, or was altered in any letter."""
    try:
        text = read_bytes(url)
        found = Converted.model_validate_json(text)
    except FileNotFoundError as error:
        raise ShardError(f"{url}: no manifest there; did the conversion end?") from error
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}, found {first['input']!r:.80}"
        raise ShardError(f"{url}: not a manifest of converted tokens that this version reads: {what}") from error
    plain = json.loads(text)
    if plain.pop("seal") != _seal(plain):
        raise ShardError(f"{url}: its seal is not that of its content; it was altered. Convert the tokens again.")
    return found


def is_converted(url: str) -> bool:
    """Whether the manifest at `url` is one of these. ShardError where none is there, or no JSON object."""
    try:
        plain = json.loads(read_bytes(url))
    except FileNotFoundError as error:
        raise ShardError(f"{url}: no manifest there; were the tokens written to the end?") from error
    except (ValueError, RecursionError) as error:  # also bytes that are no UTF-8, and brackets without end
        raise ShardError(f"{url}: not a manifest: no JSON ({error})") from error
    return isinstance(plain, dict) and str(plain.get("format")).startswith(NAME.partition("/")[0])


def _seal(plain: dict[str, Any]) -> str:
    return digest(json.dumps(plain, sort_keys=True).encode())
