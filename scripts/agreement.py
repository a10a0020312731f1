"""How often our own splitting decides as datatrove does, by domain: a Markdown table for the documentation.

    python scripts/agreement.py [FOLDER] [--each 60]     # *.jsonl.zst, *.jsonl.gz; ../shared/data/corpus or FOLDER

Quality, repetition, C4 and FineWeb in the datatrove dialect, against the filters of the datatrove that is installed.
A share is of keep or drop; behind it how often the reason agrees too, and of C4 the edited text of what both keep.
Nothing is handed in: words and sentences are ours.
"""

import argparse
import random
import sys
from pathlib import Path

import orjson
import pyarrow as pa
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.utils.word_tokenizers import load_word_tokenizer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from corpus.documents import DROP, TEXT, Batch  # noqa: E402
from stages import c4, fineweb, gopher_quality, gopher_repetition  # noqa: E402
from stages.splitting import tokens  # noqa: E402

PAIRS = (
    (gopher_quality.GopherQuality, gopher_quality.DATATROVE_REASONS, GopherQualityFilter),
    (gopher_repetition.GopherRepetition, gopher_repetition.DATATROVE_REASONS, GopherRepetitionFilter),
    (c4.C4, c4.DATATROVE_REASONS, C4QualityFilter),
    (fineweb.FineWeb, fineweb.DATATROVE_REASONS, FineWebQualityFilter),
)


def texts(path: Path) -> list[str]:
    """The texts of one file."""
    with pa.input_stream(str(path), compression="zstd" if path.suffix == ".zst" else "gzip") as raw:
        return [orjson.loads(line)["text"] for line in raw.read().splitlines()]


def agreement(batch: Batch, pair: tuple) -> tuple[int, int]:
    """Documents with the same decision, and with the same reason (and text, where both keep it) too."""
    stage, reasons, judge = pair[0](dialect="datatrove"), pair[1], pair[2]()
    columns, old, decided, alike = stage.annotate(batch), batch.text.to_pylist(), 0, 0
    new = columns[TEXT].to_pylist() if stage.rewrites else [None] * len(old)
    for text, drop, edited in zip(old, columns[DROP].to_pylist(), new, strict=True):
        verdict = judge.filter(document := Document(text=text, id=""))
        told = None if verdict is True else verdict[1]
        decided += (drop is None) == (told is None)
        if drop is None:
            alike += told is None and document.text == (text if edited is None else edited)
        else:
            alike += told in _names(reasons[drop])
    return decided, alike


def _names(reason: str | tuple[str, ...]) -> tuple[str, ...]:
    return (reason,) if isinstance(reason, str) else reason


def words_alike(batch: Batch) -> int:
    """Documents of which every token is spaCy's."""
    found, data = tokens(batch, "spacy"), batch.utf8[1].tobytes()
    tokenizer, alike = load_word_tokenizer("en").tokenizer.tokenizer, 0
    for n, text in enumerate(batch.text.to_pylist()):
        places = range(found.first[n], found.first[n + 1])
        ours = [data[found.starts[t] : found.ends[t]].decode() for t in places]
        alike += ours == [token.text for token in tokenizer(text) if token.text.strip()]
    return alike


def main() -> None:
    """Print the table, one row a domain and one of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "../shared/data/corpus")
    parser.add_argument("--each", type=int, default=60, help="documents of each file at most")
    asked = parser.parse_args()
    domains: dict[str, list[str]] = {}
    for path in sorted(asked.folder.glob("*.jsonl.*")):
        found = texts(path)
        drawn = random.Random(1).sample(found, min(asked.each, len(found)))
        domains.setdefault(path.name.partition("__")[0], []).extend(drawn)
    if not domains:
        sys.exit(f"{asked.folder}: no *.jsonl.zst or *.jsonl.gz there")
    names = "quality (reason) | repetition (reason) | C4 (reason, text) | FineWeb (reason)"
    print(f"| domain | documents | all tokens same | {names} |\n|{' --- |' * 7}")
    totals = [0] * 10
    for domain, drawn in domains.items():
        batch = Batch(pa.record_batch([pa.array(drawn, pa.large_string())], names=["text"]))
        counts = [len(drawn), words_alike(batch), *(count for pair in PAIRS for count in agreement(batch, pair))]
        totals = [a + b for a, b in zip(totals, counts, strict=True)]
        print(row(domain, counts), flush=True)
    print(row("all", totals))


def row(domain: str, counts: list[int]) -> str:
    """One row of the table: shares of the documents, in per cent."""
    size, same, *pairs = counts
    shares = [f"{a / size:.1%} ({b / size:.1%})" for a, b in zip(pairs[::2], pairs[1::2], strict=True)]
    return f"| {domain} | {size:,} | {same / size:.1%} | {' | '.join(shares)} |"


if __name__ == "__main__":
    main()
