"""Measures: a number per document, and no opinion of it. Rules give the limits (stages/rules.py).

Every measure is a row of MEASURES (table.py, from the ROWS of the other files); what several of them need is
walked once a batch (`once`). Ratios are 0 where there is nothing to divide by, so that every measure of every text
is a finite number.

Words are those of corpus/words.py: punctuation is none. This is the reading of the paper, whose words are what its
classifier of quality saw. Measures that follow another reading bear its name (dialects.py).
"""

from stages.measures.base import Measure, once, per
from stages.measures.lines import BULLETS, Lines, lines
from stages.measures.marks import Marks, marks
from stages.measures.table import MEASURES, measure, measured
from stages.measures.words import STOP_WORDS, Sums, count, sums

__all__ = [
    "BULLETS",
    "MEASURES",
    "STOP_WORDS",
    "Lines",
    "Marks",
    "Measure",
    "Sums",
    "count",
    "lines",
    "marks",
    "measure",
    "measured",
    "once",
    "per",
    "sums",
]
