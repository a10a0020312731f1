"""llm.c's `.bin`: a header of 256 int32, then the tokens of all documents end to end.

llm.c looks at nothing but magic, version and the number of tokens, so where documents begin, and which they are,
stands beside it in rows.py's file. Source: karpathy/llm.c, dev/data/data_common.py and llmc/dataloader.h.
"""

import struct

import numpy as np

from corpus.errors import ShardError
from corpus.formats.base import Format, Part
from corpus.formats.files import Destination, Source, numbers
from corpus.formats.rows import with_rows, write_rows
from corpus.manifest import ShardEntry, TokenizerCard

_KINDS: dict[np.dtype, tuple[int, int]] = {  # magic, version; four bytes are uint32 there, the same bits for any id
    np.dtype("<u2"): (20240520, 1),  # "gpt-2"
    np.dtype("<i4"): (20240801, 7),  # "llama-3"
}
_HEADER = 1024  # bytes
_MOST = (1 << 31) - 1  # tokens, by an int32 in the header


class LlmC(Format):
    """`.bin` of llm.c, modded-nanogpt and their kin."""

    name = "llmc"
    reads = "llm.c"

    def write(self, to: Destination, name: str, part: Part, tokenizer: TokenizerCard) -> None:
        """`<name>.bin` and `<name>.rows.parquet`."""
        if len(part.tokens) > _MOST:
            raise ShardError(f"{name}: {len(part.tokens):,} tokens; a file of llm.c holds at most {_MOST:,}")
        with to.file(f"{name}.bin") as file:
            file.write(header(len(part.tokens), part.tokens.dtype))
            file.write(part.tokens)
        write_rows(to, name, part)

    def read(self, of: Source, name: str, entry: ShardEntry, dtype: np.dtype) -> Part:
        """As in the base."""
        tokens = parsed(of.url(f"{name}.bin"), of.content(f"{name}.bin"), dtype)
        return with_rows(of, name, entry, tokens)


def header(tokens: int, dtype: np.dtype) -> bytes:
    """The 1,024 bytes before so many tokens."""
    return struct.pack("<iii", *_KINDS[dtype], tokens).ljust(_HEADER, b"\0")


def parsed(name: str, content: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The tokens of a file, uint16 or int32. ShardError where its header is none, or says something else."""
    body = numbers(name, content[_HEADER:], dtype)
    expected, found = header(min(len(body), _MOST), dtype)[:12], bytes(content[:12])
    if found != expected:
        raise ShardError(
            f"{name}: not {len(body):,} tokens of {dtype} for llm.c: it begins with {found.hex() or 'nothing'}, "
            f"not {expected.hex()}"
        )
    return body
