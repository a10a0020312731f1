"""RedPajama-V2's quality signals (Weber et al. 2024) as columns: stored, not applied.

Its users write their own rules over the signals, so nothing is dropped here. Left out are the signals that need more
than the text: CCNet's (language, perplexity, bucket), the classifiers' and importance weights, and those of word and
URL lists, for which the stages `bad_words` and `url_rules` lay columns. The fraction of stop words is that of
stages/languages.txt. stages/measures/redpajama.py says where numbers differ from the published ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from corpus.documents import TEXT, Batch, Columns
from stages.base import WORDS, Column, Local
from stages.measures import measure, measured
from stages.measures.redpajama import ROWS

SIGNALS: Mapping[str, str] = {
    **{name: name for name in ROWS},
    "rps_doc_stop_word_fraction": "stop_word_share",
    **{f"rps_doc_frac_chars_top_{n}gram": f"top_{n}gram_char_share" for n in (2, 3, 4)},
    **{f"rps_doc_frac_chars_dupe_{n}grams": f"dclm_duplicate_{n}gram_char_share" for n in range(5, 11)},
}
"""Published name -> measure. Repeated n-grams are of our words: of 2 to 4 whatever their case, of 5 to 10 as they
stand, where all copies count."""


@dataclass(frozen=True, kw_only=True)
class RedPajama(Local):
    """Lay the quality signals of RedPajama-V2 that a text alone defines; drop nothing."""

    name = "redpajama"
    reads = (TEXT, WORDS)

    @property
    def adds(self) -> Mapping[str, Column]:
        """A column a signal, under its published name."""
        return {name: Column(measure(row).type, measure(row).meaning) for name, row in SIGNALS.items()}

    def annotate(self, batch: Batch) -> Columns:
        """The signals."""
        found = measured(batch, SIGNALS.values())
        return {name: pa.array(found[row], measure(row).type) for name, row in SIGNALS.items()}
