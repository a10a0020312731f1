"""Which document is kept: a total order on chosen columns, and a plain word where a column is not there."""

import pyarrow as pa
import pytest

from corpus.errors import RecipeError
from stages.gopher_quality import GopherQuality
from stages.minhash import MinHash
from stages.ordering import Item, Place, items, places

BEFORE = [("01", GopherQuality()), ("02", MinHash())]


def test_words_signs_and_columns():
    assert items(("longest", "-date", "quality")) == [
        Item("bytes", "descending"),
        Item("date", "descending"),
        Item("quality", "ascending"),
    ]
    assert items(("shortest",)) == [Item("bytes", "ascending")]


def test_columns_lie_with_the_documents_or_with_the_last_stage_that_laid_them():
    found = places(("date", "-words", "longest", "domain"), "docs", ["date"], [*BEFORE, ("03", GopherQuality())])
    assert found == {
        "date": Place("docs", pa.string()),
        "words": Place("03", found["words"].type),
        "bytes": Place("docs", pa.int64()),
        "domain": Place("docs", pa.string()),
    }


def test_a_source_s_own_field_stands_before_a_stage_s_column():
    assert places(("words",), "docs", ["words"], BEFORE)["words"].folder == "docs"


def test_a_column_that_is_not_there_is_refused_with_the_nearest_name():
    with pytest.raises(RecipeError, match=r"no column 'wrods'.*did you mean 'words'"):
        places(("wrods",), "docs", [], BEFORE)
