"""RefinedWeb's corrections by line: menus, counters and buttons go, and pages of which too much went.

Penedo et al. 2023 (appendix G.2) gives the rules with an example each; the one published code is DCLM's
(dclm_baseline_refinedweb.yaml, Li et al. 2024), which these follow. In turn over all lines: mostly upper case;
nothing but digits; a counter ("3 likes"); a single word; then, in lines of up to ten words, "items in cart" is cut
anywhere, "Read more..." at the end, "Sign-in" at the start, and a line that is empty thereby goes. Lines end at \\n;
words of a line are `str.split`'s. White space at the ends of the text goes after each turn but that of single words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from corpus.buffers import bounds
from corpus.documents import DROP, TEXT, VALUE, Batch, Columns
from corpus.edits import SPANS, cut, recorded
from stages.base import WORDS, Column, Local
from stages.line_edits import BREAKS, between, lines, reasons
from stages.measures import count, per
from stages.refinedweb_lines import edited, within

_COLUMNS = (
    ("upper_case_lines", "lines taken out as mostly upper case"),
    ("numeric_lines", "lines taken out as nothing but digits"),
    ("counter_lines", 'lines taken out as counters ("3 likes")'),
    ("one_word_lines", "lines taken out for too few words"),
    ("edited_lines", "cuts of words for buttons (cart, read more, sign-in); one may empty its line"),
)


@dataclass(frozen=True, kw_only=True)
class RefinedWeb(Local):
    """Cut lines that are no text; drop documents of which more than `max_removed_share` of the words went.

    Reason: `removed_word_share`, which is 1 where nothing is left. dialect: in "paper" all words of a line that is
    cut or edited count as removed, and the three dots of "Read more..." are dots; in "dclm" words that went count,
    and the dots are any three characters, for DCLM reads them as a regular expression.
    """

    dialect: Literal["paper", "dclm"] = "dclm"
    max_upper_case_share: float = 0.5  # of a line's code points
    max_digit_share: float = 0.999999  # of a line's code points
    min_words_per_line: int = 2
    max_words_edited: int = 10  # lines with more words keep their buttons
    max_removed_share: float = 0.05  # of the document's words

    name = "refinedweb"
    reads = (TEXT, WORDS)
    rewrites = True

    @property
    def adds(self) -> Mapping[str, Column]:
        """Lines taken out or edited by rule, the share of words that went, and where they lay."""
        counts = {name: Column(pa.int64(), meaning) for name, meaning in _COLUMNS}
        share = Column(pa.float64(), "share of the words that was taken out, 0 to 1")
        return counts | {
            "removed_word_share": share,
            "refinedweb_spans": Column(SPANS, "what was taken out, bytes of the text before"),
        }

    def annotate(self, batch: Batch) -> Columns:
        """Counts by rule, the share of words removed, and the new text of documents that stay."""
        found = lines(batch, "newline")
        shares = (self.max_upper_case_share, self.max_digit_share)
        dclm = self.dialect == "dclm"
        limits = (*shares, self.min_words_per_line, self.max_words_edited, dclm)
        pieces, touched, counts = edited(batch, found, limits)
        words = (batch.words.first, batch.words.starts)
        flagged = (bounds(touched)[found.first], found.starts[touched], found.ends[touched])
        gone = count(batch) - within(*words, *pieces[:3]) if dclm else within(*words, *flagged)
        share = np.where(count(batch) == gone, 1.0, per(gone, count(batch)))
        stays = share <= self.max_removed_share
        spans, which = between(batch, pieces, stays)
        verdict = {DROP: reasons(("removed_word_share",), np.where(stays, -1, 0)), VALUE: pa.array(share, mask=stays)}
        laid = {name: pa.array(counts[row]) for row, (name, _) in enumerate(_COLUMNS)}
        laid |= {"removed_word_share": pa.array(share), "refinedweb_spans": recorded(spans)}
        return verdict | laid | {TEXT: cut(batch.text, spans, BREAKS, which)}
