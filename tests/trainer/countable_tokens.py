"""Small folders of token shards, whose every id tells where it lies, for the tests of this folder."""

import numpy as np
import pyarrow as pa

from corpus.manifest import TokenizerCard, digest, manifest_of, write_manifest
from corpus.tokens import Origin, read_shard, write_shard

EOS = 0
HASH = digest(b"{}")


def card(vocab: int) -> TokenizerCard:
    return TokenizerCard(
        file="tokenizer.json",
        hash=HASH,
        vocab=vocab,
        eos_id=EOS,
        eos_text="<|endoftext|>",
        bos_id=None,
        policy="one eos after each document",
    )


def folder(at, domains: dict[str, list[list[int]]], vocab: int = 100_000, first_id: int = 1) -> str:
    """Write domains -> shards -> lengths of documents (end token included); returns the manifest's URL.

    Ids count up from `first_id`, over all of the folder, and each document ends with EOS, so an id has one place.
    """
    entries, next_id, dtype = [], first_id, np.uint16 if vocab <= 65_536 else np.int32
    for domain, shards in domains.items():
        for n, documents in enumerate(shards):
            lengths = np.array(documents, np.int64)
            ids = np.arange(next_id, next_id + lengths.sum())
            next_id += len(ids)
            ids[np.cumsum(lengths)[lengths > 0] - 1] = EOS
            origin = Origin("c", np.arange(len(lengths)), pa.array([f"{domain}-{n}-{k}" for k in range(len(lengths))]))
            name = f"{domain}/{n:05d}"
            entries.append(
                write_shard(str(at), name, lengths, ids, dtype, domain=domain, text_bytes=len(ids), origin=origin)
            )
    write_manifest(f"{at}/manifest.json", manifest_of(card(vocab), entries))
    return f"{at}/manifest.json"


def line(url: str, domain: str, shards: int) -> np.ndarray:
    """A domain's ids, its shards end to end."""
    at = url.rpartition("/")[0]
    return np.concatenate([read_shard(f"{at}/{domain}/{n:05d}").ids for n in range(shards)])


DOMAINS = {
    "books": [[40, 7, 1, 90], [33]],
    "code": [[5, 6, 7, 8, 9, 10] * 3, [], [2, 2, 2]],
    "web": [[20, 31, 12] * 8, [1, 1, 64], [17] * 20],
}
"""171, 141 and 910 tokens: several shards, an empty one, documents shorter and longer than a sequence of 16."""
