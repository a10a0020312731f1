"""What a plan refuses before anything is read: columns that nobody lays, pages that no stage reads."""

from collections.abc import Sequence
from difflib import get_close_matches

import pyarrow as pa

from corpus.documents import DOMAIN, HTML, ID, PAGE, TEXT
from corpus.errors import RecipeError
from corpus.readers import FORMATS
from corpus.source import Unit
from pipeline import index
from pipeline.recipe import Recipe, names, reading_names
from pipeline.while_reading import NO_EXTRACT
from stages.base import WORDS, Stage
from stages.deduplication import Deduplication
from stages.ordering import places


def check_columns(recipe: Recipe) -> None:
    """RecipeError where a stage goes by a column that no source and no stage before it has, or by no such index."""
    fields = [name for source in recipe.sources for name in source.fields]
    known = {TEXT, WORDS, ID, DOMAIN, *fields}
    for name, stage in zip(reading_names(recipe), recipe.while_reading, strict=True):
        _check_reads(name, stage, known | set(PAGE.names))
        known |= set(stage.adds)
    _check_adds(recipe, fields)
    for number, (name, stage) in enumerate(zip(names(recipe), recipe.stages, strict=True)):
        _check_reads(name, stage, known)
        if isinstance(stage, Deduplication):
            places(stage.prefer, "", fields, [("", one) for one in (*recipe.while_reading, *recipe.stages[:number])])
            index.check(stage)
        known |= set(stage.adds)


def _check_reads(name: str, stage: Stage, known: set[str]) -> None:
    for column in stage.reads:
        if column not in known:
            near = get_close_matches(column, known, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise RecipeError(
                f"{name}: it reads a column {column!r}, which no stage before it lays and no source has; {hint}"
                f"There are: {', '.join(sorted(known - {WORDS}))}. A source's own are named by its `fields`."
            )


def _check_adds(recipe: Recipe, fields: Sequence[str]) -> None:
    """RecipeError where a column that is laid while reading is a source's own, or would have two types."""
    types: dict[str, pa.DataType] = {}
    for name, stage in zip(reading_names(recipe), recipe.while_reading, strict=True):
        for column, (type_, _) in stage.adds.items():
            if column in fields:
                raise RecipeError(
                    f"{name}: while reading it lays a column {column!r} beside a source's field of that name. Take the "
                    f"field out of the source's `fields`, or put the stage into `stages`, behind those that read pages."
                )
            if types.setdefault(column, type_) != type_:
                raise RecipeError(
                    f"{name}: while reading it lays a column {column!r} of type {type_}, and a stage before it one of "
                    f"type {types[column]}. Put one of the two into `stages`."
                )


def check_pages(recipe: Recipe, found: Sequence[Unit]) -> None:
    """RecipeError where there are pages and no stage that reads them, or the other way round, as far as settings say.

    What an archive holds is known when it is read: pipeline/while_reading.py and run.py look again.
    """
    readers = [n for n, s in zip(reading_names(recipe), recipe.while_reading, strict=True) if HTML in s.reads]
    pages = [number for number, source in enumerate(recipe.sources) if source.html_field is not None]
    if pages and not readers:
        raise RecipeError(f"sources[{pages[0]}].html_field: it names {NO_EXTRACT}")
    files = [unit.source for unit in found if FORMATS[unit.format].pages]
    if files and not readers:
        raise RecipeError(f"sources[{files[0]}]: it holds {NO_EXTRACT}")
    if readers and not pages and all(FORMATS[unit.format].fields for unit in found):
        raise no_pages(readers[0])


def no_pages(name: str) -> RecipeError:
    """The error of a stage that reads pages where there are none."""
    return RecipeError(
        f"{name}: it makes text of pages (HTML), and no source has any. Name the field that holds them in the "
        f"source's `html_field`, or take the stage out."
    )
