"""What a finished run says of benchmarks: which documents hold an item, where, how much, and what became of them.

A query over columns at rest; no text is read. PaLM's and Llama 3's rules are about items and all the training data:
`share` is what all documents together hold of an item.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import DROP, ID, TEXT, Batch
from corpus.errors import RecipeError
from corpus.storage import write_bytes
from pipeline.finished import Finished
from pipeline.plan import Step
from stages.decontaminate import RULES, Decontaminate
from stages.decontamination.ngram_index import hashes_of
from stages.decontamination.ngram_walk import found

DOCUMENTS = 5
"""Documents told of each item, those of the highest score."""

FREQUENT = 10
"""GPT-3 ignores 13-grams that match more than 10 training documents (Brown et al. 2020, appendix C)."""


class Judge(NamedTuple):
    """The stage of a run that looked for benchmarks."""

    finished: Finished
    step: Step
    stage: Decontaminate


def judge(finished: Finished, name: str | None = None) -> Judge:
    """The run's stage of that name; RecipeError where it has none, or several and none is named."""
    steps = zip(finished.plan.judged, finished.plan.recipe.stages, strict=True)
    there = {step.name: (step, stage) for step, stage in steps if isinstance(stage, Decontaminate)}
    if not there:
        raise RecipeError(
            f"{finished.home.at}: no stage of this run looks for benchmarks. Add `decontaminate: {{against: ...}}`"
        )
    if name is None and len(there) > 1:
        raise RecipeError(
            f"{len(there)} stages of this run look for benchmarks: name one by --stage: {', '.join(there)}"
        )
    if name is not None and name not in there:
        raise RecipeError(f"no stage {name!r} of this run looks for benchmarks; there are: {', '.join(there)}")
    return Judge(finished, *there[name or next(iter(there))])


def report(judge: Judge, documents: int = DOCUMENTS) -> dict[str, Any]:
    """The facts of `winnow decontaminate`: docs/reference/json.md has their schema.

    documents: at most so many are told of each item; all are counted.
    """
    stage, rule = judge.stage, RULES[judge.stage.rule]
    least = rule.least if stage.least_score is None else stage.least_score
    fates: Counter[str] = Counter()
    tables = [_of_shard(table, fates) for table in _laid(judge)]
    matches = pa.concat_tables(tables) if tables else _NONE
    told = [_item(one, documents, least) for one in _by_item(matches)]
    told.sort(key=lambda one: (-one["share"], -one["documents"], one["benchmark"], one["item"]))
    return {
        "run": judge.finished.home.at,
        "stage": judge.step.name,
        "rule": stage.rule,
        "action": stage.acts,
        "least_score": least,
        "documents": {fate: fates[fate] for fate in ("dropped", "cut", "reported")},
        "benchmarks": _benchmarks(judge, told),
        "items": told,
    }


_NONE = pa.table({name: pa.array([], kind) for name, kind in (("benchmark", pa.string()), ("item", pa.string()))})


def _laid(judge: Judge) -> Iterator[pa.Table]:
    """Shard by shard what the stage laid beside documents with a match, and their ids."""
    for view in judge.finished.views():
        laid = view.laid(judge.step)
        matched = laid["contamination_matches"].is_valid()
        if pc.any(matched).as_py():
            yield laid.append_column(ID, view.documents([ID])[ID]).filter(matched)


def _of_shard(table: pa.Table, fates: Counter[str]) -> pa.Table:
    """A row a match: the document and its fate beside it."""
    contaminated = table["contaminated_by"].is_valid()
    cut = table["decontaminate_spans"].is_valid()
    fate = pc.if_else(table[DROP].is_valid(), "dropped", pc.if_else(cut, "cut", "reported"))
    fates.update(fate.filter(contaminated).to_pylist())
    lists = table["contamination_matches"].combine_chunks()
    flat = pa.Table.from_struct_array(lists.flatten())
    of = pc.list_parent_indices(lists)
    return flat.append_column("id", table[ID].take(of)).append_column("fate", fate.take(of))


def _by_item(matches: pa.Table) -> Iterator[pa.Table]:
    """The matches of each item."""
    if matches.num_rows == 0:
        return
    matches = matches.sort_by(
        [("benchmark", "ascending"), ("item", "ascending"), ("id", "ascending"), ("start", "ascending")]
    )
    keys = [matches[name].combine_chunks() for name in ("benchmark", "item")]
    new = np.zeros(len(matches), bool)
    new[0] = True
    for key in keys:
        new[1:] |= pc.not_equal(key[1:], key[:-1]).to_numpy(zero_copy_only=False)
    edges = np.r_[np.flatnonzero(new), len(matches)].tolist()
    for begin, end in pairwise(edges):
        yield matches.slice(begin, end - begin)


