"""Models that floret trained, in fastText's own format, which this package and every library of fastText's read.

floret (Explosion; MIT) is fastText with an optional second way to store word vectors. It writes fastText's version 12
with two more numbers among the arguments: which way, and over how many hashes. In fastText's own way the rest of the
file is the same to the byte, quantised or not, so a model without the two is what fastText would have saved.
"""

import struct

from classifiers.fasttext_model import MAGIC
from corpus.errors import RecipeError

VERSION = 12
_HEAD = struct.Struct("<15i")  # magic, version, eleven of fastText's arguments, then floret's two
_FASTTEXT = (1, 1)  # floret's mode "fasttext", of one hash


def standard(raw: bytes) -> bytes:
    """The model that floret saved as `raw`, as fastText saves it: 8 bytes shorter.

    RecipeError where floret trained it in its other mode, whose rows fastText would look up elsewhere, or where
    floret did not write it; a file of fastText's own is one of those, since it has no mode.
    """
    if len(raw) < _HEAD.size:
        raise RecipeError(f"a floret model begins with {_HEAD.size} bytes of arguments; this one has {len(raw)}")
    magic, version, *_, mode, hashes = _HEAD.unpack_from(raw)
    if (magic, version) != (MAGIC, VERSION):
        raise RecipeError(
            f"a floret model begins with {MAGIC:08x} and version {VERSION}; this one with "
            f"{magic & 0xFFFFFFFF:08x} and version {version:,}. Save it with floret's save_model."
        )
    if (mode, hashes) != _FASTTEXT:
        raise RecipeError(
            f"mode {mode:,} of {hashes:,} hashes, where floret writes 1 and 1 for fastText's own: train with "
            "mode='fasttext', or leave out this step for a model that fastText itself saved."
        )
    return raw[: _HEAD.size - 8] + raw[_HEAD.size :]
