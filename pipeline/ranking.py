"""Quotas and buckets over all shards: sizes are counted in rounds until every share's end is known, then laid.

    totals   shard    documents and sizes of each group, and how many have a score
    rounds   shard    sizes by the next bits of the score, then of what breaks ties: stages/ranks.py
    lay      shard    columns row for row beside its documents

What travels is counts, which add up in any order, so the number of workers changes nothing and nothing is sorted.
Nothing lies between the steps either: a killed run counts again, reading 24 bytes a document and round, and lays what
is missing. Where shares end lies as thresholds.json in the stage's folder, with what made the scores.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from corpus import shards
from corpus.documents import DIGEST, DROP, ID, halves
from corpus.errors import RecipeError
from corpus.hashing import hash64
from corpus.storage import join, names, write_bytes
from pipeline.comparison import ROW_BITS
from pipeline.engine import Engine
from pipeline.newest import Newest
from pipeline.spent import Spent, Stopwatch
from pipeline.thresholds import THRESHOLDS, Group, thresholds
from stages.quantiles import Quantiles
from stages.ranks import MOST_CUTS, WORDS, Counted, Cuts, Digit, Nodes, counted, keys, refined, tied


@dataclass(frozen=True)
class Ranking:
    """What all tasks of one stage of Quantiles know: small, and the same for all."""

    stage: Quantiles
    newest: Newest  # the documents as the stage was given them
    emitted: str  # folder of what the stage emitted in the pass
    folder: str  # folder of its columns
    before: tuple[str, ...]  # folders of earlier stages, whose drops take no part
    shards: tuple[str, ...]

    @property
    def place(self) -> str:
        """The folder's own name, under which its time is booked."""
        return self.folder.rsplit("/", 1)[-1]

    def left(self) -> list[int]:
        """Shards that have no columns yet."""
        done = names(self.folder)
        return [n for n, name in enumerate(self.shards) if f"{name}.parquet" not in done]

    def rows(self, shard: int, columns: Iterable[str]) -> pa.Table:
        """Columns of what the stage emitted of a shard, `row` among them, without documents dropped by now."""
        name = self.shards[shard]
        rows = shards.read(join(self.emitted, f"{name}.parquet"), ["row", *columns])
        for folder in self.before:
            gone = shards.read(join(folder, f"{name}.parquet"), [DROP])[DROP].is_valid().to_numpy()
            rows = rows.filter(pa.array(~gone[rows["row"].to_numpy()]))
        return rows

    @property
    def grouping(self) -> list[str]:
        """The emitted columns of `per`."""
        return [f"per_{n}" for n in range(len(self.stage.per))]

    def words(self, shard: int, rows: np.ndarray, score: np.ndarray, exact: np.ndarray) -> np.ndarray:
        """Keys uint64 [N, WORDS] of documents at these rows; what breaks ties only where `exact` (bool [N]) asks."""
        words = np.zeros((len(rows), WORDS), np.uint64)
        words[:, 0] = score
        if exact.any():
            some = self.newest.take(self.shards[shard], rows[exact], [ID, DIGEST])
            words[exact, 1] = halves(some[DIGEST].combine_chunks())[0]
            words[exact, 2] = hash64(some[ID].combine_chunks(), 0)
            words[exact, 3] = (shard << ROW_BITS) + rows[exact]
        return words


def _scores(rows: pa.Table, scorer: int) -> np.ndarray:
    """float64 [N], NaN for none."""
    return rows[f"score_{scorer}"].to_numpy()


def _grouped(rows: pa.Table, columns: list[str]) -> tuple[np.ndarray, list[Group]]:
    """The group of each row, int64 [N], and what the groups are."""
    code, tables = np.zeros(rows.num_rows, np.int64), []
    for column in columns:
        coded = rows[column].combine_chunks().dictionary_encode()
        values = [*coded.dictionary.to_pylist(), None]
        code = code * len(values) + coded.indices.fill_null(len(values) - 1).to_numpy()
        tables.append(values)
    found, group = np.unique(code, return_inverse=True)
    groups: list[list[str | None]] = [[] for _ in found]
    for values in reversed(tables):
        found, last = np.divmod(found, len(values))
        groups = [[values[at], *rest] for at, rest in zip(last.tolist(), groups, strict=True)]
    return group.astype(np.int64), [tuple(one) for one in groups]


@dataclass(frozen=True)
class Totals:
    """Shard: by group its documents, and of each scorer the documents with a score and their size."""

    all: Ranking

    def __call__(self, shard: int) -> tuple[dict[Group, list[list[int]]], Spent]:
        watch = Stopwatch()
        with watch(self.all.place):
            scorers = range(len(self.all.stage.scores))
            rows = self.all.rows(shard, ["size", *(f"score_{n}" for n in scorers), *self.all.grouping])
            group, groups = _grouped(rows, self.all.grouping)
            size, sums = rows["size"].to_numpy(), [_sums(group, np.ones(len(group), np.int64), len(groups))]
            for n in scorers:
                there = ~np.isnan(_scores(rows, n))
                sums += [_sums(group, there, len(groups)), _sums(group, np.where(there, size, 0), len(groups))]
            table = np.stack(sums, axis=1).tolist()
        return dict(zip(groups, table, strict=True)), watch.spent()


def _sums(group: np.ndarray, values: np.ndarray, groups: int) -> np.ndarray:
    """int64 [groups]. np.bincount sums in float64, which is not exact from 2**53 on."""
    out = np.zeros(groups, np.int64)
    np.add.at(out, group, values)
    return out


