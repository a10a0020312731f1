"""Text to token ids: a tokenizer.json with its end token, and what encodes with it. Training: tokenizing/training.py.

Text is only ever text: a document that spells `<|endoftext|>` gets the tokens of those letters, never the
end token, and exactly one end token closes each document. Ids are those of Hugging Face `tokenizers`, whichever
engine makes them. That library threads by itself; a worker that has one core sets TOKENIZERS_PARALLELISM=false
before its first call. No thread count changes an id.
"""

import json
import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import tokenizers

from corpus.buffers import utf8
from corpus.errors import TokenizerError
from corpus.manifest import TokenizerCard, digest, token_dtype
from corpus.storage import filesystem, read_bytes
from pipeline.tokenizing.engines import Engine, HuggingFace, Name, fast
from pipeline.tokenizing.training import EOS, sampled, train_bpe

__all__ = ["EOS", "EOS_NAMES", "Tokenizer", "sampled", "train_bpe"]

EOS_NAMES = (EOS, "</s>", "<|end_of_text|>", "<eos>")
"""End tokens of GPT-2 and its kin, Llama 1 and 2, Llama 3, Gemma: the first that a tokenizer has is taken."""

PIECE = 1 << 18
"""Characters after which a document may be cut, and a batch is full. One call of the library takes 130 bytes
for a byte of its text (20 MB of Python source: 2.6 GB), so this keeps a worker at 50 to 150 MB."""

MOST = 8 * PIECE
"""Characters after which a document is cut even in the midst of a word: 2 M, some 300 MB."""

_WINDOW = 128  # characters on each side that a cut is tried with; longer than any token or rule looks
_TRIES = 64  # places tried before MOST is the end; a tokenizer that fails them all never splits at spaces
_BREAK = re.compile(r"(?<=\S)[ \n](?=\S)")


