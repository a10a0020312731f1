"""What turns text into ids: Hugging Face `tokenizers`, which says what is right, and gigatoken, 40 times as fast.

gigatoken is young, so nothing here trusts it: proof.py lets it work only where its ids were seen to be equal. What it
cannot load exactly (Unigram, WordPiece, splitting patterns it does not know) it refuses, and the reference works.
"""

import json
from typing import Any, Literal, Protocol

import numpy as np
import tokenizers

from corpus.errors import TokenizerError

Name = Literal["gigatoken", "huggingface"]

RENEWED = 1 << 29
"""Bytes after which gigatoken is loaded afresh: it keeps every piece of text it meets. 260 MB in which no word comes
twice leave 0.4 GB behind; loading 32,000 tokens anew takes 0.16 s, 3 % of 512 MB."""


class Engine(Protocol):
    """Ids of texts, none of which can forge a special token."""

    name: Name

    def __call__(self, pieces: list[bytes]) -> list[np.ndarray]:
        """pieces: UTF-8 -> the ids of each, integers."""
        ...


class HuggingFace:
    """The reference: 2.8 MB/s a core."""

    name: Name = "huggingface"

    def __init__(self, hf: tokenizers.Tokenizer) -> None:
        """hf: one that takes text for text alone (`encode_special_tokens`) and adds nothing."""
        self._hf = hf

    def __call__(self, pieces: list[bytes]) -> list[np.ndarray]:
        """Python lists are the library's way out: 5 to 9 % beside its own time on files of 18 kB."""
        found = self._hf.encode_batch_fast([piece.decode() for piece in pieces], add_special_tokens=False)
        return [np.array(one.ids, np.uint32) for one in found]


class Gigatoken:
    """gigatoken on the calling thread: 106 MB/s a core on text it has not seen."""

    name: Name = "gigatoken"

    def __init__(self, text: bytes) -> None:
        """text: a tokenizer.json. Raises what the library does where it is absent or cannot be exact."""
        self._text = _text_only(text)
        self._backend, self._left = self._loaded(), RENEWED

    def _loaded(self) -> Any:
        from gigatoken import gigatoken_rs  # the package's own front brings awkward arrays; ids need none

        return gigatoken_rs.load_hf_json(self._text)

    def __call__(self, pieces: list[bytes]) -> list[np.ndarray]:
        self._left -= sum(map(len, pieces))
        if self._left < 0:
            self._backend, self._left = self._loaded(), RENEWED
        encode = self._backend.encode
        try:
            return [encode(piece) for piece in pieces]
        except BaseException as error:
            raise TokenizerError(f"gigatoken failed: {said(error)}") from error


def _text_only(text: bytes) -> str:
    """The tokenizer.json without its special tokens and templates, so that their letters are only letters."""
    whole = json.loads(text)
    whole["added_tokens"] = [token for token in whole.get("added_tokens") or [] if not token.get("special")]
    return json.dumps(whole | {"post_processor": None, "truncation": None, "padding": None})


def fast(text: bytes, eos: str) -> Gigatoken | str:
    """gigatoken for a tokenizer.json, or why it cannot be had. eos: an end token, special even where the file
    calls it common."""
    whole = json.loads(text)
    for token in whole.get("added_tokens") or []:
        token["special"] = token.get("special") or token.get("content") == eos
    try:
        return Gigatoken(json.dumps(whole).encode())
    except ImportError:
        return "gigatoken is not installed: pip install 'winnow[fast]'"
    except BaseException as error:
        return f"gigatoken cannot load it: {said(error)}"


def said(error: BaseException) -> str:
    """The first line of what a library written in Rust raised, whose panic is no Exception; a stop is raised again."""
    if isinstance(error, KeyboardInterrupt | SystemExit):
        raise error
    return f"{error}".split("\n")[0][:200] or type(error).__name__
