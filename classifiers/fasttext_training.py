"""fastText models trained from labelled texts: the same texts, settings and seed give the same bytes.

Defaults are DCLM's (Li et al. 2024, section 4.4 and appendix): word bigrams, learning rate 0.1, 100 dimensions, 5
epochs, every word counts. One thread, because fastText's threads race on the weights. Nothing depends on the order in
which texts come: equal texts count once, the order in training and the side of the hold-out go by a text's hash.

Trained by floret (MIT), fastText with an option not used here; classifiers/floret_models.py makes its file fastText's.
"""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from classifiers.fasttext_model import LABEL, Model, read
from classifiers.floret_models import standard
from corpus.buffers import lengths
from corpus.documents import digests, halves
from corpus.errors import RecipeError
from corpus.hashing import combine, mix64
from corpus.storage import whole

_SPACE = rb" \t\n\v\f\r\0"
_END = re.compile(rb"(?<![^%b])</s>(?![^%b])" % (_SPACE, _SPACE))
_LABELS = re.compile(rb"(?<![^%b])__label__[^%b]*" % (_SPACE, _SPACE))
_HEAD = 60  # bytes that `standard` looks at
_BLOCK = 1 << 22  # bytes copied at a time
TRAIN, CALIBRATION, METRICS = 0, 1, 2
"""Parts of a split."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a model is trained; the defaults are DCLM's, and fastText's where DCLM says nothing (buckets)."""

    word_ngrams: int = 2
    rate: float = 0.1
    dim: int = 100
    epochs: int = 5
    min_count: int = 1
    buckets: int = 2_000_000  # of n-grams; a row each, so 400 bytes of the file at 100 dimensions
    seed: int = 42

    def __post_init__(self) -> None:
        counts = {name: value for name, value in asdict(self).items() if name not in ("rate", "seed")}
        wrong = [name for name, value in counts.items() if value < 1]
        if wrong or not 0 < self.rate < 100 or not 0 <= self.seed < 2**31:
            what = f"{wrong[0]} {counts[wrong[0]]:,}" if wrong else f"rate {self.rate:g} and seed {self.seed:,}"
            raise RecipeError(f"training: {what}; counts are 1 or more, a rate above 0, a seed 0 or more")


class Left(NamedTuple):
    """Texts that did not become examples."""

    empty: int  # nothing but white space, or without a label
    copies: int  # of a text that is there already, under the same label
    contradicted: int  # under several labels: all of them are left out


class Examples(NamedTuple):
    """Labelled texts, each once, in the order of their hash."""

    text: pa.Array  # large_string [N]
    label: np.ndarray  # int64 [N], places in `labels`
    labels: tuple[str, ...]
    key: np.ndarray  # uint64 [N], of the text
    group: np.ndarray  # uint64 [N], of what must stay on one side: the text itself, or its group

    def where(self, mask: np.ndarray) -> "Examples":
        """Those that a mask keeps."""
        return self._replace(
            text=self.text.filter(pa.array(mask)), label=self.label[mask], key=self.key[mask], group=self.group[mask]
        )

    def counts(self) -> dict[str, int]:
        """How many there are of each label."""
        return dict(zip(self.labels, np.bincount(self.label, minlength=len(self.labels)).tolist(), strict=True))

    def fingerprint(self) -> str:
        """BLAKE2b-128 over texts and labels, whatever order they came in; hexadecimal."""
        digest = hashlib.blake2b("\n".join(self.labels).encode(), digest_size=16)
        digest.update(
            np.stack([*halves(digests(self.text)), self.label.astype(np.uint64)], axis=1).astype("<u8").tobytes()
        )
        return digest.hexdigest()


