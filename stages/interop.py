"""Filters and formatters of datatrove as stages, run by the installed datatrove itself, a document at a time.

For what has no kernel here yet, and to show that a move changes nothing: a block decides here as it does there. It
is a Python loop over documents at datatrove's own speed: 0.35 to 0.4 MB/s a core for its Gopher filters, 0.8 C4, 0.5
FineWeb, 4 FTFY, 7 PII (scripts/bench_rules.py), where ours with `dialect: datatrove` do 20 together, files to files
(scripts/bench_filters.py).
Only blocks that judge each document by itself, from what the recipe and the package hold, can be a stage: what
downloads, draws lots or remembers is refused.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module, metadata
from inspect import isabstract
from json import dumps, loads
from typing import Any

import numpy as np
import pyarrow as pa

from corpus.buffers import bounds, lengths
from corpus.documents import DROP, ID, TEXT, VALUE, Batch, Columns
from corpus.edits import SPANS, Spans, recorded
from corpus.errors import RecipeError, StageError
from stages.base import Column, Local

PACKAGE = "datatrove.pipeline"

REFUSED: Mapping[str, str] = {
    "C4BadWordsFilter": "it downloads its lists; the stage bad_words reads them from a folder",
    "FastTextClassifierFilter": "it goes by the first copy of a model that its cache ever held",
    "LambdaFilter": "it needs a Python function, which a recipe cannot hold",
    "LanguageFilter": "it downloads its model",
    "NGramsDecontFilter": "it goes by an index in a folder, which may change under a finished run",
    "SamplerFilter": "it draws lots in the order of documents, so how they are cut into shards would decide",
    "UnigramLogProbFilter": "it downloads its frequencies",
    "URLFilter": "it fetches the list of public suffixes; the stage url_rules needs no network",
}
"""Filters of datatrove 0.10.1 that cannot be a stage, and why."""

KEPT_APART = ("exclusion_writer", "batch_size")
"""Options of every filter that concern datatrove's own loop; a run keeps what was dropped anyway."""

_NAME = re.compile(r"[a-z]\w*(\.[a-z]\w*)*\.[A-Z]\w*", re.ASCII)


