"""Training a tokenizer, as the text of a tokenizer.json: BPE by Hugging Face `tokenizers`, Unigram by unigram.py.

Both are byte-level: any text has tokens and reads back exactly, and no token stands for the unknown. Where text is
split before tokens are learned says `Splitting`; two of its six kinds are those of published models, which fast
encoders know by heart. The same text, whatever its order and batches, gives the same bytes.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from corpus.errors import RecipeError, TokenizerError
from corpus.hashing import hash64

EOS = "<|endoftext|>"
"""The end token of what we train; GPT-2's."""

Digits = Literal["keep", "split", "groups3"]
WhiteSpace = Literal["runs", "lines"]

_NUMBERS: dict[Digits, str] = {"keep": r"\p{N}+", "split": r"\p{N}", "groups3": r"\p{N}{1,3}"}
_RUNS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+|NUMBERS| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LINES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|NUMBERS| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LONG = re.compile(r"(\S{1000}|\s{1000})")


@dataclass(frozen=True)
class Splitting:
    """Where text is cut before tokens are learned: no token reaches over a cut.

    white_space: "runs", after GPT-2 (Radford et al. 2019): spaces and line breaks together, but for the space before
    a word; "lines", after cl100k_base (tiktoken): line breaks end a piece, and a word may take one mark before it.
    digits: "keep": a number of any length is one piece; "split": each digit by itself (PaLM, LLaMA); "groups3": up
    to three (cl100k_base). "runs" with "keep" is GPT-2's own pattern, "lines" with "groups3" cl100k_base's and Llama
    3's, "lines" with "split" Qwen2's: these three gigatoken knows, the others are encoded 40 times slower.
    """

    digits: Digits = "keep"
    white_space: WhiteSpace = "runs"

    @property
    def pre_tokenizer(self) -> pre_tokenizers.PreTokenizer:
        """What cuts so, as tokenizer.json has it."""
        if self == Splitting():
            return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        numbers = _NUMBERS[self.digits]
        if self.white_space == "runs":
            pattern = _RUNS.replace("NUMBERS", f" ?{numbers}" if self.digits == "keep" else numbers)
        else:
            pattern = _LINES.replace("NUMBERS", numbers)
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level])


def alphabet() -> list[str]:
    """The 256 bytes as byte-level tokenizers write them, sorted."""
    return sorted(pre_tokenizers.ByteLevel.alphabet())


def specials(more: Sequence[str]) -> list[str]:
    """The end token and those asked for, in order. RecipeError where one is empty, white space or there twice."""
    all_ = [EOS, *more]
    for token in more:
        if not token.strip() or all_.count(token) > 1:
            raise RecipeError(f"the special token {token!r} is empty or there twice; {EOS} is there by itself")
    return all_


def refuse_small(vocab: int, more: Sequence[str]) -> None:
    """TokenizerError where a vocabulary cannot even hold the bytes and special tokens."""
    least = 256 + len(specials(more))
    if vocab < least:
        also = EOS if not more else f"{len(more) + 1} special tokens"
        raise TokenizerError(f"a vocabulary of {vocab:,} was asked for; 256 bytes and {also} alone are {least}")


def train_bpe(
    texts: Iterable[list[str]], vocab: int, splitting: Splitting | None = None, special: Sequence[str] = ()
) -> str:
    """A byte-level BPE, as the text of a tokenizer.json; GPT-2's splitting where none is given.

    texts: documents in lists of any length; neither lists nor order nor threads change the result, for merges
    are chosen by count and then by the pair's ids. vocab: tokens, the special ones and the 256 bytes included;
    fewer come out where the text has fewer pairs that occur twice. TokenizerError where it cannot hold those.
    """
    refuse_small(vocab, special)
    bpe = tokenizers.Tokenizer(models.BPE())
    bpe.pre_tokenizer = (splitting or Splitting()).pre_tokenizer
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        min_frequency=2,  # a pair met once is that document's own
        special_tokens=specials(special),
        initial_alphabet=alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator((without_long_runs(batch) for batch in texts), trainer)
    text = bpe.to_str()
    refuse_spelled(text, special)
    return text


def refuse_spelled(text: str, special: Sequence[str]) -> None:
    """TokenizerError where a special token is also what plain text makes: a word was learned that is spelled so."""
    hf = tokenizers.Tokenizer.from_str(text)
    hf.encode_special_tokens = True
    for token in special:
        if hf.token_to_id(token) in hf.encode(f"a{token} {token}", add_special_tokens=False).ids:
            raise TokenizerError(
                f"the special token {token!r} is a word of the text too; put marks around it, as in <|{token}|>"
            )


def without_long_runs(batch: list[str]) -> list[str]:
    """The texts, runs without or of white space cut every 1,000 characters.

    The trainer's time is quadratic in the longest word: 10 kB take 0.04 s, 100 kB 3 s, 400 kB 58 s.
    """
    return [piece for text in batch for piece in _LONG.split(text) if piece]


def sampled(ids: pa.Array, share: float | np.ndarray, seed: int) -> np.ndarray:
    """Which documents belong to a sample of about `share` of all (a number, or one a document): bool [N].

    By a hash of the id alone: however documents are sharded or ordered, the same are chosen, and a larger share
    keeps the smaller's.
    """
    return (hash64(ids, seed) >> np.uint64(11)) * 2.0**-53 < share
