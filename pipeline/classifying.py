"""Train, judge and apply fastText models: from files with labels to a model, its card, and a column of scores.

What a model never saw judges it: the side of a text goes by its hash, so `evaluated` finds the held-out texts again in
whatever files they come. Texts of a training lie in memory, 400,000 pages of 3 kB in 1.2 GB.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa

from classifiers import card as cards
from classifiers import fasttext_training as training
from classifiers.card import Card, Folds, Given, Interval, Judged, Left, Map
from classifiers.evaluation import Part, auc
from classifiers.fasttext_model import Model, load
from classifiers.fasttext_projection import probabilities, projected
from classifiers.fasttext_training import CALIBRATION, METRICS, TRAIN, Examples, Settings
from corpus.buffers import lengths
from corpus.documents import TEXT
from corpus.errors import RecipeError, TooMuchBad
from corpus.readers import records
from corpus.source import Source
from corpus.storage import exists
from corpus.units import units
from pipeline.run import FEW_BAD, MAX_BAD

LEAST_FOLDS, MOST_FOLDS = 2, 100


@dataclass(frozen=True)
class Asked:
    """Where labelled texts come from: files of one class each (LABEL=PATH), or files with a field of labels."""

    classes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    label_field: str | None = None
    group_field: str | None = None  # equal for texts that must not be parted: versions of a story, pages of a site
    text_field: str = "text"

    def __post_init__(self) -> None:
        if bool(self.classes) == bool(self.sources):
            raise RecipeError("give files of one class each (--class LABEL=PATH), or --source PATH with --label-field")
        if bool(self.sources) != (self.label_field is not None):
            raise RecipeError("--source and --label-field go together: the field that holds each text's label")
        if wrong := [one for one in self.classes if not all(one.partition("=")[::2])]:
            raise RecipeError(f"--class {wrong[0]}: expected LABEL=PATH")

    def given(self) -> list[tuple[str | None, Source]]:
        """A source a path, with its label where the path has one."""
        more = tuple(name for name in (self.label_field, self.group_field) if name is not None)
        pairs: list[tuple[str | None, str]] = [(a, b) for a, _, b in (one.partition("=") for one in self.classes)]
        pairs += [(None, path) for path in self.sources]
        return [(label, Source(path=path, text_field=self.text_field, fields=more)) for label, path in pairs]


@dataclass(frozen=True)
class Labelled:
    """Examples, and the records that became none."""

    examples: Examples
    left: Left


def labelled(asked: Asked, labels: Sequence[str] | None = None) -> Labelled:
    """The examples that are asked for. labels: those of a model, in its order; those found, where None.

    Raises RecipeError for labels without examples, SourceError for files that cannot be read, TooMuchBad where more
    than a hundredth of the records are bad.
    """
    tables, bad = [], 0
    for label, source in asked.given():
        for rows, wrong in read(source):
            bad += wrong
            tables.append(_columns(rows, label, asked))
    table = pa.concat_tables([_SCHEMA.empty_table(), *tables])
    refuse_bad(bad, table.num_rows)
    text, label, group = (table[name].combine_chunks() for name in ("text", "label", "group"))
    if labels is None:
        named = dict.fromkeys(one.partition("=")[0] for one in asked.classes)
        labels = [*named] or sorted(pa.compute.unique(label).drop_null().to_pylist())
    made, left = training.examples(text, label, labels, group if asked.group_field else None)
    return Labelled(made, Left(bad=bad, **left._asdict()))


_SCHEMA = pa.schema([("text", pa.large_string()), ("label", pa.string()), ("group", pa.string())])


def read(source: Source) -> Iterator[tuple[pa.RecordBatch, int]]:
    """A source's documents, piece by piece, each with how many records beside them were bad."""
    found = units([source], lambda file: file.url)  # keys name outputs, and there are none: contents need no hash
    for unit in found:
        for piece in records(unit, source):
            yield piece.rows, len(piece.bad)


def refuse_bad(bad: int, documents: int) -> None:
    """TooMuchBad where more records are bad than a run would bear."""
    if bad > max(FEW_BAD, MAX_BAD * (bad + documents)):
        raise TooMuchBad(
            f"{bad:,} of {bad + documents:,} records are bad, more than {MAX_BAD:.0%}; nothing was written. "
            f"`winnow run` on the same source says which."
        )


