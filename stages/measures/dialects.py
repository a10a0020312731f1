"""Gopher's quality measures as four implementations read them; field by field, what each counts.

datatrove counts spaCy's tokens, DCLM runs between white space for all but the number of words, Dolma and NeMo
runs between white space throughout. Bullets, ellipses, lines and stop words differ too.
"""

from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa

from corpus.documents import Batch
from stages.measures.base import Measure, Rows, once, per
from stages.measures.marks import marks
from stages.measures.segments import Shapes, newline_lines, python_lines, shapes
from stages.measures.tokens import ascii_chunks, listed, units
from stages.measures.words import STOP_WORDS, different, longest, medians
from stages.splitting import Kind, tokens

NEMO_BULLETS = "•‣⁃⁌⁍∙○●◘◦⦾⦿"
_DATATROVE = "datatrove 0.10.1, GopherQualityFilter"
_DCLM = "Li et al. 2024 (DCLM), content_filters.py"
_DOLMA = "Soldaini et al. 2024 (Dolma), gopher_v1"
_NEMO = "NeMo Curator 1.4, heuristic filters"


@once
def datatrove_lines(batch: Batch) -> Shapes:
    """splitlines(), blank ones too; bullets • and -; white space at the ends does not count."""
    return shapes(batch, python_lines(batch), "•-", ("...", "…"))


@once
def dclm_lines(batch: Batch) -> Shapes:
    """split at line feeds, without blank ones; bullets ●•*-; `. . .` is an ellipsis too."""
    return shapes(batch, newline_lines(batch), "●•*-", ("...", ". . .", "…"), skip_blank=True)


@once
def dolma_lines(batch: Batch) -> Shapes:
    """split at line feeds, blank ones too; bullets * and - in the first place; U+2026 in the last."""
    return shapes(batch, newline_lines(batch), "*-", ("…",), strip=False)


@once
def nemo_lines(batch: Batch) -> Shapes:
    """split at line feeds, without blank ones; twelve bullets, neither * nor -; `read more` is an ellipsis."""
    endings = ("...", "[...]", "…", "(...)", "[…]", "-»", "read more..", "read more")
    return shapes(batch, newline_lines(batch), NEMO_BULLETS, endings, (".", "?", "!", '"', "'"), skip_blank=True)


def stop_words(batch: Batch, dialect: str, words: Iterable[str]) -> np.ndarray:
    """How many stop words of a list each document holds, as a dialect counts them: int64 [N].

    paper: different words, whatever their case; datatrove: different tokens, byte for byte; dclm: occurrences,
    whatever their case; dolma and nemo: occurrences, byte for byte. Neither finds `the,` between white space.
    """
    if dialect == "paper":
        return different(batch, words)
    if dialect == "datatrove":
        return listed(batch, "spacy", words).different
    return listed(batch, "whitespace", words, fold=dialect == "dclm").occurrences


_LISTED = ", ".join(STOP_WORDS)
_SHARE_OF = {"bulleted": "that start with a bullet", "ended": "that end with an ellipsis"}


def _line_share(lines: Callable[[Batch], Shapes], name: str, which: str, source: str) -> Measure:
    return Measure(
        lambda batch: per(getattr(lines(batch), name), lines(batch).counted),
        f"share of {which} {_SHARE_OF[name]}, 0 to 1",
        source,
    )


def _mean_length(source: str) -> Measure:
    return Measure(
        lambda batch: per(units(batch, "whitespace").chars, units(batch, "whitespace").all),
        "code points per run between white space",
        source,
    )


def _alphabetic_share(kind: Kind, unit: str, source: str) -> Measure:
    return Measure(
        lambda batch: per(units(batch, kind).alphabetic, units(batch, kind).all),
        f"share of {unit} with a letter, 0 to 1",
        source,
    )


def _stop_words(dialect: str, what: str, source: str) -> Measure:
    return Measure(lambda batch: stop_words(batch, dialect, STOP_WORDS), f"{what}: {_LISTED}", source, pa.int64())


def _runs(source: str) -> Measure:
    return Measure(lambda batch: units(batch, "whitespace").all, "runs between white space", source, pa.int64())


_RUNS = "runs between white space"

