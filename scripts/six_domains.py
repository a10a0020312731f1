"""Six real domains as token shards: code of this machine's Python, and five of a folder of real text.

    python -m scripts.six_domains ../shared/data/corpus --at /tmp/six

Sizes differ on purpose (0.5 to 3 MB), else proportional, temperature and UniMax would be one mixture. Long texts are
cut at line ends into pieces of 8 kB, so that each domain holds enough documents to hold some out. Made by `winnow run`:
exact and near duplicates go, a tokenizer of 1,024 is trained on what is kept.
"""

import argparse
import json
import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import yaml

from scripts.corpus_texts import texts

DOMAINS = {"books": 3.0, "code": 1.5, "encyclopedia": 2.0, "german": 0.5, "math": 1.5, "web": 3.0}
"""MB of text, at most."""

FILES = {
    "books": "books__english_novels*",
    "encyclopedia": "encyclopedia__*",
    "german": "books__german_novels*",
    "math": "math__*",
    "web": "gov_web__*",
}

PIECE = 8_000  # characters
VOCAB = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--at", type=Path, required=True)
    asked = parser.parse_args()
    print(made(asked.corpus, asked.at))


def made(corpus: Path, at: Path) -> Path:
    """The finished run with its tokens; what is there is not made again."""
    if not (at / "run" / "report.json").exists():
        from pipeline.engines import engine
        from pipeline.places import run_home
        from pipeline.progress import shown
        from pipeline.recipe import parse
        from pipeline.run import Run

        _written(corpus, at / "text")
        with engine("local", None) as workforce:
            Run(parse(recipe(at / "text")), run_home(str(at / "run")), workforce, shown())()
    return at / "run"


def recipe(folder: Path) -> dict:
    """What `winnow run` does with them."""
    sources = [{"path": str(folder / f"{domain}.jsonl"), "domain": domain} for domain in DOMAINS]
    return {
        "name": "six-domains",
        "sources": sources,
        "stages": ["exact", "minhash"],
        "tokens": {"tokenizer": "train", "vocab": VOCAB},
    }


def _written(corpus: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for domain, most in DOMAINS.items():
        found = (
            _code()
            if domain == "code"
            else [text for path in sorted(corpus.glob(FILES[domain])) for text in texts(path)]
        )
        pieces = [piece for text in found for piece in _pieces(text)]
        random.Random(0).shuffle(pieces)
        with (folder / f"{domain}.jsonl").open("w", encoding="utf-8") as out:
            left = most * 1e6
            for number, piece in enumerate(pieces):
                left -= len(piece.encode())
                if left < 0:
                    break
                out.write(json.dumps({"id": f"{domain}-{number}", "text": piece}, ensure_ascii=False) + "\n")
    (folder.parent / "recipe.yaml").write_text(yaml.safe_dump(recipe(folder), sort_keys=False))


def _code() -> list[str]:
    """Modules of the standard library, of the top folder: the same for one version of Python."""
    paths = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    return [path.read_text(encoding="utf-8", errors="replace") for path in paths]


def _pieces(text: str) -> Iterator[str]:
    """Whole lines, up to PIECE characters unless one line is longer."""
    held: list[str] = []
    for line in text.splitlines(keepends=True):
        if held and sum(map(len, held)) + len(line) > PIECE:
            yield "".join(held)
            held = []
        held.append(line)
    if held:
        yield "".join(held)


if __name__ == "__main__":
    main()
