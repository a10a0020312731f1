"""Write stages/scripts.txt and stages/language_tags.txt: scripts of letters, and what languages are called.

    pip install babel regex
    python scripts/make_language_tables.py

Scripts are Unicode's property of that name as the `regex` package has it, for the letters of this Python's
`unicodedata` (3.11 has Unicode 14.0.0, as corpus/classes.txt). Names are the CLDR's that Babel brings: the script
a language is mostly written in (likelySubtags), and the two-letter tag of a three-letter code (languageAlias), where
a code of one language stands for the macrolanguage it mostly is, too: `cmn` is `zh`, `arb` is `ar`.
"""

import unicodedata
from itertools import groupby
from pathlib import Path
from textwrap import wrap

import babel
import regex
from babel.core import get_global

ROOM = Path(__file__).parents[1] / "stages"

# ISO 15924 codes of the scripts of Unicode 14 that have letters.
SCRIPTS = """
Latn Cyrl Arab Hani Deva Grek Hang Hira Kana Adlm Aghb Ahom Armi Armn Avst Bali Bamu Bass Batk Beng Bhks Bopo Brah Bugi
Buhd Cakm Cans Cari Cham Cher Chrs Copt Cpmn Cprt Diak Dogr Dsrt Dupl Egyp Elba Elym Ethi Geor Glag Gong Gonm Goth Gran
Gujr Guru Hano Hatr Hebr Hluw Hmng Hmnp Hung Ital Java Kali Khar Khmr Khoj Kits Knda Kthi Lana Laoo Lepc Limb Lina Linb
Lisu Lyci Lydi Mahj Maka Mand Mani Marc Medf Mend Merc Mero Mlym Modi Mong Mroo Mtei Mult Mymr Nand Narb Nbat Newa Nkoo
Nshu Ogam Olck Orkh Orya Osge Osma Ougr Palm Pauc Perm Phag Phli Phlp Phnx Plrd Prti Rjng Rohg Runr Samr Sarb Saur
Shrd Shaw Sidd Sind Sinh Sogd Sogo Sora Soyo Sund Sylo Syrc Tagb Takr Tale Talu Taml Tang Tavt Telu Tfng Tglg Thaa Thai
Tibt Tirh Tnsa Toto Ugar Vaii Vith Wara Wcho Xpeo Xsux Yezi Yiii Zanb
""".split()  # noqa: SIM905

# Scripts that letters cannot tell apart, by the name this project gives them.
AS_LETTERS = {"Hans": "Hani", "Hant": "Hani", "Kore": "Hang", "Hrkt": "Jpan"}


def runs(points: list[int]) -> list[str]:
    """Code points as 41..5A, in order."""
    found = []
    for _, group in groupby(enumerate(points), lambda pair: pair[1] - pair[0]):
        inside = [point for _, point in group]
        found.append(f"{inside[0]:X}" + (f"..{inside[-1]:X}" if len(inside) > 1 else ""))
    return found


def wrapped(head: str, words: list[str]) -> list[str]:
    """Lines of a table, each with its head."""
    return wrap(" ".join(words), 118, initial_indent=f"{head} ", subsequent_indent=f"{head} ")


def scripts() -> None:
    """The letters of each script."""
    letters = [chr(point) for point in range(0x110000) if unicodedata.category(chr(point)).startswith("L")]
    lines = [f"# Unicode {unicodedata.unidata_version}, made by scripts/make_language_tables.py"]
    for code in SCRIPTS:
        one = regex.compile(rf"\p{{Script={code}}}")
        if found := [ord(letter) for letter in letters if one.match(letter)]:
            lines += wrapped(code, runs(found))
        else:
            print(f"{code} has no letters here")
    Path(ROOM, "scripts.txt").write_text("\n".join(lines) + "\n")


def tags() -> None:
    """Languages by their usual script, and three-letter codes with the tag of two letters."""
    likely = {language: tag.split("_")[1] for language, tag in get_global("likely_subtags").items()}
    shorter = sorted(get_global("language_aliases").items())
    likely = {code: likely[tag] for code, tag in shorter if tag in likely} | likely  # `pnb` is written as `lah` is
    usual: dict[str, list[str]] = {}
    for language, script in sorted(likely.items()):
        if language.isalpha() and 2 <= len(language) <= 3:
            usual.setdefault(AS_LETTERS.get(script, script), []).append(language)
    pairs = [f"{code}={tag}" for code, tag in shorter if len(code) == 3 and len(tag) == 2]
    lines = [f"# CLDR of Babel {babel.__version__}, made by scripts/make_language_tables.py (Unicode License v3)"]
    for script in sorted(usual):
        lines += wrapped(script, usual[script])
    Path(ROOM, "language_tags.txt").write_text("\n".join([*lines, *wrapped("=", pairs)]) + "\n")


if __name__ == "__main__":
    scripts()
    tags()
