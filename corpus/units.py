"""From sources to units of work: expand the patterns, tell the formats, cut what is large.

How files are cut depends on the files alone, never on how many workers there are. A unit's key covers
everything its documents depend on, so a finished unit is found again by its key.
"""

import hashlib
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

import orjson
from blake3 import blake3

from corpus.documents import BYTES, CHARSET, DIGEST, DOMAIN, DROP, HTML, ID, TEXT, VALUE
from corpus.errors import RecipeError, SourceError
from corpus.readers import FORMATS
from corpus.readers.base import nearest
from corpus.source import File, Part, Source, Unit
from corpus.storage import Found, glob, is_folder, is_local, is_web, join, located, names
from corpus.streams import BLOCK, CODECS, SourceFile, codec

UNIT_BYTES = 64_000_000
"""Stored bytes of plain JSONL per unit, uncompressed ones of Parquet: about one shard of text (shards.py)."""

_DESCRIPTIONS = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}
"""What `save_to_disk` and the hub write beside a dataset's files."""

_WILD = re.compile(r"[*?\[]")
_STEM = 40  # characters of a file's name in a key


def content_hash(url: str) -> str:
    """BLAKE3-128 of the bytes as stored, hex; SourceError where unreadable.

    Every byte of a source is hashed before the first is read: 4 GB/s, and 0.8 by hashlib's BLAKE2b (AVX-512).
    """
    digest = blake3()
    with SourceFile(url) as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest(length=16)


def units(sources: Sequence[Source], identity: Callable[[Found], str], unit_bytes: int = UNIT_BYTES) -> list[Unit]:
    """Every source cut into units: sources in the recipe's order, files by format and then URL.

    identity: what stands for a file's content in the keys, say a remembered `content_hash`.
    Raises RecipeError where settings do not fit together, SourceError where a pattern matches nothing.
    """
    made: list[Unit] = []
    seen: Counter[str] = Counter()
    for place, source in enumerate(sources):
        _refuse(source)
        files = [File(*match, identity(match[0])) for match in matched(source)]
        for part in _cut(files, unit_bytes):
            key = _key(source, part)
            seen[key] += 1  # equal bytes under an equal name, from two sources or folders
            key = key if seen[key] == 1 else _key(source, part, seen[key])
            made.append(Unit(place, part.files[0].format, tuple(part.extents), key, part.stored_bytes))
    return made


def _refuse(source: Source) -> None:
    """RecipeError for settings that contradict each other."""
    who = f"source {source.path!r}"
    if source.domain is not None and source.domain_field is not None:
        raise RecipeError(
            f"{who}: both domain {source.domain!r} and domain_field {source.domain_field!r} are set. "
            f"Keep one: a name for all its documents, or the field that holds it."
        )
    taken = {ID, TEXT, DOMAIN, DROP, VALUE, "stage", BYTES, DIGEST, HTML, CHARSET} & set(source.fields)
    twice = [name for name, times in Counter(source.fields).items() if times > 1]
    if taken or twice:
        raise RecipeError(
            f"{who}: fields cannot hold {', '.join(sorted(taken) or twice)}: "
            f"{'Winnow lays columns of that name itself' if taken else 'named twice'}. Take it out."
        )
    if source.html_field is not None and source.text_field != "text":
        raise RecipeError(
            f"{who}: both html_field {source.html_field!r} and text_field {source.text_field!r} are set. "
            f"Keep one: the text of a page is what `extract` makes of it."
        )
    if not source.max_record_mb > 0:
        raise RecipeError(f"{who}: max_record_mb is {source.max_record_mb:g}, but no record is that short")
    if source.format is not None and source.format not in FORMATS:
        raise RecipeError(f"{who}: no format {source.format!r}; {nearest(source.format, FORMATS)}")


def matched(source: Source) -> list[tuple[Found, str, str]]:
    """(file, name, format) of all that the source's patterns match: by format, then URL, each file once.

    Names are paths below the folder that the pattern fixes; of several patterns, below what they share.
    """
    folders: dict[str, str] = {}  # pattern -> fixed folder
    files: dict[str, tuple[Found, str]] = {}
    for pattern in source.paths:
        folders[pattern], found = _expanded(pattern, source)
        files |= {one.url: (one, pattern) for one in found if one.url not in files}
    shared = _shared(list(folders.values()))
    rows = []
    for one, pattern in _once(files):
        name = posixpath.relpath(located(one.url), shared if shared is not None else folders[pattern])
        rows.append((one, name, _format(one.url, source)))
    for form in sorted({form for _, _, form in rows}):
        FORMATS[form].refuse(source)
    return sorted(rows, key=lambda row: (row[2], row[0].url))


