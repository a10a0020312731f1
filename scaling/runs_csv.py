"""A table of training runs: its columns found by name, its rows checked before anything is fitted to them.

One row a run: parameters, tokens (or FLOPs, and then tokens = FLOPs / 6 N), and the final loss in nats a token.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np

from scaling.errors import FitError
from scaling.units import LEAST_PARAMS, LEAST_TOKENS

# Names that tables of runs in the wild use, likeliest first; compared without case, spaces and punctuation.
NAMES = {
    "params": ("params", "parameters", "n_params", "num_params", "param_count", "model_size", "model_params", "n"),
    "tokens": ("tokens", "training_tokens", "n_tokens", "num_tokens", "train_tokens", "dataset_size", "d"),
    "flops": ("flops", "flop", "training_flops", "training_flop", "train_flops", "compute", "c"),
    "loss": ("loss", "val_loss", "validation_loss", "valid_loss", "eval_loss", "test_loss", "final_loss", "train_loss"),
}
MOST_ROWS = 100_000  # fitted in 10 s; the largest public table of runs has 3,850
MOST_CHARACTERS = 1 << 30  # of an unpacked file: a small .gz can unpack to anything
MOST_LOSS = 14.0  # nats: ln(1,200,000), above an untrained model on the largest vocabulary
MOST_COUNT = 1e18
STEP = 1e3  # no table of runs steps a thousandfold at once; one in mixed units does
FLOPS_APART = 10.0  # embeddings, attention and the head move 6 N D by a factor of three, other units by a thousand


@dataclass(frozen=True, eq=False)
class Runs:
    """Checked runs. params, tokens, loss: float64 [P]. source: what errors call the table."""

    params: np.ndarray
    tokens: np.ndarray
    loss: np.ndarray
    source: str = "runs"
    warnings: tuple[str, ...] = field(default=())

    @property
    def flops(self) -> np.ndarray:
        """6 N D of each run, [P]."""
        return 6 * self.params * self.tokens

    def __len__(self) -> int:
        return len(self.loss)

    def where(self, kept: np.ndarray) -> Runs:
        """The runs at `kept`, a mask or indices."""
        return Runs(self.params[kept], self.tokens[kept], self.loss[kept], self.source, self.warnings)

    def without_highest(self, count: int) -> Runs:
        """Without the `count` highest losses, the replication's way with runs stopped early (Besiroglu et al. 2024).

        FitError where nothing would be left.
        """
        if not 0 <= count < len(self):
            raise FitError(f"{self.source}: cannot drop the {count} highest losses of {len(self)} runs")
        return self.where(np.sort(np.argsort(self.loss, kind="stable")[: len(self) - count]))

    def budgets(self) -> np.ndarray:
        """Distinct compute budgets, FLOPs, ascending: runs within 25 % of a budget's least belong to it."""
        return distinct(self.flops, 1.25)


def distinct(values: np.ndarray, ratio: float) -> np.ndarray:
    """The least value, the next above `ratio` times it, and so on, ascending: how many levels a column has."""
    starts: list[float] = []
    for value in np.sort(values):
        if not starts or value > ratio * starts[-1]:
            starts.append(float(value))
    return np.array(starts)


def checked(
    params: Sequence[float] | np.ndarray,
    tokens: Sequence[float] | np.ndarray,
    loss: Sequence[float] | np.ndarray,
    source: str = "runs",
) -> Runs:
    """Runs of three equally long columns. FitError, with the rows (from 1), for what no law can be fitted to:
    values that are not finite or not positive, units that are mixed or not raw counts, and runs that stand twice."""
    runs = _sound(params, tokens, loss, source)
    _, rows = np.unique(np.stack([runs.params, runs.tokens, runs.loss]), axis=1, return_inverse=True)
    _check_repeats(source, rows.tolist())
    return runs


