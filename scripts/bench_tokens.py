"""Tokens beside the field: the same documents and 32,000-token BPE, MB of text a CPU second, ids compared.

    python scripts/bench_tokens.py ../shared/data/corpus --peers peers/bin/python
    python scripts/bench_tokens.py FOLDER --huge 300         # a single document of 300 MB too: memory, and its ids

FOLDER has *.jsonl.zst or *.jsonl.gz with a field `text`. `peers/bin/python` has datatrove[io,processing]==0.10.1 and
tokenizers. Each tool runs in a process of its own, on one thread; CPU seconds are of that process, start-up (what the
same tool takes for one document) taken off. `winnow` is the way of a run: the proof on 4 MB, spot checks, token shards
written with their index and checksums. `encode` is the engine alone, on text it has not seen.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import orjson
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from corpus.buffers import total_bytes  # noqa: E402
from corpus.tokens import Origin, read_shard, write_shard  # noqa: E402
from pipeline.memory import peak_rss_mb  # noqa: E402
from pipeline.tokenize import EOS, Tokenizer, sampled, train_bpe  # noqa: E402
from pipeline.tokenizing.engines import fast  # noqa: E402
from pipeline.tokenizing.proof import PROOF_MB, SEED, checked, proven  # noqa: E402

TOOLS = ("winnow", "winnow without gigatoken", "encode gigatoken", "encode tokenizers", "datatrove")
SHARD = 64_000_000  # bytes of text, as in a run


def main() -> None:
    """Print a Markdown table, a row a tool; end with an error where ids differ."""
    asked = _asked()
    if asked.tool:
        print(json.dumps(_done(asked.tool, Path(asked.folder))))
        return
    with tempfile.TemporaryDirectory() as place:
        _prepare(Path(asked.folder), Path(place))
        rows = {tool: _row(tool, Path(place), asked.peers) for tool in TOOLS if tool != "datatrove" or asked.peers}
        _print(rows)
        if asked.huge:
            _huge(Path(place), asked.huge)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--peers", help="Python that has datatrove")
    parser.add_argument("--huge", type=int, help="MB of one document")
    parser.add_argument("--tool", help=argparse.SUPPRESS)
    return parser.parse_args()


def _prepare(folder: Path, place: Path) -> None:
    """all/ and one/: documents as Parquet and JSONL; tokenizer.json: 32,000 tokens from a quarter of them."""
    texts = []
    for path in sorted(folder.glob("*.jsonl.*")):
        with pa.input_stream(str(path), compression="zstd" if path.suffix == ".zst" else "gzip") as file:
            texts += [orjson.loads(line)["text"] for line in file.read().splitlines()]
    for name, some in (("all", texts), ("one", texts[:1])):
        (place / name).mkdir()
        ids = [f"{n}" for n in range(len(some))]
        pq.write_table(pa.table({"id": ids, "text": pa.array(some, pa.large_string())}), place / name / "d.parquet")
        rows = ({"id": id_, "text": text} for id_, text in zip(ids, some, strict=True))
        (place / name / "d.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    (place / "tokenizer.json").write_text(train_bpe([texts[::4]], 32_000))


def _row(tool: str, place: Path, peers: str | None) -> tuple[float, float, float, str]:
    """MB/s, CPU seconds less start-up, peak MB, and the hash of all ids."""
    start_up, _ = _cost(tool, place / "one", peers)
    cpu, done = _cost(tool, place / "all", peers)
    net = done["cpu"] if "cpu" in done else cpu - start_up
    return done["bytes"] / 1e6 / net, net, done["rss"], done["ids"]


def _cost(tool: str, at: Path, peers: str | None) -> tuple[float, dict]:
    """CPU seconds of the process, and what it said."""
    ours = [sys.executable, __file__, str(at), "--tool", tool]
    datatrove = [peers, str(ROOT / "scripts/peers/datatrove_tokens.py"), str(at / "d.jsonl"), str(at / "out")]
    command = ours if tool != "datatrove" else [*datatrove, str(at.parent / "tokenizer.json"), EOS]
    alone = {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}
    done = subprocess.Popen(command, env=os.environ | alone, stdout=subprocess.PIPE, text=True)
    said = done.stdout.read() if done.stdout else ""
    _, status, usage = os.wait4(done.pid, 0)
    if status:
        raise SystemExit(f"{tool}: ended with {status}")
    cpu = usage.ru_utime + usage.ru_stime
    return cpu, json.loads(said.splitlines()[-1]) if tool != "datatrove" else _datatrove(at, usage.ru_maxrss / 1024)


def _datatrove(at: Path, rss: float) -> dict:
    text = pq.read_table(at / "d.parquet", columns=["text"])["text"]
    (tokens,) = (path for path in (at / "out").rglob("*.ds"))
    return {"bytes": total_bytes(text), "rss": rss, "ids": _hash(np.fromfile(tokens, "<u2"))}


def _hash(ids: np.ndarray) -> str:
    return hashlib.blake2b(ids.astype("<u2").tobytes(), digest_size=8).hexdigest()


def _done(tool: str, at: Path) -> dict:
    table = pq.read_table(at / "d.parquet").combine_chunks()
    tokenizer = Tokenizer.load(str(at.parent / "tokenizer.json"))
    if tool.startswith("encode"):
        made = tokenizer.by("gigatoken" if tool.endswith("gigatoken") else "huggingface")
        assert made.engine.name == made.asked, fast(made.text, made.eos)
        began = time.process_time()
        ids, _ = made.encode(table["text"].combine_chunks())
        more = {"cpu": time.process_time() - began}
    else:
        ids, more = _shards(tool, table, tokenizer, at), {}
    return {"bytes": total_bytes(table["text"]), "rss": peak_rss_mb(), "ids": _hash(ids)} | more


def _shards(tool: str, table: pa.Table, tokenizer: Tokenizer, at: Path) -> np.ndarray:
    """The way of a run: proof, shards of SHARD bytes with spot checks, files."""
    if tool == "winnow":
        share = min(1.0, PROOF_MB * 1e6 / total_bytes(table["text"]))
        sample = table.filter(pa.array(sampled(table["id"].combine_chunks(), share, SEED)))
        tokenizer = tokenizer.by(proven(tokenizer, [sample]).engine)
        assert tokenizer.asked == "gigatoken"
    ends = np.cumsum(pc.binary_length(table["text"]).to_numpy())
    cuts = [0, *np.searchsorted(ends, np.arange(SHARD, ends[-1], SHARD)).tolist(), len(ends)]
    for number, (start, end) in enumerate(pairwise(cuts)):
        part = table.slice(start, end - start).combine_chunks()
        texts, names = part["text"].combine_chunks(), part["id"].combine_chunks()
        ids, lengths, wrong = checked(tokenizer, texts, names)
        assert wrong is None, wrong
        origin = Origin("bench", np.arange(start, end), names)
        facts = {"domain": "all", "text_bytes": total_bytes(texts), "origin": origin}
        write_shard(str(at / "tokens"), f"{number:05d}", lengths, ids, tokenizer.dtype, **facts)
    return np.concatenate([read_shard(str(at / "tokens" / f"{n:05d}")).ids for n in range(len(cuts) - 1)])


def _print(rows: dict[str, tuple[float, float, float, str]]) -> None:
    base = rows["datatrove"][0] if "datatrove" in rows else rows["encode tokenizers"][0]
    print(f"| tool | MB/s | CPU s | x {'datatrove' if 'datatrove' in rows else 'tokenizers'} | peak MB | ids |")
    print("| --- | --- | --- | --- | --- | --- |")
    for tool, (speed, cpu, rss, ids) in rows.items():
        print(f"| {tool} | {speed:.1f} | {cpu:.2f} | {speed / base:.1f} | {rss:,.0f} | {ids} |")
    if len({ids for *_, ids in rows.values()}) > 1:
        raise SystemExit("ids differ")


def _huge(place: Path, megabytes: int) -> None:
    """One document of so many MB by the fast engine: seconds, peak, and that its ids are those of one call."""
    texts = pq.read_table(place / "all" / "d.parquet", columns=["text"])["text"].to_pylist()
    text = "\n".join(texts)
    text = (
        (text * (megabytes * 1_000_000 // len(text.encode()) + 1))
        .encode()[: megabytes * 1_000_000]
        .decode(errors="ignore")
    )
    column, size = pa.array([text], pa.large_string()), len(text.encode())
    del texts, text
    tokenizer = Tokenizer.load(str(place / "tokenizer.json"), engine="gigatoken")
    with _Watched() as watched:
        began = time.process_time()
        ids, _ = tokenizer.encode(column)
        took = time.process_time() - began
    print(f"\none document of {size / 1e6:.0f} MB: {took:.1f} CPU s, {watched.more:,.0f} MB more than before at most")
    (whole,) = tokenizer.engine([column[0].as_py().encode()])
    if not np.array_equal(ids[:-1], whole):
        raise SystemExit("its ids are not those of one call")
    print(f"{len(ids):,} tokens, the same as in one call")


class _Watched(threading.Thread):
    """How much more memory the process holds meanwhile, looked at every 10 ms: a peak would be that of the training."""

    def __enter__(self) -> "_Watched":
        self.before, self.more, self.over = _rss_mb(), 0.0, threading.Event()
        self.start()
        return self

    def run(self) -> None:
        while not self.over.wait(0.01):
            self.more = max(self.more, _rss_mb() - self.before)

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


def _rss_mb() -> float:
    return psutil.Process().memory_info().rss / 1e6


if __name__ == "__main__":
    main()
