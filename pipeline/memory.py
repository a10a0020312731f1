"""A worker's memory: how much it took at most, and keeping what was freed for the next batch."""

import ctypes
import functools
import resource
import sys
from pathlib import Path

_TRIM, _MAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h
_KEPT = 1 << 28  # bytes; the arrays of a batch take 10 to 50 MB


@functools.cache
def keep_pages() -> bool:
    """Ask glibc, once a process, not to hand freed memory back to the system; True where it agreed.

    A batch's arrays are freed and wanted again for the next one, and fresh pages are zeroed one by one: a run
    over 82 MB had 72,000 page faults without this and 49,000 with it, and took 5.6 CPU s against 5.2
    (scripts/bench_run.py). Another C library has no such setting and needs none of this.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_TRIM, _KEPT) and mallopt(_MAP, _KEPT))


def peak_rss_mb() -> float:
    """The peak resident memory of this process in MB since its program started.

    From Linux's VmHWM where there is one: `ru_maxrss` begins with the peak of the parent that started us.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
