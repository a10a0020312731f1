"""What trains proxies: processes of this machine, or tasks of a Ray cluster that is joined or begun, and left again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpus.errors import RecipeError

if TYPE_CHECKING:
    from mixtures.proxies.proxy import Pool

ENGINES = ("local", "ray")


@contextmanager
def pool(kind: str = "local", workers: int | None = None, address: str | None = None) -> "Iterator[Pool]":
    """The pool of an engine. workers: proxies at once, a thread each; where None all cores, or one a GPU where
    they train on these; of a cluster all CPUs.

    Raises RecipeError for an engine that there is not, EngineError where no cluster answers.
    """
    if kind not in ENGINES:
        raise RecipeError(f"--engine: {kind!r} is not known; one of: {', '.join(ENGINES)}")
    if address and kind != "ray":
        raise RecipeError("--address is of a Ray cluster; give --engine ray with it")
    if kind == "local":
        yield _local(workers)
        return
    from pipeline.engines import engine
    from stages.base import Needs
    from trainer.jobs.ray_tasks import run_on_ray
    from trainer.jobs.workers import on_cuda

    with engine("ray", workers, address) as workforce:

        def train(folder: Path, jobs: Sequence[Any], told: Callable[[Any], None] = lambda one: None) -> list[Any]:
            needs = Needs(gpus=1 if on_cuda(jobs) else 0)
            return run_on_ray(folder, jobs, lambda task, items: workforce.map(task, items, needs=needs), told)

        yield train


def _local(workers: int | None) -> "Pool":
    from pipeline.engine import cores
    from trainer.jobs.workers import cuda_devices, on_cuda, run

    def train(folder: Path, jobs: Sequence[Any], told: Callable[[Any], None] = lambda one: None) -> list[Any]:
        return run(folder, jobs, workers or (len(cuda_devices()) if on_cuda(jobs) else cores()), told)

    return train
