"""FineWeb's own quality rules: Penedo et al. 2024, "The FineWeb Datasets", section 3.6 and appendix.

They look for lists, tables of links and text that is repeated line by line, and run behind Gopher's and C4's rules.
The report gives 0.1 for the share of characters in copied lines, datatrove's code has 0.01 by default: `dialect`
decides, as it does for what a word is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from corpus.documents import TEXT, Batch, Columns
from stages.base import WORDS, Column, Local
from stages.rules import Rule, judge, laid

DATATROVE_REASONS: Mapping[str, str] = {
    "shown_lines": "empty",
    "terminal_line_share": "line_punct_ratio",
    "short_line_share": "short_line_ratio",
    "copied_line_char_share": "char_dup_ratio",
    "datatrove_newline_word_ratio": "list_ratio",
}
"""Our reasons in the datatrove dialect, and what datatrove 0.10.1 calls them; in its order."""

_COPIED = {"paper": 0.1, "datatrove": 0.01}


@dataclass(frozen=True, kw_only=True)
class FineWeb(Local):
    """Drop documents whose lines end in no punctuation, are short, are copies, or are many for their words.

    Limits are inclusive. max_copied_line_char_share None: 0.1 (paper) or 0.01 (datatrove).
    """

    dialect: Literal["paper", "datatrove"] = "paper"
    min_terminal_line_share: float = 0.12
    max_short_line_share: float = 0.67
    max_copied_line_char_share: float | None = None
    max_newline_word_ratio: float = 0.3

    name = "fineweb"

    def __post_init__(self) -> None:
        _ = self.rules  # a rule that nothing meets is refused while the recipe is read

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # a dialect may split in its own way
        """Text, and words where the dialect counts ours."""
        return (TEXT, WORDS) if self.dialect == "paper" else (TEXT,)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The table in datatrove's order: the first that fails is the reason."""
        copied = self.max_copied_line_char_share
        ratio = "newline_word_ratio" if self.dialect == "paper" else "datatrove_newline_word_ratio"
        return (
            Rule("shown_lines", low=1),
            Rule("terminal_line_share", low=self.min_terminal_line_share),
            Rule("short_line_share", high=self.max_short_line_share),
            Rule("copied_line_char_share", high=_COPIED[self.dialect] if copied is None else copied),
            Rule(ratio, high=self.max_newline_word_ratio),
        )

    @property
    def adds(self) -> Mapping[str, Column]:
        """The five measures."""
        return laid(self.rules)

    def annotate(self, batch: Batch) -> Columns:
        """The five measures, and the first rule that a document breaks."""
        return judge(batch, self.rules)
