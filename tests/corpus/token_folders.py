"""Folders of token shards to convert: written as a run writes them, read as nothing but what they hold."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from corpus.formats.base import Part
from corpus.formats.table import FORMATS
from corpus.manifest import TokenizerCard, digest, manifest_of, token_dtype, write_manifest
from corpus.tokens import Origin, write_shard
from pipeline.converting import Tokens

EOS = 0
TOKENIZER = b'{"model": {}}'
ALL = sorted(FORMATS)


def card(vocab: int = 1000) -> TokenizerCard:
    return TokenizerCard(
        file="tokenizer.json",
        hash=digest(TOKENIZER),
        vocab=vocab,
        eos_id=EOS,
        eos_text="<|endoftext|>",
        bos_id=None,
        policy="one eos after each document",
    )


def folder_of(folder, shards, vocab: int = 1000) -> str:
    """Token shards in `folder`. shards: (path, domain, [(id, row, tokens)]) of each."""
    entries = []
    for path, domain, documents in shards:
        ids, rows, tokens = ([d[n] for d in documents] for n in range(3))
        flat = np.array([i for t in tokens for i in t], token_dtype(vocab))
        origin = Origin(f"corpus/{path}.parquet", np.array(rows, np.int64), pa.array(ids, pa.string()))
        lengths = np.array([len(t) for t in tokens], np.int64)
        entries.append(
            write_shard(
                str(folder), path, lengths, flat, flat.dtype, domain=domain, text_bytes=7 * len(flat), origin=origin
            )
        )
    write_manifest(f"{folder}/manifest.json", manifest_of(card(vocab), entries))
    return str(folder)


def stream(folder) -> list[tuple]:
    """(path, domain, source, id, row, tokens) of every document, by whatever reads the folder."""
    return [
        (entry.path, *document)
        for entry, parts in Tokens.at(str(folder)).shards()
        for part in parts
        for document in documents(part)
    ]


def documents(part: Part) -> list[tuple]:
    stops = np.cumsum(part.lengths)
    tokens = [part.tokens[b - n : b].tolist() for b, n in zip(stops, part.lengths, strict=True)]
    rows = part.rows.tolist()
    return [
        (part.domain, part.source, id, row, t) for id, row, t in zip(part.ids.to_pylist(), rows, tokens, strict=True)
    ]


def contents(folder) -> dict[str, bytes]:
    """Every file of a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


@st.composite
def token_folders(draw):
    """What `folder_of` takes: ids below 65,536 or above, empty documents and shards, awkward ids and domains."""
    vocab = draw(st.sampled_from([1000, 1 << 16, (1 << 16) + 1, 200_000]))
    token = st.sampled_from([0, 1, vocab - 1]) | st.integers(0, vocab - 1)
    text = st.text(max_size=8) | st.sampled_from(["", ",", '"', "\n", "a\r\nb", "\0", "NULL", "x" * 300, "漢字"])
    document = st.tuples(text, st.integers(0, (1 << 62)), st.lists(token, max_size=12) | st.just([1] * 300))
    shard = st.tuples(text, st.lists(document, max_size=8))
    paths = ["web/00000", "web/00000-000", "code/00001", "a/b/c.d", "top", "web-1/0.0"]
    chosen = draw(st.lists(st.sampled_from(paths), unique=True, max_size=4))
    return [(path, *draw(shard)) for path in chosen], vocab
