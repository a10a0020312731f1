"""Language identification: agreement with the fastText library, speed beside it, accuracy per language.

    python scripts/bench_language.py agreement            # every text of langid and corpus in ../shared/data
    python scripts/bench_language.py speed --repeat 5     # MB/s of text a core, CPU seconds, the best of five
    python scripts/bench_language.py kana                 # what stages/scripts.py says of Japanese
    python scripts/bench_language.py accuracy             # the tables of docs/language.md
    python scripts/bench_language.py accuracy --model lid.176.bin --data FOLDER

The library is fasttext-predict, asked by its raw binding for one label of one text at a time, line breaks replaced,
which is the fastest way into it; ours is asked for a whole column. One core, compiling not counted.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import fasttext
import numpy as np
import orjson
import pyarrow as pa
import regex
from fastest import best

from classifiers.fasttext_model import Model, load
from classifiers.fasttext_scores import predicted
from corpus.buffers import utf8
from stages.language import shipped
from stages.language_tags import tag
from stages.scripts import scripts

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
KINDS = {
    "English novels": "corpus/books__english*",
    "German and other web pages": "corpus/web__trafilatura*",
    "29 languages": "corpus/multilingual*",
    "mathematics (TeX)": "corpus/math__stacks*",
    "sentences": "langid/tatoeba*",
    "all full texts": "corpus/*",
}


def rows(pattern: str, data: Path) -> Iterator[dict[str, str]]:
    """The rows of the JSONL files that match."""
    for path in sorted(data.glob(f"{pattern}.jsonl.*")):
        with pa.input_stream(str(path), compression="zstd" if path.suffix == ".zst" else "gzip") as raw:
            yield from map(orjson.loads, raw.read().splitlines())


def library(model: str) -> Callable[[list[str]], list[tuple[str, float]]]:
    """Label and probability of each text, as the library says them."""
    read = fasttext.load_model(model)

    def said(texts: list[str]) -> list[tuple[str, float]]:
        found = [read.f.predict(text.replace("\n", " ") + "\n", 1, 0.0, "strict")[0] for text in texts]
        return [(label.removeprefix("__label__"), score) for score, label in found]

    return said


def column(texts: list[str]) -> pa.Array:
    return pa.array(texts, pa.large_string())


def agreement(model: Model, data: Path, repeat: int) -> None:
    """Share of equal labels, and the largest difference of probabilities."""
    print("| texts | count | labels the same | largest difference of a probability |\n| --- | --- | --- | --- |")
    for folder in ("langid", "corpus"):
        texts = [row["text"] for row in rows(f"{folder}/*", data)]
        found, said = predicted(model, column(texts)), library(model.url)(texts)
        same = sum(model.labels[n] == label for n, (label, _) in zip(found.labels[:, 0], said, strict=True))
        apart = np.abs(found.probability[:, 0] - [score for _, score in said]).max()
        print(f"| {folder} | {len(texts):,} | {same:,} ({same / len(texts):.2%}) | {apart:.0e} |")


def speed(model: Model, data: Path, repeat: int) -> None:
    """MB/s of ours, of the library, and of counting scripts."""
    print("| text | MB | ours, MB/s | library, MB/s | times | scripts, MB/s |\n| --- | --- | --- | --- | --- | --- |")
    ask = library(model.url)
    for name, pattern in KINDS.items():
        texts = [row["text"] for row in rows(pattern, data)]
        arrow = column(texts)
        starts, raw = utf8(arrow)
        size = int(starts[-1]) / 1e6
        predicted(model, arrow[:1]), scripts(raw, starts[:1], starts[1:2])
        ours = size / best(lambda arrow=arrow: predicted(model, arrow), repeat)
        count = size / best(lambda raw=raw, starts=starts: scripts(raw, starts[:-1], starts[1:]), repeat)
        theirs = size / best(lambda texts=texts: ask(texts), min(repeat, 2))
        print(f"| {name} | {size:.1f} | {ours:.0f} | {theirs:.1f} | {ours / theirs:.1f} | {count:.0f} |")


def kana(model: Model, data: Path, repeat: int) -> None:
    """Kana per letter of kana and Han in Japanese sentences, and in Chinese ones that hold any."""
    for language in ("jpn", "cmn"):
        texts = [row["text"] for row in rows("langid/*", data) if row["lang"] == language]
        shares = []
        for text in texts:
            own = len(regex.findall(r"[\p{Script=Hira}\p{Script=Kana}]", text))
            han = len(regex.findall(r"\p{Script=Han}", text))
            shares += [own / (own + han)] if own + han else []
        low, middle, high = np.percentile(shares, [1, 50, 99])
        print(
            f"{language}: {len(shares):,} texts, kana share {low:.2f} at 1 %, {middle:.2f} at 50 %, {high:.2f} at 99 %"
        )


def accuracy(model: Model, data: Path, repeat: int) -> None:
    """Per language the share of texts whose language the first label names, and what it is most often taken for."""
    known = {tag(label).language for label in model.labels}
    cells: dict[str, list[str]] = {}
    for place, name in enumerate(("tatoeba", "udhr_paragraphs")):
        right, seen, taken = _counted(model, data, name)
        inside = [code for code in seen if code in known]
        total, hits = sum(seen[code] for code in inside), sum(right[code] for code in inside)
        outside = (
            f"{len(seen) - len(inside)} languages it does not know ({sum(seen.values()) - total:,} texts) left out"
        )
        print(f"{name}: {hits / total:.1%} of {total:,} texts in {len(inside)} languages; {outside}")
        mean = np.mean([right[code] / seen[code] for code in inside])
        print(f"{name}: {mean:.1%} in the mean of languages")
        for code in inside:
            wrong = Counter({other: count for (of, other), count in taken.items() if of == code and other != code})
            most = ", ".join(f"{other} {count / seen[code]:.0%}" for other, count in wrong.most_common(1))
            row = cells.setdefault(code, ["", "", "", "", "", ""])
            row[3 * place : 3 * place + 3] = f"{seen[code]:,}", f"{right[code] / seen[code]:.1%}", most
    print("| language | Tatoeba | right | taken for | UDHR | right | taken for |\n" + "| --- " * 7 + "|")
    for code in sorted(cells):
        print(f"| {code} | {' | '.join(cells[code])} |")


def _counted(model: Model, data: Path, name: str) -> tuple[Counter[str], Counter[str], Counter[tuple[str, str]]]:
    read = [(tag(f"{row['lang']}_Zyyy").language, row["text"]) for row in rows(f"langid/{name}", data)]
    found = predicted(model, column([text for _, text in read])).labels[:, 0]
    said = [tag(model.labels[n]).language for n in found]
    gold = [code for code, _ in read]
    right = Counter(code for code, other in zip(gold, said, strict=True) if code == other)
    return right, Counter(gold), Counter(zip(gold, said, strict=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["agreement", "speed", "kana", "accuracy"])
    parser.add_argument("--model", help="a .bin or .ftz; lid.176.ftz as it is installed")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    work = {"agreement": agreement, "speed": speed, "kana": kana, "accuracy": accuracy}[asked.what]
    work(load(asked.model or shipped()), asked.data, asked.repeat)
