"""The fast engine: blocks that the trees take for main text, and how sure they are of the page.

90 to 115 MB/s a core from bytes to text (scripts/bench_extract.py), in this process: the walk, the signals and the
trees are linear in the page, so no limit but that on its size is needed.
"""

from typing import NamedTuple

import numpy as np

from stages.extraction import tags as t
from stages.extraction.rendering import rendered
from stages.extraction.signals import signals
from stages.extraction.trees import logits
from stages.extraction.walk import END, FLAG_BITS, START, Page

LEAST = 0.0  # log odds from which a block is kept
UNSURE = 1.5  # log odds nearer to LEAST than this are a guess


class Extracted(NamedTuple):
    """The text of a page and the doubt about it."""

    text: str
    doubt: float  # bytes of blocks that are a guess, over bytes that are kept; above 1 where little is kept


def extracted(page: Page, markdown: bool = False) -> Extracted:
    """Main text by the trees; a page of which nothing is kept has doubt infinity."""
    if not len(page.blocks):
        return Extracted("", 0.0)
    odds = logits(signals(page.text, page.blocks, page.parents))
    sizes = page.blocks[:, END] - page.blocks[:, START]
    kept = odds > LEAST
    guessed = float(sizes[np.abs(odds - LEAST) < UNSURE].sum())
    mass = float(sizes[kept].sum())
    return Extracted(rendered(page, kept, markdown), guessed / mass if mass else np.inf)


def plain(page: Page, markdown: bool = False) -> str:
    """All text of a page that is shown; of a page that hides all, what it hides."""
    shown = page.blocks[:, FLAG_BITS] & t.HIDDEN == 0
    return rendered(page, shown if shown.any() else np.ones(len(shown), np.bool_), markdown)
