"""Near-duplicates beside the field: the same planted corpus, the same parameters, files to files, CPU seconds.

    python scripts/plant_corpus.py "data/corpus/*.jsonl.*" planted/
    python scripts/bench_dedup.py planted/ --peers peers/bin/python [--only winnow,rensa] [--repeat 3]

`peers/bin/python` has datatrove[io,processing]==0.10.1 spacy datasketch==2.0.0 rensa==0.5.0 daft==0.7.26. Word 5-grams,
14 bands of 8 = 112 permutations, one worker. CPU seconds are of the process and its children, start-up included; the
start-up itself is what the same tool takes for one document, and is taken off in the second column. Winnow verifies
on text and writes every document with its columns; the others drop on a band's word and write what they keep.
datasketch is as its documentation has it (update_batch, MinHashLSH) and, in bulk, with our banding in its LSH's place.
Recall: of planted pairs with exact Jaccard >= 0.7 under the tool's own tokens, how many are not both kept.
"""

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
PEERS = ("daft", "rensa", "datasketch", "datasketch_bulk", "datatrove")
RECIPE = "name: bench\nsources: [{path: %s}]\nstages: [{minhash: {least: 0.7, max_source_loss: 1.0}}]\n"
WORD = re.compile(r"\w+")
Tokens = Callable[[str], list[str]]
PYTHON = ("rensa", "datasketch", "datasketch_bulk")  # whose users split by themselves
TOKENS: dict[str, Tokens] = {name: lambda text: WORD.findall(text.lower()) for name in PYTHON}
TOKENS["daft"] = lambda text: re.sub(r"[^\w\s]|_", "", text.lower()).split()
TOKENS["datatrove"] = lambda text: re.sub(r"[^\w\s]|_", " ", re.sub(r"\d+", "0", text.lower())).split()


def main() -> None:
    """Print a Markdown table, a row a tool."""
    asked = _asked()
    source = Path(asked.planted) / "documents.jsonl"
    size = sum(len(json.loads(line)["text"].encode()) for line in source.open("rb"))
    rows = _rows(source, asked)
    ours = next((net for tool, _, net, *_ in rows if tool == "winnow"), None)
    print("| tool | CPU s | less start-up | MB/s | x Winnow | peak MB | kept | recall at J >= 0.7, own tokens |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for tool, whole, net, peak, kept, recall in rows:
        times = f"{net / ours:.1f}" if ours else ""
        print(
            f"| {tool} | {whole:.2f} | {net:.2f} | {size / 1e6 / net:.1f} | {times} | {peak:,.0f} "
            f"| {kept:,} | {recall} |"
        )


def _rows(source: Path, asked: argparse.Namespace) -> list[tuple[str, float, float, float, int, str]]:
    """A row a tool. They take turns, so that a busy machine is busy for all of them; the least of each counts."""
    tools, start_up, costs = asked.only.split(","), {}, {}
    with tempfile.TemporaryDirectory() as place:
        one = Path(place) / "one.jsonl"
        one.write_bytes(next(source.open("rb")))
        if "winnow" in tools:
            _cost("winnow", source, Path(place) / "compiled", asked)  # its first run compiles kernels
        for turn in range(asked.repeat):
            for tool in tools:
                begun = _cost(tool, one, Path(place) / f"{tool}-one{turn}", asked)
                done = _cost(tool, source, Path(place) / f"{tool}-all{turn}", asked)
                start_up.setdefault(tool, []).append(begun[0])
                costs.setdefault(tool, []).append(done)
        kept = {tool: _kept(tool, Path(place) / f"{tool}-all0") for tool in tools}
    rows = []
    for tool in tools:
        whole, peak = min(cost for cost, _ in costs[tool]), max(peak for _, peak in costs[tool])
        net = max(whole - min(start_up[tool]), 1e-9)
        rows.append((tool, whole, net, peak, len(kept[tool]), _recall(tool, asked.planted, kept[tool])))
    return rows


def _cost(tool: str, source: Path, out: Path, asked: argparse.Namespace) -> tuple[float, float]:
    """CPU seconds of the tool with its children, and the peak memory of its largest process in MB."""
    out.mkdir()
    script = ROOT / "scripts" / "peers" / f"{tool}_minhash.py"
    command = [asked.peers, str(script), str(source), str(out)]
    if tool == "winnow":
        (out / "recipe.yaml").write_text(RECIPE % source)
        command = [sys.executable, "-m", "pipeline", "run", str(out / "recipe.yaml"), "--at", str(out / "run")]
        command += ["--workers", "1", "--json"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}", "DO_NOT_TRACK": "1"}
    with (out / "said").open("wb") as said:
        _, status, used = os.wait4(subprocess.Popen(command, stdout=said, stderr=said, env=environment).pid, 0)
    if status:
        raise SystemExit(f"{tool} failed:\n{(out / 'said').read_text()[-2000:]}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3


def _kept(tool: str, out: Path) -> set[str]:
    if tool != "winnow":
        return {json.loads(line)["id"] for line in (out / "kept.jsonl").open("rb")}
    command = [sys.executable, "-m", "pipeline", "export", str(out / "run"), str(out / "kept.jsonl")]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PYTHONPATH": f"{ROOT}"})
    return {json.loads(line)["id"] for line in (out / "kept.jsonl").open("rb")}


def _recall(tool: str, planted: str, kept: set[str]) -> str:
    with (Path(planted) / "truth.csv").open() as file:
        truth = list(csv.DictReader(file))
    texts = {}
    for line in (Path(planted) / "documents.jsonl").open("rb"):
        document = json.loads(line)
        texts[document["id"]] = document["text"]
    tokens = TOKENS.get(tool, _words)
    alike = [row for row in truth if _jaccard(tokens, texts[row["copy"]], texts[row["original"]]) >= 0.7]
    caught = sum(not {row["copy"], row["original"]} <= kept for row in alike)
    return f"{caught / len(alike):.3f} of {len(alike):,}"


def _words(text: str) -> list[str]:
    """Winnow's own words, by their hashes."""
    import pyarrow as pa

    sys.path.insert(0, str(ROOT))
    from corpus.words import words

    return [str(one) for one in words(pa.array([text], pa.large_string())).hashes.tolist()]


def _jaccard(tokens: Tokens, a: str, b: str) -> float:
    first, second = (_ngrams(tokens(text)) for text in (a, b))
    return len(first & second) / len(first | second)


def _ngrams(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))}


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("planted")
    parser.add_argument("--peers", default="peers/bin/python")
    parser.add_argument("--only", default=",".join(("winnow", *PEERS)))
    parser.add_argument("--repeat", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