def _sound(
    params: Sequence[float] | np.ndarray,
    tokens: Sequence[float] | np.ndarray,
    loss: Sequence[float] | np.ndarray,
    source: str,
) -> Runs:
    """`checked`, but for runs that stand twice."""
    columns = {"params": params, "tokens": tokens, "loss": loss}
    raw = {name: column(name, values, source) for name, values in columns.items()}
    lengths = {name: len(values) for name, values in raw.items()}
    if len(set(lengths.values())) != 1 or not lengths["loss"]:
        raise FitError(f"{source}: params, tokens and loss must be equally long and not empty, found {lengths}")
    for name, values in raw.items():
        refuse(source, name, ~np.isfinite(values), "not a finite number; drop such runs: diverged or unfinished")
        refuse(source, name, values <= 0, "not above zero")
    _check_units(source, "params", raw["params"], LEAST_PARAMS)
    _check_units(source, "tokens", raw["tokens"], LEAST_TOKENS)
    high = "above 14, more than an untrained model's nats a token: a perplexity, or a diverged run (drop it)"
    refuse(source, "loss", raw["loss"] > MOST_LOSS, high)
    return Runs(raw["params"], raw["tokens"], raw["loss"], source)


def read_runs(
    path: str | Path,
    *,
    params: str | None = None,
    tokens: str | None = None,
    flops: str | None = None,
    loss: str | None = None,
    drop_highest: int = 0,
) -> Runs:
    """The runs of a CSV file (`.csv`, `.csv.gz`) with a header line; columns by their common names, or as given.

    FitError where the file cannot be read, a column is missing (with the nearest name), or a row is unfit.
    """
    header, rows = _table(Path(path))
    given = {"params": params, "tokens": tokens, "flops": flops, "loss": loss}
    found = {what: _column(str(path), what, name, header) for what, name in given.items()}
    for what in ("params", "loss"):
        _require(str(path), what, found[what], header)
    if found["flops"] is None:
        _require(str(path), "tokens", found["tokens"], header)
    columns = {what: _cells(str(path), header[at], at, rows) for what, at in found.items() if at is not None}
    if "tokens" not in columns:
        with np.errstate(all="ignore"):  # what is not a number here is reported by `checked`, with its row
            columns["tokens"] = columns["flops"] / (6 * columns["params"])
    _check_repeats(str(path), list(map(tuple, rows)))  # whole rows: equal losses of two seeds are two runs
    runs = _sound(columns["params"], columns["tokens"], columns["loss"], str(path)).without_highest(drop_highest)
    if "flops" in columns:
        apart = np.abs(np.log(columns["flops"] / (6 * columns["params"] * columns["tokens"])))
        refuse(str(path), "flops", ~(apart < np.log(FLOPS_APART)), "not 6 x params x tokens within 10 x: mixed units?")
    return Runs(runs.params, runs.tokens, runs.loss, runs.source, _checkpoints(header, rows, found["tokens"]))


