"""What a whole run costs, in CPU seconds of the process and its children, as a user would start it.

    python scripts/bench_run.py "data/*.jsonl.zst" [--domain-field domain] [--repeat 3] [--tokens]

Without --tokens: gopher_quality, exact and minhash, files to files, start-up included. With --tokens also the
tokenizer's own time (Hugging Face `tokenizers` on the same kept text, nothing else) beside what Winnow took for it.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
STAGES = ["gopher_quality", "exact", "minhash"]
TOKENS = {"tokenizer": "train", "vocab": 32_000, "train_mb": 8}


def main() -> None:
    """Print one line a run, and the least CPU time of all."""
    asked = _asked()
    with tempfile.TemporaryDirectory() as place:
        recipe = Path(place) / "recipe.yaml"
        source = {"path": asked.path} | ({"domain_field": asked.domain_field} if asked.domain_field else {})
        whole = {"name": "bench", "sources": [source], "stages": STAGES} | ({"tokens": TOKENS} if asked.tokens else {})
        recipe.write_text(yaml.safe_dump(whole))
        costs = [_run(recipe, Path(place) / f"run{n}", asked.workers) for n in range(asked.repeat + 1)][1:]
        size, cpu = costs[0][1], min(cost for cost, *_ in costs)
        print(f"least of {len(costs)}: {size / 1e6:.1f} MB in {cpu:.2f} CPU s = {size / 1e6 / cpu:.1f} MB/s a core")
        if asked.tokens:
            _tokenizer(Path(place) / f"run{asked.repeat}")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("--domain-field")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--tokens", action="store_true")
    return parser.parse_args()


def _run(recipe: Path, at: Path, workers: int) -> tuple[float, int]:
    """CPU seconds of one run, and the bytes of text it read. The first run compiles kernels and is not counted."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "pipeline", "run", str(recipe), "--at", str(at), "--workers", str(workers)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    report = json.loads((at / "report.json").read_text())
    peak = max(one["peak_rss_mb"] for one in report["work"].values())
    wall = time.monotonic() - begun
    print(f"{cpu:6.2f} CPU s, {wall:6.2f} s, peak {peak:,.0f} MB, digest {json.loads(done.stdout)['digest']}")
    return cpu, report["bytes"]["read"]


def _tokenizer(at: Path) -> None:
    """The library alone on the kept text, against what the run booked for tokens, writing of shards included."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    sys.path.insert(0, str(ROOT))
    import tokenizers

    from pipeline.finished import Finished, kept

    run = Finished.at(str(at))
    library = tokenizers.Tokenizer.from_file(str(next(at.glob("tokenizer-*/tokenizer.json"))))
    texts = [text for table in run.tables(kept) for text in table["text"].to_pylist()]
    begun = time.process_time()
    for start in range(0, len(texts), 100):
        library.encode_batch_fast(texts[start : start + 100], add_special_tokens=False)
    alone = time.process_time() - begun
    ours = run.report["work"]["tokens"]["cpu_seconds"]
    print(f"tokens: {ours:.2f} CPU s, the library alone {alone:.2f}: {ours / alone - 1:+.1%}")


if __name__ == "__main__":
    main()
