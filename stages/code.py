"""Rules for source files: StarCoder2's (Lozhkov et al. 2024, 2.1) and its predecessors'.

The published rules know each file's language; these look at the text alone, so the exceptions are settings: for HTML,
JSON, Markdown, TeX and XML StarCoder2 lets lines be 100,000 characters long and asks no mean; of JSON, YAML and other
data it keeps files of at most 512 lines. Files that go-enry's rules by name or content call generated are not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from corpus.documents import TEXT, Batch, Columns
from stages.base import WORDS, Column, Local
from stages.rules import Rule, judge, laid


@dataclass(frozen=True, kw_only=True)
class Code(Local):
    """Drop source files that are generated, packed, data or bytes written as text.

    Limits are inclusive. RecipeError where a least is above its most.
    """

    max_lines: int = 100_000
    max_mean_line_length: float = 100  # code points, StarCoder2
    max_longest_line: int = 1_000  # code points, StarCoder2
    max_generated_marks: int = 0  # in the first five lines, StarCoder2
    min_alphabetic_char_share: float = 0.25  # StarCoder2; assembly has fewer letters
    min_alphanumeric_char_share: float = 0.25  # StarCoder
    max_longest_encoded_run: int = 1_024  # characters, StarCoder2
    max_encoded_char_share: float = 0.5  # StarCoder2
    max_xml_headers: int = 0  # StarCoder, but for XSLT
    max_data_line_share: float = 0.5  # ours: tables of numbers
    min_comment_char_share: float = 0.0  # SantaCoder asked 0.01
    max_comment_char_share: float = 0.8  # SantaCoder

    min_letters_per_word: float = 0.0  # RedPajama-V1 and CodeParrot asked 1.5, of tokens

    name = "code"
    version = 2
    reads = (TEXT, WORDS)

    def __post_init__(self) -> None:
        _ = self.rules  # a rule that nothing meets is refused while the recipe is read

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The table, in the paper's order, then its predecessors' and ours: the first that fails is the reason."""
        return (
            Rule("code_lines", high=self.max_lines),
            Rule("mean_line_length", high=self.max_mean_line_length),
            Rule("longest_line", high=self.max_longest_line),
            Rule("generated_marks", high=self.max_generated_marks),
            Rule("alphabetic_char_share", low=self.min_alphabetic_char_share),
            Rule("alphanumeric_char_share", low=self.min_alphanumeric_char_share),
            Rule("longest_encoded_run", high=self.max_longest_encoded_run),
            Rule("encoded_char_share", high=self.max_encoded_char_share),
            Rule("xml_header", high=self.max_xml_headers),
            Rule("data_line_share", high=self.max_data_line_share),
            Rule("comment_char_share", self.min_comment_char_share, self.max_comment_char_share),
            Rule("letters_per_word", low=self.min_letters_per_word),
        )

    @property
    def adds(self) -> Mapping[str, Column]:
        """A column a measure."""
        return laid(self.rules)

    def annotate(self, batch: Batch) -> Columns:
        """The measures, and the first rule that a document breaks."""
        return judge(batch, self.rules)
