"""datatrove's `.ds`, which nanotron trains on: tokens end to end; `.ds.index`: where documents end, uint64 in tokens;
`.ds.metadata`: the tokenizer and bytes of a token, the number of tokens, and that number for a reader.

It has no place for ids; rows.py's file has them. Source: datatrove 0.10.1, pipeline/tokens/tokenizer.py.
"""

import numpy as np

from corpus.formats.base import Format, Part, ends, lengths_between
from corpus.formats.files import Destination, Source, numbers
from corpus.formats.rows import with_rows, write_rows
from corpus.manifest import ShardEntry, TokenizerCard


class Ds(Format):
    """`.ds` of datatrove and nanotron."""

    name = "ds"
    reads = "datatrove, nanotron"

    def write(self, to: Destination, name: str, part: Part, tokenizer: TokenizerCard) -> None:
        """`<name>.ds` with `.index` and `.metadata` behind, and `<name>.rows.parquet`."""
        with to.file(f"{name}.ds") as file:
            file.write(part.tokens)
        to.write(f"{name}.ds.index", ends(part.lengths).astype("<u8").tobytes())
        to.write(f"{name}.ds.metadata", metadata(tokenizer.file, len(part.tokens), part.tokens.itemsize).encode())
        write_rows(to, name, part)

    def read(self, of: Source, name: str, entry: ShardEntry, dtype: np.dtype) -> Part:
        """As in the base."""
        tokens = numbers(of.url(f"{name}.ds"), of.content(f"{name}.ds"), dtype)
        lengths = parsed(of.url(f"{name}.ds.index"), of.content(f"{name}.ds.index"), len(tokens))
        of.content(f"{name}.ds.metadata")  # says nothing that the manifest does not, but must not have been altered
        return with_rows(of, name, entry, tokens, lengths)


def parsed(name: str, index: np.ndarray, tokens: int) -> np.ndarray:
    """The documents' lengths, int64 [N], by an index of so many tokens. ShardError where it contradicts itself."""
    stops = numbers(name, index, np.dtype("<u8"))
    return lengths_between(name, np.concatenate(([0], stops.view("<i8"))), tokens)


def metadata(tokenizer: str, tokens: int, token_bytes: int) -> str:
    """Three lines: `tokenizer|bytes of a token`, tokens, and these to three digits with a prefix of the SI."""
    return f"{tokenizer}|{token_bytes}\n{tokens}\n{_rounded(tokens, len(str(tokens)) - 1)}"


def _rounded(tokens: int, power: int) -> str:
    number = f"{tokens / 10 ** (power // 3 * 3):.{2 - power % 3}f}"
    if float(number) >= 10 ** (power % 3 + 1):  # 9,996 has become 10.00
        return _rounded(tokens, power + 1)
    return f"{number} {' kMGTPE'[power // 3].strip()}T"
