"""What peers leave to their user: LSH over signatures with numpy, reading, and writing what is kept."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

BANDS, ROWS = 14, 8  # of 112 permutations


def kept(signatures: np.ndarray, bands: int = BANDS) -> np.ndarray:
    """bool [N]: the first document of each component of documents that share a band."""
    parent = np.arange(len(signatures))

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = parent[parent[n]]
            n = parent[n]
        return n

    rows = signatures.shape[1] // bands
    for band in range(bands):
        keys = np.ascontiguousarray(signatures[:, band * rows : (band + 1) * rows])
        view = keys.view(np.dtype((np.void, keys.dtype.itemsize * rows))).ravel()
        order = np.argsort(view, kind="stable")
        same = np.flatnonzero(view[order][1:] == view[order][:-1])
        for a, b in zip(order[same].tolist(), order[same + 1].tolist(), strict=True):
            a, b = root(a), root(b)
            parent[max(a, b)] = min(a, b)
    return np.array([root(n) == n for n in range(len(parent))])


def write(out: Path, lines: Sequence[bytes], chosen: np.ndarray) -> None:
    """The lines of the documents that are kept, as they were read."""
    with (out / "kept.jsonl").open("wb") as file:
        file.writelines(line for line, one in zip(lines, chosen.tolist(), strict=True) if one)


def read(source: Path) -> tuple[list[bytes], list[str]]:
    """The lines of a JSONL file and their texts."""
    lines = source.read_bytes().splitlines(keepends=True)
    return lines, [json.loads(line)["text"] for line in lines]
