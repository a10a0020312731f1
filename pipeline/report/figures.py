"""The figures of a run as plain data: what `report.json` holds and `winnow report --json` prints.

Its shape is documented in docs/reference/json.md and held by a test. Every figure is a query over columns
at rest or the run's log; a funnel that does not add up raises ReportError.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

from corpus.errors import ReportError
from pipeline.home import Home
from pipeline.left import left, sampled
from pipeline.plan import WHILE_READING, Plan, Step
from pipeline.report.written import written
from pipeline.spent import Spent, added
from pipeline.tally import Count, Tally, left_while_reading


def figures(
    plan: Plan, home: Home, markers: Sequence[dict[str, Any]], tally: Tally, result: dict[str, Any], seconds: float
) -> dict[str, Any]:
    """The whole report. `result` is what `kept.keep` gives: digest, tokens by domain, manifest."""
    read, kept = _sum(tally.read.values()), _sum(tally.kept.values())
    bad = sum(one["bad"] for one in markers)
    spent = work(plan, home)
    per_byte = result["tokens"] / kept[1] if kept[1] else 0.0
    report = {
        "name": plan.recipe.name,
        "run": home.at,
        "digest": result["digest"],
        "documents": {"read": read[0], "kept": kept[0], "dropped": read[0] - kept[0], "quarantined": bad},
        "bytes": _bytes(read[1], kept[1], tally),
        "tokens": result["tokens"],
        "stages": _funnel(plan, tally, spent, per_byte, sampled(markers)),
        "domains": _domains(tally, result),
        "quarantined": _summed(marker["causes"] for marker in markers),
        "skipped": _summed(marker.get("skipped", {}) for marker in markers),
        "written": written(plan, home, [part["name"] for one in markers for part in one["parts"]]),
        "samples": _samples(tally),
        "work": {name: _rounded(one) for name, one in sorted(_by_name(plan, spent).items())},
        "seconds": round(seconds, 3),
        "peak_rss_mb": round(max((one["rss"] for one in spent.values()), default=0.0), 1),
        "manifest": result["manifest"],
        "tokenizer_engine": result["tokenizer_engine"],
    }
    check(report)
    _check_shards(report, markers)
    return report


def _bytes(read: int, kept: int, tally: Tally) -> dict[str, int]:
    """Text read and kept; text of dropped documents; and what was cut out of documents by those that edit."""
    cut = _sum(tally.cut.values())[1]
    return {"read": read, "kept": kept, "dropped": read - kept - cut, "cut": cut}


def work(plan: Plan, home: Home) -> Spent:
    """What the tasks behind this plan's folders took, over all runs of the home, by folder or kind of work."""
    folders = {step.folder for step in plan.steps}
    ours = (e for e in home.events("task") if folders & set(e["folders"]))
    return added({k: v for k, v in e["spent"].items() if "-" not in k or k in folders} for e in ours)


def _by_name(plan: Plan, spent: Spent) -> Spent:
    """Work booked under a folder's name, under its step's name instead."""
    names = {step.folder: step.name for step in plan.steps}
    return added({names.get(folder, folder): one} for folder, one in spent.items())


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items()))


def _funnel(
    plan: Plan, tally: Tally, spent: Spent, per_byte: float, sampled: Mapping[str, Mapping[str, int]]
) -> list[dict[str, Any]]:
    here = _sum(tally.read.values())
    named = _by_name(plan, spent)
    rows = []
    for step in [*plan.while_reading, *plan.judged]:
        gone = {(r, d): c for (s, r, d), c in tally.dropped.items() if s == step.name}
        edited = _sum(c for (s, _), c in tally.cut.items() if s == step.name)
        out = [a - b - c for a, b, c in zip(here, _sum(gone.values()), (0, edited[1]), strict=True)]
        row = _row(step, here, out, gone, named.get(step.name), per_byte, edited)
        some = dict(sorted(sampled.get(step.name, {}).items())) if step.kind == WHILE_READING else None
        rows.append(row | {"sampled": some})
        here = out
    return rows


