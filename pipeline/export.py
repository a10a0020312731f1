"""Documents of a finished run as files that others read: Parquet or JSONL, one file or one a shard.

What takes the name that was asked for is whole, and nothing that stood there is lost unless --overwrite says so.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any

import orjson
import pyarrow as pa

from corpus import shards
from corpus.buffers import total_bytes
from corpus.documents import TEXT
from corpus.errors import RecipeError
from corpus.storage import exists, is_folder, join, names, refuse_read_only, remove, size, whole
from pipeline.finished import REASONS, Finished, Rows, dropped, everything, kept
from pipeline.places import local, make

WHAT: dict[str, Rows] = {"kept": kept, "dropped": dropped, "all": everything}
SUFFIXES = {"parquet": ".parquet", "jsonl": ".jsonl"}
_CODECS = {".gz": "gzip", ".zst": "zstd"}
_OTHERS = re.compile(r"\.(json|ndjson|csv|tsv|txt|arrow|feather|gz|zst|zip)$")
_OURS = re.compile(r"\d{6}\.(parquet|jsonl)")  # what a file of an exported folder is called


def export(run: Finished, out: str, form: str | None, what: str, overwrite: bool = False) -> dict[str, Any]:
    """Write `what` of a run to `out`: {documents, bytes (of text), files, what, format}.

    A name that ends in .parquet, .jsonl, .jsonl.gz or .jsonl.zst is one file; any other is a folder with a file
    a shard. form: by that name where None, Parquet for a folder. Columns: docs/reference/json.md.
    Raises RecipeError where something stands at `out` and may not be overwritten, or `out` cannot be written.
    """
    form, single = _form(out, form), _suffix(out) is not None
    _free(run, out, single, overwrite)
    tables = (_columns(table, what) for table in run.tables(WHAT[what]))
    empty = _columns(run.empty(), what)
    if single:
        counts = {out: _one_file(out, chain([empty], tables), form)}
    else:
        with _aside(out) as aside:
            named = _named(tables, empty, form)
            counts = {name: _one_file(join(aside, name), iter([table]), form) for name, table in named}
    documents, size = (sum(count[place] for count in counts.values()) for place in (0, 1))
    files = list(counts) if single else [join(out, name) for name in counts]
    return {"documents": documents, "bytes": size, "files": files, "what": what, "format": form}


def _named(tables: Iterator[pa.Table], empty: pa.Table, form: str) -> Iterator[tuple[str, pa.Table]]:
    """A file name for each table; an export of nothing is a file without rows, so readers find its columns."""
    number = -1
    for number, table in enumerate(tables):
        yield f"{number:06d}{SUFFIXES[form]}", table
    if number < 0:
        yield f"{0:06d}{SUFFIXES[form]}", empty


def _suffix(out: str) -> str | None:
    """The format that the name of a single file says; None for a folder."""
    plain = re.sub(r"(?<=\.jsonl)\.(gz|zst)$", "", out)
    return next((form for form, suffix in SUFFIXES.items() if plain.endswith(suffix)), None)


def _form(out: str, form: str | None) -> str:
    said = _suffix(out)
    if said and form and said != form:
        raise RecipeError(f"{out}: its name says {said}, and --format says {form}")
    if said is None and (other := _OTHERS.search(out)):
        known = ".parquet, .jsonl, .jsonl.gz or .jsonl.zst"
        raise RecipeError(f"{out}: nothing is exported as {other[0]}; name a folder, or a file that ends in {known}")
    return said or form or "parquet"


def _free(run: Finished, out: str, single: bool, overwrite: bool) -> None:
    """RecipeError unless `out` can be written and nothing of value is lost by it; the folder it needs is made."""
    refuse_read_only(out)
    path = local(out, "export to")
    if single and is_folder(out):
        raise RecipeError(f"{out}: a folder stands there, and its name says one file. Give another name.")
    if path:
        make(path.parent if single else path, "export to")
    there = ({out} if exists(out) and size(out) else set()) if single else names(out)
    others = sorted(name for name in there if not single and not _OURS.fullmatch(name))
    if others:
        raise RecipeError(f"{out}: holds files that no export wrote ({', '.join(others[:3])}); give another name")
    if there and path and Path(run.home.at).resolve() in path.resolve().parents:
        raise RecipeError(f"{out}: belongs to the run itself; give a name outside of it")
    if there and not overwrite:
        raise RecipeError(f"{out}: exists already; give another name, or --overwrite to replace it")


@contextmanager
def _aside(out: str) -> Iterator[str]:
    """A folder to write the files of `out` to; they move there, in place of older ones, when the block ends well.

    It lies within `out`, which may be a mount of its own. Nothing moves on an object store: there what an older
    export left goes first, and each file is whole or absent.
    """
    path = local(out, "export to")
    if path is None:
        remove(out)
        yield out
        return
    for left in path.glob(".aside-*"):  # of exports that were killed
        shutil.rmtree(left)
    aside = path / f".aside-{secrets.token_hex(4)}"
    aside.mkdir()
    try:
        yield str(aside)
        for old in sorted(names(out)):
            (path / old).unlink()
        for new in sorted(names(str(aside))):
            (aside / new).rename(path / new)
    finally:
        shutil.rmtree(aside)


def _columns(table: pa.Table, what: str) -> pa.Table:
    return table.drop_columns(list(REASONS)) if what == "kept" else table


def _one_file(url: str, tables: Iterator[pa.Table], form: str) -> tuple[int, int]:
    """Write tables of one schema, of which there is at least one; how many documents and bytes of text."""
    documents = size = 0
    with whole(url) as file:
        for table in (_parquet if form == "parquet" else _jsonl)(file, tables, url):
            documents += table.num_rows
            size += total_bytes(table[TEXT])
    return documents, size


def _parquet(file: IO[bytes], tables: Iterator[pa.Table], url: str) -> Iterator[pa.Table]:
    first = next(tables)
    with shards.writer(file, first.schema) as sink:
        for table in chain([first], tables):
            sink.write_table(table)
            yield table


def _jsonl(file: IO[bytes], tables: Iterator[pa.Table], url: str) -> Iterator[pa.Table]:
    """A Python loop over documents: orjson writes 392 MB/s, and who asks for JSONL asks for rows."""
    codec = next((c for suffix, c in _CODECS.items() if url.endswith(suffix)), None)
    with open(os.dup(file.fileno()), "wb") as twin:  # Arrow closes what it compresses to; `file` is not ours to close
        sink = pa.CompressedOutputStream(pa.PythonFile(twin, mode="w"), codec) if codec else twin
        for table in tables:
            for batch in table.to_batches(max_chunksize=1_000):
                sink.write(b"".join(orjson.dumps(row) + b"\n" for row in batch.to_pylist()))
            yield table
        sink.close()
