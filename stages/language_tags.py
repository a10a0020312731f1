"""What languages are called: models have their own labels, columns have BCP 47 (RFC 5646).

`en`, `eng` and `eng_Latn` are all `en`. The script is said where it is not the one that the language is mostly
written in: `sr` is Serbian in Cyrillic, `sr-Latn` in Latin letters. language_tags.txt has both tables, from the CLDR.
"""

from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from corpus.errors import RecipeError
from stages.scripts import names

WIKIPEDIA = {"als": "gsw", "bh": "bho", "no": "nb"}
"""Labels without a script are those of Wikipedias, which lid.176 learned from: Alemannic, Bhojpuri, and Bokmål (there
is `nn` beside it) have older names there."""

_LETTERS = {"Hans": "Hani", "Hant": "Hani", "Hira": "Jpan", "Kana": "Jpan", "Kore": "Hang"}
"""ISO 15924 codes that letters cannot tell apart: what counting calls them."""

_HAN = {"Jpan": ("Jpan", "Hani"), "Hang": ("Hang", "Hani")}
"""Scripts whose texts may be mostly Han characters."""


class Tag(NamedTuple):
    """What a model's label says, in BCP 47's words."""

    language: str
    script: str | None  # where the label says it


def tag(label: str) -> Tag:
    """The tag of a model's label: `en`, `eng_Latn`, `sr-Cyrl`."""
    language, _, script = label.replace("-", "_").partition("_")
    if len(script) == 4 and script.isalpha():
        return Tag(_shortest(language.lower()), script.title())
    return Tag(WIKIPEDIA.get(label) or _shortest(label.replace("_", "-")), None)


def _shortest(language: str) -> str:
    return _table()[1].get(language, language)


def usual_script(language: str) -> str | None:
    """The script that the language is mostly written in, None where the table does not know."""
    return _table()[0].get(language)


def spelled(language: str, script: str | None) -> str:
    """The tag as columns have it: with the script where it is not the usual one."""
    return language if script is None or script == usual_script(language) else f"{language}-{script}"


def written(said: Tag, script: str) -> str | None:
    """The script of a text in that language, nine tenths of whose letters are of `script` ("" if none has so many).

    That which the label says; else the usual one, unless the text has hardly a letter of it.
    """
    usual = usual_script(said.language)
    if said.script is not None or usual is None:
        return said.script
    return script if script and script not in _HAN.get(usual, (usual,)) else usual


@lru_cache(maxsize=16)
def wanted(keep: tuple[str, ...], labels: tuple[str, ...], where: str) -> frozenset[tuple[str, str | None]]:
    """Language and script of each name in `keep`, a tag or a label; the script is None where all are meant.

    RecipeError names the nearest where no label says such a language.
    """
    said = {label: tag(label) for label in labels}
    languages = {t.language for t in said.values()}
    return frozenset(_wanted(name.removeprefix("__label__"), said, languages, where) for name in keep)


def _wanted(name: str, said: dict[str, Tag], languages: set[str], where: str) -> tuple[str, str | None]:
    asked = said.get(name) or tag(name)
    known = asked.script is None or _LETTERS.get(asked.script, asked.script) in names()
    if asked.language in languages and known:
        return asked.language, asked.script
    there = sorted({*said, *(spelled(*t) for t in said.values())})
    near = get_close_matches(name, there, 5) or get_close_matches(name[:2].lower(), there, 5)
    nearest = f"the nearest are {', '.join(near)}" if near else f"there are {', '.join(there[:40])}"
    raise RecipeError(
        f"language: keep names {name!r}, which {where} has no label for; {nearest}. "
        "Name languages by BCP 47 tags (en, pt, sr-Latn) or by the model's own labels."
    )


@cache
def _table() -> tuple[dict[str, str], dict[str, str]]:
    """Usual script by language, and two-letter tag by three-letter code."""
    usual: dict[str, str] = {}
    shorter: dict[str, str] = {}
    for line in Path(__file__).with_name("language_tags.txt").read_text(encoding="utf-8").splitlines():
        head, *words = line.split()
        if head == "=":
            shorter |= {word.split("=")[0]: word.split("=")[1] for word in words}
        elif head != "#":
            usual |= dict.fromkeys(words, head)
    return usual, shorter
