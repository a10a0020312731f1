"""Exact duplicates: documents whose text, words or address are the same.

The key is BLAKE2b-128, a cryptographic hash: two different texts with one key are not found by chance (2**-128 a
pair) nor by design, so nothing is read again to decide. Of words it is taken over their 64-bit hashes in order, so
two texts are the same where they have the same words by those; see corpus/words.py for what a word is.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from corpus.documents import TEXT, Batch, halves
from corpus.hashing import digest128
from stages.base import WORDS
from stages.deduplication import Deduplication

REASONS = {"text": "exact duplicate", "normalised": "normalised duplicate", "url": "url duplicate"}


@dataclass(frozen=True, kw_only=True)
class Exact(Deduplication):
    """Of documents with the same text (or words, or address) keep the best; drop the others."""

    of: Literal["text", "normalised", "url"] = "text"
    url_column: str = "url"

    name = "exact"
    transitive = False

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # settings name it
        """The text, and the words or the address of each document where these are compared."""
        return {"text": (TEXT,), "normalised": (TEXT, WORDS), "url": (TEXT, self.url_column)}[self.of]

    @property
    def reason(self) -> str:
        return REASONS[self.of]

    def emit(self, batch: Batch) -> pa.Table:
        """One row a document; none where there is nothing to compare: no words, no address."""
        if self.of == "url":
            return self._keyed(*_urls(batch, self.url_column))
        if self.of == "normalised":
            return self._keyed(*_words(batch))
        return self._keyed(*halves(batch.digests), np.arange(len(batch)))

    def _keyed(self, key: np.ndarray, key2: np.ndarray, row: np.ndarray) -> pa.Table:
        return pa.table([key, key2, row], schema=self.emitted())


def _words(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Digests of the word hashes of each document that has words, as if they were its text."""
    first = batch.words.first
    has_words = np.flatnonzero(np.diff(first))
    offsets, hashes = pa.py_buffer(first * 8), pa.py_buffer(batch.words.hashes.astype("<u8"))
    texts = pa.Array.from_buffers(pa.large_string(), len(batch), [None, offsets, hashes])
    return *digest128(texts.take(pa.array(has_words))), has_words


def _urls(batch: Batch, column: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Digests of the canonical form of each address that is one."""
    from corpus.urls import canonical_urls  # its tables of hosts take 20 ms to import, and few runs ask

    there = column in batch.rows.schema.names  # a recipe of which no source has it is refused before it runs
    urls = canonical_urls(batch.column(column) if there else pa.nulls(len(batch), pa.string()))
    return *digest128(urls.drop_null().cast(pa.large_string())), np.flatnonzero(urls.is_valid().to_numpy(False))
