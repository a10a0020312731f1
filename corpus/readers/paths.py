"""Names of fields inside fields: `metadata.url` is the key `url` of the object (or struct) `metadata`.

A key that holds the dots itself comes first, at every level: what was read by a plain name is read as before.
"""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from corpus.readers.base import nearest

ABSENT = object()
"""What stands where a path leads nowhere; null is something."""


def within(record: dict[str, Any], path: str, default: Any = ABSENT) -> Any:
    """The value at the path; `default` where it leads nowhere."""
    held: Any = record
    while path not in held:
        head, dot, path = path.partition(".")
        held = held.get(head) if dot else None
        if type(held) is not dict:
            return default
    return held[path]


def lacking(record: dict[str, Any], path: str) -> str:
    """Why the path leads nowhere: names near the key that is missing, at the level that misses it."""
    level = ""
    while True:
        head, dot, rest = path.partition(".")
        here = f"{level}.{head}" if level else head
        if dot and type(record.get(head)) is dict:
            record, path, level = record[head], rest, here
        elif dot and head in record:
            return f"{here!r} has no fields of its own"
        else:
            return f"in {level!r} {nearest(head, record)}" if level else nearest(head, record)


def tree(fields: Iterable[pa.Field], path: str) -> dict[str, Any]:
    """The names of Arrow fields as a record would nest them, as deep as the path goes."""
    _, dot, rest = path.partition(".")
    return {field.name: tree(field.type, rest) if dot and _is_struct(field) else None for field in fields}


def ways(fields: Iterable[pa.Field], path: str) -> list[tuple[int, ...]]:
    """Places of a column and of the struct fields inside it that the path leads to: several where names repeat."""
    fields = list(fields)
    here: list[tuple[int, ...]] = [(place,) for place, field in enumerate(fields) if field.name == path]
    head, dot, rest = path.partition(".")
    if here or not dot:
        return here
    inside = [(n, field.type) for n, field in enumerate(fields) if field.name == head and _is_struct(field)]
    return [(n, *deeper) for n, held in inside for deeper in ways(held, rest)]


def type_of(schema: pa.Schema, path: str) -> pa.DataType:
    """The type at a path that leads somewhere."""
    first, *inside = ways(schema, path)[0]
    held = schema.field(first).type
    for place in inside:
        held = held.field(place).type
    return held


def flat(batch: pa.RecordBatch, paths: list[str]) -> pa.RecordBatch:
    """The columns at the paths, called by them; null where a struct around them is. No copy for plain names."""
    if set(paths) <= set(batch.schema.names):
        return batch
    found = [ways(batch.schema, path)[0] for path in paths]
    columns = [_inside(batch.column(first), inside) for first, *inside in found]
    return pa.RecordBatch.from_arrays(columns, names=paths)


def _inside(column: pa.Array, places: list[int]) -> pa.Array:
    return pc.struct_field(column, places) if places else column


def _is_struct(field: pa.Field) -> bool:
    return bool(pa.types.is_struct(field.type))
