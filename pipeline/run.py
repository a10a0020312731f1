"""A run: from a recipe to kept documents, token shards and a report, going on where it stopped.

Documents are read and measured in one pass, compared by every Global stage in turn, then counted,
tokenized and digested. What is done is found by name (see home.py), so a second run does nothing.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from corpus.errors import SourceError, TooMuchBad
from corpus.storage import sweep, write_bytes
from pipeline import recipe as recipes
from pipeline.comparing import Comparison, compare, partitions
from pipeline.engine import Engine
from pipeline.home import RECIPE, REPORT, Home
from pipeline.kept import Keeping
from pipeline.plan import Plan, Step, plan, remember
from pipeline.progress import Progress
from pipeline.reading import Lay, LayColumns, ReadUnit, marker
from pipeline.recipe import Recipe
from pipeline.report.figures import figures
from pipeline.spent import Spent
from pipeline.tally import Tally, TallyShard

BATCH_ROWS = 1_024
"""Documents in flight at a time. The result does not depend on it; 64 costs 8 % more time, 4096 nothing less."""

MAX_BAD = 0.01
FEW_BAD = 10
"""A run stops where more than 1 % of its records are quarantined, and more than 10: one broken line of twenty
is a broken line, one of a hundred in a crawl is a broken reader or a wrong field."""


@dataclass
class Run:
    """One run in one home, with one engine."""

    recipe: Recipe
    home: Home
    engine: Engine
    progress: Progress
    batch_rows: int = BATCH_ROWS
    max_bad: float = MAX_BAD
    markers: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self) -> dict[str, Any]:
        """Do what is not done yet; the report as `report.json` holds it."""
        started = time.time()
        with self.home.locked():
            sweep(self.home.at)
            the_plan = plan(self.recipe, self.home)
            self._begin(the_plan)
            self._read(the_plan)
            names = tuple(part["name"] for one in self.markers for part in one["parts"])
            self._compare(the_plan, names)
            tally = self._count(the_plan, names)
            result = Keeping(the_plan, self.home, self.engine, self.progress, names)(tally)
            return self._end(the_plan, names, tally, result, started)

    def _begin(self, the_plan: Plan) -> None:
        write_bytes(self.home.path(RECIPE), recipes.dump(self.recipe).encode())
        self.home.log("begin", steps={s.folder: s.name for s in the_plan.steps}, units=len(the_plan.units))
        remember(the_plan, self.home)

    def _lays(self, the_plan: Plan) -> tuple[Lay, ...]:
        return tuple(Lay(s.name, s.stage, self.home.path(s.folder)) for s in the_plan.in_pass if s.stage)

    def _read(self, the_plan: Plan) -> None:
        """Read the units that have no marker; then lay what is missing beside shards that were there."""
        folder, lays = self.home.path(the_plan.documents.folder), self._lays(the_plan)
        there, folders = self.home.names(the_plan.documents.folder), [s.folder for s in the_plan.in_pass]
        old = [u for u in the_plan.units if f"{u.key}.json" in there]
        new = [u for u in the_plan.units if f"{u.key}.json" not in there]
        task = ReadUnit(self.recipe.sources, folder, lays, int(self.recipe.shard_mb * 1e6), self.batch_rows)
        self._work(the_plan.documents.name, task, new, [u.stored_bytes for u in new], folders)
        self.markers = [marker(folder, unit) for unit in the_plan.units]
        names = [part["name"] for one, unit in zip(self.markers, the_plan.units, strict=True) for part in one["parts"] if unit in old]
        missing = _missing(self.home, names, the_plan.in_pass)
        self._work("columns", LayColumns(folder, lays, self.batch_rows), missing, [1] * len(missing), folders)
        self._check_bad(the_plan)

    def _log(self, step: str, item: str, folders: Sequence[str], spent: Spent) -> None:
        self.home.log("task", step=step, item=item, folders=list(folders), spent=spent)

    def _work(self, name: str, task: Any, items: Sequence[Any], sizes: Sequence[int], folders: Sequence[str]) -> None:
        with self.progress.step(name, sum(sizes)) as advance:
            for number, result in self.engine.map(task, items):
                self._log(name, str(getattr(items[number], "key", items[number])), folders, result["spent"])
                advance(sizes[number])

    def _check_bad(self, the_plan: Plan) -> None:
        bad = sum(one["bad"] for one in self.markers)
        good = sum(part["rows"] for one in self.markers for part in one["parts"])
        if bad > FEW_BAD and bad > self.max_bad * (good + bad):
            causes: dict[str, int] = {}
            for one in self.markers:
                for cause, count in one["causes"].items():
                    causes[cause] = causes.get(cause, 0) + count
            worst = ", ".join(f"{cause} {count:,}" for cause, count in sorted(causes.items(), key=lambda c: -c[1])[:3])
            raise TooMuchBad(
                f"{bad:,} of {good + bad:,} records are bad ({bad / (good + bad):.2%}; at most {self.max_bad:.2%} may be): "
                f"{worst}. See them with `winnow show {self.home.at} --bad`; allow more with --max-bad."
            )
        if good == 0:
            raise SourceError(f"the sources hold no document that can be read ({bad:,} bad records); nothing to do")

    def _compare(self, the_plan: Plan, names: tuple[str, ...]) -> None:
        text_bytes = sum(part["bytes"] for one in self.markers for part in one["parts"])
        emitted = {step.name: step.folder for step in the_plan.named("emit")}
        before: list[str] = []
        for step in the_plan.named("global"):
            folder = self.home.path(step.folder)
            if _missing(self.home, names, [step]):
                all_ = Comparison(step.stage, step.name, self.home.path(the_plan.documents.folder),  # type: ignore[arg-type]
                                  self.home.path(emitted[step.name]), folder, tuple(before), names, partitions(text_bytes))
                with self.progress.step(step.name, 0) as advance:
                    for spent in compare(all_, self.engine):
                        self._log(step.name, step.folder, [step.folder], spent)
                        advance(1)
            before.append(folder)

    def _count(self, the_plan: Plan, names: Sequence[str]) -> Tally:
        tally = Tally()
        with self.progress.step("count", len(names)) as advance:
            for _, one in self.engine.map(TallyShard(the_plan, self.home.at), names):
                tally += one
                advance(1)
        return tally

    def _end(
        self, the_plan: Plan, names: Sequence[str], tally: Tally, result: dict[str, Any], started: float
    ) -> dict[str, Any]:
        report = figures(the_plan, self.home, self.markers, tally, result, time.time() - started)
        self.home.write_json(REPORT, report)
        remember(the_plan, self.home, names)
        self.home.log("end", digest=report["digest"], seconds=report["seconds"])
        return report


def _missing(home: Home, names: Sequence[str], steps: Sequence[Step]) -> list[str]:
    """Shards for which some step has no file."""
    there = [home.names(step.folder) for step in steps]
    return [name for name in names if any(f"{name}.parquet" not in one for one in there)]
