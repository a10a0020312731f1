"""The quality rules of Gopher: Rae et al. 2021, "Scaling Language Models", appendix A1.1.

The paper keeps a document if all hold. Known implementations differ in what a word is, in bullets, in the
ellipsis and in whether stop words count once; `dialect` names the reading, and there is the paper's only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from corpus.documents import TEXT, Batch, Columns
from stages.base import WORDS, Column, Local
from stages.rules import Rule, judge, laid


@dataclass(frozen=True, kw_only=True)
class GopherQuality(Local):
    """Drop documents that do not read like prose: too short, too many symbols, lists, no stop words.

    Limits are inclusive. RecipeError where a least is above its most.
    """

    dialect: Literal["paper"] = "paper"
    min_words: int = 50
    max_words: int = 100_000
    min_mean_word_length: float = 3  # code points
    max_mean_word_length: float = 10
    max_hash_word_ratio: float = 0.1
    max_ellipsis_word_ratio: float = 0.1
    max_bullet_line_share: float = 0.9
    max_ellipsis_line_share: float = 0.3
    min_alphabetic_word_share: float = 0.8
    min_stop_words: int = 2  # different ones of the eight in stages/measures.py

    name = "gopher_quality"
    reads = (TEXT, WORDS)

    def __post_init__(self) -> None:
        _ = self.rules  # a rule that nothing meets is refused while the recipe is read

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The table, in the paper's order: the first that fails is the reason."""
        return (
            Rule("words", self.min_words, self.max_words),
            Rule("mean_word_length", self.min_mean_word_length, self.max_mean_word_length),
            Rule("hash_word_ratio", high=self.max_hash_word_ratio),
            Rule("ellipsis_word_ratio", high=self.max_ellipsis_word_ratio),
            Rule("bullet_line_share", high=self.max_bullet_line_share),
            Rule("ellipsis_line_share", high=self.max_ellipsis_line_share),
            Rule("alphabetic_word_share", low=self.min_alphabetic_word_share),
            Rule("stop_words", low=self.min_stop_words),
        )

    @property
    def adds(self) -> Mapping[str, Column]:
        """The eight measures."""
        return laid(self.rules)

    def annotate(self, batch: Batch) -> Columns:
        """The eight measures, and the first rule that a document breaks."""
        return judge(batch, self.rules)
