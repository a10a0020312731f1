"""How long a piece of work takes where nothing else disturbs it: the fastest of several runs."""

from collections.abc import Callable
from time import process_time


def best(work: Callable[[], object], repeat: int) -> float:
    """CPU seconds of the fastest of so many runs."""
    taken = []
    for _ in range(repeat):
        began = process_time()
        work()
        taken.append(process_time() - began)
    return min(taken)
