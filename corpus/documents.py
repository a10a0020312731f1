"""Documents in flight: `Batch`, a thin view over a RecordBatch, and the names of the columns all share.

A document's address is (shard, row). `text` is always `large_string`. The column `drop` holds the reason
a document left; null means kept. `value` is the number that sank it.
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.buffers import utf8
from corpus.errors import StageError
from corpus.hashing import digest128
from corpus.selection import renewed, selected, selected_tokens
from corpus.words import Tokens, Words, words

ID, TEXT, DOMAIN, DROP, VALUE = "id", "text", "domain", "drop", "value"
BYTES, DIGEST = "bytes", "digest"
"""Columns of a documents shard beside the document's own: the text's length and its BLAKE2b-128, so that reports,
exact duplicates and the digest of a run need not read the text."""

CORE = pa.schema([(ID, pa.string()), (TEXT, pa.large_string()), (DOMAIN, pa.string())])
"""What every document has. A source's `fields` follow, as nullable strings."""

HTML, CHARSET = "html", "charset"
PAGE = pa.schema([(HTML, pa.large_binary()), (CHARSET, pa.string())])
"""What a page has besides, while it is read and never at rest: its bytes as fetched, and the charset that its
server or record declared. Null where the record was plain text; its `text` is "" until `extract` makes it."""

Columns = dict[str, pa.Array]
"""Column name -> array with one value a row of the batch that was read."""


def digests(text: pa.Array) -> pa.Array:
    """BLAKE2b-128 of each text, fixed binary(16) [N], 850 MB/s."""
    halves = np.stack(digest128(text), axis=1).astype(">u8")
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(text), [None, pa.py_buffer(halves.tobytes())])


def halves(digests: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Digests as two uint64 [N], the first 8 bytes and the last, big-endian."""
    both = np.frombuffer(memoryview(digests.buffers()[1]), ">u8").reshape(-1, 2)
    both = both[digests.offset : digests.offset + len(digests)].astype(np.uint64)
    return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])


class Batch:
    """Rows of one shard, with the word pass computed at most once and shared by every stage."""

    def __init__(self, rows: pa.RecordBatch) -> None:
        """rows: columns as in CORE plus any that earlier sources and stages laid."""
        self.rows = rows
        self.splits: dict[str, Tokens] = {}  # other readings of words, by name: stages/splitting.py
        self._before: tuple[Batch, np.ndarray] | None = None  # an edit: the batch before it, and which texts it changed

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def column(self, name: str) -> pa.Array:
        """The column of that name; StageError names those there are."""
        if name not in self.rows.schema.names:
            raise StageError(f"no column {name!r} in this batch; there are: {', '.join(self.rows.schema.names)}")
        return self.rows.column(name)

    @cached_property
    def text(self) -> pa.Array:
        """The newest text, `large_string` [N]."""
        return self.column(TEXT)

    @cached_property
    def utf8(self) -> tuple[np.ndarray, np.ndarray]:
        """Offsets int64 [N + 1] and bytes uint8 [B] of `text`."""
        return utf8(self.text)

    @cached_property
    def digests(self) -> pa.Array:
        """BLAKE2b-128 of each text, fixed binary [N]: as it was read with the shard, else made here."""
        return self.rows.column(DIGEST) if DIGEST in self.rows.schema.names else digests(self.text)

    @cached_property
    def words(self) -> Words:
        """Words, lines, paragraphs and sentences of `text`, split once."""
        if self._before is None or "words" not in self._before[0].__dict__:
            return words(self.text)
        old, changed = self._before
        return renewed(old.words, old.utf8[0], words(self.text.filter(pa.array(changed))), changed, self.utf8[0])

    def resplit(self, name: str, split: Callable[["Batch"], Tokens]) -> Tokens:
        """The split of that name; after an edit `split` runs on the texts alone that it changed."""
        if self._before is None or name not in self._before[0].splits:
            return split(self)
        old, changed = self._before
        new = split(Batch(self.rows.filter(pa.array(changed))))
        return renewed(old.splits[name], old.utf8[0], new, changed, self.utf8[0])

    def beside(self, columns: pa.Table) -> "Batch":
        """The documents with further columns, one value a row; one of the same name is replaced."""
        rows = self.rows
        for name in columns.column_names:
            place, column = rows.schema.get_field_index(name), columns[name].combine_chunks()
            rows = rows.append_column(name, column) if place < 0 else rows.set_column(place, name, column)
        more = Batch(rows)
        if "words" in self.__dict__:
            more.__dict__["words"] = self.words
        more.splits |= self.splits
        return more

    def edited(self, newer: pa.Table) -> "Batch":
        """The documents under newer columns (`text`, its length and digest) where these are not null.

        Words are split anew where a text changed, when they are asked for.
        """
        if newer[TEXT].null_count == len(self):
            return self
        rows = self.rows
        for name in (name for name in newer.column_names if name in rows.schema.names):
            column = pc.coalesce(newer[name].combine_chunks(), rows.column(name))
            rows = rows.set_column(rows.schema.get_field_index(name), name, column)
        after = Batch(rows)
        if self.splits or "words" in self.__dict__:
            after._before = self, newer[TEXT].is_valid().to_numpy()
        return after

    def where(self, kept: np.ndarray) -> "Batch":
        """The documents that a mask (bool [N]) keeps; words that were split already are not split again."""
        if kept.all():
            return self
        fewer = Batch(self.rows.filter(pa.array(kept)))
        if "words" in self.__dict__:
            fewer.__dict__["words"] = selected(self.words, kept, self.utf8[0])
        fewer.splits |= {name: selected_tokens(split, kept, self.utf8[0]) for name, split in self.splits.items()}
        return fewer
