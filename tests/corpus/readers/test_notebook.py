"""Notebooks: cells in order, code fenced, and whatever else a JSON file may hold is told."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import RecipeError
from corpus.readers.base import Fault
from corpus.readers.notebook import parsed
from tests.corpus.source_rows import read


def notebook(*cells, **about):
    held = [{"cell_type": kind, "source": source, "outputs": [{"text": "seen"}]} for kind, source in cells]
    return json.dumps({"cells": held, "metadata": about, "nbformat": 4}).encode()


ABOUT = {"kernelspec": {"name": "ir", "language": "R"}, "language_info": {"name": "R"}, "title": "T"}


def test_cells_in_order_with_code_and_prose_apart(tmp_path):
    cells = [("markdown", ["# One\n", "two"]), ("code", "x <- 1\ny"), ("code", ""), ("raw", "as it is")]
    (tmp_path / "a.ipynb").write_bytes(notebook(*cells, **ABOUT))
    (row,), bad = read(tmp_path, fields=("prose", "code", "language", "kernel", "title", "path"))
    assert bad == []
    assert row == {
        "id": "a.ipynb",
        "text": "# One\ntwo\n\n```R\nx <- 1\ny\n```\n\nas it is",
        "domain": "default",
        "prose": "# One\ntwo\n\nas it is",
        "code": "x <- 1\ny",
        "language": "R",
        "kernel": "ir",
        "title": "T",
        "path": "a.ipynb",
    }
    assert read(tmp_path, text_field="code", domain_field="language")[0][0]["text"] == "x <- 1\ny"


def test_format_3_keeps_its_cells_in_worksheets():
    cells = [{"cell_type": "heading", "level": 2, "source": "H"}, {"cell_type": "code", "input": ["a\n", "b"]}]
    record = parsed(json.dumps({"worksheets": [{"cells": cells}], "metadata": {}, "nbformat": 3}).encode())
    assert record["text"] == "## H\n\n```\na\nb\n```"


def test_a_fence_is_longer_than_the_fences_inside():
    record = parsed(notebook(("code", "s = '''\n````\n'''")))
    assert record["text"] == "`````\ns = '''\n````\n'''\n`````"


FAULTS = {
    b"{": "broken JSON: unexpected end of data",
    b"[]": "not a notebook: no list of cells",
    b'{"cells": 5}': "not a notebook: no list of cells",
    b"[" * 100_000: "broken JSON: ",
    b'{"cells": ["\xff"]}': "invalid UTF-8",
    b'{"cells": [{"cell_type": "code", "source": "a\\u0000b"}]}': "NUL in the text",
    b"": "empty file",
}


def test_each_fault_is_named(tmp_path):
    for n, raw in enumerate(FAULTS):
        (tmp_path / f"{n}.ipynb").write_bytes(raw)
    rows, bad = read(tmp_path)
    assert rows == []
    assert all(one.cause.startswith(cause) for one, cause in zip(bad, FAULTS.values(), strict=True))


def test_a_field_that_no_notebook_has_is_refused(tmp_path):
    (tmp_path / "a.ipynb").write_bytes(notebook())
    with pytest.raises(RecipeError, match="notebook has no field 'lang' for the domain; nearest is 'language'"):
        read(tmp_path, domain_field="lang")
    with pytest.raises(RecipeError, match="html_field is 'x', but notebook holds no pages"):
        read(tmp_path, html_field="x")


values = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["code", "markdown", "heading"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["cells", "source", "cell_type", "metadata", "worksheets", "level"]), inner)
    ),
    max_leaves=20,
)


@given(values)
def test_any_json_is_a_notebook_or_none(value):
    try:
        record = parsed(json.dumps(value).encode())
    except Fault:
        return
    assert isinstance(record["text"], str)
