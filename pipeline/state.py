"""How far a home is with a plan, step by step, and why what is left is left."""

from dataclasses import dataclass

from pipeline.fingerprint import differences
from pipeline.home import STEPS, Home
from pipeline.plan import Plan, Step
from pipeline.reading import marker


@dataclass(frozen=True)
class State:
    """A step: how many of its parts are done, and what changed since the home's last run."""

    step: str
    kind: str
    folder: str
    done: int
    of: int  # parts; shards of units that were never read are not known yet and count one a unit
    why: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Nothing is left to do."""
        return self.done == self.of


def states(plan: Plan, home: Home | None) -> list[State]:
    """The state of every step of a plan in a home; without a home all is to do."""
    before = {(s["name"], s["kind"]): s["parts"] for s in home.json(STEPS, [])} if home else {}
    shards, unread = _shards(plan, home)
    found = []
    for step in plan.steps:
        done, of = _parts(plan, step, home, shards, unread)
        why = tuple(differences(before.get((step.name, step.kind)), step.parts)) or ("unfinished",)
        found.append(State(step.name, step.kind, step.folder, done, of, () if done == of else why))
    return found


def _shards(plan: Plan, home: Home | None) -> tuple[list[str], int]:
    """Names of the shards that are there, and how many units have none yet."""
    there = home.names(plan.documents.folder) if home else set()
    read = [unit for unit in plan.units if f"{unit.key}.json" in there]
    folder = home.path(plan.documents.folder) if home else ""
    return [part["name"] for unit in read for part in marker(folder, unit)["parts"]], len(plan.units) - len(read)


def _parts(plan: Plan, step: Step, home: Home | None, shards: list[str], unread: int) -> tuple[int, int]:
    there = home.names(step.folder) if home else set()
    if step.kind in ("documents", "while_reading"):
        return len(plan.units) - unread, len(plan.units)
    if step.kind == "tokenizer":
        return int("tokenizer.json" in there), 1
    suffix = "json" if step.kind == "kept" else "parquet"
    return sum(f"{name}.{suffix}" in there for name in shards), len(shards) + unread
