"""Fit the trees that tell main text from boilerplate (stages/extraction/trees.txt), or check them across sets.

    python scripts/fit_extraction.py                         # fit on all of ../shared/data/html_gold and write
    python scripts/fit_extraction.py --check                 # write nothing: a published set by trees fitted without it
    python scripts/fit_extraction.py --check --folds 5       # and each page by trees fitted without its fold

A block's label is the share of its 4-grams that its page's gold text holds. The pages of trafilatura_eval have no whole
gold text, only strings: there the label is what trafilatura's own text holds, at half the weight, and a block that
holds a string which must (or must not) be there is 1 (or 0), at more weight. All pages count the same, a block by the
root of its words.
Gradient boosting on the logistic loss with second-order leaves (Friedman 2001; Chen and Guestrin 2016, eq. 5 and 7).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.bench_extract import SETS, TOKEN, Gold, Score, gold, score  # noqa: E402
from stages.extraction import trafilatura  # noqa: E402
from stages.extraction.blocks import LEAST, UNSURE  # noqa: E402
from stages.extraction.charset import utf8  # noqa: E402
from stages.extraction.rendering import rendered  # noqa: E402
from stages.extraction.signals import signals  # noqa: E402
from stages.extraction.trees import FILE, Trees, _logits  # noqa: E402
from stages.extraction.walk import END, START, Page, walked  # noqa: E402

TREES, DEPTH, RATE, BINS = 120, 5, 0.15, 48
SMOOTH, LEAST_WEIGHT, SHARE, SEED = 5.0, 3.0, 0.7, 0


class Example(NamedTuple):
    """A page with its signals, and label and weight of each block."""

    gold: Gold
    page: Page
    signals: np.ndarray
    label: np.ndarray
    weight: np.ndarray


def example(one: Gold) -> Example:
    """The page with labels by its gold text, or by trafilatura's and the strings."""
    html = utf8(one.html, one.charset)
    page = walked(html)
    text = one.text if one.text is not None else trafilatura.extracted(html.decode("utf-8", "replace"), False)
    label, words = labels(page, text)
    if one.text is None:
        said = [page.text[b[START] : b[END]].tobytes().decode("utf-8", "replace") for b in page.blocks]
        must = np.array([any(s in text for s in one.must) for text in said], bool)
        must_not = np.array([any(s in text for s in one.must_not) for text in said], bool)
        sure = must != must_not
        label = np.where(sure, must, label)
        words = np.where(sure, words + 10, words / 2)
    return Example(one, page, signals(page.text, page.blocks, page.parents), label, _weights(words))


def labels(page: Page, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Share of each block's 4-grams in the text (short blocks: whether they stand in it), and its words."""
    tokens = TOKEN.findall(text)
    grams, line = set(zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False)), f" {' '.join(tokens)} "
    label, words = np.zeros(len(page.blocks)), np.zeros(len(page.blocks))
    for n, block in enumerate(page.blocks):
        own = TOKEN.findall(page.text[block[START] : block[END]].tobytes().decode("utf-8", "replace"))
        found = [gram in grams for gram in zip(own, own[1:], own[2:], own[3:], strict=False)]
        label[n] = np.mean(found) if found else float(bool(own) and f" {' '.join(own)} " in line)
        words[n] = len(own)
    return label, words


def _weights(words: np.ndarray) -> np.ndarray:
    roots = np.sqrt(words)
    return 30 * roots / roots.sum() if roots.sum() else roots


def fitted(examples: Sequence[Example]) -> Trees:
    """Trees boosted on all blocks of the examples."""
    weight = np.concatenate([one.weight for one in examples])
    use = weight > 0
    of = np.concatenate([one.signals for one in examples])[use]
    label, weight = np.concatenate([one.label for one in examples])[use], weight[use]
    edges = [_edges(column) for column in of.T]
    binned = np.stack([np.searchsorted(e, column, "left") for e, column in zip(edges, of.T, strict=True)], 1).astype(
        np.uint8
    )
    draw, odds = np.random.default_rng(SEED), np.zeros(len(label))
    signal, limit = [], []
    for _ in range(TREES):
        chance = 1 / (1 + np.exp(-odds))
        slope, bend = weight * (label - chance), weight * chance * (1 - chance)
        sample = np.flatnonzero(draw.random(len(label)) < SHARE)
        tree, where = _tree(binned, edges, slope, bend, sample)
        odds += tree[1][where]
        signal.append(tree[0])
        limit.append(tree[1])
    return Trees(np.array(signal), np.array(limit))


def _edges(column: np.ndarray) -> np.ndarray:
    values = np.unique(column)
    if len(values) <= BINS:
        return (values[1:] + values[:-1]) / 2
    return np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1]))