def examples(
    text: pa.Array, label: pa.Array, labels: Sequence[str], group: pa.Array | None = None
) -> tuple[Examples, Left]:
    """Examples of these labels, and how many texts became none.

    text: large_string [N]; label: string [N], one of `labels` or null; group: string [N], null is the text itself.
    RecipeError where a label has no example, cannot be a label's name, or is none of `labels`.
    """
    names = _named(labels)
    strange = pa.compute.unique(label).drop_null().to_pylist()
    if strange := sorted(set(strange) - set(names)):
        raise RecipeError(f"examples: label {strange[0]!r}, where there are: {', '.join(names)}")
    filled = (lengths(pa.compute.utf8_trim_whitespace(text)) > 0) & label.is_valid().to_numpy(zero_copy_only=False)
    text, label = text.filter(pa.array(filled)), label.filter(pa.array(filled))
    number = pa.compute.index_in(label, pa.array(names, label.type)).to_numpy(zero_copy_only=False).astype(np.int64)
    high, low = halves(digests(text))
    within = _groups(group.filter(pa.array(filled)), high) if group is not None else high
    order = np.lexsort((within, number, low, high))
    high, low, number, within = high[order], low[order], number[order], within[order]
    first = np.r_[True, (high[1:] != high[:-1]) | (low[1:] != low[:-1])][: len(high)]
    which = np.cumsum(first) - 1
    torn = (np.minimum.reduceat(number, np.flatnonzero(first)) != np.maximum.reduceat(number, np.flatnonzero(first)))[
        which
    ] if len(number) else first  # fmt: skip
    one = first & ~torn
    left = Left(int((~filled).sum()), int((~first & ~torn).sum()), int(torn.sum()))
    made = Examples(text.take(pa.array(order[one])), number[one], names, high[one], within[one])
    missing = [name for name, count in made.counts().items() if count == 0]
    if missing:
        raise RecipeError(
            f"examples: label {missing[0]!r} has none ({left.empty:,} texts were empty or without a label, "
            f"{left.contradicted:,} stood under several labels). Give texts for every label."
        )
    return made, left


def _named(labels: Sequence[str]) -> tuple[str, ...]:
    odd = [name for name in labels if not name or re.search(r"[\s\0]", name) or name.startswith(LABEL)]
    if odd or len(set(labels)) != len(labels) or len(labels) < 2:
        found = f"{odd[0]!r}" if odd else ", ".join(labels) or "none"
        raise RecipeError(f"labels: {found}; give two or more, each once, without white space or {LABEL!r}")
    return tuple(labels)


def _groups(group: pa.Array, own: np.ndarray) -> np.ndarray:
    named = group.is_valid().to_numpy(zero_copy_only=False)
    return np.where(named, halves(digests(group.fill_null("").cast(pa.large_string())))[0], own)


@njit(nogil=True, cache=True)
def _drawn(keys, seed):  # type: ignore[no-untyped-def]
    drawn = np.empty(len(keys), np.uint64)
    for n in range(len(keys)):
        drawn[n] = combine(mix64(seed), keys[n])
    return drawn


def drawn(keys: np.ndarray, seed: int, purpose: int) -> np.ndarray:
    """A number for each key, as if thrown: float64 [N] in [0, 1). Another `purpose` is another throw."""
    return np.asarray(_drawn(keys, np.uint64(seed * 8 + purpose))) / 2.0**64


_ORDER, _SIDE, _HALF, _FOLD = range(4)


def split(all_: Examples, share: float, seed: int) -> np.ndarray:
    """The part of each example: TRAIN, or of the held-out `share` one half CALIBRATION and the other METRICS.

    int8 [N]. By the hash of the text or its group, so a text is on the same side in any set that holds it.
    """
    held = drawn(all_.group, seed, _SIDE) < share
    return np.where(held, np.where(drawn(all_.group, seed, _HALF) < 0.5, CALIBRATION, METRICS), TRAIN).astype(np.int8)


def folds(all_: Examples, count: int, seed: int) -> np.ndarray:
    """The fold of each example, 0 to count - 1, by the hash of the text or its group: int64 [N]."""
    return (drawn(all_.group, seed, _FOLD) * count).astype(np.int64)


