"""Languages: which words prose cannot do without, and how long its words are on average.

Gopher's rules were made for English. FineWeb-2 (Penedo et al. 2025) showed that stop words and lengths have to
follow the language; languages.txt has our own table for 34, and a file or folder in FineWeb-2's format goes in
its place. A language without a table is an error: a rule that no text of a language can meet says nothing of it.
"""

import gzip
import json
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from corpus.errors import RecipeError
from corpus.storage import exists, glob, join, read_bytes

GOPHER_WORDS = 8
"""The paper asks for two of eight words; so does our table in every language."""

ALPHABETIC = 0.8  # Rae et al. 2021, A1.1, in all languages


class Language(NamedTuple):
    """What rules need to know of a language. Lengths in code points, shares 0 to 1."""

    stop_words: tuple[str, ...]  # those that Gopher's rule counts
    function_words: tuple[str, ...]  # those and more: their share of all words tells prose from lists
    min_mean_word_length: float
    max_mean_word_length: float
    min_alphabetic_word_share: float


def language(code: str, tables: str | None = None) -> Language:
    """The language of that code: BCP 47 (`pt-BR` is `pt`), or as the tables have it (`por_Latn`).

    tables: a JSON file (maybe .gz) or a folder of LANGUAGE.yml in FineWeb-2's format, in place of our own.
    RecipeError names the nearest where there is no such language.
    """
    table = own() if tables is None else read(tables)
    for name in (code, code.partition("-")[0], aliases().get(code.partition("-")[0], "")):
        if name in table:
            return table[name]
    near = get_close_matches(code, table, 3)
    there = f"the nearest are {', '.join(near)}" if near else f"there are {', '.join(sorted(table)[:40])}"
    raise RecipeError(
        f"no stop words and limits for language {code!r} in {tables or 'the table that comes with Winnow'}; {there}. "
        "Keep other languages out by an earlier stage, or name a file or folder in FineWeb-2's format in `tables`."
    )


def files(tables: str | None) -> tuple[str, ...]:
    """The files that `tables` names, in order: what a stage's identity hangs on. RecipeError where there is none."""
    if tables is None:
        return ()
    if Path(tables).suffix in (".json", ".gz") and exists(tables):
        return (tables,)
    found = tuple(file.url for ending in ("yml", "yaml") for file in glob(join(tables, f"*.{ending}")))
    if not found:
        raise RecipeError(f"tables {tables!r}: neither a .json or .json.gz file nor a folder with LANGUAGE.yml in it")
    return tuple(sorted(found))


@cache
def own() -> dict[str, Language]:
    """The table that comes with Winnow, by BCP 47 code."""
    table = {}
    for head, words in _rows():
        code, _, low, high = head
        table[code] = Language(words[:GOPHER_WORDS], words, float(low), float(high), ALPHABETIC)
    return table


@cache
def aliases() -> dict[str, str]:
    """BCP 47 code -> FineWeb-2's code, for the languages of our own table."""
    return {head[0]: head[1] for head, _ in _rows()}


def _rows() -> list[tuple[list[str], tuple[str, ...]]]:
    text = Path(__file__).with_name("languages.txt").read_text(encoding="utf-8")
    lines = [line.partition(": ") for line in text.splitlines() if line and not line.startswith("#")]
    return [(head.split(), tuple(words.split())) for head, _, words in lines]


@cache
def read(tables: str) -> dict[str, Language]:
    """Tables in FineWeb-2's format, by their own codes; read once a process. RecipeError where they are not that."""
    found: dict[str, Language] = {}
    for url in files(tables):
        raw = read_bytes(url)
        if url.endswith(".json") or url.endswith(".gz"):
            content = json.loads(gzip.decompress(raw) if url.endswith(".gz") else raw)
            found |= {code: _language(code, row, url) for code, row in content.items()}
        else:
            code = Path(url).stem
            found[code] = _language(code, yaml.safe_load(raw), url)
    return found


def _language(code: str, row: Mapping[str, Any], url: str) -> Language:
    try:
        words = tuple(dict.fromkeys(str(word) for word in row["stopwords"]))
        low, high = float(row["min_avg_word_length"]), float(row["max_avg_word_length"])
        # FineWeb-2 keeps datatrove's name: the ratio is a least share of words with a letter.
        return Language(words, words, low, high, float(row["max_non_alpha_words_ratio"]))
    except (KeyError, TypeError, ValueError) as error:
        raise RecipeError(
            f"{url}: language {code} is not in FineWeb-2's format ({error!r}); it wants stopwords, "
            "min_avg_word_length, max_avg_word_length and max_non_alpha_words_ratio."
        ) from error