def _item(matches: pa.Table, documents: int, least: float) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for one in matches.select(["id", "score", "fate", "start", "end"]).to_pylist():
        told = found.setdefault(one["id"], {"id": one["id"], "score": one["score"], "fate": one["fate"], "spans": []})
        told["score"] = max(told["score"], one["score"])
        told["spans"].append([one["start"], one["end"]])
    best, share = sorted(found.values(), key=lambda one: (-one["score"], one["id"])), _share(matches)
    return {
        "benchmark": matches["benchmark"][0].as_py(),
        "item": matches["item"][0].as_py(),
        "share": share,
        "score": best[0]["score"],
        "contaminated": share >= least or pc.any(matches["contaminates"]).as_py(),
        "documents": len(best),
        "in": best[:documents],
    }


def _share(matches: pa.Table) -> float:
    """The share of the item's n-grams that the documents hold together."""
    first, grams = matches["first"].to_numpy(), matches["grams"].to_numpy()
    edge = np.zeros(int((first + grams).max()) + 1, np.int64)
    np.add.at(edge, first, 1)
    np.add.at(edge, first + grams, -1)
    return min(1.0, int((np.cumsum(edge) > 0).sum()) / matches["of"][0].as_py())


def _benchmarks(judge: Judge, told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of every benchmark how many items it has, how many could be looked for, and how many were found."""
    try:
        loaded = judge.stage.loaded()
    except (RecipeError, OSError):  # the benchmarks are elsewhere by now; what was found is known without them
        loaded = None
    sizes = Counter(item.benchmark for item in loaded.items) if loaded else Counter()
    short = loaded.short() if loaded else {}
    names = sizes or dict.fromkeys(sorted({one["benchmark"] for one in told}))
    rows: dict[str, dict[str, Any]] = {
        name: {
            "benchmark": name, "items": sizes[name] if loaded else None, "not_matchable": short.get(name),
            "found": 0, "contaminated": 0,
        }
        for name in names
    }  # fmt: skip
    for one in told:
        row = rows.get(one["benchmark"])
        if row is not None:
            row["found"] += 1
            row["contaminated"] += one["contaminated"]
    return list(rows.values())


def frequent(judge: Judge, out: str, most: int = FREQUENT) -> dict[str, Any]:
    """Write the benchmarks' n-grams that more than `most` documents hold, the words of one a line.

    A second pass ignores them by the setting `frequent`. RecipeError where the stage cut, for then the texts no
    longer have what was found.
    """
    if judge.stage.acts == "cut":
        raise RecipeError(
            f"{judge.step.name} cut what it found; run once with `action: report`, then list frequent n-grams"
        )
    index = judge.stage.loaded().ngrams
    hashes, counts, said = hashes_of(index), Counter[int](), dict[int, str]()
    for view in judge.finished.views():
        rows = np.flatnonzero(view.laid(judge.step)["contamination_matches"].is_valid().to_numpy())
        if len(rows):
            batch = Batch(view.take(rows, [TEXT]).combine_chunks().to_batches()[0])
            _count(batch, index, hashes, counts, said)
    lines = sorted(said[key] for key, count in counts.items() if count > most)
    head = f"# n-grams of benchmarks in more than {most:,} documents of a run\n"
    write_bytes(out, (head + "".join(f"{line}\n" for line in lines)).encode())
    return {"out": out, "ngrams": len(lines), "of": len(counts), "more_than": most}


def _count(batch: Batch, index: Any, hashes: np.ndarray, counts: Counter[int], said: dict[int, str]) -> None:
    """Documents of each n-gram, and its words. A Python loop over n-grams that were found: few."""
    runs, words = found(batch.words, index), batch.words
    size = runs.last - runs.first
    run = np.repeat(np.arange(len(size)), size)
    step = np.arange(len(run)) - np.repeat(np.cumsum(size) - size, size)
    place, row, word = runs.first[run] + step, runs.row[run], runs.start[run] + step
    n = index.sequences.n[runs.sequence[run]]
    _, once = np.unique(np.stack([row.astype(np.uint64), hashes[place]]), axis=1, return_index=True)
    view = batch.utf8[1].data
    for at in once.tolist():
        key, begin = int(hashes[place[at]]), int(word[at])
        counts[key] += 1
        if key not in said:
            spans = zip(
                words.starts[begin : begin + n[at]].tolist(), words.ends[begin : begin + n[at]].tolist(), strict=True
            )
            said[key] = " ".join(bytes(view[a:b]).decode() for a, b in spans)
