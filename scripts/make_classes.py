"""Write corpus/classes.txt and corpus/folds.txt from this Python's `unicodedata`.

Run by a Python whose Unicode version is the one wanted (3.11 has 14.0.0); nothing else decides the tables:

    python scripts/make_classes.py
"""

import unicodedata
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

ROOM = Path(__file__).parents[1] / "corpus"
CODE_POINTS = range(0x110000)

# UAX #29 table 3: MidLetter, MidNum, and MidNumLet with the single quote, which are both.
MID_BOTH = " 27 2E 2018 2019 2024 FE52 FF07 FF0E"
MID_LETTER = "3A B7 387 55F 5F4 2027 FE13 FE55 FF1A" + MID_BOTH
MID_NUMBER = "2C 3B 37E 589 60C 60D 66C 7F8 2044 FE10 FE14 FE50 FE54 FF0C FF1B" + MID_BOTH

# PropList.txt 14.0, Sentence_Terminal, and the ellipsis U+2026.
TERMINATOR = """
21 2E 3F 589 61D..61F 6D4 700..702 7F9 837 839 83D..83E 964..965 104A..104B 1362 1367..1368 166E 1735..1736
1803 1809 1944..1945 1AA8..1AAB 1B5A..1B5B 1B5E..1B5F 1B7D..1B7E 1C3B..1C3C 1C7E..1C7F 2026 203C..203D
2047..2049 2E2E 2E3C 2E53..2E54 3002 A4FF A60E..A60F A6F3 A6F7 A876..A877 A8CE..A8CF A92F A9C8..A9C9
AA5D..AA5F AAF0..AAF1 ABEB FE52 FE56..FE57 FF01 FF0E FF1F FF61 10A56..10A57 10F55..10F59 10F86..10F89
11047..11048 110BE..110C1 11141..11143 111C5..111C6 111CD 111DE..111DF 11238..11239 1123B..1123C 112A9
1144B..1144C 115C2..115C3 115C9..115D7 11641..11642 1173C..1173E 11944 11946 11A42..11A43 11A9B..11A9C
11C41..11C42 11EF7..11EF8 16A6E..16A6F 16AF5 16B37..16B38 16B44 16E98 1BC9F 1DA88
"""
CLOSING = {"Pe", "Pf", "Pi"}  # Pi too: German and Danish close with what English opens with
QUOTES = "\"'`„‚"

BREAKS = "\n\r\x85\u2028\u2029"
SPACES = "\t\v\f\x1c\x1d\x1e\x1f\u200b"
HAN = ("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "HANGZHOU NUMERAL")
ONE_BY_ONE = (*HAN, "HIRAGANA", "TANGUT IDEOGRAPH", "NUSHU", "KHITAN")  # beginnings of names
ALSO_HAN = "々〆〇"
BY_CATEGORY = {"Ll": "lower", "Nd": "digit", "No": "digit", "Pc": "connector", "Cf": "format"}
BY_GROUP = {"L": "letter", "N": "letter", "M": "mark", "P": "punctuation", "S": "symbol"}


def points(listed: str) -> frozenset[int]:
    """The code points of a list of hexadecimal numbers and ranges."""
    spans = [span.partition("..") for span in listed.split()]
    return frozenset(c for a, _, b in spans for c in range(int(a, 16), int(b or a, 16) + 1))


def kind(char: str) -> str:
    """The kind of a character: one of corpus.classes.KINDS."""
    category = unicodedata.category(char)
    if char in BREAKS:
        return "break"
    if char in SPACES or category == "Zs":
        return "space"
    if category[0] in "LN" and (char in ALSO_HAN or unicodedata.name(char, "").startswith(ONE_BY_ONE)):
        return "cjk"
    return BY_CATEGORY.get(category) or BY_GROUP.get(category[0], "other")


def table() -> list[str]:
    """The class of each code point, as the words of its line in classes.txt."""
    middle, number, end = points(MID_LETTER), points(MID_NUMBER), points(TERMINATOR)
    rows = []
    for c in CODE_POINTS:
        closer = unicodedata.category(chr(c)) in CLOSING or chr(c) in QUOTES
        held = {
            "mid_letter": c in middle,
            "mid_number": c in number,
            "terminator": c in end,
            "closer": closer,
        }
        rows.append(" ".join([kind(chr(c)), *(name for name, yes in held.items() if yes)]))
    return rows


def class_lines() -> Iterator[str]:
    """Lines of classes.txt: a code point or a range, and its kind and properties."""
    rows = table()
    for row, run in groupby(CODE_POINTS, rows.__getitem__):
        first, *rest = run
        if row != "other":
            yield f"{first:04X}..{rest[-1]:04X} {row}" if rest else f"{first:04X} {row}"


def fold(char: str) -> str:
    """Simple case folding (CaseFolding.txt, status C and S): the full one where it is one character."""
    return next((to for to in (char.casefold(), char.lower()) if len(to) == 1), char)


def fold_lines() -> Iterator[str]:
    """Lines of folds.txt: a code point and what it folds to."""
    for char in map(chr, CODE_POINTS):
        if fold(char) != char:
            yield f"{ord(char):04X} {ord(fold(char)):04X}"


def written(lines: Iterator[str]) -> str:
    """A whole table with its header."""
    header = f"# Unicode {unicodedata.unidata_version}, made by scripts/make_classes.py"
    return "\n".join([header, *lines, ""])


if __name__ == "__main__":
    (ROOM / "classes.txt").write_text(written(class_lines()), encoding="ascii")
    (ROOM / "folds.txt").write_text(written(fold_lines()), encoding="ascii")
