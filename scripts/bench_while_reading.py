"""What a run costs and writes where its stages run while reading, beside the same stages on documents at rest.

    python scripts/bench_while_reading.py "data/*.jsonl.zst" [--repeat 3]

Filters that drop half of prose: gopher_quality, gopher_repetition, C4 without terminal punctuation, FineWeb. Documents
kept, bytes kept and bytes cut have to be equal; CPU seconds are those that the report books, start-up not counted.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from pipeline.engines import engine
from pipeline.home import Home
from pipeline.progress import Silent
from pipeline.recipe import parse
from pipeline.run import Run

STAGES = ["gopher_quality", "gopher_repetition", {"c4": {"require_terminal": False}}, "fineweb"]


def main() -> None:
    """A line for each way, of the run that took the least CPU; the first run of each compiles and is not counted."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("path")
    asked.add_argument("--repeat", type=int, default=3)
    given = asked.parse_args()
    kept = []
    for key in ("stages", "while_reading"):
        reports = [_run(given.path, key) for _ in range(given.repeat + 1)][1:]
        report = min(reports, key=_cpu)
        kept.append((report["documents"], report["bytes"]))
        print(f"{key:14} {_cpu(report):6.2f} CPU s, at most {report['peak_rss_mb']:,.0f} MB; {_rest(report)}")
    if kept[0] != kept[1]:
        raise SystemExit(f"the two ways differ: {kept}")


def _run(path: str, key: str) -> dict[str, Any]:
    recipe: dict[str, Any] = {"name": "bench", "sources": [{"path": path}], key: STAGES}
    with tempfile.TemporaryDirectory() as at, engine("local", 1) as workforce:
        return Run(parse(recipe), Home(str(Path(at) / "run")), workforce, Silent(), max_bad=1.0)()


def _cpu(report: dict[str, Any]) -> float:
    return sum(one["cpu_seconds"] for one in report["work"].values())


def _rest(report: dict[str, Any]) -> str:
    size, written = report["bytes"], report["written"]
    stored = (
        f"{written['documents'] / 1e6:.1f} MB of documents and {written['columns'] / 1e6:.1f} MB of columns at rest"
    )
    return f"{size['kept'] / 1e6:.1f} of {size['read'] / 1e6:.1f} MB of text kept, {stored}"


if __name__ == "__main__":
    main()
