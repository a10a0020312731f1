"""The proof that the fast engine may work: equal ids on this very corpus before a run, and spot checks while it works.

The reference is always Hugging Face `tokenizers`. Ids are equal by construction, then: where they were seen to differ,
even once, the reference makes them, so the bytes of token shards never depend on the engine that made them.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import tokenizers

from corpus.buffers import total_bytes, utf8
from corpus.documents import ID, TEXT
from corpus.errors import TokenizerError
from corpus.hashing import hash64
from pipeline.tokenize import Tokenizer
from pipeline.tokenizing.engines import Name, fast

PROOF_MB = 4.0
"""Text that both engines encode before a run: 1.6 s of the reference's time."""

SPOTS, PASSAGE, SPOT_SHARE = 8, 1 << 14, 1 / 400
"""Spot checks of a column of texts: at most so many documents, bytes of each, and share of all bytes (but one document
always). The reference is 40 times slower, so they add a tenth."""

SEED = 23
_CONTEXT = 8  # ids that a mismatch shows

PROBES = (
    *(
        "",
        " ",
        "\n\n  \n\t",
        "a \x0b\x0c\x1c\x85b\r\n\r\n c",
        "don't  we'LL I'M 'ſ 'S",
        "x" * 5000,
        "ab" * 3000,
        " " * 3000,
    ),
    *(
        "0 12 345 6789 ٣٤٥٦ ²³½ Ⅷ 𝟘𝟙",
        "naïve e\u0301\u0302 漢字かなカナ 한국어 ไทย हिन्दी עברית",
        "\u200b\ufeff\u00ad\u2028\u2029\u3000\xa0",
    ),
    *(
        "🏳️‍🌈👩‍👩‍👧 \U0001f1e9\U0001f1ea",
        "\x00\x01\x1f\x7f\x80\x9f",
        "\ufffd\ufffe\U0010ffff\ue000\U000e0001",
        "--==//**__``~~ {}[]()<>|\\",
    ),
)
"""What a sample may lack and engines differ about: white space, digits, marks, long words, code points of no script."""


class Mismatch(NamedTuple):
    """A text whose ids differ between engines."""

    document: str  # its id
    at: int  # the first token that differs
    fast: list[int]  # a few ids from there on
    reference: list[int]

    def __str__(self) -> str:
        return f"document {self.document!r}: from token {self.at:,} on {self.fast} instead of {self.reference}"


class Verdict(NamedTuple):
    """Which engine a run's ids come from, why, and on how much text that rests."""

    engine: Name
    reason: str
    documents: int
    bytes: int


def proven(tokenizer: Tokenizer, samples: Iterable[pa.Table]) -> Verdict:
    """The fast engine where it can be had and gives the reference's ids on all these texts, else the reference.

    samples: tables with `id` and `text`, a sample of the corpus; PROBES are added. Stops at the first mismatch.
    """
    quick = fast(tokenizer.text, tokenizer.eos)
    if isinstance(quick, str):
        return Verdict("huggingface", quick, 0, 0)
    ours, documents, size = tokenizer.by("gigatoken"), 0, 0
    for table in (_probes(tokenizer), *samples):
        ids, texts = (table[name].combine_chunks() for name in (ID, TEXT))
        wrong = _differs(ours, texts, ids)
        if wrong is not None:
            return Verdict("huggingface", wrong, documents, size)
        documents, size = documents + len(texts), size + total_bytes(texts)
    return Verdict("gigatoken", f"its ids are the reference's on {documents:,} texts, {size:,} bytes", documents, size)


def _differs(ours: Tokenizer, texts: pa.Array, ids: pa.Array) -> str | None:
    try:
        found = ours.encode(texts)
    except TokenizerError as error:
        return str(error)
    wrong = differing(found, ours.encode(texts, reference=True), ids)
    return None if wrong is None else str(wrong)


def _probes(tokenizer: Tokenizer) -> pa.Table:
    """PROBES, and the tokenizer's added tokens spelled out in text, a thousand at most."""
    hf = tokenizers.Tokenizer.from_str(tokenizer.text.decode())
    added = [token.content for token in hf.get_added_tokens_decoder().values()]
    spelled = [f"a{token}b {token}\n{token} {token[:-1]}" for token in [tokenizer.eos, *added][:1000]]
    texts = [*PROBES, *spelled]
    return pa.table({ID: [f"probe {n}" for n in range(len(texts))], TEXT: pa.array(texts, pa.large_string())})


