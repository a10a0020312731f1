"""Decontamination by each rule: MB/s a core, CPU seconds, with the word pass given and with it.

    python scripts/bench_decontaminate.py [CORPUS BENCHMARKS]    # ../shared/data/corpus, ../shared/data/decontam

15 documents of every file of the corpus, 17 MB, against 17 benchmarks of 31,000 items, 14 MB. The least of nine calls
after one that compiles. Also how long an index takes to make.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from bench_filters import ROOT

sys.path.insert(0, str(ROOT))

from corpus.documents import Batch
from scripts.corpus_texts import sample
from stages.decontaminate import RULES, Decontaminate


def seconds(call: Callable[[], object]) -> float:
    """CPU seconds of a call, the least of nine: what else runs on the machine only adds."""
    call()
    taken = []
    for _ in range(9):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return min(taken)


def main() -> None:
    """See the head of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="?", type=Path, default=ROOT.parent / "shared" / "data" / "corpus")
    parser.add_argument("benchmarks", nargs="?", type=Path, default=ROOT.parent / "shared" / "data" / "decontam")
    asked = parser.parse_args()
    texts = [text for some in sample(asked.corpus, 15).values() for text in some]
    rows = pa.record_batch([pa.array(texts, pa.large_string())], names=["text"])
    given = Batch(rows)
    words, megabytes = given.words, int(given.utf8[0][-1]) / 1e6
    split = seconds(lambda: Batch(rows).words)
    print(
        f"{megabytes:.1f} MB, {len(words.hashes) / 1e6:.1f} million words; the word pass {megabytes / split:,.0f} MB/s"
    )
    print("| rule | words given | with words | n-grams | index |\n| --- | --- | --- | --- | --- |")
    for rule in RULES:
        stage = Decontaminate(against=str(asked.benchmarks / "*.jsonl.gz"), rule=rule)
        start = time.process_time()
        ngrams = len(stage.loaded().ngrams.keys)
        index, taken = time.process_time() - start, seconds(lambda stage=stage: stage.annotate(given))
        speeds = f"{megabytes / taken:,.0f} MB/s | {megabytes / (taken + split):,.0f} MB/s"
        print(f"| {rule} | {speeds} | {ngrams:,} | {index:.1f} s |", flush=True)


if __name__ == "__main__":
    main()
