"""Text as it was meant: mojibake, line ends, controls, zero-width characters, white space, composed form (NFC).

One walk over the bytes says which documents may need which repair; the others cost no more than that. A repair may
lay another bare (a control inside mojibake), so repairs go round until a document stays as it is. Spans say where
the text before differed; that text lies where it lay, so every repair can be looked up and taken back.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.buffers import bounds, utf8
from corpus.documents import TEXT, Batch, Columns
from corpus.edits import SPANS, Spans, cut, recorded
from corpus.errors import RecipeError
from stages import mojibake, normal_form
from stages.base import Column, Local
from stages.line_edits import composed
from stages.repair_characters import (
    BY,
    CONTROL,
    LINE_END,
    MOJIBAKE,
    NFC,
    WHITE_SPACE,
    ZERO_WIDTH,
    repaired,
    suspicions,
    tables,
)

_COLUMNS = (
    ("mojibake_repairs", "parts of lines that were mended from a wrong encoding"),
    ("line_end_repairs", "line ends that became \\n"),
    ("control_repairs", "control characters taken out"),
    ("zero_width_repairs", "zero-width and direction characters taken out"),
    ("white_space_repairs", "runs of white space cut or made plain"),
    ("nfc_repairs", "characters that were composed as NFC has them"),
)
_ROUNDS = 10  # two were the most that any text of ours took


@dataclass(frozen=True, kw_only=True)
class Repair(Local):
    """Repair characters and white space; documents stay, and their text as it was lies beside the new one."""

    mojibake: bool = True
    line_ends: bool = True
    controls: bool = True
    zero_width: bool = True
    white_space: bool = True
    nfc: bool = True

    name = "repair"
    rewrites = True

    def __post_init__(self) -> None:
        if not self._kinds:
            raise RecipeError("repair: every kind is switched off; switch one on, or take the stage out")

    @property
    def adds(self) -> Mapping[str, Column]:
        """How many repairs of each kind, and where."""
        counts = {name: Column(pa.int64(), meaning) for name, meaning in _COLUMNS}
        return counts | {"repair_spans": Column(SPANS, "what was replaced or taken out, bytes of the text before")}

    @property
    def _kinds(self) -> int:
        asked = (self.mojibake, self.line_ends, self.controls, self.zero_width, self.white_space, self.nfc)
        return sum(kind for kind, on in zip((1, 2, 4, 8, 16, 32), asked, strict=True) if on)

    def annotate(self, batch: Batch) -> Columns:
        """Repairs by kind, the new text where there was one to make, and where it differs."""
        flags = suspicions(*batch.utf8, tables(self._kinds))
        rows = np.flatnonzero(flags)
        text, spans, counts = _repaired(batch.text.take(pa.array(rows)), flags[rows], self._kinds)
        place = np.full(len(batch), -1)
        place[rows] = np.where(np.diff(spans.first) > 0, np.arange(len(rows)), -1)
        sizes, all_counts = np.zeros(len(batch), np.int64), np.zeros((len(_COLUMNS), len(batch)), np.int64)
        sizes[rows], all_counts[:, rows] = np.diff(spans.first), counts
        columns: Columns = {name: pa.array(all_counts[row]) for row, (name, _) in enumerate(_COLUMNS)}
        columns["repair_spans"] = recorded(Spans(bounds(sizes), spans.starts, spans.ends))
        return columns | {TEXT: text.take(pa.array(place, mask=place < 0))}


def _repaired(text: pa.Array, flags: np.ndarray, kinds: int) -> tuple[pa.Array, Spans, np.ndarray]:
    """Texts repaired, where they differ from those given, and repairs by kind (int64 [6, N])."""
    counts = np.zeros((len(_COLUMNS), len(text)), np.int64)
    spans, sizes = Spans(np.zeros(len(text) + 1, np.int64), *np.zeros((2, 0), np.int64)), np.zeros(0, np.int64)
    for _ in range(_ROUNDS):
        changed = np.zeros(len(text), np.bool_)
        for kind in (MOJIBAKE, kinds & (LINE_END | CONTROL | ZERO_WIDTH), WHITE_SPACE, NFC):
            if not (flags & kind).any():
                continue
            more, by, which = _found(text, kind, flags, counts)
            text = pc.coalesce(cut(text, more, by, which), text)
            spans, sizes = composed(spans, sizes, more, np.array([len(piece) for piece in by], np.int64)[which])
            changed |= np.diff(more.first) > 0
        if not changed.any():
            break
        flags = np.where(changed, suspicions(*utf8(text), tables(kinds)), 0)
    return text, spans, counts


def _found(text: pa.Array, kind: int, flags: np.ndarray, counts: np.ndarray) -> tuple[Spans, list[bytes], np.ndarray]:
    """The spans of one kind of repair, the pieces that replace them, and which replaces each."""
    if kind not in (MOJIBAKE, NFC):
        spans, which = repaired(*utf8(text), kind, flags, counts)
        return spans, list(BY), which
    find = mojibake.mended if kind == MOJIBAKE else normal_form.composed_form
    spans, pieces = find(text, (flags & kind) != 0)
    counts[0 if kind == MOJIBAKE else 5] += np.diff(spans.first)
    return spans, pieces or [b""], np.arange(len(pieces))
