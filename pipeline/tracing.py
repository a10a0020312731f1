"""From a token back to where it came from: what `winnow trace` does.

A token shard's rows lead to the document in its corpus shard; the run that made both has every column that stages
laid beside it. Each step is checked on the way: a folder that was made anew since then is refused, not misread.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from corpus import shards
from corpus.documents import DOMAIN, ID, TEXT
from corpus.errors import RecipeError, ShardError, TokenizerError
from corpus.manifest import Manifest, ShardEntry, read_manifest
from corpus.storage import exists, join
from corpus.tokens import TokenShard, read_shard
from pipeline.finished import Finished
from pipeline.home import FINISHED, INPUTS
from pipeline.tokenize import Tokenizer

CONTEXT = 32
"""Tokens on each side that are decoded."""


def trace(manifest_url: str, shard: str, position: int, run: str | None = None) -> dict[str, Any]:
    """Where a token comes from: its document, source, place and surroundings, and all columns beside the document.

    shard: its path in the manifest ("web/00000"), or its number there. position: tokens before it in the shard.
    run: folder of the run that made the tokens; the manifest's own where absent. Keys: docs/reference/json.md.
    Raises RecipeError where there is no such shard, position or run, ShardError where files are damaged or of
    another run, TokenizerError where the tokenizer beside the manifest is not the one it names.
    """
    manifest, folder = read_manifest(manifest_url), manifest_url.rpartition("/")[0] or "."
    entry = _entry(manifest, shard, manifest_url)
    tokens = read_shard(join(folder, entry.path))
    number = _document(tokens, entry, position)
    tokenizer = _tokenizer(folder, manifest)
    row, id_ = _row(join(folder, entry.path), number)
    finished = Finished.at(run if run is not None else _home(folder))
    columns = _columns(finished, entry.source, row, id_)
    ids, at = tokens.document(number), position - int(tokens.starts[number])
    text, beside = columns.pop(TEXT), {name: value for name, value in columns.items() if name not in (ID, DOMAIN)}
    return {
        "manifest": manifest_url,
        "shard": entry.path,
        "position": position,
        "token": int(ids[at]),
        "document": {"id": id_, "domain": entry.domain, "shard": entry.source, "row": row, "number": number}
        | _source(finished, id_),
        "place": {"token": at, "tokens": len(ids), "end": int(ids[at]) == manifest.tokenizer.eos_id}
        | _characters(tokenizer, ids, at, text),
        "context": _context(tokenizer, ids, at),
        "columns": {name: value for name, value in beside.items() if value is not None},
    }


def located(place: str, position: int, manifest_of: Callable[[str], str]) -> tuple[str, str, int]:
    """The manifest, the shard's path in it, and the token's place in the shard.

    place: a shard (with or without .bin) below its manifest; or what `manifest_of` takes, whose shards are counted
    through in the manifest's order. RecipeError where there is no such token or manifest.
    """
    bare = place.removesuffix(".bin")
    if exists(f"{bare}.bin"):
        folder, name = "/".join(bare.split("/")[:-2]) or ".", "/".join(bare.split("/")[-2:])
        return join(folder, "manifest.json"), name, position
    url = manifest_of(place)
    left = position
    for entry in read_manifest(url).shards:
        if left < entry.tokens:
            return url, entry.path, left
        left -= entry.tokens
    raise RecipeError(f"{place}: there is no token {position:,}; it holds {position - left:,}, counted from 0")


def _entry(manifest: Manifest, shard: str, url: str) -> ShardEntry:
    by_name = {entry.path: entry for entry in manifest.shards}
    if shard in by_name:
        return by_name[shard]
    if shard.isdecimal() and int(shard) < len(manifest.shards):
        return manifest.shards[int(shard)]
    some = ", ".join([*by_name][:5]) or "none"
    raise RecipeError(f"{url}: no shard {shard!r} among {len(by_name):,}: {some}; give a path or a number from 0")


def _document(tokens: TokenShard, entry: ShardEntry, position: int) -> int:
    if not 0 <= position < len(tokens.ids):
        raise RecipeError(f"{entry.path} holds {len(tokens.ids):,} tokens; position {position:,} is not in it")
    return int(np.searchsorted(tokens.starts, position, side="right")) - 1


def _tokenizer(folder: str, manifest: Manifest) -> Tokenizer:
    url = join(folder, "tokenizer.json")
    tokenizer = Tokenizer.load(url, manifest.tokenizer.eos_text)
    if tokenizer.card.hash != manifest.tokenizer.hash:
        raise TokenizerError(
            f"{url} has hash {tokenizer.card.hash}, the manifest's tokenizer {manifest.tokenizer.hash}; "
            f"put that one there"
        )
    return tokenizer


def _row(url: str, number: int) -> tuple[int, str]:
    rows = shards.take(f"{url}.rows.parquet", np.array([number]), ["row", ID])
    return rows["row"][0].as_py(), rows[ID][0].as_py()


def _home(folder: str) -> str:
    home = folder.rpartition("/")[0] or ("." if folder != "." else "..")
    if not exists(join(home, FINISHED)):
        raise RecipeError(f"{folder}: not in the folder of a finished run; name the run that made these tokens (--run)")
    return home


def _columns(run: Finished, shard: str, row: int, id_: str) -> dict[str, Any]:
    """The document with all columns beside it; ShardError where the run has another one there."""
    if shard not in run.shards:
        raise ShardError(
            f"{run.home.at}: no shard {shard!r} in its last finished run; were these tokens made by another?"
        )
    only = replace(run, shards=(shard,))
    found = next(only.tables(lambda table: pa.array(np.arange(table.num_rows) == row)), None)
    one: dict[str, Any] = {} if found is None else found.to_pylist()[0]
    if one.get(ID) != id_:
        raise ShardError(
            f"{run.home.at}: row {row:,} of {shard} is {one.get(ID)!r}, not {id_!r}; the corpus was made anew since "
            f"these tokens were. Run again to make both."
        )
    return one


def _source(run: Finished, id_: str) -> Mapping[str, Any]:
    """The file and byte (row of Parquet) a document was read from, where its id says so.

    A record without an id of its own is called <file>#<offset>, a text file by its name.
    """
    name, _, offset = id_.rpartition("#") if id_.rpartition("#")[2].isdecimal() else (id_, "", "0")
    inputs = [url for url in run.home.json(INPUTS, {}) if url == name or url.endswith(f"/{name}")]
    if not name or len(inputs) != 1:
        return {"file": None, "offset": None}
    return {"file": inputs[0], "offset": int(offset)}


def _characters(tokenizer: Tokenizer, ids: np.ndarray, at: int, text: str) -> dict[str, Any]:
    """Characters and bytes of the document before a token; null where the tokenizer does not keep its text.

    A token that begins within a character counts from that character.
    """
    if tokenizer.decode(ids) != text:
        return {"character": None, "byte": None}
    if b'"ByteLevel"' in tokenizer.text:
        before = text.encode()[: _size(tokenizer, ids[:at])].decode(errors="ignore")
    else:
        before = tokenizer.decode(ids[:at])
    if not text.startswith(before):
        return {"character": None, "byte": None}
    return {"character": len(before), "byte": len(before.encode())}


def _size(tokenizer: Tokenizer, ids: np.ndarray) -> int:
    """Bytes of text that byte-level tokens stand for: a letter each, but for added tokens, which are spelled out."""
    hf = tokenizer.reference
    added = {id_: len(token.content.encode()) for id_, token in hf.get_added_tokens_decoder().items()}
    different, uses = np.unique(ids, return_counts=True)
    each = [added[id_] if id_ in added else len(hf.id_to_token(id_)) for id_ in different.tolist()]
    return int(np.dot(each, uses))


def _context(tokenizer: Tokenizer, ids: np.ndarray, at: int) -> dict[str, str]:
    first, last = max(0, at - CONTEXT), at + 1 + CONTEXT
    parts = {"before": ids[first:at], "token": ids[at : at + 1], "after": ids[at + 1 : last]}
    return {name: tokenizer.decode(part) for name, part in parts.items()}