def _table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows, at most a million; FitError for what is not such a table."""
    try:
        with _opened(path) as lines:
            rows = list(islice(csv.reader(_bounded(lines, path)), MOST_ROWS + 2))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise FitError(f"{path}: cannot be read as a CSV file ({error})") from error
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise FitError(f"{path}: holds no runs; a header line and one row a run are needed")
    if len(rows) > MOST_ROWS + 1:
        raise FitError(f"{path}: more than {MOST_ROWS:,} rows; one row a run is needed, not one a step")
    return [name.strip() for name in rows[0]], rows[1:]


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8-sig", newline="")
    return open(path, encoding="utf-8-sig", newline="")


def _bounded(lines: IO[str], path: Path) -> IO[str]:
    text = lines.read(MOST_CHARACTERS + 1)
    if len(text) > MOST_CHARACTERS:
        raise FitError(f"{path}: unpacks to more than {MOST_CHARACTERS >> 30} GiB; no table of runs is that large")
    return io.StringIO(text, newline="")


def _folded(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _column(path: str, what: str, name: str | None, header: list[str]) -> int | None:
    """Where the column stands; None where it was not named and no common name matches."""
    if name is not None:
        if name in header:
            return header.index(name)
        near = difflib.get_close_matches(name, header, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise FitError(f"{path}: no column {name!r} for {what}{hint} It has {', '.join(header)}")
    folded = [_folded(column) for column in header]
    return next((folded.index(_folded(known)) for known in NAMES[what] if _folded(known) in folded), None)


def _require(path: str, what: str, at: int | None, header: list[str]) -> None:
    if at is not None:
        return
    pairs = [(known, name) for known in NAMES[what] if len(known) > 1 for name in header]
    likeness = [difflib.SequenceMatcher(None, _folded(known), _folded(name)).ratio() for known, name in pairs]
    near = max(zip(likeness, pairs, strict=True), default=(0.0, ("", "")), key=lambda pair: pair[0])
    hint = f"; did you mean {near[1][1]!r}?" if near[0] > 0.7 else "."
    other = " (or flops)" if what == "tokens" else ""
    raise FitError(f"{path}: no column for {what}{other}{hint} Name it; the file has {', '.join(header)}")


def _cells(path: str, name: str, at: int, rows: list[list[str]]) -> np.ndarray:
    return column(name, [row[at].strip() if at < len(row) else "" for row in rows], path)


def column(name: str, values: Sequence[object] | np.ndarray, source: str) -> np.ndarray:
    """The values as float64 [P]; FitError names the first row (from 1) that is no number."""
    try:
        return np.asarray(values, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        wrong = next((row, value) for row, value in enumerate(values, 1) if not _is_number(value))
        raise FitError(f"{source}: {name} of row {wrong[0]} is {wrong[1]!r}, not a number") from None


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True


def refuse(source: str, name: str, wrong: np.ndarray, why: str) -> None:
    """FitError that names the first rows (from 1) where `wrong` holds; nothing where it holds nowhere."""
    if wrong.any():
        rows = np.flatnonzero(wrong) + 1
        more = f" and {len(rows) - 5:,} more" if len(rows) > 5 else ""
        raise FitError(f"{source}: {name} of row {', '.join(map(str, rows[:5]))}{more} is {why}")


def _check_units(source: str, name: str, values: np.ndarray, least: float) -> None:
    if (values < least).all():
        raise FitError(
            f"{source}: {name} is {values.min():g} to {values.max():g}, below {least:,.0f} in every row: raw counts "
            f"are needed, not millions or billions"
        )
    mixed = f"other rows, which reach {values.max():.3g}: mixed units? Raw counts are needed throughout"
    refuse(source, name, (values < least) | (values > MOST_COUNT), f"far from the {mixed}")
    ordered = np.sort(values)
    steps = np.flatnonzero(ordered[1:] > STEP * ordered[:-1])
    if len(steps):
        refuse(source, name, values <= ordered[steps[0]], f"over a thousand times below the {mixed}")


def _check_repeats(source: str, rows: list[Hashable]) -> None:
    counts = Counter(rows)
    extra = len(rows) - len(counts)
    if extra:
        twice = next(row for row in rows if counts[row] > 1)
        same = [at for at, row in enumerate(rows, 1) if row == twice]
        raise FitError(
            f"{source}: {extra:,} run{'s' * (extra > 1)} stand{'s' * (extra == 1)} twice (rows "
            f"{', '.join(map(str, same[:5]))} are the same); a repeated run counts double: keep one of each"
        )


def _checkpoints(header: list[str], rows: list[list[str]], tokens: int | None) -> tuple[str, ...]:
    """A warning where rows look like points along one run, read before its learning rate came down."""
    folded = [_folded(column) for column in header]
    run = next((folded.index(name) for name in ("runname", "run", "runid") if name in folded), None)
    if run is None or tokens is None or "step" not in folded:
        return ()
    names = [row[run] for row in rows if run < len(row)]
    if len(set(names)) == len(names):
        return ()
    return (
        f"{len(names):,} rows come from {len(set(names)):,} runs: losses of unfinished runs, read before the learning "
        f"rate came down, lie above the law of finished ones",
    )
