"""Real text that every machine has, and a recipe for it: what `winnow demo` runs on, without a network.

Code is the standard library and installed packages; docs are READMEs and package descriptions; licences and
manuals are what the system and the packages bring. Licences hold exact and near copies by nature. Sources are
globs, a package or an initial letter each, so nothing is copied and the recipe reads as one would write it.
"""

import glob as globs
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pyarrow

from corpus.errors import SourceError
from corpus.storage import glob

SHARES = {"licences": 0.12, "manuals": 0.10, "docs": 0.15}
"""Most of the whole that a domain may take; code has the rest. Slim containers have no manuals, few docs."""

_GZIP = 3  # bytes of text in a stored byte: 19,778 manuals are 27.1 MB and unpack to 77.5
_LARGEST = 1 / 3  # of the code, in one package: a corpus that is mostly one project shows little
_LEAST = 0.2e6  # bytes of a package worth a line in the recipe
_INITIALS = ("[a-d]", "[e-k]", "[m-o]", "[p-s]", "[t-z]", "lib[a-f]", "lib[g-m]", "lib[n-z]", "l[a-hj-z]")
_NOT_CODE = {"test", "pydoc_data"}  # the library's own tests include files that are broken on purpose
_CODE = "[!_]*.py"  # without the many empty __init__.py: an empty file is a bad record


def recipe(limit_mb: float = 40.0) -> dict[str, Any]:
    """The demo's recipe as plain values, on about `limit_mb` MB of text; SourceError as `found_text`.

    The limits are the Gopher paper's own: they keep 89 % of the bytes of code, 94 % of docs, 97 % of licences
    and nearly all manuals of a Debian machine with Python 3.11, and six of its eight rules drop something.
    """
    return {
        "name": "demo",
        "sources": found_text(limit_mb),
        "stages": ["gopher_quality", "exact", "minhash"],
        "tokens": {"tokenizer": "train", "vocab": 8192, "train_mb": 8},
        "shard_mb": 4,  # ten shards, so that all cores tokenize to the end
    }


def found_text(limit_mb: float = 40.0) -> list[dict[str, Any]]:
    """Entries of a recipe's `sources`, a domain each, of about `limit_mb` MB of text together.

    The same machine gives the same list: patterns are tried in a fixed order and taken while they fit.
    SourceError where there is nothing at all.
    """
    left, patterns = limit_mb * 1e6, {}
    for domain, candidates in (("licences", _licences()), ("manuals", _manuals()), ("docs", _docs())):
        patterns[domain], size = _fitting(candidates, SHARES[domain] * limit_mb * 1e6, least=1)
        left -= size
    patterns["code"], _ = _fitting(_code(), left, least=_LEAST, largest=left * _LARGEST)
    sources = [{"path": patterns[name], "format": "text", "domain": name} for name in sorted(patterns)]
    sources = [source for source in sources if source["path"]]
    if not sources:
        raise SourceError(
            f"no text of up to {limit_mb:g} MB to try Winnow on: looked for .py below {_stdlib()} and "
            f"{', '.join(_sites())}, and in /usr/share/doc and /usr/share/man. Write a recipe for your own."
        )
    return sources


def _fitting(
    candidates: Iterable[str], budget: float, *, least: float, largest: float | None = None
) -> tuple[list[str], float]:
    """Of the patterns, in order, those whose files still fit the budget; and the bytes of text they match."""
    taken, spent = [], 0.0
    for pattern in candidates:
        if spent > 0.95 * budget:
            break
        size = _text_bytes(pattern)
        if least <= size <= min(budget - spent, largest or budget):
            taken.append(pattern)
            spent += size
    return taken, spent


def _text_bytes(pattern: str) -> float:
    """Bytes of text that a pattern matches; links are counted where the file they lead to is not matched too."""
    real = {found.real: found for found in glob(pattern)}.values()
    return sum(found.size * (_GZIP if found.url.endswith(".gz") else 1) for found in real)


def _stdlib() -> str:
    return globs.escape(sysconfig.get_path("stdlib"))


def _sites() -> list[str]:
    """Folders of installed packages: the interpreter's, and that of our own dependencies."""
    own = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return sorted(globs.escape(folder) for folder in own | {str(Path(pyarrow.__file__).parents[1])})


def _licences() -> Iterator[str]:
    for site in _sites():
        yield f"{site}/*.dist-info/licenses/*"
        yield from (f"{site}/*.dist-info/{name}*" for name in ("LICEN[CS]E", "COPYING", "NOTICE"))
    yield "/usr/share/common-licenses/*"
    yield from (f"/usr/share/doc/{initials}*/copyright" for initials in _INITIALS)


def _manuals() -> Iterator[str]:
    for section in (1, 8, 5, 7):  # programs, administration, files, overviews; 2 and 3 are the C library's
        yield from (
            f"/usr/share/man/man{section}/[{a}{b}]*"
            for a, b in zip(ascii_lowercase[::2], ascii_lowercase[1::2], strict=True)
        )


def _docs() -> Iterator[str]:
    yield from (f"{site}/*.dist-info/METADATA" for site in _sites())
    yield f"{_stdlib()}/pydoc_data/topics.py"
    yield from (f"/usr/share/doc/*/{name}" for name in ("README*", "*.md", "*.txt"))


def _code() -> Iterator[str]:
    for folder in [_stdlib(), *_sites()]:
        yield f"{folder}/{_CODE}"
        yield from (f"{folder}/{package}/**/{_CODE}" for package in _packages(folder))


def _packages(folder: str) -> list[str]:
    """Names of the Python packages in a folder; site-packages, which has a hyphen, is none."""
    names = sorted(Path(path).name for path in globs.glob(f"{folder}/*/"))
    return [name for name in names if name.isidentifier() and name not in _NOT_CODE]