class Tokenizer:
    """A tokenizer.json with its end token; pickles as its text."""

    def __init__(self, text: bytes, name: str, eos: str | None = None, engine: Name = "huggingface") -> None:
        """text: a tokenizer.json. name: what errors and the manifest call it. eos: its end token, where the
        common names (EOS_NAMES) do not say. engine: gigatoken where it can be had, once proof.py has seen it exact.
        TokenizerError where it is no tokenizer, or has no such token.
        """
        self.text, self.name, self.asked = text, name, engine
        self._hf = _parsed(text, name)
        self.eos = _end_token(self._hf, name, eos)
        self.eos_id: int = self._hf.token_to_id(self.eos)
        self._make_text_only()

    @classmethod
    def load(cls, url: str, eos: str | None = None, engine: Name = "huggingface") -> "Tokenizer":
        """The tokenizer.json at `url`; TokenizerError as in the constructor, or where nothing is there."""
        try:
            return cls(read_bytes(url), PurePosixPath(filesystem(url)[1]).name, eos, engine)
        except OSError as error:
            raise TokenizerError(f"{url}: cannot be read ({error}); a tokenizer.json was expected") from error

    def __reduce__(self) -> tuple:
        return Tokenizer, (self.text, self.name, self.eos, self.asked)

    def by(self, engine: Name) -> "Tokenizer":
        """The same tokenizer with another engine."""
        return self if engine == self.asked else Tokenizer(self.text, self.name, self.eos, engine)

    @property
    def reference(self) -> tokenizers.Tokenizer:
        """The library's own tokenizer, which takes text for text alone."""
        return self._hf

    @cached_property
    def engine(self) -> Engine:
        """What makes its ids: the reference where the fast one was not asked for or cannot be had."""
        quick = fast(self.text, self.eos) if self.asked == "gigatoken" else ""
        return HuggingFace(self._hf) if isinstance(quick, str) else quick

    def _make_text_only(self) -> None:
        self._hf.no_truncation()  # some files ask for 512 tokens, or pad to them
        self._hf.no_padding()
        self._hf.add_special_tokens([self.eos])  # where the file has it as a common token
        self._hf.encode_special_tokens = True
        if self.eos_id in self._hf.encode(f"a{self.eos} {self.eos}", add_special_tokens=False).ids:
            raise TokenizerError(
                f"{self.name} makes its end token {self.eos!r} from plain text too, so a document could end "
                f"another; name one of its special tokens as eos"
            )

    @cached_property
    def vocab(self) -> int:
        """One more than the largest id: files with gaps have fewer tokens than that."""
        return max(self._hf.get_vocab(with_added_tokens=True).values()) + 1

    @property
    def dtype(self) -> np.dtype:
        """What its ids are stored as."""
        return token_dtype(self.vocab)

    @property
    def card(self) -> TokenizerCard:
        """What the manifest says of it."""
        return TokenizerCard(
            file=self.name,
            hash=digest(self.text),
            vocab=self.vocab,
            eos_id=self.eos_id,
            eos_text=self.eos,
            bos_id=None,
            policy="one eos after each document",
        )

    def encode(self, texts: pa.Array, *, reference: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Ids of all documents end to end, each closed by one end token, and their lengths.

        texts: strings [N], nulls count as empty -> (uint16 or int32 [T], int64 [N]). Nothing else is added.
        A document over PIECE characters is encoded in parts, cut where that changes no id; where it has no
        such place for MOST characters it is cut there, and ids may differ by the few at the cut.
        reference: by Hugging Face `tokenizers`, whatever the engine.
        """
        engine = HuggingFace(self._hf) if reference else self.engine
        lengths, flat = np.zeros(len(texts), np.int64), [np.zeros(0, self.dtype)]
        end = np.array([self.eos_id], np.uint32)
        for batch in self._batches(texts):
            owners, pieces, lasts = zip(*batch, strict=True)
            found = engine(list(pieces))
            parts = [part for ids, last in zip(found, lasts, strict=True) for part in ((ids, end) if last else (ids,))]
            np.add.at(lengths, list(owners), np.array([*map(len, found)]) + lasts)
            flat.append(np.concatenate(parts).astype(self.dtype))
        ids = np.concatenate(flat)
        self._refuse_forged_ends(ids, lengths)
        return ids, lengths

    def _refuse_forged_ends(self, ids: np.ndarray, lengths: np.ndarray) -> None:
        ends = np.flatnonzero(ids == self.eos_id)
        if len(ends) != len(lengths):
            lasts = np.cumsum(lengths) - 1
            guilty = int(np.searchsorted(lasts, np.setdiff1d(ends, lasts)[0]))
            raise TokenizerError(f"{self.name} made its end token {self.eos!r} from the text of document {guilty:,}")

    def _batches(self, texts: pa.Array) -> Iterator[list[tuple[int, bytes, bool]]]:
        """(document, piece of it, whether its last), in lists of PIECE bytes or a little more.

        A Python loop over documents and their pieces: 2.5 us each, beside 20 for the ids of 2 kB.
        """
        starts, data = utf8(texts)
        batch, size = [], 0
        for n, (start, end) in enumerate(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)):
            for piece, last in self._pieces(data[start:end]):
                batch.append((n, piece, last))
                size += len(piece)
                if size >= PIECE:
                    yield batch
                    batch, size = [], 0
        if batch:
            yield batch

    def _pieces(self, text: np.ndarray | bytes) -> Iterator[tuple[bytes, bool]]:
        """The pieces of a text in UTF-8, and whether each is its last."""
        if len(text) <= 2 * PIECE:  # then it has no more characters than that either
            yield bytes(text), True
            return
        decode, held, start, read = getincrementaldecoder("utf-8")().decode, "", 0, 0
        while True:
            if (
                read < len(text) and len(held) - start < 2 * MOST + _WINDOW
            ):  # decoded whole it could take 4 times as much
                back = max(start - _WINDOW, 0)
                held, start = held[back:] + decode(bytes(text[read : read + 4 * MOST])), start - back
                read += 4 * MOST
                continue
            end = self._cut(held, start) if len(held) - start > 2 * PIECE else len(held)
            yield held[start:end].encode(), end == len(held)
            if end == len(held):
                return
            start = end

    def _cut(self, text: str, start: int) -> int:
        """Where to end the piece that begins at `start`: before white space, where a split changes no id."""
        most = min(start + MOST, len(text))
        for found in islice(_BREAK.finditer(text, start + PIECE, most), _TRIES):
            if self._splits(text, found.start()):
                return found.start()
        return most

    def _splits(self, text: str, at: int) -> bool:
        """Whether the surroundings of `at` have the same ids in one piece as in two."""
        left, right = text[max(at - _WINDOW, 0) : at], text[at : at + _WINDOW]
        both, first, second = self._hf.encode_batch_fast([left + right, left, right], add_special_tokens=False)
        return both.ids == first.ids + second.ids

    def decode(self, ids: np.ndarray) -> str:
        """The text of one document's ids, its closing end token aside; exact for byte-level tokenizers."""
        body = ids[:-1] if len(ids) and ids[-1] == self.eos_id else ids
        return self._hf.decode(body.tolist(), skip_special_tokens=False)


def _parsed(text: bytes, name: str) -> tokenizers.Tokenizer:
    try:
        kind = json.loads(text)
    except ValueError as error:
        raise TokenizerError(f"{name}: not JSON ({error}); a Hugging Face tokenizer.json is needed") from error
    if not isinstance(kind, dict) or "model" not in kind:
        keys = ", ".join(list(kind)[:5]) if isinstance(kind, dict) else type(kind).__name__
        raise TokenizerError(f"{name}: not a tokenizer.json: no `model` in it, but {keys or 'nothing'}")
    try:
        return tokenizers.Tokenizer.from_str(text.decode())
    except Exception as error:  # the library raises bare Exception
        raise TokenizerError(f"{name}: `tokenizers` {tokenizers.__version__} cannot load it: {error}") from error


def _end_token(hf: tokenizers.Tokenizer, name: str, asked: str | None) -> str:
    """The end token: the one asked for, else the first common name among the added tokens."""
    added = [token.content for token in hf.get_added_tokens_decoder().values()]
    there = f"its added tokens: {', '.join(map(repr, added[:20])) or 'none'}"
    if asked is not None and hf.token_to_id(asked) is None:
        raise TokenizerError(f"{name} has no token {asked!r}, asked for as eos; {there}")
    found = [asked] if asked is not None else [common for common in EOS_NAMES if common in added]
    if not found:
        raise TokenizerError(f"{name} has none of the end tokens {', '.join(EOS_NAMES)}. Name one as eos; {there}")
    return found[0]
