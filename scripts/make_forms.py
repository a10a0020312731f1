"""Write corpus/forms.txt from this Python's `unicodedata` and `str.lower`.

Run by a Python whose Unicode version is the one wanted (3.11 has 14.0.0, as corpus/classes.txt):

    python scripts/make_forms.py
"""

import unicodedata
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

TABLE = Path(__file__).parents[1] / "corpus" / "forms.txt"
CODE_POINTS = range(0x110000)


def lower(char: str) -> str:
    """`lower` and the code point of its lower case, where that is another one; U+0130 has two and stays."""
    to = char.lower()
    return f"lower {ord(to):04X}" if to != char and len(to) == 1 else ""


def decomposition(char: str) -> str:
    """One step of the decomposition: `composes`, `decomposes` (for good) or `compatible`, and code points."""
    tag, *points = unicodedata.decomposition(char).split() or ["", ""]
    if not tag:
        return ""
    if tag.startswith("<"):
        return " ".join(["compatible", *points])
    back = unicodedata.normalize("NFC", "".join(chr(int(point, 16)) for point in (tag, *points)))
    return " ".join(["composes" if back == char else "decomposes", tag, *points])


def combining(char: str) -> str:
    """`class` and the canonical combining class, where it is not 0."""
    value = unicodedata.combining(char)
    return f"class {value}" if value else ""


def category(char: str) -> str:
    """`digit` for Nd, `nonspacing` for Mn."""
    return {"Nd": "digit", "Mn": "nonspacing"}.get(unicodedata.category(char), "")


def casing(char: str) -> str:
    """`ignorable` or `cased`, as the rule of the final sigma takes it: `str.lower` itself is asked."""
    if (char + "Σ").lower().endswith("ς"):
        return "cased"
    return "ignorable" if ("A" + char + "Σ").lower().endswith("ς") else ""


def lines(told: Callable[[str], str]) -> Iterator[str]:
    """A code point or a range of them, and what is told of each."""
    for what, run in groupby(CODE_POINTS, lambda c: told(chr(c))):
        first, *rest = run
        if what:
            yield f"{first:04X}..{rest[-1]:04X} {what}" if rest else f"{first:04X} {what}"


def written() -> str:
    """The whole table with its header."""
    header = f"# Unicode {unicodedata.unidata_version}, made by scripts/make_forms.py"
    parts = (lines(told) for told in (lower, decomposition, combining, category, casing))
    return "\n".join([header, *(line for part in parts for line in part), ""])


if __name__ == "__main__":
    TABLE.write_text(written(), encoding="ascii")
