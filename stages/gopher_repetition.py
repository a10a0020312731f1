"""The repetition rules of Gopher: Rae et al. 2021, "Scaling Language Models", appendix A1.1 and table A1.

Text that says the same again and again: lines, paragraphs, short n-grams, long n-grams. What counts as a copy,
and of what characters the share is taken, the paper leaves open; `dialect` names the reading
(stages/measures/repetition.py tells them apart).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from corpus.documents import TEXT, Batch, Columns
from stages.base import WORDS, Column, Local
from stages.measures.repetition import named
from stages.rules import Rule, judge, laid

DATATROVE_REASONS: Mapping[str, str] = {
    "datatrove_characters": "empty",
    "datatrove_duplicate_paragraph_share": "dup_para_frac",
    "datatrove_duplicate_paragraph_char_share": "dup_para_char_frac",
    "datatrove_duplicate_line_share": "dup_line_frac",
    "datatrove_duplicate_line_char_share": "dup_line_char_frac",
    **{f"datatrove_top_{n}gram_char_share": f"top_{n}_gram" for n in (2, 3, 4)},
    **{f"datatrove_duplicate_{n}gram_char_share": f"duplicated_{n}_n_grams" for n in range(5, 11)},
}
"""Our reasons in the datatrove dialect, and what datatrove 0.10.1 calls them; in its order."""


@dataclass(frozen=True, kw_only=True)
class GopherRepetition(Local):
    """Drop documents that repeat lines, paragraphs or runs of words.

    Limits are inclusive. RecipeError where a limit is not a number.
    """

    dialect: Literal["paper", "datatrove", "dclm", "dolma", "nemo"] = "paper"
    max_duplicate_line_share: float = 0.3
    max_duplicate_paragraph_share: float = 0.3
    max_duplicate_line_char_share: float = 0.2  # Dolma's own mixes ask 0.3
    max_duplicate_paragraph_char_share: float = 0.2
    max_top_2gram_char_share: float = 0.2
    max_top_3gram_char_share: float = 0.18
    max_top_4gram_char_share: float = 0.16
    max_duplicate_5gram_char_share: float = 0.15
    max_duplicate_6gram_char_share: float = 0.14
    max_duplicate_7gram_char_share: float = 0.13
    max_duplicate_8gram_char_share: float = 0.12
    max_duplicate_9gram_char_share: float = 0.11
    max_duplicate_10gram_char_share: float = 0.1

    name = "gopher_repetition"

    def __post_init__(self) -> None:
        _ = self.rules  # a rule that nothing meets is refused while the recipe is read

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # a dialect may split in its own way
        """Text, and words where the dialect counts ours."""
        return (TEXT, WORDS) if self.dialect in ("paper", "dclm") else (TEXT,)

    @cached_property  # asked for three times a batch; 70 rules made anew were 4 % of four filters
    def rules(self) -> tuple[Rule, ...]:
        """The table in the dialect's order: the first that fails is the reason."""
        units = ("line",) if self.dialect == "dolma" else ("line", "paragraph")
        segments = tuple(f"duplicate_{unit}{chars}_share" for chars in ("", "_char") for unit in units)
        first: tuple[Rule, ...] = ()
        if self.dialect == "datatrove":
            first = (Rule("datatrove_characters", low=1),)
            segments = tuple(f"duplicate_{unit}{chars}_share" for unit in units[::-1] for chars in ("", "_char"))
        elif self.dialect == "nemo":
            segments = tuple(f"duplicate_{unit}{chars}_share" for unit in units for chars in ("", "_char"))
        tops = tuple(f"top_{n}gram_char_share" for n in (2, 3, 4))
        duplicates = tuple(f"duplicate_{n}gram_char_share" for n in range(5, 11))
        limits = [(name, getattr(self, f"max_{name}")) for name in (*segments, *tops, *duplicates)]
        return first + tuple(Rule(named(self.dialect, name), high=limit) for name, limit in limits)

    @property
    def adds(self) -> Mapping[str, Column]:
        """Thirteen measures: two of lines and two of paragraphs (Dolma has none of these), nine of n-grams."""
        return laid(self.rules)

    def annotate(self, batch: Batch) -> Columns:
        """The measures, and the first rule that a document breaks."""
        return judge(batch, self.rules)