def _columns(rows: pa.RecordBatch, label: str | None, asked: Asked) -> pa.Table:
    labels = rows.column(asked.label_field) if asked.label_field else pa.array([label] * len(rows), pa.string())
    groups = rows.column(asked.group_field) if asked.group_field else pa.nulls(len(rows), pa.string())
    return pa.table([rows.column(TEXT), labels, groups], schema=_SCHEMA)


def train(
    asked: Asked,
    out: str,
    settings: Settings,
    *,
    positive: str | None = None,
    held_out: float = 0.2,
    balance: bool = True,
    folds: int = 0,
    baseline: bool = False,
    overwrite: bool = False,
) -> Card:
    """Train a model, judge it by what was held out, and write it with its card; nothing is written before the end.

    Raises RecipeError for what cannot be done as asked: `out` exists, labels do not fit, a part lacks a label.
    """
    if exists(out) and not overwrite:
        raise RecipeError(f"{out}: exists. Give another name, or --overwrite.")
    if not 0 < held_out < 1:
        raise RecipeError(f"--held-out {held_out:g}: a share between 0 and 1; a model that nothing judges is not made")
    found = labelled(asked)
    positive = _positive(positive, asked, found.examples.labels)
    side = training.split(found.examples, held_out, settings.seed)
    parts = [found.examples.where(side == one) for one in (TRAIN, CALIBRATION, METRICS)]
    _every_label(parts, held_out)
    parts[TRAIN] = training.balanced(parts[TRAIN], settings.seed) if balance else parts[TRAIN]
    crossed = cross_validated(found.examples, settings, folds, balance, baseline) if folds else None
    with training.trained(parts[TRAIN], settings) as model:
        maps = _maps(model, parts[CALIBRATION])
        accuracy, figures = judged(model, parts[METRICS], maps, positive)
        card = Card(
            sha256=model.sha256,
            labels=model.labels,
            positive=positive,
            training=cards.Training(library=f"floret {version('floret')}", **asdict(settings)),
            given=_given(asked),
            fingerprint=found.examples.fingerprint(),
            left=found.left,
            split=cards.Split(
                held_out=held_out,
                seed=settings.seed,
                by="group" if asked.group_field else "text",
                balanced=balance,
                **dict(zip(("train", "calibration", "metrics"), (part.counts() for part in parts), strict=True)),
            ),
            calibration=maps,
            accuracy=accuracy,
            judged=figures,
            cross_validation=crossed,
        )
        training.keep(model, out)
    cards.write(card, out)
    return card


def _positive(said: str | None, asked: Asked, labels: tuple[str, ...]) -> str | None:
    if said is not None and said not in labels:
        raise RecipeError(f"--positive {said}: no such label; there are: {', '.join(labels)}")
    if said is None and len(labels) == 2:
        if not asked.classes:
            raise RecipeError(f"--positive: say which of {' and '.join(labels)} a high score is to mean")
        return labels[0]
    return said


def _every_label(parts: Sequence[Examples], held_out: float) -> None:
    for name, part in zip(("training", "calibration", "metrics"), parts, strict=True):
        if lacking := [label for label, count in part.counts().items() if count == 0]:
            raise RecipeError(
                f"the part for {name} has no example of {lacking[0]!r} ({len(part.label):,} in all, --held-out "
                f"{held_out:g}). Give more texts, or another share."
            )


def _given(asked: Asked) -> tuple[Given, ...]:
    by_label: dict[str, list[str]] = {}
    for label, source in asked.given():
        by_label.setdefault(label or f"by {asked.label_field}", []).extend(source.paths)
    return tuple(Given(label=label, paths=tuple(paths)) for label, paths in by_label.items())


def _maps(model: Model, of: Examples) -> dict[str, Map]:
    said = probabilities(projected(model), of.text)
    place = [of.labels.index(label) for label in model.labels]
    return {label: cards.fitted(said[:, n], of.label == place[n]) for n, label in enumerate(model.labels)}


def judged(model: Model, of: Examples, maps: dict[str, Map], positive: str | None) -> tuple[float, tuple[Judged, ...]]:
    """Accuracy of the most probable label, and figures of the positive label, or of every one where there is none."""
    said = probabilities(projected(model), of.text)
    names = np.array([of.labels.index(label) for label in model.labels])
    accuracy = float((names[said.argmax(axis=1)] == of.label).mean())
    size = lengths(of.text)
    figures = [
        cards.judged(label, Part(said[:, n], of.label == names[n], of.group), size, maps.get(label))
        for n, label in enumerate(model.labels)
        if positive in (None, label)
    ]
    return accuracy, tuple(figures)