_OF_DATATROVE: Rows = {
    "datatrove_words": Measure(
        lambda batch: units(batch, "spacy").worded,
        "spaCy tokens with a character that is not in datatrove's list of punctuation",
        _DATATROVE,
        pa.int64(),
    ),
    "datatrove_mean_word_length": Measure(
        lambda batch: per(units(batch, "spacy").worded_chars, units(batch, "spacy").worded),
        "code points per such token",
        _DATATROVE,
    ),
    "datatrove_hash_word_ratio": Measure(
        lambda batch: per(marks(batch).hash_signs, units(batch, "spacy").all),
        "hash signs (#) per spaCy token, punctuation too",
        _DATATROVE,
    ),
    "datatrove_ellipsis_word_ratio": Measure(
        lambda batch: per(marks(batch).ellipses, units(batch, "spacy").all),
        "ellipses (... or U+2026) per spaCy token, punctuation too",
        _DATATROVE,
    ),
    "datatrove_bullet_line_share": _line_share(
        datatrove_lines, "bulleted", "lines of splitlines(), blank ones too,", _DATATROVE
    ),
    "datatrove_ellipsis_line_share": _line_share(
        datatrove_lines, "ended", "lines of splitlines(), blank ones too,", _DATATROVE
    ),
    "datatrove_alphabetic_word_share": _alphabetic_share("spacy", "spaCy tokens, punctuation too,", _DATATROVE),
    "datatrove_stop_words": _stop_words("datatrove", "how many different ones, in this case, of", _DATATROVE),
}

_OF_DCLM: Rows = {
    "dclm_words": Measure(
        ascii_chunks, "runs between ASCII white space that start with a letter or number", _DCLM, pa.int64()
    ),
    "dclm_mean_word_length": _mean_length(_DCLM),
    "dclm_symbol_word_ratio": Measure(
        lambda batch: per(
            marks(batch).hash_signs + marks(batch).ellipses + marks(batch).spaced, units(batch, "whitespace").all
        ),
        f"hash signs and ellipses (..., . . ., U+2026) per {_RUNS[:-1]}",
        _DCLM,
    ),
    "dclm_bullet_line_share": _line_share(dclm_lines, "bulleted", "lines that are not blank", _DCLM),
    "dclm_ellipsis_line_share": _line_share(dclm_lines, "ended", "lines that are not blank", _DCLM),
    "dclm_alphabetic_word_share": _alphabetic_share("whitespace", _RUNS, _DCLM),
    "dclm_stop_words": _stop_words("dclm", f"{_RUNS} that are, whatever their case, one of", _DCLM),
}

_OF_DOLMA: Rows = {
    "dolma_words": _runs(_DOLMA),
    "dolma_median_word_length": Measure(
        lambda batch: medians(tokens(batch, "whitespace").first, units(batch, "whitespace").lengths),
        "median of the code points of a run between white space",
        _DOLMA,
    ),
    "dolma_symbol_word_ratio": Measure(
        lambda batch: per(units(batch, "whitespace").symbols, units(batch, "whitespace").all),
        f"{_RUNS} with a hash sign or U+2026 per run",
        _DOLMA,
    ),
    "dolma_alphabetic_word_share": _alphabetic_share("whitespace", _RUNS, _DOLMA),
    "dolma_stop_words": _stop_words("dolma", f"{_RUNS} that are, in this case, one of", _DOLMA),
    "dolma_bullet_line_share": _line_share(dolma_lines, "bulleted", "lines, blank ones too,", _DOLMA),
    "dolma_ellipsis_line_share": _line_share(dolma_lines, "ended", "lines, blank ones too,", _DOLMA),
}

_OF_NEMO: Rows = {
    "nemo_words": _runs(_NEMO),
    "nemo_mean_word_length": _mean_length(_NEMO),
    "nemo_longest_word": Measure(
        lambda batch: longest(tokens(batch, "whitespace").first, units(batch, "whitespace").lengths),
        "code points of the longest run between white space",
        _NEMO,
        pa.int64(),
    ),
    "nemo_symbol_word_ratio": Measure(
        lambda batch: per(units(batch, "whitespace").marks, units(batch, "whitespace").all),
        f"{_RUNS} that are an ellipsis or hold more runs of # than half their length, per run",
        _NEMO,
    ),
    "nemo_bullet_line_share": _line_share(nemo_lines, "bulleted", "lines that are not blank", _NEMO),
    "nemo_ellipsis_line_share": _line_share(nemo_lines, "ended", "lines that are not blank", _NEMO),
    "nemo_unclosed_line_share": Measure(
        lambda batch: per(nemo_lines(batch).counted - nemo_lines(batch).closed, nemo_lines(batch).counted),
        "share of lines that are not blank without one of . ? ! \" ' at their end, 0 to 1",
        _NEMO,
    ),
    "nemo_alphabetic_word_share": _alphabetic_share("whitespace", _RUNS, _NEMO),
    "nemo_stop_words": _stop_words("nemo", f"{_RUNS} that are, in this case, one of", _NEMO),
}

ROWS: Rows = _OF_DATATROVE | _OF_DCLM | _OF_DOLMA | _OF_NEMO
