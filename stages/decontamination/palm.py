"""PaLM: an item is contaminated where 70 % or more of its 8-grams stand in the training data (Chowdhery et al. 2022).

The rule is about items and the whole corpus; `winnow decontaminate` reports that. A document is contaminated where it
holds that share by itself.
"""

from functools import partial

from stages.decontamination.matches import Rule
from stages.decontamination.ngrams import by_grams, index_of

RULE = Rule("report", 0.7, partial(index_of, 8), by_grams)
