"""What a tokenizer makes of a corpus, beside others: what `winnow tokenizer check` says.

Bytes a token and tokens a word say what a budget of tokens buys; which domain or language pays more than others; which
part of the vocabulary the corpus never uses; which tokens no text gives (Land and Bartolo 2024, "Fishing for Magikarp",
section 3.1: a token whose own text becomes other tokens is never trained); and whether text reads back.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from corpus.buffers import lengths
from corpus.documents import DOMAIN, ID, TEXT
from corpus.errors import RecipeError
from corpus.words import words
from pipeline.finished import Finished
from pipeline.tokenize import Tokenizer
from pipeline.tokenizing import sampling
from pipeline.tokenizing.proof import checked, proven
from pipeline.tokenizing.unigram import BYTES

SEED = 31
EXAMPLES = 20  # tokens, and documents, that are named
ROUND_TRIP_BYTES = 2_000_000  # text that is read back: `decode` makes 18 MB/s
MOST_VALUES = 40  # of a column, those with the most bytes
OTHER = "(other)"
COLUMNS = ("language", "lang")  # by which tokens are counted where nothing else is asked for


@dataclass
class _Sums:
    documents: int = 0
    bytes: int = 0
    words: int = 0
    tokens: int = 0

    def add(self, sizes: Sequence[np.ndarray], rows: np.ndarray) -> None:
        """Count these rows of (bytes, words, tokens)."""
        self.documents += len(rows)
        self.bytes, self.words, self.tokens = (
            before + int(size[rows].sum())
            for before, size in zip((self.bytes, self.words, self.tokens), sizes, strict=True)
        )

    def facts(self) -> dict[str, Any]:
        """With the two ratios, null where there is nothing to divide by."""
        return {
            "documents": self.documents,
            "bytes": self.bytes,
            "words": self.words,
            "tokens": self.tokens,
            "bytes_per_token": self.bytes / self.tokens if self.tokens else None,
            "tokens_per_word": self.tokens / self.words if self.words else None,
        }


@dataclass
class _Counted:
    """What one tokenizer made of the sample."""

    tokenizer: Tokenizer
    why: str
    uses: np.ndarray  # int64 [vocab]
    all: _Sums = field(default_factory=_Sums)
    domains: dict[str, _Sums] = field(default_factory=lambda: defaultdict(_Sums))
    values: dict[str, _Sums] = field(default_factory=lambda: defaultdict(_Sums))
    read_back: int = 0
    read_bytes: int = 0
    differ: list[dict[str, Any]] = field(default_factory=list)


def check(
    tokenizer: str,
    run: Finished,
    *,
    baselines: Sequence[str] = (),
    by: str | None = None,
    mb: float = 16.0,
    seed: int = SEED,
    eos: str | None = None,
) -> dict[str, Any]:
    """What docs/reference/json.md says of `tokenizer check`: the tokenizer first, then the baselines, on one sample.

    tokenizer, baselines: URLs of tokenizer.json files. by: a column whose values are told apart; `language` or
    `lang` where absent and the run has one. mb: MB of kept text. eos: the end token of `tokenizer`, as in a recipe.
    Raises RecipeError where there is no such column, TokenizerError where one cannot be loaded.
    """
    urls = [tokenizer, *baselines]
    counted = [_begun(Tokenizer.load(url, eos if n == 0 else None)) for n, url in enumerate(urls)]
    share = sampling.shares(sampling.kept_bytes(run), mb)
    column = _column(run, by)
    for table in sampling.documents(run, share, seed):
        for one in counted:
            _count(one, table.combine_chunks(), column)
    return {
        "run": run.home.at,
        "seed": seed,
        "by": column,
        "documents": counted[0].all.documents,
        "bytes": counted[0].all.bytes,
        "tokenizers": [_facts(url, one) for url, one in zip(urls, counted, strict=True)],
    }


def _begun(tokenizer: Tokenizer) -> _Counted:
    verdict = proven(tokenizer, ())
    return _Counted(tokenizer.by(verdict.engine), verdict.reason, np.zeros(tokenizer.vocab, np.int64))


def _column(run: Finished, asked: str | None) -> str | None:
    there = run.empty().column_names
    if asked is not None and asked not in there:
        raise RecipeError(f"tokenizer check: no column {asked!r} in this run; there are: {', '.join(there)}")
    return asked or next((name for name in COLUMNS if name in there), None)


def _count(one: _Counted, table: pa.Table, column: str | None) -> None:
    texts, ids = table[TEXT].combine_chunks(), table[ID].combine_chunks()
    flat, tokens, wrong = checked(one.tokenizer, texts, ids)
    if wrong is not None:
        one.tokenizer, one.why = one.tokenizer.by("huggingface"), wrong
    one.uses += np.bincount(flat, minlength=len(one.uses))
    sizes = (lengths(texts), np.diff(words(texts).first), tokens - 1)  # the end token is not of the text
    one.all.add(sizes, np.arange(len(tokens)))
    for value, rows in _grouped(table[DOMAIN]):
        one.domains[value].add(sizes, rows)
    for value, rows in _grouped(table[column]) if column else ():
        one.values[value].add(sizes, rows)
    _read_back(one, flat, tokens, texts, ids)


def _grouped(column: pa.ChunkedArray) -> Iterator[tuple[str, np.ndarray]]:
    """Values as text ("" for null) and their rows."""
    values = np.array([f"{value}" if value is not None else "" for value in column.to_pylist()], object)
    for value in sorted(set(values)):
        yield value, np.flatnonzero(values == value)


def _read_back(one: _Counted, flat: np.ndarray, tokens: np.ndarray, texts: pa.Array, ids: pa.Array) -> None:
    """Decode documents as long as ROUND_TRIP_BYTES last; a Python loop over some hundred of them."""
    ends = np.cumsum(tokens)
    for row, size in enumerate(lengths(texts).tolist()):
        if one.read_bytes + size > ROUND_TRIP_BYTES:
            continue
        one.read_bytes, one.read_back = one.read_bytes + size, one.read_back + 1
        back, text = one.tokenizer.decode(flat[ends[row] - tokens[row] : ends[row]]), texts[row].as_py()
        if back != text:
            at = next(
                (n for n, (a, b) in enumerate(zip(back, text, strict=False)) if a != b), min(len(back), len(text))
            )
            one.differ.append({"id": ids[row].as_py(), "character": at})


def _facts(url: str, one: _Counted) -> dict[str, Any]:
    values = sorted(one.values.items(), key=lambda pair: (-pair[1].bytes, pair[0]))
    return {
        "tokenizer": url,
        "hash": one.tokenizer.card.hash,
        "vocab": one.tokenizer.vocab,
        "model": json.loads(one.tokenizer.text)["model"].get("type", "unknown"),
        "engine": one.tokenizer.engine.name,
        "why": one.why,
        **one.all.facts(),
        "domains": {name: sums.facts() for name, sums in sorted(one.domains.items())},
        "values": {name: sums.facts() for name, sums in _few(values)},
        **_vocabulary(one),
        "round_trip": {"documents": one.read_back, "differ": len(one.differ), "examples": one.differ[:EXAMPLES]},
    }


def _few(values: list[tuple[str, _Sums]]) -> Iterator[tuple[str, _Sums]]:
    yield from values[:MOST_VALUES]
    if rest := [sums for _, sums in values[MOST_VALUES:]]:
        names = ("documents", "bytes", "words", "tokens")
        yield OTHER, _Sums(**{name: sum(getattr(one, name) for one in rest) for name in names})


def _vocabulary(one: _Counted) -> dict[str, Any]:
    """Tokens that the sample never used, those that no text gives, and those that are parts of characters."""
    hf = one.tokenizer.reference
    known = {token.content for token in hf.get_added_tokens_decoder().values() if token.special} | {one.tokenizer.eos}
    there = sorted((id_, token) for token, id_ in hf.get_vocab(with_added_tokens=True).items() if token not in known)
    unused = [(id_, token) for id_, token in there if one.uses[id_] == 0]
    byte_level = b'"ByteLevel"' in one.tokenizer.text
    texts = {id_: _text(token) if byte_level else token for id_, token in there}
    facts = {
        "unused": {
            "tokens": len(unused),
            "share": len(unused) / len(there) if there else None,
            "examples": [{"id": id_, "text": texts[id_] or token} for id_, token in unused[:EXAMPLES]],
        }
    }
    if not byte_level:  # its tokens are no texts: what stands for a space hangs on what is before it
        return facts | {"unreachable": None, "partial": None}
    alone = [(id_, texts[id_]) for id_, _ in unused if texts[id_] is not None]
    made = hf.encode_batch_fast([text for _, text in alone], add_special_tokens=False)
    lost = [(id_, text, m.ids) for (id_, text), m in zip(alone, made, strict=True) if m.ids != [id_]]
    examples = [{"id": id_, "text": text, "becomes": ids} for id_, text, ids in lost[:EXAMPLES]]
    partial = sum(text is None for text in texts.values())
    return facts | {"unreachable": {"tokens": len(lost), "examples": examples}, "partial": partial}


def _text(token: str) -> str | None:
    """The text of a byte-level token; None where its bytes are no whole characters."""
    try:
        return token.translate(BYTES).encode("latin-1").decode()
    except UnicodeDecodeError:
        return None
    except UnicodeEncodeError:  # an added token, which is written as it is
        return token
