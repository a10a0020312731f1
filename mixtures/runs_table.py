"""A table of proxy runs: the domain weights each was trained on, and the losses that it reached.

What methods that are fitted to runs (regmix.py, mixing_law.py) rest on, so nothing enters it unseen: a run whose loss
or weight is not a number, that lacks one, or that is another's copy is left out and named, never averaged in. Rows are
sorted by run and columns by name, so the order of files, rows and columns changes nothing.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from math import fsum, inf, isfinite, isnan, nan
from typing import Any, NamedTuple

import numpy as np

from corpus.errors import RecipeError
from corpus.storage import read_bytes

KEYS = ("run", "index")
"""Columns that may name the run; files are joined on it."""

WEIGHT = (("weight/", ""), ("train_", ""))
LOSS = (("loss/", ""), ("metric/", "_val_loss"))
"""Beginnings and ends of columns of weights and of losses: ours, and those of RegMix's tables (sail-sg/regmix)."""

ROUNDED = 0.02
"""How far from 1 a run's weights may sum: RegMix's have three digits each, and sum to 0.996 to 1.003."""

MOST_RUNS = 4_000  # a Gaussian process takes 130 MB and 20 s a length for as many; RegMix has 512
MOST_COLUMNS = 2_000
MOST_BYTES = 1 << 28  # of an unpacked file: a small .gz can unpack to anything

Numbers = dict[str, float]


class Record(NamedTuple):
    """A run as a file has it. A domain that is not there was not drawn from; a loss that is not there is unknown."""

    run: str
    weights: Numbers
    losses: Numbers
    why: str = ""  # it has none, as whoever trained it said


@dataclass(frozen=True, eq=False)
class RunsTable:
    """Checked runs. weights: float64 [R, D], rows sum to 1. losses: float64 [R, T], finite. left_out: run -> why."""

    runs: tuple[str, ...]
    domains: tuple[str, ...]
    targets: tuple[str, ...]
    weights: np.ndarray
    losses: np.ndarray
    left_out: dict[str, str] = field(default_factory=dict)
    source: str = "runs"

    def __len__(self) -> int:
        return len(self.runs)

    @cached_property
    def digest(self) -> str:
        """BLAKE2b-128 of the names and numbers, 32 hex digits: the same evidence, the same digest."""
        names = json.dumps([self.runs, self.domains, self.targets]).encode()
        numbers = (np.ascontiguousarray(part, "<f8").tobytes() for part in (self.weights, self.losses))
        return blake2b(b"".join([names, *numbers]), digest_size=16).hexdigest()

    def rows(self, kept: np.ndarray) -> "RunsTable":
        """The runs at `kept`, a mask or indices."""
        at = np.arange(len(self))[kept]
        runs = tuple(self.runs[n] for n in at)
        return replace(self, runs=runs, weights=self.weights[at], losses=self.losses[at])

    def objective(self, importance: np.ndarray) -> np.ndarray:
        """Each run's losses weighted by `importance` [T], float64 [R]."""
        return self.losses @ importance


def read_runs_table(urls: Sequence[str], targets: Sequence[str] | None = None) -> RunsTable:
    """The runs of CSV (`.csv`) and JSON Lines (`.jsonl`) files, either with `.gz`, joined by the name of the run.

    CSV: a column `run` or `index`, columns of weights and losses named as in WEIGHT and LOSS, others are not read.
    JSON Lines: {"run": "a", "weights": {"web": 0.7, "code": 0.3}, "losses": {"web": 3.1}}. targets: the losses that
    are asked for, so that a run needs no others; None: all. Raises RecipeError where a file is none of these, a run
    stands twice with different figures, or none is left.
    """
    records = [record for url in urls for record in _records(url)]
    return table(records, targets, ", ".join(urls))


def table(records: Sequence[Record], targets: Sequence[str] | None = None, source: str = "runs") -> RunsTable:
    """The records as a table; RecipeError as of `read_runs_table`."""
    runs = _joined(records, source)
    if len(runs) > MOST_RUNS:
        raise RecipeError(f"{source}: {len(runs):,} runs; at most {MOST_RUNS:,}: one row a run, not one a step")
    domains = sorted({domain for one in runs.values() for domain in one.weights})
    wanted = _targets({target for one in runs.values() for target in one.losses}, targets, source)
    if not domains or not wanted or max(len(domains), len(wanted)) > MOST_COLUMNS:
        said = f"{len(domains):,} domains and {len(wanted):,} losses"
        raise RecipeError(f"{source}: {said}; give columns such as weight/web and loss/web, at most {MOST_COLUMNS:,}")
    left_out = {run: why for run, one in runs.items() if (why := _unfit(one, wanted, source))}
    left_out |= _copies({run: one for run, one in runs.items() if run not in left_out})
    kept = sorted(runs.keys() - left_out.keys())
    if not kept:
        first = next(iter(left_out.items()), ("", "no rows"))
        raise RecipeError(f"{source}: no run can be used; the first, {first[0]!r}: {first[1]}")
    weights = np.array([[runs[run].weights.get(domain, 0.0) for domain in domains] for run in kept])
    losses = np.array([[runs[run].losses[target] for target in wanted] for run in kept])
    shares = weights / weights.sum(axis=1, keepdims=True)
    return RunsTable(tuple(kept), tuple(domains), tuple(wanted), shares, losses, left_out, source)