def _once(files: dict[str, tuple[Found, str]]) -> Iterable[tuple[Found, str]]:
    """Each real file under one name: its own where that matched, else the first link to it."""
    by_real: dict[str, tuple[Found, str]] = {}
    for url in sorted(files, key=lambda url: (url != files[url][0].real, url)):
        by_real.setdefault(files[url][0].real, files[url])
    return by_real.values()


def _shared(folders: list[str]) -> str | None:
    try:
        return posixpath.commonpath(folders) or "."
    except ValueError:  # of different stores
        return None


def _expanded(pattern: str, source: Source) -> tuple[str, list[Found]]:
    """The folder a pattern fixes, and its files; SourceError where there are none."""
    path = located(pattern)
    if wild := _WILD.search(path):
        folder, found = posixpath.dirname(path[: wild.start()]), glob(pattern)
    elif is_folder(pattern):
        below = glob(join(pattern, "**"))
        folder, found = path, [one for one in _documents(below) if source.format or _suffixed(one.url)]
    else:
        folder, found = posixpath.dirname(path), glob(pattern)
    if not found:
        raise SourceError(f"source {pattern!r}: no file matches. {_instead(pattern, folder)}")
    return folder, found


def _documents(below: list[Found]) -> list[Found]:
    """Of a folder that holds a dataset (of `datasets`, or as on the Hugging Face hub) its data files alone.

    Beside them lie a card and descriptions, which would pass for documents, and what `map` remembered.
    """
    names = [posixpath.basename(one.url).lower() for one in below]
    if not any(name.endswith((".parquet", ".arrow")) or name in _DESCRIPTIONS for name in names):
        return below
    aside = {"readme.md", *_DESCRIPTIONS}
    cached = (name.startswith("cache-") and name.endswith(".arrow") for name in names)
    return [one for one, name, old in zip(below, names, cached, strict=True) if name not in aside and not old]


def _instead(pattern: str, folder: str) -> str:
    """What there is near a path that matched nothing, below a folder without its store."""
    if is_web(pattern):
        return "The server has no such file."
    store = "" if is_local(pattern) else f"{pattern.split('://', 1)[0]}://"
    if is_folder(pattern):
        return f"The folder holds no file of a known suffix: {_suffixes()}. Set `format` to read others."
    path = located(pattern)
    while not is_folder(store + folder) and posixpath.dirname(folder) not in (folder, ""):
        path, folder = folder, posixpath.dirname(folder)
    if not is_folder(store + folder):
        return "Nor is there any folder above it."
    name = posixpath.basename(path)
    return f"In {store}{folder}, for {name!r}: {nearest(name, sorted(names(store + folder)))}."


def _suffixed(url: str) -> str | None:
    """The format by the file's suffix, one of a compression aside."""
    name = located(url).lower()
    packed = codec(name) is not None
    name = name.rsplit(".", 1)[0] if packed else name
    forms = (form for form, it in FORMATS.items() if name.endswith(it.suffixes))
    form = next(forms, None)
    return None if form is None or (packed and not FORMATS[form].packed) else form


def _format(url: str, source: Source) -> str:
    form = source.format or _suffixed(url)
    if form is None:
        raise SourceError(
            f"{url}: no format has this suffix. There are {_suffixes()}; all but {_unpacked()} also followed by "
            f"{', '.join(CODECS)}. Set the source's `format` ({', '.join(FORMATS)}), or narrow its path."
        )
    return form


def _suffixes() -> str:
    return "; ".join(f"{form} ({' '.join(it.suffixes)})" for form, it in FORMATS.items() if it.suffixes)


def _unpacked() -> str:
    return " and ".join(form for form, it in FORMATS.items() if not it.packed)


def _cut(files: list[File], unit_bytes: int) -> Iterator[Part]:
    for form, group in groupby(files, key=lambda file: file.format):
        yield from FORMATS[form].cut([*group], unit_bytes)


def _key(source: Source, part: Part, copy: int = 1) -> str:
    """`<stem of the first file>-<16 hex>`, safe as a file name. Where the files lie does not change it."""
    settings = [part.files[0].format, source.domain, source.domain_field, source.text_field, source.id_field]
    settings += [source.html_field] if source.html_field else []
    contents = {file.name: file.content for file in part.files}
    extents = [(extent.name, extent.start, extent.end, contents[extent.name]) for extent in part.extents]
    covered = orjson.dumps([*settings, list(source.fields), source.max_record_mb, extents, copy])
    stem = posixpath.basename(part.files[0].name).split(".")[0]
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", stem)[:_STEM] or "unit"
    return f"{safe}-{hashlib.blake2b(covered, digest_size=8).hexdigest()}"
