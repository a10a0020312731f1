"""fastText model files for the library and ours to read: random ones by the format's own description, and trained ones.

A file drawn from a seed holds every loss and setting, also those that training never ends in, and rows that no
training leaves at zero. floret trains and quantises, in one thread the same bytes each time; the library that is the
reference, fasttext-predict, does neither.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import floret
import numpy as np

from classifiers.floret_models import standard

HS, NS, SOFTMAX, OVA = 1, 2, 3, 4
VOCABULARY = ("</s>", "the", "a", "naïve", "日本", "ру", "foo", "bar", "ß", "x", "é", "don't", "👩‍👧", "word.")


@dataclass(frozen=True)
class Made:
    """What a random model is made of."""

    loss: int = SOFTMAX
    dim: int = 8
    labels: tuple[str, ...] = ("en", "de", "fr")
    words: tuple[str, ...] = VOCABULARY
    bucket: int = 300
    minn: int = 2
    maxn: int = 4
    word_ngrams: int = 1
    seed: int = 1
    version: int = 12
    kind: int = 3  # supervised

    def written(self, path: Path) -> Path:
        """The file, dense."""
        draw = np.random.default_rng(self.seed)
        args = self.dim, 5, 5, 1, 5, self.word_ngrams, self.loss, self.kind, self.bucket, self.minn, self.maxn, 100
        names = [*self.words, *(f"__label__{label}" for label in self.labels)]
        head = struct.pack("<2i12id", 793712314, self.version, *args, 1e-4)
        sizes = struct.pack("<3i2q", len(names), len(self.words), len(self.labels), 1000, -1)
        inside = b"".join(
            name.encode() + b"\0" + struct.pack("<qb", 10 * (len(names) - n), n >= len(self.words))
            for n, name in enumerate(names)
        )
        rows = draw.normal(size=(len(self.words) + self.bucket, self.dim)).astype("<f4")
        out = (2 * draw.normal(size=(len(self.labels), self.dim))).astype("<f4")
        path.write_bytes(head + sizes + inside + b"\0" + _matrix(rows) + b"\0" + _matrix(out))
        return path


def _matrix(rows: np.ndarray) -> bytes:
    return struct.pack("<2q", *rows.shape) + rows.tobytes()


def floretted(raw: bytes) -> bytes:
    """The file with floret's two arguments: its mode, 1 for fastText's own, and how many hashes."""
    return raw[:52] + struct.pack("<2i", 1, 1) + raw[52:]


def quantised(dense: Path, path: Path, **settings: Any) -> Path:
    """The dense model of that file, quantised by floret, as a file of fastText's."""
    path.write_bytes(floretted(dense.read_bytes()))
    return _saved(floret.load_model(str(path)), path, settings)


def trained(lines: list[tuple[str, str]], path: Path, quantise: dict[str, Any] | None = None, **settings: Any) -> Path:
    """What floret learns of these labels and texts, as a file of fastText's."""
    path.write_text("".join(f"__label__{label} {text}\n" for label, text in lines), encoding="utf-8")
    return _saved(floret.train_supervised(str(path), thread=1, seed=42, verbose=0, **settings), path, quantise)


def _saved(model: Any, path: Path, quantise: dict[str, Any] | None) -> Path:
    if quantise is not None:
        model.quantize(retrain=False, **quantise)
    model.save_model(str(path))
    path.write_bytes(standard(path.read_bytes()))
    return path
