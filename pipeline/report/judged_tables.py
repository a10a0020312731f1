"""The tables of the judge's page: the figures of judged.json, to the digits shown, as HTML that is escaped."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from pipeline.report.judged import against, best_of, interval, named, searched, share, verdict_of
from pipeline.report.plain import plain


def tables(facts: Mapping[str, Any]) -> list[str]:
    """All of them. facts: of `pipeline.judging.judge`."""
    made = (_ranking, _pairs, _best, _by_domain, _losses, _shares, _proxies, _cost)
    return [table(facts) for table in made]


def reference(facts: Mapping[str, Any]) -> str:
    """What others are compared with: the baseline, or the mixture of least mean; "" where none is ranked."""
    ranked = [one["mixture"] for one in facts["ranking"]]
    return facts["baseline"] if facts["baseline"] in ranked else next(iter(ranked), "")


def place(facts: Mapping[str, Any], domain: str, name: str) -> dict[str, Any] | None:
    """A mixture in the ranking of a domain; None where it has none."""
    return next((one for one in facts["domains"][domain]["ranking"] if one["mixture"] == name), None)


def _ranking(facts: Mapping[str, Any]) -> str:
    columns = ("rank", "mixture", "mean", "95 % interval of the mean alone", "not told apart from")
    rows = [
        (str(one["rank"]), one["mixture"], f"{one['mean']:.4f}", interval(one["low"], one["high"]), named(one["tied"]))
        for one in facts["ranking"]
    ]
    return _table("Ranking by the target", columns, rows)


def _by_domain(facts: Mapping[str, Any]) -> str:
    """Paired differences in each domain."""
    other, rows = reference(facts), []
    others = [name for name in facts["mixtures"] if name != other]
    for domain, one in facts["domains"].items():
        found = [against(one["pairs"], name, other) for name in others]
        rows.append((domain, *("" if each is None else _difference(each) for each in found)))
    return _table(f"Paired differences to {other} in each domain, with intervals", ("domain", *others), rows)


def _difference(one: dict[str, Any]) -> str:
    return f"{one['difference']:+.4f} ({interval(one['low'], one['high'])}): {verdict_of(one)}"


def _pairs(facts: Mapping[str, Any]) -> str:
    columns = ("mixture", "against", "seeds", "difference", "interval", "level", "effect", "p", "p by Holm", "verdict")
    rows = [
        (
            *(one["mixture"], one["against"], str(one["pairs"]), f"{one['difference']:+.4f}"),
            *(interval(one["low"], one["high"]), f"{1 - one['level']:.2%}", share(one["relative"])),
            *(f"{one['p']:.3g}", f"{one['adjusted']:.3g}", verdict_of(one), f"{one['detectable']:.4f}"),
        )
        for one in facts["pairs"]
    ]
    return _table("All pairs, paired by seed", (*columns, f"detectable with {facts['power']:.0%}"), rows)


def _best(facts: Mapping[str, Any]) -> str:
    rows = [
        (domain, f"{one['target']:.3g}", one["least"] or "", best_of(one), f"{facts['held_out'].get(domain, 0):,}")
        for domain, one in facts["domains"].items()
    ]
    return _table("Which is best where", ("domain", "of the target", "least mean", "best", "held-out documents"), rows)


def _losses(facts: Mapping[str, Any]) -> str:
    names = list(facts["mixtures"])
    rows = []
    for domain in facts["domains"]:
        found = [place(facts, domain, name) for name in names]
        cells = ["" if o is None else f"{o['mean']:.4f} ({interval(o['low'], o['high'])})" for o in found]
        rows.append((domain, *cells))
    return _table(f"Held-out {facts['unit']} (95 % interval of the mean alone)", ("domain", *names), rows)


def _shares(facts: Mapping[str, Any]) -> str:
    columns = ("mixture", "domain", "of the tokens", "weight", "passes at its budget", "passes of a proxy", "cap")
    rows = [
        (
            *(name, domain, f"{facts['shares'][domain]:.4f}", f"{weight:.4f}"),
            *(f"{passes[domain]:.3g}" if domain in passes else "" for passes in (one["epochs"], one["proxy_epochs"])),
            "reached" if domain in one["capped"] else "",
        )
        for name, one in facts["mixtures"].items()
        for domain, weight in one["weights"].items()
    ]
    return _table("Weights and passes", columns, rows)


def _proxies(facts: Mapping[str, Any]) -> str:
    rows = [
        (name, str(one["seed"]), f"{one['tokens']:,}", "" if one["mean"] is None else f"{one['mean']:.4f}", one["why"])
        for name, mixture in facts["mixtures"].items()
        for one in mixture["proxies"]
    ]
    return _table("Proxies", ("mixture", "seed", "tokens", f"target, {facts['unit']}", "left out"), rows)


def _cost(facts: Mapping[str, Any]) -> str:
    rows = [
        (name, one["method"], f"{one['flops']:.4g}", f"{facts['seconds'].get(name, 0):,.0f}", searched(one["search"]))
        for name, one in facts["mixtures"].items()
    ]
    return _table("Cost", ("mixture", "method", "FLOPs of proxies", "seconds of one thread", "search"), rows)


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(plain(column))}</th>" for column in columns)
    lines = ["".join(f"<td>{escape(plain(cell, 400))}</td>" for cell in row) for row in rows]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f"<h2>{escape(title)}</h2>\n<table><tr>{head}</tr>\n{body}</table>\n" if lines else ""