Encoded = tuple[np.ndarray, np.ndarray]
"""Ids end to end and lengths, as Tokenizer.encode gives them."""


def differing(ours: Encoded, reference: Encoded, ids: pa.Array) -> Mismatch | None:
    """The first document with other ids; None where all are equal."""
    if np.array_equal(ours[1], reference[1]) and np.array_equal(ours[0], reference[0]):
        return None
    for n, (a, b) in enumerate(zip(_split(ours), _split(reference), strict=True)):
        if not np.array_equal(a, b):
            both = min(len(a), len(b))
            unequal = np.flatnonzero(a[:both] != b[:both])
            at = int(unequal[0]) if len(unequal) else both
            shown = slice(at, at + _CONTEXT)
            return Mismatch(ids[n].as_py(), at, a[shown].tolist(), b[shown].tolist())
    return None


def _split(encoded: Encoded) -> list[np.ndarray]:
    return np.split(encoded[0], np.cumsum(encoded[1])[:-1]) if len(encoded[1]) else []


def spot_check(tokenizer: Tokenizer, texts: pa.Array, encoded: Encoded, ids: pa.Array) -> Mismatch | None:
    """A few documents of what the tokenizer's engine made, against the reference: those whose ids hash least.

    texts, ids: strings [N]; encoded: what tokenizer.encode(texts) gave. Of a document longer than PASSAGE bytes both
    engines encode the beginning anew. None where all are equal.
    """
    rows = _spots(texts, ids)
    short = np.diff(utf8(texts)[0])[rows] <= PASSAGE
    whole, long = pa.array(rows[short]), pa.array(rows[~short])
    passages = _passages(texts, rows[~short])
    return differing(
        _of(encoded, rows[short]), tokenizer.encode(texts.take(whole), reference=True), ids.take(whole)
    ) or differing(tokenizer.encode(passages), tokenizer.encode(passages, reference=True), ids.take(long))


def _spots(texts: pa.Array, ids: pa.Array) -> np.ndarray:
    """Rows to look at, ascending."""
    sizes = np.minimum(np.diff(utf8(texts)[0]), PASSAGE)
    order = np.argsort(hash64(ids, SEED), kind="stable")[:SPOTS]
    within = np.cumsum(sizes[order]) <= max(PASSAGE, int(sizes.sum() * SPOT_SHARE))
    return np.sort(order[within])


def _of(encoded: Encoded, rows: np.ndarray) -> Encoded:
    """The ids and lengths of some documents."""
    flat, lengths = encoded
    ends = np.cumsum(lengths)
    parts = [flat[ends[row] - lengths[row] : ends[row]] for row in rows.tolist()]
    return np.concatenate([flat[:0], *parts]), lengths[rows]


def _passages(texts: pa.Array, rows: np.ndarray) -> pa.Array:
    """The first PASSAGE bytes of these documents, a torn character left out."""
    starts, data = utf8(texts)
    parts = [data[starts[row] : starts[row] + PASSAGE].tobytes().decode(errors="ignore") for row in rows.tolist()]
    return pa.array(parts, pa.large_string())


def checked(tokenizer: Tokenizer, texts: pa.Array, ids: pa.Array) -> tuple[np.ndarray, np.ndarray, str | None]:
    """Ids and lengths as tokenizer.encode gives them, spot-checked; and what was found wrong, None where nothing.

    Where something was, all ids are the reference's: the caller says so, and uses the reference from then on.
    """
    if tokenizer.engine.name == "huggingface":
        return *tokenizer.encode(texts), None
    try:
        flat, lengths = tokenizer.encode(texts)
        wrong = spot_check(tokenizer, texts, (flat, lengths), ids)
    except TokenizerError as error:
        return *tokenizer.encode(texts, reference=True), str(error)
    if wrong is None:
        return flat, lengths, None
    return *tokenizer.encode(texts, reference=True), str(wrong)
