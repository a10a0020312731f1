"""Data-Juicer's common filters (Chen et al. 2024) with its defaults, those that need neither model nor list.

The measures are ours: words of corpus/words.py, characters by Unicode class, function words of stages/languages.txt.
Perplexity needs a model; flagged words are `bad_words` with `max_bad_word_share: 0.045`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from corpus.documents import DROP, TEXT, VALUE, Batch, Columns
from stages.base import WORDS, Column, Local
from stages.languages import files, language
from stages.measures import measure, measured
from stages.measures.words import stop_word_share
from stages.rules import Rule, laid, verdict


@dataclass(frozen=True, kw_only=True)
class DataJuicer(Local):
    """Drop documents outside the default limits of Data-Juicer's filters for text.

    Limits are inclusive. RecipeError where the language has no table.
    """

    language: str = "en"
    tables: str | None = None  # FineWeb-2's file or folder in place of stages/languages.txt
    min_alphanumeric_char_share: float = 0.25
    min_chars_per_line: float = 10
    min_longest_line: int = 10  # code points
    max_special_char_share: float = 0.25
    min_stop_word_share: float = 0.3
    min_chars: int = 10  # code points
    min_words: int = 10
    max_repeated_10gram_share: float = 0.5

    name = "data_juicer"
    reads = (TEXT, WORDS)

    def __post_init__(self) -> None:
        _ = self.rules, language(self.language, self.tables)  # refused while the recipe is read

    @property
    def files(self) -> tuple[str, ...]:
        """The tables, where some are named."""
        return files(self.tables)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The table, in the order of Data-Juicer's list of filters: the first that fails is the reason."""
        return (
            Rule("alphanumeric_char_share", low=self.min_alphanumeric_char_share),
            Rule("chars_per_line", low=self.min_chars_per_line),
            Rule("longest_line", low=self.min_longest_line),
            Rule("special_char_share", high=self.max_special_char_share),
            Rule("stop_word_share", low=self.min_stop_word_share),
            Rule("chars", low=self.min_chars),
            Rule("words", low=self.min_words),
            Rule("repeated_10gram_share", high=self.max_repeated_10gram_share),
        )

    @property
    def adds(self) -> Mapping[str, Column]:
        """A column a measure."""
        return laid(self.rules)

    def annotate(self, batch: Batch) -> Columns:
        """The measures, and the first rule that a document breaks."""
        listed = language(self.language, self.tables).function_words
        found = measured(batch, (rule.measure for rule in self.rules if rule.measure != "stop_word_share"))
        found["stop_word_share"] = stop_word_share(batch, listed)
        drop, value = verdict(found, self.rules)
        columns = {rule.measure: pa.array(found[rule.measure], measure(rule.measure).type) for rule in self.rules}
        return {DROP: drop, VALUE: value, **columns}