def balanced(all_: Examples, seed: int) -> Examples:
    """As many examples of each label as the rarest has, those of the lowest hash."""
    most = min(all_.counts().values())
    order = drawn(all_.key, seed, _ORDER)
    keep = np.zeros(len(order), np.bool_)
    for label in range(len(all_.labels)):
        of = np.flatnonzero(all_.label == label)
        keep[of[np.argsort(order[of], kind="stable")[:most]]] = True
    return all_.where(keep)


def line(text: str) -> bytes:
    """A text as fastText is to read it: stripped, on one line, and without what it would take for a label or an end.

    A token `</s>` ends a text, as it does where texts are scored.
    """
    raw = text.strip().encode().replace(b"\n", b" ")
    ended = _END.search(raw)
    return _LABELS.sub(b"", raw[: ended.start()] if ended else raw)


def write_lines(of: Examples, seed: int, file: IO[bytes]) -> None:
    """fastText's input, a line an example, in the order of a seeded hash.

    A Python loop over documents: 150 MB/s, and one epoch of training takes 2.
    """
    for n in np.argsort(drawn(of.key, seed, _ORDER), kind="stable").tolist():
        label = of.labels[of.label[n]]
        file.write(f"{LABEL}{label} ".encode() + line(of.text[n].as_py()) + b"\n")


@contextmanager
def trained(of: Examples, settings: Settings) -> Iterator[Model]:
    """A model trained on all of these. Its file (`url`) is a temporary one and goes when the block ends: see `keep`.

    RecipeError where floret is not installed, a label has no example, or training did not come to numbers.
    """
    if 0 in of.counts().values():
        raise RecipeError(f"training: a label without an example ({of.counts()}). Hold out less, or give more texts.")
    with tempfile.TemporaryDirectory(prefix="winnow-") as folder:
        given, made, ready = (Path(folder) / name for name in ("lines.txt", "floret.bin", "fasttext.bin"))
        with given.open("wb") as file:
            write_lines(of, settings.seed, file)
        _floret(str(given), str(made), settings)
        given.unlink()
        with made.open("rb") as raw, ready.open("wb") as file:
            file.write(standard(raw.read(_HEAD)))
            shutil.copyfileobj(raw, file, _BLOCK)
        made.unlink()
        model = read(str(ready), np.asarray(np.memmap(ready, np.uint8, "r")))
        if model.words.words <= 1:  # </s> is always one
            raise RecipeError(f"training: no word comes {settings.min_count:,} times. Lower min_count.")
        _must_be_finite(model.words.rows)
        yield model


def keep(model: Model, out: str) -> None:
    """Copy a model's file to a path or URL, whole or not at all."""
    with open(model.url, "rb") as raw, whole(out) as file:
        shutil.copyfileobj(raw, file, _BLOCK)


def _floret(given: str, made: str, settings: Settings) -> None:
    try:
        import floret
    except ModuleNotFoundError as error:
        raise RecipeError("floret is not installed: pip install 'winnow[classify]'") from error
    try:
        model = floret.train_supervised(
            given, lr=settings.rate, dim=settings.dim, epoch=settings.epochs, minCount=settings.min_count,
            wordNgrams=settings.word_ngrams, bucket=settings.buckets, seed=settings.seed, thread=1, verbose=0,
        )  # fmt: skip
        model.save_model(made)
    except (RuntimeError, ValueError) as error:  # "Encountered NaN."; no word is as frequent as min_count
        raise RecipeError(
            f"training: floret stopped ({error}). Lower the rate or min_count, or give more text."
        ) from error


def _must_be_finite(rows: np.ndarray) -> None:
    """RecipeError where a weight is no number, 64k rows at a time: a file of 800 MB is not copied for it."""
    blocks = (rows[start : start + (1 << 16)] for start in range(0, len(rows), 1 << 16))
    if not all(bool(np.isfinite(block).all()) for block in blocks):
        raise RecipeError("training: it ended in weights that are no numbers. Lower the rate.")
