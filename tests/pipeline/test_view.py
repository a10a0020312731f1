"""Digests and views: a digest is of values in their order, and of nothing else; a view shows the recipe's order."""

import math
import string

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from corpus import shards
from corpus.documents import CORE, DROP, VALUE
from pipeline.digest import joined, table_digest
from pipeline.plan import Plan, Step
from pipeline.recipe import Recipe
from pipeline.view import View

COLUMNS = {
    "text": (pa.large_string(), st.text(max_size=8)),
    "id": (pa.string(), st.text(max_size=8)),
    "count": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "share": (pa.float64(), st.floats(allow_nan=False)),
    "flag": (pa.bool_(), st.booleans()),
}


@st.composite
def tables(draw):
    """A table of any of the kinds of columns that stages lay, with nulls."""
    names = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=4, unique=True))
    rows = draw(st.integers(0, 12))
    return pa.table(
        {
            name: pa.array(draw(st.lists(st.none() | COLUMNS[name][1], min_size=rows, max_size=rows)), COLUMNS[name][0])
            for name in names
        }
    )


def cut(table, places):
    """The same table in chunks, each a slice of a longer buffer."""
    ends = sorted({place % (table.num_rows + 1) for place in places} | {table.num_rows})
    starts = [0, *ends[:-1]]
    return pa.concat_tables([table.slice(a, b - a) for a, b in zip(starts, ends, strict=True)])


@given(tables(), st.lists(st.integers(0, 12), max_size=4), st.integers(0, 5))
def test_chunks_slices_and_string_widths_do_not_change_a_digest(table, places, before):
    expected = table_digest(table)
    assert table_digest(cut(table, places)) == expected
    padded = pa.concat_tables([table.slice(0, min(before, table.num_rows)), table]).combine_chunks()
    assert table_digest(padded.slice(min(before, table.num_rows))) == expected
    narrow = [pa.field(f.name, pa.string() if f.type == pa.large_string() else f.type) for f in table.schema]
    assert table_digest(table.cast(pa.schema(narrow))) == expected
    assert table_digest(table.filter(pa.array(np.ones(table.num_rows, bool)))) == expected


@given(tables(), st.data())
def test_any_value_or_null_that_differs_changes_the_digest(table, data):
    assume(table.num_rows)
    name = data.draw(st.sampled_from(table.column_names))
    row = data.draw(st.integers(0, table.num_rows - 1))
    values = table[name].to_pylist()
    other = data.draw(st.none() | COLUMNS[name][1])
    assume(other != values[row] or type(other) is not type(values[row]))
    values[row] = other
    place = table.column_names.index(name)
    changed = table.set_column(place, name, pa.array(values, COLUMNS[name][0]))
    assert table_digest(changed) != table_digest(table)


@given(tables(), st.permutations(range(12)))
def test_the_order_of_rows_changes_the_digest(table, order):
    moved = table.take(pa.array([place for place in order if place < table.num_rows], pa.int64()))
    same = repr(moved.to_pylist()) == repr(table.to_pylist())  # 0.0 and -0.0 are two values
    assert (table_digest(moved) == table_digest(table)) == same


@given(tables())
def test_names_types_and_the_order_of_columns_change_the_digest(table):
    digest = table_digest(table)
    assert table_digest(table.rename_columns([f"{name}_" for name in table.column_names])) != digest
    assert table_digest(table.append_column("more", pa.nulls(table.num_rows, pa.int64()))) != digest
    backwards = table.column_names[::-1]
    assert (table_digest(table.select(backwards)) == digest) == (backwards == table.column_names)
    if "count" in table.column_names:
        place = table.column_names.index("count")
        assert table_digest(table.set_column(place, "count", table["count"].cast(pa.string()))) != digest


@given(st.lists(st.text(max_size=3), max_size=5), st.integers(1, 3))
def test_where_one_text_ends_and_the_next_begins_is_part_of_the_digest(texts, shift):
    whole = "".join(texts)
    other = [whole[:shift], whole[shift:]]
    assume(other != texts)
    one, two = (table_digest(pa.table({"text": pa.array(some, pa.string())})) for some in (texts, other))
    assert one != two


@pytest.mark.parametrize("pair", [(0.0, -0.0), (math.nan, 0.0), (math.inf, math.nan), (None, 0.0), (None, math.nan)])
def test_numbers_that_print_or_compare_alike_differ(pair):
    one, other = (table_digest(pa.table({"x": pa.array([value], pa.float64())})) for value in pair)
    assert one != other


digests = st.lists(st.text(string.hexdigits, max_size=4), max_size=5)


@given(digests, digests)
def test_a_joined_digest_is_of_the_list(some, others):
    assert (joined(some) == joined(others)) == (some == others)


def judged(folder, drops):
    """A view of a shard whose stages dropped these rows: a list of (reason or None) a stage."""
    rows = len(drops[0]) if drops else 0
    documents = pa.table([[f"d{n}" for n in range(rows)], [f"t{n}" for n in range(rows)], ["x"] * rows], schema=CORE)
    steps = [Step("documents", "documents", "documents", {})]
    shards.write(f"{folder}/documents/s.parquet", documents)
    for number, reasons in enumerate(drops):
        values = [None if reason is None else float(number) for reason in reasons]
        laid = [pa.array(reasons, pa.string()), pa.array(values, pa.float64()), pa.array([number] * rows)]
        shards.write(f"{folder}/stage{number}/s.parquet", pa.table(laid, names=[DROP, VALUE, "seen"]))
        steps.append(Step(f"stage{number}", "local", f"stage{number}", {}))
    return View(Plan(Recipe("view", ()), (), tuple(steps)), str(folder), "s")


rows_of_drops = st.integers(1, 6).flatmap(
    lambda rows: st.lists(
        st.lists(st.none() | st.sampled_from(["a", "b"]), min_size=rows, max_size=rows), min_size=1, max_size=4
    )
)


@given(rows_of_drops)
def test_the_first_stage_that_drops_a_document_is_its_reason_and_later_ones_say_nothing(tmp_path_factory, drops):
    view = judged(tmp_path_factory.mktemp("view"), drops)
    for row, one in enumerate(view.reasons().to_pylist()):
        first = next((number for number, reasons in enumerate(drops) if reasons[row] is not None), None)
        expected = ("stage", None) if first is None else ("stage", f"stage{first}")
        assert ("stage", one["stage"]) == expected
        assert one["drop"] == (None if first is None else drops[first][row])
        assert one["value"] == first
        assert view.kept[row] == (first is None)
        for number, step in enumerate(view.plan.judged):
            gone_before = first is not None and first < number
            assert view.laid(step)["seen"][row].as_py() == (None if gone_before else number)
