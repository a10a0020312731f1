"""Llama 3: the share of an item's tokens that lie in an 8-gram of the training data (Grattafiori et al. 2024, 5.1.4).

The paper picks a threshold for each benchmark, by the gain in its score that it explains. Ours is 0.8, from which
Llama 2 calls an item dirty (Touvron et al. 2023, A.6). Tokens are words here, so that it hangs on no tokenizer.
"""

from functools import partial

from stages.decontamination.matches import Rule
from stages.decontamination.ngrams import by_words, index_of

RULE = Rule("report", 0.8, partial(index_of, 8), by_words)
