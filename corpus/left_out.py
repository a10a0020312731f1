"""What libraries import by the way, to offer what nobody here asks for: left out, where it is installed at all.

pyarrow looks for pandas at the first list it is handed (0.25 CPU s), numba for SciPy's BLAS and for cffi before its
first kernel (0.2 s). Each process would pay, workers too. Only `winnow`'s own processes do without: pyarrow looks once,
so in a program that imports us and uses pandas afterwards a missing value of a Series would become NaN and not null.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder

COMMAND = "WINNOW_COMMAND"
"""Environment variable that `pipeline.cli.main` sets, and workers inherit."""


class _Absent(MetaPathFinder):
    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        """None, which hands on to the next finder, for all but what is left out."""
        if fullname in self.names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


@contextmanager
def left_out(*names: str) -> Iterator[None]:
    """In a command's processes, packages that are not imported yet cannot be imported meanwhile."""
    if COMMAND not in os.environ:
        yield
        return
    finder = _Absent(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
