"""What a token format is: a writer and a reader of parts.

A part is some consecutive documents of one token shard. Every format holds the same of it: which documents, of
which rows of the corpus, and their tokens. So whatever can be read can be written as anything else.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import pyarrow as pa

from corpus.buffers import utf8
from corpus.errors import ShardError
from corpus.formats.files import Destination, Source
from corpus.manifest import ShardEntry, TokenizerCard

PART_BYTES = 1 << 28
"""Where a shard is cut in parts. A shard of 64 MB of text has 15 to 60 MB of tokens and stays one; MDS and litdata
place documents by 32 bits, and a part of a million documents still fits memory."""

_BESIDE = 64  # bytes that a format at most puts beside a document's tokens, id and domain (MDS: 4 + 12 + 8 + 5)


class Part(NamedTuple):
    """Consecutive documents of one token shard."""

    domain: str
    source: str  # the corpus shard they come from
    rows: np.ndarray  # int64 [N], in that corpus shard
    ids: pa.Array  # string [N]
    lengths: np.ndarray  # int64 [N], tokens
    tokens: np.ndarray  # uint16 or int32 [sum of lengths]


class Piece(NamedTuple):
    """A part that was written: its name within the folder, without suffix, and what it holds."""

    name: str
    documents: int
    tokens: int


class Format(ABC):
    """How parts are laid in files. A part's files begin with its name."""

    name: ClassVar[str]  # as --format and the manifest say it
    reads: ClassVar[str]  # the software that reads it

    @abstractmethod
    def write(self, to: Destination, name: str, part: Part, tokenizer: TokenizerCard) -> None:
        """Write the files of one part. ShardError where the format cannot hold it."""

    @abstractmethod
    def read(self, of: Source, name: str, entry: ShardEntry, dtype: np.dtype) -> Part:
        """The part of that name, of the shard `entry`. ShardError where a file is missing, altered or malformed."""

    def index(self, to: Destination, folder: str, pieces: Sequence[Piece], dtype: np.dtype) -> None:  # noqa: B027
        """Write what makes the pieces of one folder one data set; most formats need nothing."""


def part_name(path: str, number: int) -> str:
    """The name of a shard's part: no two parts of two shards share one, for the number has no dash."""
    return f"{path}-{number:03d}"


def cut(part: Part, most_bytes: int = PART_BYTES) -> Iterator[Part]:
    """The same documents in parts of at most `most_bytes` in any format, or of one document that is larger.

    At least one part comes out, so a shard without documents is not lost.
    """
    starts, _ = utf8(part.ids)
    weights = part.lengths * part.tokens.itemsize + np.diff(starts) + len(part.domain.encode()) + _BESIDE
    total = np.concatenate(([0], np.cumsum(weights)))
    tokens = np.concatenate(([0], np.cumsum(part.lengths)))
    begin = 0
    while begin < len(part.lengths) or begin == 0:
        fits = int(np.searchsorted(total, total[begin] + most_bytes, side="right")) - 1
        end = min(max(fits, begin + 1), len(part.lengths))
        yield Part(
            part.domain,
            part.source,
            part.rows[begin:end],
            part.ids.slice(begin, end - begin),
            part.lengths[begin:end],
            part.tokens[tokens[begin] : tokens[end]],
        )
        begin = max(end, 1)


def joined(parts: Sequence[Part]) -> Part:
    """The documents of several parts of one shard in one; the tokens of a single part are not copied."""
    if len(parts) == 1:
        return parts[0]
    return Part(
        parts[0].domain,
        parts[0].source,
        np.concatenate([part.rows for part in parts]),
        pa.concat_arrays([part.ids for part in parts]),
        np.concatenate([part.lengths for part in parts]),
        np.concatenate([part.tokens for part in parts]),
    )


def ends(lengths: np.ndarray) -> np.ndarray:
    """Where documents end: int64 [N], tokens from the part's first."""
    return np.cumsum(lengths, dtype=np.int64)


def lengths_between(name: str, bounds: np.ndarray, last: int) -> np.ndarray:
    """The lengths that N + 1 bounds enclose: int64 [N]. ShardError unless they ascend from 0 to `last`."""
    lengths = np.diff(bounds.astype(np.int64))
    if bounds[0] != 0 or bounds[-1] != last or lengths.min(initial=0) < 0:
        raise ShardError(f"{name}: its documents do not part the {last:,} tokens there are; it was altered")
    return lengths


def gathered(content: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """The bytes between starts and stops, end to end: uint8.

    A Python loop over documents: 0.3 us each, beside 1 us for the checksum of one of a kilobyte.
    """
    pieces = [content[a:b] for a, b in zip(starts.tolist(), stops.tolist(), strict=True)]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.uint8)


def strings(name: str, content: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> pa.Array:
    """The texts between starts and stops: string [N]. ShardError where one is not UTF-8."""
    bounds = np.concatenate(([0], np.cumsum(stops - starts))).astype(np.int64)
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(gathered(content, starts, stops))]
    texts = pa.Array.from_buffers(pa.large_string(), len(starts), buffers)
    try:
        texts.validate(full=True)
        return texts.cast(pa.string())
    except pa.ArrowInvalid as error:
        raise ShardError(f"{name}: its ids are no UTF-8 ({error}); it was altered") from error