@dataclass(frozen=True)
class CountShard:
    """Shard: sizes by the bits of a round, among the documents that cuts may lie among."""

    all: Ranking
    scorer: int
    groups: Mapping[Group, int]
    nodes: Nodes
    digit: Digit

    def __call__(self, shard: int) -> tuple[Counted, Spent]:
        watch = Stopwatch()
        with watch(self.all.place):
            rows = self.all.rows(shard, ["size", f"score_{self.scorer}", *self.all.grouping])
            score, size, group = (
                _scores(rows, self.scorer),
                rows["size"].to_numpy(),
                _known(self.all, rows, self.groups),
            )
            there = ~np.isnan(score)
            key = keys(np.where(there, score, 0.0), self.all.stage.descending)
            if self.digit.word == 0:
                words = key[:, None]
            else:
                there &= tied(self.nodes, group, key)
                words = self.all.words(shard, rows["row"].to_numpy(), key, there)
            found = counted(self.nodes, self.digit, group[there], words[there], size[there])
        return found, watch.spent()


def _known(all_: Ranking, rows: pa.Table, groups: Mapping[Group, int]) -> np.ndarray:
    """The number of each row's group among all: int64 [N]."""
    group, own = _grouped(rows, all_.grouping)
    return np.array([groups[one] for one in own], np.int64)[group] if own else group


@dataclass(frozen=True)
class LayShard:
    """Shard: say of every document behind how many ends of shares it lies; lay what the stage makes of it."""

    all: Ranking
    groups: Mapping[Group, int]
    cuts: tuple[Cuts, ...]  # one a scorer

    def __call__(self, shard: int) -> Spent:
        watch = Stopwatch()
        with watch(self.all.place):
            stage, name = self.all.stage, self.all.shards[shard]
            rows = self.all.rows(shard, [*(f"score_{n}" for n in range(len(self.cuts))), *self.all.grouping])
            group, row = _known(self.all, rows, self.groups), rows["row"].to_numpy()
            scores = [_scores(rows, n) for n in range(len(self.cuts))]
            behind = [self._behind(shard, group, row, *one) for one in zip(scores, self.cuts, strict=True)]
            table = stage.checked(stage.laid(scores, behind), len(row))
            place = np.full(shards.rows(join(self.all.newest.documents, f"{name}.parquet")), -1)
            place[row] = np.arange(len(row))
            shards.write(join(self.all.folder, f"{name}.parquet"), table.take(pa.array(place, mask=place < 0)))
        return watch.spent()

    def _behind(self, shard: int, group: np.ndarray, row: np.ndarray, score: np.ndarray, cuts: Cuts) -> np.ndarray:
        none = np.isnan(score)
        key = keys(np.where(none, 0.0, score), self.all.stage.descending)
        return cuts.positions(group, self.all.words(shard, row, key, ~none & cuts.tied(group, key)))


def rank(all_: Ranking, scorers: list[dict[str, Any]], engine: Engine) -> Iterator[Spent]:
    """Run a stage of Quantiles to its end; yields what each part took.

    scorers: what laid each column of scores, as `laid_by` says. Raises RecipeError where `per` makes too many groups,
    and where no document has a score.
    """
    took: list[Spent] = []
    totals = _totals(all_, engine, took)
    groups = {group: n for n, group in enumerate(totals)}
    sums = np.array(list(totals.values()), np.int64).reshape(len(totals), 1 + 2 * len(all_.stage.scores))
    each = range(len(all_.shards))

    def count(scorer: int, nodes: Nodes, digit: Digit) -> Iterator[Counted]:
        for _, (found, spent) in engine.map(CountShard(all_, scorer, groups, nodes, digit), each):
            took.append(spent)
            yield found

    cuts = []
    for n in range(len(all_.stage.scores)):
        cuts.append(refined(sums[:, 2 + 2 * n], all_.stage.shares, partial(count, n), all_.stage.ties))
        yield from took
        took.clear()
    said = thresholds(all_.stage, list(totals), sums, cuts, scorers)
    write_bytes(join(all_.folder, THRESHOLDS), json.dumps(said, sort_keys=True, ensure_ascii=False).encode())
    yield from (spent for _, spent in engine.map(LayShard(all_, groups, tuple(cuts)), all_.left()))


def _totals(all_: Ranking, engine: Engine, took: list[Spent]) -> dict[Group, list[list[int]]]:
    """The sums of every group, in the order of their values, null first."""
    totals: dict[Group, np.ndarray] = {}
    most = MOST_CUTS // len(all_.stage.shares)
    for _, (found, spent) in engine.map(Totals(all_), range(len(all_.shards))):
        took.append(spent)
        for group, sums in found.items():
            totals[group] = totals.get(group, 0) + np.array(sums, np.int64)
        if len(totals) > most:
            raise RecipeError(
                f"{all_.stage.name}: per {list(all_.stage.per)} makes more than {most:,} groups, each with "
                f"{len(all_.stage.shares)} shares. Group by columns with fewer values."
            )
    _refuse_unscored(all_.stage, totals)
    order = sorted(totals, key=lambda group: [(value is not None, value or "") for value in group])
    return {group: totals[group].tolist() for group in order}


def _refuse_unscored(stage: Quantiles, totals: Mapping[Group, Any]) -> None:
    came = sum(int(sums[0]) for sums in totals.values())
    for n, column in enumerate(stage.scores):
        if came and not any(sums[1 + 2 * n] for sums in totals.values()):
            raise RecipeError(
                f"{stage.name}: none of the {came:,} documents has a number in the column {column!r}. Name the column "
                f"that a scorer lays, or mend the field of the source."
            )
