"""Any run of 13 words that a document shares with an item (Brown et al. 2020, 2.2, without what they spare)."""

from functools import partial

from stages.decontamination.matches import Rule
from stages.decontamination.ngrams import by_grams, index_of

RULE = Rule("drop", 0.0, partial(index_of, 13), by_grams)
