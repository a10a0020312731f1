"""A corpus with planted near-duplicates, and what is true of them, from any text: for benchmarks of de-duplication.

    python scripts/plant_corpus.py "data/corpus/*.jsonl.*" planted/ [--documents 20000] [--copies 4000] [--seed 1]

Writes `documents.jsonl` (shuffled; id and text) and `truth.csv` (copy, original, percent, jaccard): each copy has k
percent of its words edited, k in 1, 2, 5, 10, 20, 40 (60 % replaced, 20 % deleted, 20 % inserted), and `jaccard` is the
exact similarity of the two sets of word 5-grams of lower-cased \\w+ tokens. Same input and seed, same bytes.
"""

import argparse
import csv
import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

PERCENT = (1, 2, 5, 10, 20, 40)
CHARACTERS = 1_900  # mean length of a planted document, as in a web corpus after extraction
WORD = re.compile(r"\w+")


def main() -> None:
    """Write both files and say what is in them."""
    asked = _asked()
    draw = random.Random(asked.seed)
    texts = _chosen(_pieces(asked.path), asked.documents, draw)
    vocabulary = sorted({word for text in texts[:2_000] for word in text.split()})
    originals = draw.sample(range(len(texts)), asked.copies)
    copies = [(n, PERCENT[c % len(PERCENT)]) for c, n in enumerate(originals)]
    rows = [(f"doc-{n:06d}", text) for n, text in enumerate(texts)]
    truth = []
    for n, percent in copies:
        text = edited(texts[n], percent / 100, vocabulary, draw)
        rows.append((f"copy-{n:06d}", text))
        truth.append((f"copy-{n:06d}", f"doc-{n:06d}", percent, f"{jaccard(texts[n], text):.6f}"))
    draw.shuffle(rows)
    _write(Path(asked.out), rows, truth)


def edited(text: str, share: float, vocabulary: list[str], draw: random.Random) -> str:
    """The text with a share of its words edited: of the edits 60 % replace, 20 % delete, 20 % insert."""
    words = text.split(" ")
    for place in sorted(draw.sample(range(len(words)), max(1, round(share * len(words)))), reverse=True):
        kind, other = draw.random(), draw.choice(vocabulary)
        words[place : place + 1] = [other] if kind < 0.6 else [] if kind < 0.8 else [words[place], other]
    return " ".join(words)


def jaccard(a: str, b: str, ngram: int = 5) -> float:
    """Exact similarity of the sets of word n-grams."""
    first, second = (_ngrams(WORD.findall(text.lower()), ngram) for text in (a, b))
    return len(first & second) / len(first | second) if first | second else 0.0


def _ngrams(words: list[str], ngram: int) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + ngram]) for i in range(max(1, len(words) - ngram + 1))}


def _pieces(path: str) -> Iterator[str]:
    """The input's texts cut at line ends into pieces of about CHARACTERS."""
    from corpus.readers import records
    from corpus.source import Source
    from corpus.units import content_hash, units

    source = Source(path=path)
    for unit in units((source,), lambda found: content_hash(found.url)):
        for batch in records(unit, source):
            for text in batch.rows.column("text").to_pylist():
                yield from _cut(text)


def _cut(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start >= CHARACTERS // 2:
        end = text.find("\n", start + CHARACTERS)
        end = len(text) if end < 0 or end - start > 3 * CHARACTERS else end
        yield text[start : min(end, start + 3 * CHARACTERS)]
        start = min(end, start + 3 * CHARACTERS)


def _chosen(pieces: Iterator[str], count: int, draw: random.Random) -> list[str]:
    found = [piece for piece in dict.fromkeys(pieces) if len(piece.split(" ")) >= 20]
    if len(found) < count:
        raise SystemExit(f"{count:,} documents were asked for and the input has text for {len(found):,}")
    return draw.sample(found, count)


def _write(out: Path, rows: list[tuple[str, str]], truth: list[tuple[str, str, int, str]]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"id": i, "text": t}, ensure_ascii=False) + "\n" for i, t in rows]
    (out / "documents.jsonl").write_text("".join(lines), encoding="utf-8")
    with (out / "truth.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("copy", "original", "percent", "jaccard"), *truth])
    size = sum(len(text.encode()) for _, text in rows)
    print(f"{len(rows):,} documents, {size / 1e6:.1f} MB of text, {len(truth):,} planted copies -> {out}")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("out")
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--copies", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
