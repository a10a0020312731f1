"""Recall of each decontamination rule on planted benchmark items, and the 13-gram rule against brute force.

    python scripts/compare_decontamination.py [CORPUS BENCHMARKS]    # ../shared/data/corpus, ../shared/data/decontam
    python scripts/compare_decontamination.py --truth 20             # 20 documents a file against sets of tuples

200 items with 20 words or more in question and answer, drawn evenly over the benchmarks, each planted in four documents
of the corpus, question, a line break and answer: verbatim at the document's end; re-punctuated (every mark gone, a
comma behind every third word, upper case); with one word changed, in the middle of the question; in the middle of the
document, in the midst of a line. An item is found where its document is called contaminated by it. Documents
without a planted item that a rule calls contaminated are counted too: true ones, and chance.
"""

import argparse
import random
import re
import sys
from pathlib import Path

import pyarrow as pa
from bench_filters import ROOT

sys.path.insert(0, str(ROOT))

from corpus.documents import Batch
from scripts.corpus_texts import sample
from stages.decontaminate import RULES, Decontaminate
from stages.decontamination.items import Item

KINDS = ("verbatim", "re-punctuated", "one word changed", "mid-document")
ITEMS, LEAST_WORDS, SEED = 200, 20, 7


def planted(items: list[Item], hosts: list[str]) -> list[tuple[str, Item, str]]:
    """(kind, item, document) of ITEMS items in each of KINDS."""
    draw = random.Random(SEED)
    benchmarks: dict[str, list[Item]] = {}
    for item in items:
        if len(f"{item.question} {item.answer}".split()) >= LEAST_WORDS:
            benchmarks.setdefault(item.benchmark, []).append(item)
    names, chosen = sorted(benchmarks), []
    for n in range(ITEMS):
        chosen.append(draw.choice(benchmarks[names[n % len(names)]]))
    return [(kind, item, laid(kind, item, draw.choice(hosts))) for item in chosen for kind in KINDS]


def laid(kind: str, item: Item, host: str) -> str:
    """The host with the item in it."""
    question, answer = item.question, item.answer
    if kind == "re-punctuated":
        words = re.sub(r"[^\w\s]", " ", f"{question} {answer}").upper().split()
        return f"{host}\n" + " ".join(word + "," * (n % 3 == 2) for n, word in enumerate(words))
    if kind == "one word changed":
        words = list(re.finditer(r"\w+", question))
        middle = words[len(words) // 2]
        question = f"{question[: middle.start()]}altered{question[middle.end() :]}"
    if kind == "mid-document":
        place = host.find(" ", len(host) // 2)
        return f"{host[:place]} {question}\n{answer}{host[place:]}"
    return f"{host}\n{question}\n{answer}"


def compare(against: str, hosts: list[str]) -> None:
    """Print a row a rule: share of planted items found by kind, and unplanted documents that it calls contaminated."""
    cases = planted(Decontaminate(against=against).loaded().items, hosts)
    texts = [text for _, _, text in cases]
    print("| rule | " + " | ".join(KINDS) + " | unplanted documents |\n" + "| --- " * (len(KINDS) + 2) + "|")
    for rule in RULES:
        stage = Decontaminate(against=against, rule=rule, action="report")
        found = dict.fromkeys(KINDS, 0)
        for (kind, item, _), one in zip(cases, columns(stage, texts), strict=True):
            over = {(m["benchmark"], m["item"]) for m in one["contamination_matches"] or () if m["contaminates"]}
            found[kind] += (item.benchmark, item.id) in over
        chance = sum(one["contaminated_by"] is not None for one in columns(stage, hosts))
        shares = " | ".join(f"{found[kind] / ITEMS:.1%}" for kind in KINDS)
        print(f"| {rule} | {shares} | {chance} of {len(hosts):,} |", flush=True)


def columns(stage: Decontaminate, texts: list[str]) -> list[dict[str, object]]:
    """What the stage lays beside each text."""
    batch = Batch(pa.record_batch([pa.array(texts, pa.large_string())], names=["text"]))
    return stage.checked(stage.annotate(batch), len(batch)).to_pylist()


def truth(against: str, hosts: list[str]) -> None:
    """Print whether the 13-gram rule finds, in documents and planted ones, the pairs that sets of tuples find."""
    from scripts.brute_ngrams import brute

    stage = Decontaminate(against=against)
    items = stage.loaded().items
    texts = [*hosts, *(text for _, _, text in planted(items, hosts)[:80])]
    pairs = {
        (row, match["benchmark"], match["item"])
        for row, one in enumerate(columns(stage, texts))
        for match in one["contamination_matches"] or ()
    }
    found = brute(texts, [f"{item.question}\n{item.answer}" for item in items], 13, 8, 10)
    wanted = {(row, items[item].benchmark, items[item].id) for row, item in found}
    size = sum(map(len, texts)) / 1e6
    real = len({row for row, _, _ in wanted if row < len(hosts)})
    print(
        f"{len(texts):,} documents, {size:.1f} MB: {len(wanted):,} true pairs ({real:,} unplanted documents), ", end=""
    )
    print(f"{len(pairs - wanted)} found wrongly, {len(wanted - pairs)} missed")


def main() -> None:
    """See the head of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="?", type=Path, default=ROOT.parent / "shared" / "data" / "corpus")
    parser.add_argument("benchmarks", nargs="?", type=Path, default=ROOT.parent / "shared" / "data" / "decontam")
    parser.add_argument("--truth", type=int, metavar="EACH")
    asked = parser.parse_args()
    each = asked.truth or 40
    hosts = [text for some in sample(asked.corpus, each).values() for text in some if 200 < len(text) < 2_000_000]
    (truth if asked.truth else compare)(str(asked.benchmarks / "*.jsonl.gz"), hosts)


if __name__ == "__main__":
    main()