def cross_validated(of: Examples, settings: Settings, count: int, balance: bool, baseline: bool = False) -> Folds:
    """The training done `count` times, each time judged by the fold that it did not see."""
    if not LEAST_FOLDS <= count <= MOST_FOLDS:
        raise RecipeError(f"--folds {count}: {LEAST_FOLDS} to {MOST_FOLDS}")
    fold = training.folds(of, count, settings.seed)
    parts: list[tuple[Examples, np.ndarray]] = []
    beside: list[np.ndarray] = []
    for n in range(count):
        seen, test = of.where(fold != n), of.where(fold == n)
        if 0 in test.counts().values():
            raise RecipeError(f"fold {n + 1} of {count} lacks a label ({test.counts()}). Ask for fewer, or give more.")
        seen = training.balanced(seen, settings.seed) if balance else seen
        with training.trained(seen, settings) as model:
            order = [model.labels.index(label) for label in of.labels]
            parts.append((test, probabilities(projected(model), test.text)[:, order]))
        if baseline:
            from pipeline import classifying_baseline

            beside.append(classifying_baseline.probabilities(seen, test))
    right = sum(int((said.argmax(axis=1) == test.label).sum()) for test, said in parts)
    return Folds(
        folds=count,
        auc=_over_folds(of, parts),
        accuracy=right / len(of.label),
        baseline=_over_folds(of, [(t, b) for (t, _), b in zip(parts, beside, strict=True)]) if baseline else None,
    )


def _over_folds(of: Examples, parts: Sequence[tuple[Examples, np.ndarray]]) -> dict[str, Interval]:
    return {
        label: Interval.of(auc([Part(said[:, n], test.label == n, test.group) for test, said in parts]))
        for n, label in enumerate(of.labels)
    }


def evaluated(
    model: str,
    asked: Asked,
    *,
    everything: bool = False,
    label: str | None = None,
    folds: int = 0,
    baseline: bool = False,
) -> dict[str, Any]:
    """A model judged by labelled texts: those that its card held out for figures, or all of them.

    RecipeError where none is left, labels are none of the model's, or folds are asked of a model without a card.
    """
    loaded = load(model)
    card = cards.of_model(loaded)
    found = labelled(asked, loaded.labels)
    positive = label or (card.positive if card else None)
    if positive is not None and positive not in loaded.labels:
        raise RecipeError(f"--label {positive}: no such label; there are: {', '.join(loaded.labels)}")
    unseen = card is not None and not everything
    of = _unseen(found.examples, card, asked) if card is not None and unseen else found.examples
    if folds and card is None:
        raise RecipeError(f"--folds: {model} has no card, so how it was trained is not known")
    maps = card.calibration if card else {}
    accuracy, figures = judged(loaded, of, maps, positive)
    crossed = None
    if folds and card is not None:
        settings = Settings(**card.training.model_dump(exclude={"library"}))
        crossed = cross_validated(found.examples, settings, folds, card.split.balanced, baseline)
    return {
        "model": model,
        "sha256": loaded.sha256,
        "labels": list(loaded.labels),
        "positive": positive,
        "unseen": unseen,
        "documents": of.counts(),
        "left": found.left.model_dump(),
        "accuracy": accuracy,
        "judged": [one.model_dump(mode="json") for one in figures],
        "cross_validation": crossed and crossed.model_dump(mode="json"),
    }


def _unseen(of: Examples, card: Card, asked: Asked) -> Examples:
    if (card.split.by == "group") != (asked.group_field is not None):
        which = "with" if card.split.by == "group" else "without"
        raise RecipeError(f"the model's card parted texts {which} --group-field: do the same, or give --all")
    held = of.where(training.split(of, card.split.held_out, card.split.seed) == METRICS)
    if lacking := [label for label, count in held.counts().items() if count == 0]:
        raise RecipeError(
            f"of {len(of.label):,} texts the card holds out {len(held.label):,} for figures, none of label "
            f"{lacking[0]!r}. Give more texts; or --all, if training never saw them."
        )
    return held
