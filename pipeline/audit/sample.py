"""A bounded sample of documents by a key: those of the least key, whatever order they come in."""

from dataclasses import dataclass, field

import numpy as np

MOST_BYTES = 128_000_000
"""Text of a sample. The shingles of 68 MB and the join over them took 0.7 GB, hence 1.4 GB at most."""

_COLUMNS = ("key", "shard", "row", "size")


@dataclass
class Sample:
    """The `most` documents of the least (key, shard, row), fewer where they hold more than `most_bytes` of text."""

    most: int
    most_bytes: int = MOST_BYTES
    held: dict[str, np.ndarray] = field(default_factory=lambda: dict.fromkeys(_COLUMNS, np.zeros(0, np.int64)))
    whole: bool = True  # nothing that was offered was left out

    def offer(self, key: np.ndarray, shard: int, row: np.ndarray, size: np.ndarray) -> None:
        """Documents of one shard: key uint64, row and size (bytes) int64, each [N]."""
        new = {"key": key.view(np.int64), "shard": np.full(len(row), shard, np.int64), "row": row, "size": size}
        self.held = {name: np.concatenate([self.held[name], new[name]]) for name in _COLUMNS}
        order = np.lexsort((self.held["row"], self.held["shard"], self.held["key"].view(np.uint64)))
        before = np.cumsum(self.held["size"][order]) - self.held["size"][order]
        kept = order[: self.most][before[: self.most] < self.most_bytes]
        self.whole &= len(kept) == len(order)
        self.held = {name: column[kept] for name, column in self.held.items()}

    def __len__(self) -> int:
        return len(self.held["row"])

    @property
    def bytes(self) -> int:
        """Of all its texts."""
        return int(self.held["size"].sum())

    def half(self) -> "Sample":
        """Those of the lesser keys."""
        less = len(self) // 2
        return Sample(less, self.most_bytes, {name: column[:less] for name, column in self.held.items()}, False)

    def rows(self, shard: int) -> np.ndarray:
        """Rows of one shard, ascending: int64."""
        return np.sort(self.held["row"][self.held["shard"] == shard])
