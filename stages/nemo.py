"""NeMo Curator's heuristic filters for English, with its limits and in the order of its pipeline.

Words are runs between white space, lines end at line feeds, paragraphs at two of them. Its filters of repetition
are `gopher_repetition` with `dialect: nemo`, which stand between the paragraphs and the words there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from corpus.documents import TEXT, Batch, Columns
from stages.base import WORDS, Column, Local
from stages.rules import Rule, judge, laid


@dataclass(frozen=True, kw_only=True)
class Nemo(Local):
    """Drop documents that NeMo Curator's heuristics for English web text drop, repetition apart.

    Limits are inclusive. RecipeError where a least is above its most. Source of all: NeMo Curator 1.4,
    heuristic_filter_english_pipeline.yaml and the defaults of its filters.
    """

    max_symbol_char_share: float = 0.25  # other than ASCII letters, digits, line feeds and ?!,.
    max_symbol_word_ratio: float = 0.1
    max_digit_share: float = 0.15
    max_url_char_share: float = 0.2
    max_white_space_share: float = 0.25
    max_bracket_share: float = 0.1
    max_boilerplate_paragraph_share: float = 0.4
    min_words: int = 50
    max_words: int = 100_000
    max_unclosed_line_share: float = 0.85
    min_alphabetic_word_share: float = 0.8
    min_stop_words: int = 2  # occurrences, in lower case
    min_mean_word_length: float = 3  # code points
    max_mean_word_length: float = 10
    max_longest_word: int = 1_000  # code points
    max_ellipsis_line_share: float = 0.3
    max_bullet_line_share: float = 0.9
    max_porn_urls: int = 0

    name = "nemo"
    reads = (TEXT, WORDS)

    def __post_init__(self) -> None:
        _ = self.rules  # a rule that nothing meets is refused while the recipe is read

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The table, in the pipeline's order: the first that fails is the reason. URLs come last."""
        return (
            Rule("nemo_symbol_char_share", high=self.max_symbol_char_share),
            Rule("nemo_symbol_word_ratio", high=self.max_symbol_word_ratio),
            Rule("digit_share", high=self.max_digit_share),
            Rule("url_char_share", high=self.max_url_char_share),
            Rule("nemo_white_space_share", high=self.max_white_space_share),
            Rule("bracket_share", high=self.max_bracket_share),
            Rule("boilerplate_paragraph_share", high=self.max_boilerplate_paragraph_share),
            Rule("nemo_words", self.min_words, self.max_words),
            Rule("nemo_unclosed_line_share", high=self.max_unclosed_line_share),
            Rule("nemo_alphabetic_word_share", low=self.min_alphabetic_word_share),
            Rule("nemo_stop_words", low=self.min_stop_words),
            Rule("nemo_mean_word_length", self.min_mean_word_length, self.max_mean_word_length),
            Rule("nemo_longest_word", high=self.max_longest_word),
            Rule("nemo_ellipsis_line_share", high=self.max_ellipsis_line_share),
            Rule("nemo_bullet_line_share", high=self.max_bullet_line_share),
            Rule("porn_urls", high=self.max_porn_urls),
        )

    @property
    def adds(self) -> Mapping[str, Column]:
        """A column a measure."""
        return laid(self.rules)

    def annotate(self, batch: Batch) -> Columns:
        """The measures, and the first rule that a document breaks."""
        return judge(batch, self.rules)
