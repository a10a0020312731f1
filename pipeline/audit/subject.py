"""What is audited: one MinHash stage of a finished run, its documents as it saw them and what it laid."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from corpus.documents import BYTES, CORE, DROP, Batch
from corpus.errors import RecipeError
from corpus.shards import batches
from pipeline.finished import Finished
from pipeline.plan import Step
from pipeline.recipe import names
from pipeline.seen import seen
from pipeline.view import View
from stages.minhash import MinHash

BATCH_ROWS = 1_024


@dataclass(frozen=True)
class Subject:
    """A stage of a finished run. Documents that came to it are those that no earlier stage dropped."""

    finished: Finished
    step: Step
    stage: MinHash

    @classmethod
    def of(cls, finished: Finished, name: str | None = None) -> "Subject":
        """The MinHash stage of that name, or the only one where None.

        RecipeError where there is no such stage, or several and none was named, or this Winnow makes other keys.
        """
        stages = dict(zip(names(finished.plan.recipe), finished.plan.recipe.stages, strict=True))
        known = {n: stage for n, stage in stages.items() if isinstance(stage, MinHash)}
        wanted = [n for n in known if name in (None, n)]
        if len(wanted) != 1:
            said = f"there are: {', '.join(known)}" if known else "an audit is of what minhash compared"
            asked = f"no minhash stage {name!r}" if name else f"{len(known)} minhash stages, one is audited"
            raise RecipeError(f"{finished.home.at}: {asked}; {said}")
        step = next(step for step in finished.plan.judged if step.name == wanted[0])
        stage = known[wanted[0]]
        if step.parts["version"] != stage.version:
            was = f"the run was made by its version {step.parts['version']} and this Winnow has {stage.version}"
            raise RecipeError(f"{step.name}: {was}, which makes other keys. Run the recipe again, then audit it.")
        return cls(finished, step, replace(stage, device="cpu"))  # the same bits without the run's GPU

    @cached_property
    def number(self) -> int:
        """Its place among the stages that judge."""
        return self.finished.plan.judged.index(self.step)

    def shards(self) -> Iterator[tuple[int, "Shard"]]:
        """Its shards in order, numbered."""
        return ((n, Shard(self, view)) for n, view in enumerate(self.finished.views()))


@dataclass(frozen=True)
class Shard:
    """One shard of a subject: bool and int64 arrays are one value a row of the shard."""

    subject: Subject
    view: View

    @cached_property
    def came(self) -> np.ndarray:
        """bool [N]: documents that came to the stage."""
        return np.asarray((self.view.dropped_by < 0) | (self.view.dropped_by >= self.subject.number))

    @cached_property
    def removed(self) -> np.ndarray:
        """bool [N]: documents that the stage dropped."""
        return np.asarray(self.view.dropped_by == self.subject.number)

    @cached_property
    def laid(self) -> pa.Table:
        """`duplicate_of`, `similarity`, `cluster` and `cluster_size`, null where a document did not come."""
        return self.view.laid(self.subject.step).drop_columns([DROP])

    @cached_property
    def named(self) -> np.ndarray:
        """bool [N]: documents that the stage called a duplicate of another, whether or not it then dropped them."""
        return np.asarray(self.laid["duplicate_of"].combine_chunks().is_valid())

    @cached_property
    def indexed(self) -> np.ndarray:
        """bool [N]: duplicates of a document of an index, which this run does not hold whatever its ids are."""
        return np.asarray(self.laid["duplicate_in"].combine_chunks().is_valid())

    def column(self, name: str) -> pa.Array:
        """A column of the documents."""
        return self.view.documents([name])[name].combine_chunks()

    @cached_property
    def size(self) -> np.ndarray:
        """int64 [N]: bytes of each text as the stage saw it."""
        return seen(self.view, self.subject.step).read(self.view.name, [BYTES])[BYTES].to_numpy()

    def texts(self, rows: np.ndarray) -> pa.Table:
        """Documents at `rows` (int64, ascending) as the stage saw them, with the columns of CORE."""
        if len(rows) == 0:
            return CORE.empty_table()
        return seen(self.view, self.subject.step).take(self.view.name, rows, CORE.names).cast(CORE)

    def batches(self, rows: np.ndarray) -> Iterator[Batch]:
        """The same in batches of about a MB."""
        return (Batch(one) for one in batches(self.texts(rows), rows=BATCH_ROWS))