def _joined(records: Sequence[Record], source: str) -> dict[str, Record]:
    """The records of each run as one; the same figure twice is one, two different ones are refused."""
    runs: dict[str, Record] = {}
    for record in records:
        known = runs.setdefault(record.run, Record(record.run, {}, {}))
        runs[record.run] = known._replace(why=known.why or record.why)
        for ours, theirs in ((known.weights, record.weights), (known.losses, record.losses)):
            for name, value in theirs.items():
                if name in ours and not (ours[name] == value or (isnan(ours[name]) and isnan(value))):
                    raise RecipeError(
                        f"{source}: run {record.run!r} stands there twice, with {ours[name]!r} and {value!r} for "
                        f"{name!r}. If they are two runs, give them two names."
                    )
                ours[name] = value
    return runs


def _targets(known: set[str], asked: Sequence[str] | None, source: str) -> list[str]:
    if asked is None:
        return sorted(known)
    for target in asked:
        if target not in known:
            raise RecipeError(f"{source}: no loss of {target!r}; there are: {', '.join(sorted(known)[:12])}")
    return sorted(set(asked))


def _unfit(one: Record, targets: Sequence[str], source: str) -> str:
    """Why the run cannot be used, or nothing. RecipeError where its weights are none at all."""
    if not one.weights:
        return "no weights"
    if wrong := [domain for domain, weight in one.weights.items() if not isfinite(weight)]:
        return f"its weight of {wrong[0]!r} is not a number"
    if missing := [target for target in targets if target not in one.losses]:
        return one.why or f"no loss of {missing[0]!r}"
    if wrong := [target for target in targets if not isfinite(one.losses[target])]:
        return f"its loss of {wrong[0]!r} is {one.losses[wrong[0]]}"
    for domain, weight in one.weights.items():
        if weight < 0:
            raise RecipeError(f"{source}: run {one.run!r} has a weight of {weight!r} for {domain!r}; 0 is the least")
    total = fsum(one.weights.values())
    if abs(total - 1) > ROUNDED:
        raise RecipeError(
            f"{source}: the weights of run {one.run!r} sum to {total:g}, more than {ROUNDED:g} from 1. They are shares "
            f"of the tokens it was trained on; is a domain missing?"
        )
    return ""


def _copies(runs: Mapping[str, Record]) -> dict[str, str]:
    """Runs that have the weights and the losses of another, to the last digit: another seed would not."""
    first: dict[tuple, str] = {}
    copies = {}
    for run in sorted(runs):
        used = sorted((domain, weight) for domain, weight in runs[run].weights.items() if weight)
        same = (tuple(used), tuple(sorted(runs[run].losses.items())))
        if first.setdefault(same, run) != run:
            copies[run] = f"a copy of {first[same]!r}"
    return copies


def _records(url: str) -> Iterator[Record]:
    text = _text(url)
    name = url.removesuffix(".gz")
    if name.endswith(".csv"):
        yield from _of_csv(url, text)
    elif name.endswith(".jsonl"):
        yield from _of_jsonl(url, text)
    else:
        raise RecipeError(f"{url}: a table of runs ends in .csv or .jsonl, with or without .gz")


def _text(url: str) -> str:
    try:
        packed = read_bytes(url)
        data = gzip.GzipFile(fileobj=io.BytesIO(packed)).read(MOST_BYTES + 1) if url.endswith(".gz") else packed
        if len(data) > MOST_BYTES:
            raise RecipeError(f"{url}: more than {MOST_BYTES >> 20} MiB; no table of runs is that large")
        return data.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise RecipeError(f"{url}: no such file") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise RecipeError(f"{url}: cannot be read ({error})") from error


def _of_csv(url: str, text: str) -> Iterator[Record]:
    try:
        rows = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise RecipeError(f"{url}: not a CSV file ({error})") from error
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    header = [name.strip() for name in rows[0]] if rows else []
    key = next((header.index(name) for name in KEYS if name in header), None)
    weights, losses = _named(header, WEIGHT), _named(header, LOSS)
    if key is None or not weights | losses or len(weights | losses) > MOST_COLUMNS:
        raise RecipeError(
            f"{url}: it has the columns {', '.join(header[:8])}; a column run or index is needed, and at most "
            f"{MOST_COLUMNS:,} such as weight/web and loss/web"
        )
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise RecipeError(f"{url}, row {number:,}: {len(row)} cells under {len(header)} columns")
        own, came = ({name: _number(row[at], url, number) for at, name in part.items()} for part in (weights, losses))
        yield Record(row[key].strip(), own, came)


def _named(header: Sequence[str], forms: Sequence[tuple[str, str]]) -> dict[int, str]:
    """Where columns of such a form stand, and the name within each."""
    found = {}
    for at, column in enumerate(header):
        for begin, end in forms:
            if column.startswith(begin) and len(column) > len(begin):
                found[at] = column.removeprefix(begin).removesuffix(end)
    return found


def _number(cell: str, url: str, number: int) -> float:
    """The number of a cell; an empty one is NaN, which leaves the run out."""
    try:
        return float(cell) if cell.strip() else nan
    except ValueError:
        raise RecipeError(f"{url}, row {number:,}: {cell[:40]!r} is not a number") from None


def _of_jsonl(url: str, text: str) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            weights, losses = _floats(found.get("weights", {})), _floats(found.get("losses", {}))
            yield Record(str(found["run"]), weights, losses, str(found.get("why") or ""))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            said = 'not {"run": "a", "weights": {"web": 0.7, "code": 0.3}, "losses": {"web": 3.1}}'
            raise RecipeError(f"{url}, line {number:,}: {said} ({error!r:.80})") from error


def _floats(values: Mapping[str, Any]) -> Numbers:
    """Numbers by name; null is NaN, which leaves the run out."""
    found = {name: nan if value is None else value for name, value in values.items()}
    if not all(isinstance(value, int | float) and value is not True and value is not False for value in found.values()):
        raise TypeError("a weight or a loss is not a number")
    return {name: float(value) if abs(value) < 1e300 or isnan(value) else inf for name, value in found.items()}