class Options(dict[str, Any]):
    """Arguments by name, hashable as a stage must be; nothing alters them once they are a stage's."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self))  # names alone, for 1 equals 1.0; it never leaves the process


@dataclass(frozen=True, kw_only=True)
class Datatrove(Local):
    """Judge or edit documents with a filter or formatter of the installed datatrove.

    A filter's reason is the one datatrove gives, else the block's class. RecipeError where the block cannot be a
    stage, and, when the run is planned, where it is not there or refuses its options.
    """

    block: str | None = None  # below datatrove.pipeline: filters.GopherQualityFilter
    options: dict[str, Any] | None = None  # the block's arguments by name, plain values
    metadata: tuple[str, ...] = ()  # columns given to it as metadata
    release: str | None = None  # of datatrove; the installed one

    name = "datatrove"
    rewrites = True

    def __post_init__(self) -> None:
        refuse(self.block)
        object.__setattr__(self, "options", _plain(self.options or {}))
        object.__setattr__(self, "metadata", tuple(self.metadata))
        object.__setattr__(self, "release", self.release or installed())
        if apart := [option for option in KEPT_APART if option in (self.options or {})]:
            raise RecipeError(f"datatrove: options cannot hold {apart[0]}: the run itself keeps what is dropped")
        called = [_key(column) for column in self.metadata]
        if twice := [key for key in called if called.count(key) > 1]:
            raise RecipeError(f"datatrove: metadata names two columns that the block would both find as {twice[0]!r}")

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # a setting adds columns
        """Text, id, and the columns of `metadata`."""
        return (TEXT, ID, *self.metadata)

    @property
    def adds(self) -> Mapping[str, Column]:
        """Where the text changed; a block does not say what it took out."""
        return {"datatrove_spans": Column(SPANS, "the whole text before, where the block changed it")}

    @property
    def files(self) -> tuple[str, ...]:
        """None. Asked for while the run is planned: then what is installed must fit (RecipeError)."""
        _made(self)
        return ()

    def annotate(self, batch: Batch) -> Columns:
        """Reasons, and texts that changed. StageError names the document on which the block failed."""
        block, texts = _made(self), batch.text.to_pylist()
        reasons: list[str | None] = [None] * len(batch)
        newer: list[str | None] = [None] * len(batch)
        for n, document in enumerate(self._documents(batch, texts)):  # as slow as the block: see the head of the file
            reasons[n], text = self._outcome(block, document)
            newer[n] = text if reasons[n] is None and text != texts[n] else None
        drop, new = pa.array(reasons, pa.string()), pa.array(newer, pa.large_string())
        value = pa.array(np.ones(len(batch)), mask=drop.is_null().to_numpy(zero_copy_only=False))
        return {DROP: drop, VALUE: value, TEXT: new, "datatrove_spans": _whole(batch.text, new)}

    def _documents(self, batch: Batch, texts: list[str]) -> Iterator[Any]:
        """The batch as datatrove's documents; metadata that is null is left out, as it is in datatrove's files."""
        document = import_module("datatrove.data").Document
        columns = {_key(name): batch.column(name).to_pylist() for name in self.metadata}
        for n, (key, text) in enumerate(zip(batch.column(ID).to_pylist(), texts, strict=True)):
            held = {name: column[n] for name, column in columns.items() if column[n] is not None}
            yield document(text=text, id=key, metadata=held)

    def _outcome(self, block: Any, document: Any) -> tuple[str | None, str]:
        """Why the document goes, None where it stays, and its text afterwards."""
        key = document.id
        try:
            reason, text = _judged(block, document)
            text.encode()  # a lone surrogate cannot be stored
        except Exception as error:  # any at all: the code is not ours
            raise StageError(
                f"datatrove: {self.block} failed on document {key!r} ({type(error).__name__}: {error}). "
                f"Mend its options, or drop such documents in a stage before it."
            ) from error
        return reason, text


def refuse(block: str | None) -> None:
    """RecipeError where no block of this name may be a stage, whatever is installed."""
    if block is None:
        raise RecipeError("datatrove: `block` is not set: name a filter or formatter, as filters.GopherQualityFilter")
    if not _NAME.fullmatch(block):
        raise RecipeError(
            f"datatrove: block {block[:60]!r} is no class below {PACKAGE}: write module.Class, as filters.RegexFilter"
        )
    if why := REFUSED.get(block.rsplit(".", 1)[-1]):
        raise RecipeError(f"datatrove: {block} cannot be a stage: {why}")


def installed() -> str:
    """The version of datatrove that is installed; RecipeError where none is."""
    try:
        import_module("datatrove")
        return metadata.version("datatrove")
    except ImportError as error:
        raise RecipeError("datatrove is not installed: pip install 'winnow[interop]'") from error


@cache
def _made(stage: Datatrove) -> Any:
    """The block, made once a worker. RecipeError where what is installed does not fit the stage."""
    if installed() != stage.release:
        raise RecipeError(
            f"datatrove: release {stage.release} is asked for and {installed()} is installed, which may decide "
            f"otherwise. Install the one, or leave `release` out to use the other."
        )
    kind = _class(str(stage.block))
    try:
        return kind(**(stage.options or {}))
    except Exception as error:  # wrong arguments, or a package of the block's own that is missing
        raise RecipeError(f"datatrove: {stage.block} cannot be made: {error}. Mend `options`.") from error


def _class(block: str) -> Any:
    path, name = block.rsplit(".", 1)
    try:
        module = import_module(f"{PACKAGE}.{path}")
    except ImportError as error:
        raise RecipeError(f"datatrove: no module {path!r} below {PACKAGE} can be imported ({error})") from error
    kind = getattr(module, name, None)
    if not _is_block(kind):
        blocks = sorted(key for key, held in vars(module).items() if _is_block(held))
        near = get_close_matches(name, blocks, n=1)
        said = f"nearest is {near[0]}" if near else f"there are: {', '.join(blocks) or 'none'}"
        raise RecipeError(f"datatrove: {block} is no filter or formatter of a single document; in {path} {said}")
    return kind


def _is_block(held: Any) -> bool:
    """A class of datatrove's own that judges or edits one document."""
    ours = isinstance(held, type) and held.__module__.startswith(f"{PACKAGE}.")
    return ours and issubclass(held, _bases()) and not isabstract(held) and held.__name__ not in REFUSED


def _bases() -> tuple[Any, Any]:
    base = import_module(f"{PACKAGE}.filters.base_filter"), import_module(f"{PACKAGE}.formatters.base")
    return base[0].BaseFilter, base[1].BaseFormatter


def _judged(block: Any, document: Any) -> tuple[str | None, str]:
    """A filter's verdict or a formatter's text, on a document that it may change.

    A formatter works on a copy of itself (0.1 ms): PIIFormatter takes its replacements in turn, and which one a text
    gets would hang on the documents before it. Here every document begins with the first.
    """
    if isinstance(block, _bases()[1]):
        return None, copy.deepcopy(block).format(document.text)
    verdict = block.filter(document)
    kept, reason = verdict if isinstance(verdict, tuple) else (verdict, None)
    return None if kept else str(reason or type(block).__name__), document.text


def _whole(text: pa.Array, new: pa.Array) -> pa.Array:
    """Spans that cover each text that has a new one."""
    changed = new.is_valid().to_numpy(zero_copy_only=False)
    ends = lengths(text)[changed]
    return recorded(Spans(bounds(changed), np.zeros(len(ends), np.int64), ends))


def _key(column: str) -> str:
    """What the block finds a column as: a field that was read from datatrove's own files by its name there."""
    return column.removeprefix("metadata.")


def _plain(options: Mapping[str, Any]) -> Options:
    """The options as a recipe would hold them, lists for tuples; RecipeError where they are no plain values."""
    try:
        return Options(loads(dumps(dict(options), allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as error:
        raise RecipeError(f"datatrove: options hold more than plain values ({error})") from error
