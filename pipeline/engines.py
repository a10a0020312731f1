"""Which engines there are. An engine's file is imported when it is asked for, since ray takes 0.7 s."""

from typing import Literal

from corpus.errors import RecipeError
from pipeline.engine import Engine


def engine(kind: Literal["local", "ray"], workers: int | None = None, address: str | None = None) -> Engine:
    """The engine of that kind.

    workers: all cores this process may use where None, for Ray all CPUs of the cluster.
    address: of a running Ray cluster.
    Raises RecipeError for what does not exist, EngineError where no cluster answers.
    """
    if workers is not None and workers < 1:
        raise RecipeError(f"{workers} workers do no work; ask for 1 or more, or leave it out for all cores")
    if kind == "ray":
        from pipeline.ray_engine import RayEngine

        return RayEngine(workers, address)
    if kind != "local":
        raise RecipeError(f"there is no engine {kind!r}; there are local and ray")
    if address:
        raise RecipeError(f"the local engine has no address ({address!r}); did you mean the engine ray?")
    from pipeline.local_engine import LocalEngine

    return LocalEngine(workers)
