"""A tokenizer trained on a sample of what a run kept: what `winnow tokenizer train` does."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import pyarrow.compute as pc

from corpus.buffers import total_bytes
from corpus.documents import DOMAIN, TEXT
from corpus.errors import RecipeError, TokenizerError
from corpus.storage import write_bytes
from pipeline.finished import Finished
from pipeline.tokenize import Tokenizer
from pipeline.tokenizing import sampling
from pipeline.tokenizing.engines import fast
from pipeline.tokenizing.training import Digits, Splitting, WhiteSpace, refuse_small, specials, train_bpe
from pipeline.tokenizing.unigram import train_unigram

SEED = 11  # of the sample; that of a run's own tokenizer (kept.py)

Kind = Literal["bpe", "unigram"]


def train(
    run: Finished,
    out: str,
    *,
    kind: Kind = "bpe",
    vocab: int = 32_000,
    digits: Digits = "groups3",
    white_space: WhiteSpace = "lines",
    special: Sequence[str] = (),
    mixture: str | None = None,
    train_mb: float = 16.0,
    seed: int = SEED,
) -> dict[str, Any]:
    """Train a byte-level tokenizer on kept text and put its tokenizer.json at `out`: the same call, the same bytes.

    special: special tokens beside the end token, which is id 0; they get the ids after it. mixture: URL of a
    mixture.json whose weights say how much of the sample each domain is; by its bytes where None. train_mb: MB of
    the sample. Returns what docs/reference/json.md says. RecipeError and TokenizerError where that cannot be had.
    """
    _refuse(kind, digits, white_space)
    refuse_small(vocab, special)
    sizes = sampling.kept_bytes(run)
    share = sampling.shares(sizes, train_mb, None if mixture is None else sampling.mixed(mixture, sizes))
    read: Counter[tuple[str, str]] = Counter()
    texts = _texts(run, share, seed, read)
    trainer = train_bpe if kind == "bpe" else train_unigram
    content = trainer(texts, vocab, Splitting(digits, white_space), special).encode()
    if not read:
        raise TokenizerError(f"{run.home.at}: no document is in a sample of {train_mb:g} MB; ask for more (--train-mb)")
    tokenizer = Tokenizer(content, out.rsplit("/", 1)[-1])
    write_bytes(out, content)
    quick = fast(content, tokenizer.eos)
    documents, size = (sum(read[name, what] for name in sizes) for what in ("documents", "bytes"))
    return {
        "tokenizer": out,
        "hash": tokenizer.card.hash,
        "kind": kind,
        "vocab": tokenizer.vocab,
        "asked": vocab,
        "digits": digits,
        "white_space": white_space,
        "special": specials(special),
        "seed": seed,
        "mixture": mixture,
        "documents": documents,
        "bytes": size,
        "domains": {
            name: {what: read[name, what] for what in ("documents", "bytes")} | {"share": share[name]} for name in sizes
        },
        "fast": not isinstance(quick, str),
        "why_not_fast": quick if isinstance(quick, str) else None,
    }


def _refuse(kind: str, digits: str, white_space: str) -> None:
    known = {"kind": ("bpe", "unigram"), "digits": ("keep", "split", "groups3"), "white_space": ("runs", "lines")}
    for (name, there), said in zip(known.items(), (kind, digits, white_space), strict=True):
        if said not in there:
            raise RecipeError(f"tokenizer train: {name} {said!r} is not known; one of: {', '.join(there)}")


def _texts(run: Finished, share: dict[str, float], seed: int, read: Counter[tuple[str, str]]) -> Iterator[list[str]]:
    """The texts of the sample, a list a shard; `read` counts documents and bytes by domain as they go by."""
    for table in sampling.documents(run, share, seed):
        for domain in table[DOMAIN].unique().to_pylist():
            some = table.filter(pc.equal(table[DOMAIN], domain))
            read[domain, "documents"] += some.num_rows
            read[domain, "bytes"] += total_bytes(some[TEXT])
        yield table[TEXT].to_pylist()
