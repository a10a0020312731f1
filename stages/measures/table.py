"""Every measure by the name of its column, and how to ask for some. A new file of rows is named here."""

from collections.abc import Iterable
from difflib import get_close_matches

import numpy as np

from corpus.documents import Batch
from corpus.errors import RecipeError
from stages.measures.base import Measure, Rows
from stages.measures.characters import ROWS as CHARACTERS
from stages.measures.code import ROWS as CODE
from stages.measures.dialects import ROWS as DIALECTS
from stages.measures.fineweb import ROWS as FINEWEB
from stages.measures.lines import ROWS as LINES
from stages.measures.marks import ROWS as MARKS
from stages.measures.phrases import ROWS as PHRASES
from stages.measures.redpajama import ROWS as REDPAJAMA
from stages.measures.repetition import ROWS as REPETITION
from stages.measures.words import ROWS as WORDS

MEASURES: Rows = WORDS | MARKS | LINES | CHARACTERS | PHRASES | CODE | DIALECTS | REDPAJAMA | REPETITION | FINEWEB
"""Every measure by the name of its column."""


def measured(batch: Batch, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The measures of those names, one array [N] each; RecipeError names the nearest where there is none."""
    return {name: measure(name).function(batch) for name in names}


def measure(name: str) -> Measure:
    """The measure of that name; RecipeError names the nearest where there is none."""
    if name not in MEASURES:
        near = get_close_matches(name, MEASURES, 1) or sorted(MEASURES)
        raise RecipeError(f"there is no measure {name!r}; did you mean {' or '.join(near)}?")
    return MEASURES[name]
