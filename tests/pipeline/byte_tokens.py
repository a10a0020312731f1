"""Token shards of English-like text with a real tokenizer of bytes beside them, for tests that train."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from corpus.manifest import TokenizerCard, digest, manifest_of, write_manifest
from corpus.tokens import Origin, write_shard

EOS = 256
WORDS = (
    "the",
    "a",
    "cat",
    "dog",
    "sat",
    "ran",
    "on",
    "in",
    "mat",
    "hat",
    "house",
    "garden",
    "and",
    "then",
    "slowly",
    "red",
)


def byte_tokens(at: Path, documents: int = 60, domains: tuple[str, ...] = ("code", "web"), seed: int = 0) -> str:
    """A folder of tokens, as many documents in each domain; its manifest's URL."""
    chance, texts = np.random.default_rng(seed), {}
    for domain in domains:
        texts[domain] = [" ".join(chance.choice(WORDS, chance.integers(10, 40))) for _ in range(documents)]
    return text_tokens(at, texts)


def text_tokens(at: Path, texts: dict[str, list[str]]) -> str:
    """A folder of tokens of these texts, by domain; its manifest's URL."""
    at.mkdir(parents=True, exist_ok=True)
    tokenizer, entries = _tokenizer(), []
    tokenizer.save(str(at / "tokenizer.json"))
    for domain, own in texts.items():
        found = [np.array([*tokenizer.encode(text).ids, EOS], np.uint16) for text in own]
        lengths, origin = np.array([len(ids) for ids in found]), Origin("c", np.arange(len(own)), pa.array(own))
        ids, size = np.concatenate(found), sum(map(len, own))
        shard = f"{domain}/00000"
        entries.append(
            write_shard(str(at), shard, lengths, ids, ids.dtype, domain=domain, text_bytes=size, origin=origin)
        )
    card = TokenizerCard(
        file="tokenizer.json",
        hash=digest((at / "tokenizer.json").read_bytes()),
        vocab=257,
        eos_id=EOS,
        eos_text="<|endoftext|>",
        bos_id=None,
        policy="one eos after each document",
    )
    write_manifest(f"{at}/manifest.json", manifest_of(card, entries))
    return f"{at}/manifest.json"


def _tokenizer() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<|endoftext|>"])
    return made
