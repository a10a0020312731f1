"""Seeded samples of the real corpus beside the project, by domain."""

import gzip
import io
import random
from pathlib import Path

import orjson
import pyarrow as pa


def texts(path: Path) -> list[str]:
    """The texts of one `*.jsonl.zst` or `*.jsonl.gz`."""
    if path.suffix == ".gz":
        raw = gzip.decompress(path.read_bytes())
    else:
        with pa.input_stream(str(path), compression="zstd") as stream:
            raw = stream.read()
    return [orjson.loads(line)["text"] for line in io.BytesIO(raw)]


def sample(folder: Path, each: int, seed: int = 1) -> dict[str, list[str]]:
    """At most `each` texts of every file, by the domain that its name begins with: the same on every machine."""
    domains: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.jsonl.*")):
        found = texts(path)
        drawn = random.Random(seed).sample(found, min(each, len(found)))
        domains.setdefault(path.name.partition("__")[0], []).extend(drawn)
    return domains