def _tree(
    binned: np.ndarray, edges: list[np.ndarray], slope: np.ndarray, bend: np.ndarray, sample: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """One tree (signal and limit of each node), and the leaf in which every row ends."""
    nodes = 2 ** (DEPTH + 1) - 1
    signal, limit, at_bin = np.full(nodes, -1), np.zeros(nodes), np.zeros(nodes, np.int64)
    where = np.zeros(len(slope), np.int64)
    for depth in range(DEPTH + 1):
        for node in range(2**depth - 1, 2 ** (depth + 1) - 1):
            rows = sample[where[sample] == node]
            if not len(rows):
                continue
            limit[node] = RATE * slope[rows].sum() / (bend[rows].sum() + SMOOTH)
            if depth < DEPTH:
                which, cut = _split(_histogram(binned, rows, slope, bend, BINS + 1), SMOOTH, LEAST_WEIGHT)
                if which >= 0 and cut < len(edges[which]):
                    signal[node], at_bin[node], limit[node] = which, cut, edges[which][cut]
        inner = signal[where] >= 0
        right = binned[np.arange(len(where)), np.maximum(signal[where], 0)] > at_bin[where]
        where = np.where(inner, 2 * where + 1 + right, where)
    return (signal, limit), where


@njit(cache=True)
def _histogram(binned, rows, slope, bend, bins):  # type: ignore[no-untyped-def]
    out = np.zeros((binned.shape[1], bins, 2))
    for row in rows:
        for k in range(binned.shape[1]):
            out[k, binned[row, k], 0] += slope[row]
            out[k, binned[row, k], 1] += bend[row]
    return out


@njit(cache=True)
def _split(histogram, smooth, least):  # type: ignore[no-untyped-def]
    """The signal and bin of the best split, -1 where none gains."""
    slope, bend = histogram[0, :, 0].sum(), histogram[0, :, 1].sum()
    best, which, cut = slope * slope / (bend + smooth) + 1e-9, -1, 0
    for k in range(len(histogram)):
        left, weight = 0.0, 0.0
        for b in range(histogram.shape[1] - 1):
            left += histogram[k, b, 0]
            weight += histogram[k, b, 1]
            if weight < least or bend - weight < least:
                continue
            gain = left * left / (weight + smooth) + (slope - left) ** 2 / (bend - weight + smooth)
            if gain > best:
                best, which, cut = gain, k, b
    return which, cut


def written(trees: Trees) -> str:
    """The trees as trees.txt has them: 5 significant digits of a limit, 4 places of a logit."""
    lines = ["# Made by scripts/fit_extraction.py; see stages/extraction/trees.py for the format."]
    for signal, limit in zip(*trees, strict=True):
        lines.append(" ".join(_cell(node, signal, limit) for node in range(len(signal))))
    return "\n".join(lines) + "\n"


def _cell(node: int, signal: np.ndarray, limit: np.ndarray) -> str:
    if node and signal[(node - 1) // 2] < 0:
        return "-"
    return f"{signal[node]}>{limit[node]:.5g}" if signal[node] >= 0 else f"={limit[node]:.4f}"


def shown(name: str, trees: Sequence[Trees], examples: Sequence[Example]) -> None:
    """F1 of the blocks alone, and of the cascade by the share of pages it asks; its careful texts are trafilatura's."""
    texts, doubts, careful = [], [], []
    for one, own in zip(examples, trees, strict=True):
        odds = _logits(one.signals, *own)
        sizes = one.page.blocks[:, END] - one.page.blocks[:, START]
        kept = sizes[odds > LEAST].sum()
        texts.append(rendered(one.page, odds > LEAST, False))
        doubts.append(sizes[np.abs(odds - LEAST) < UNSURE].sum() / kept if kept else np.inf)
        careful.append(trafilatura.quick(utf8(one.gold.html, one.gold.charset).decode("utf-8", "replace"), False))
    pages = [one.gold for one in examples]
    print(f"{name:38s} blocks {_figures(score(pages, texts))}", flush=True)
    for limit in (2.0, 1.0, 0.7, 0.5, 0.35, 0.25, 0.15):
        asked = [doubt > limit for doubt in doubts]
        mixed = [c or t if ask else t for ask, t, c in zip(asked, texts, careful, strict=True)]
        print(f"{'':25s} doubt {limit:4.2f} asks {np.mean(asked):4.0%} {_figures(score(pages, mixed))}", flush=True)


def _figures(one: Score) -> str:
    return f"F1 {one.f1:.4f}  precision {one.precision:.4f}  recall {one.recall:.4f}"


def check(sets: dict[str, list[Example]], folds: int) -> None:
    """Every published set by trees fitted without it, or without the page's fold."""
    for name in SETS[:2]:
        if not folds:
            trees = fitted([one for other, examples in sets.items() if other != name for one in examples])
            shown(f"{name}, fitted on the others", [trees] * len(sets[name]), sets[name])
    if folds:
        pages = [(name, k, one) for name, examples in sets.items() for k, one in enumerate(examples)]
        each = [fitted([one for _, k, one in pages if k % folds != fold]) for fold in range(folds)]
        for name in sets:
            shown(f"{name}, {folds} folds", [each[k % folds] for k in range(len(sets[name]))], sets[name])


def main() -> None:
    """Fit and write, or check."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("folder", nargs="?", type=Path, default=ROOT.parent / "shared/data/html_gold")
    ask.add_argument("--check", action="store_true")
    ask.add_argument("--folds", type=int, default=0)
    given = ask.parse_args()
    sets = {name: [example(one) for one in gold(given.folder, name)] for name in SETS}
    if given.check:
        check(sets, given.folds)
    else:
        FILE.write_text(written(fitted([one for examples in sets.values() for one in examples])))


if __name__ == "__main__":
    main()