def _row(
    step: Step, here: Count, left: Count, gone: dict[Any, Count], spent: Any, per_byte: float, edited: Count
) -> dict[str, Any]:
    reasons: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for (reason, _), (documents, size) in sorted(gone.items()):
        reasons[reason] += documents
        sizes[reason] += size
    cpu = spent["cpu"] if spent else 0.0
    return {
        "name": step.name,
        "documents_in": here[0],
        "documents_out": left[0],
        "bytes_in": here[1],
        "bytes_out": left[1],
        "tokens_out_estimate": round(left[1] * per_byte),
        "dropped": dict(reasons),
        "dropped_bytes": dict(sizes),
        "documents_edited": edited[0],
        "bytes_cut": edited[1],
        "cpu_seconds": round(cpu, 3),
        "mb_per_s": round(here[1] / 1e6 / cpu, 1) if cpu else None,
        "peak_rss_mb": round(spent["rss"], 1) if spent else None,
    }


def _domains(tally: Tally, result: dict[str, Any]) -> dict[str, Any]:
    return {
        domain: {
            "documents": {"read": read[0], "kept": tally.kept.get(domain, [0, 0])[0]},
            "bytes": {"read": read[1], "kept": tally.kept.get(domain, [0, 0])[1]},
            "tokens": result["domains"].get(domain, 0),
        }
        for domain, read in sorted(tally.read.items())
    }


def _samples(tally: Tally) -> list[dict[str, Any]]:
    return [
        {"stage": stage, "drop": reason, "id": id_, "value": _number(value), "shard": shard}
        for (stage, reason), some in sorted(tally.samples.items())
        for _, id_, value, shard in some
    ]


def _number(value: float | None) -> float | None:
    """What JSON has a number for: a document may be dropped because a measure has none."""
    return value if value is not None and isfinite(value) else None


def _rounded(one: dict[str, float]) -> dict[str, float]:
    return {
        "cpu_seconds": round(one["cpu"], 3),
        "wall_seconds": round(one["wall"], 3),
        "peak_rss_mb": round(one["rss"], 1),
    }


def _sum(counts: Any) -> Count:
    pairs = list(counts)
    return [sum(c[0] for c in pairs), sum(c[1] for c in pairs)]


def check(report: dict[str, Any]) -> None:
    """ReportError unless every sum of a report holds, down the stages and over reasons, domains and causes."""
    for what, said, found in _sums(report):
        if said != found:
            raise ReportError(
                f"the figures do not add up: {what} should be {found:,} and {said:,} stand there, so none are "
                f"shown. Please report this with {report['run']}/log.jsonl."
            )


def _sums(report: dict[str, Any]) -> Iterator[tuple[str, int, int]]:
    """(what, the figure that stands there, what it should be)."""
    domains = report["domains"].values()
    for what, dropped in (("documents", "dropped"), ("bytes", "dropped_bytes")):
        total = here = report[what]["read"]
        for stage in report["stages"]:
            yield f"{what} that came to {stage['name']}", stage[f"{what}_in"], here
            here -= sum(stage[dropped].values()) + (stage["bytes_cut"] if what == "bytes" else 0)
            yield f"{what} that {stage['name']} left", stage[f"{what}_out"], here
        yield f"{what} kept", report[what]["kept"], here
        cut = report["bytes"]["cut"] if what == "bytes" else 0
        yield f"{what} dropped", report[what]["dropped"], total - here - cut
        for key in ("read", "kept"):
            yield f"{what} {key}, over domains,", sum(one[what][key] for one in domains), report[what][key]
    yield "bytes cut, over stages,", sum(stage["bytes_cut"] for stage in report["stages"]), report["bytes"]["cut"]
    yield "tokens, over domains,", sum(one["tokens"] for one in domains), report["tokens"]
    yield "bad records, over causes,", sum(report["quarantined"].values()), report["documents"]["quarantined"]


def _check_shards(report: dict[str, Any], markers: Sequence[dict[str, Any]]) -> None:
    """ReportError unless what was counted is what the readers say they handed on, lies in shards or was dropped."""
    found, gone = [part for one in markers for part in one["parts"]], left_while_reading(markers)
    for what, key, place in (("documents", "rows", 0), ("bytes", "bytes", 1)):
        lie, left_ = sum(part[key] for part in found), _sum(gone.read.values())[place]
        handed_on = sum(left(one)["read"] for one in markers) if key == "rows" else lie + left_
        read = report[what]["read"]
        if not lie + left_ == handed_on == read:
            raise ReportError(
                f"the figures do not add up: of {handed_on:,} {what} that were read {lie:,} lie in shards, {left_:,} "
                f"were dropped or cut before, and {read:,} were counted, so none are shown. Please report this with "
                f"{report['run']}/log.jsonl."
            )
