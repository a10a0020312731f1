"""What `winnow tokenizer train`, `winnow tokenizer check` and `winnow trace` print."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.report.plain import plain, printable
from pipeline.report.terminal import mb, table_of

MOST_ROWS = 30
"""Domains or languages that are shown: those with the most bytes."""

MOST_BESIDE = 4
"""Tokenizers whose figures by domain stand side by side: what fits 100 columns."""

MOST_TOKENS = 8
"""Tokens that are shown as examples."""


def show_trained(facts: dict[str, Any], console: Console) -> None:
    """Print what `from_run.train` gives."""
    console.print(
        Text(
            f"{facts['kind']} of {facts['vocab']:,} tokens ({facts['asked']:,} asked) from "
            f"{facts['documents']:,} documents, {mb(facts['bytes'])} MB -> {plain(facts['tokenizer'], 200)}\n"
        )
    )
    table = table_of(("domain", ">documents", ">MB", ">share taken"))
    for name, one in facts["domains"].items():
        table.add_row(Text(plain(name, 40)), f"{one['documents']:,}", mb(one["bytes"]), f"{one['share']:.1%}")
    console.print(table)
    if not facts["fast"]:
        console.print(Text(f"\nEncoded by the reference, 40 times slower: {plain(facts['why_not_fast'], 200)}"))


def show_check(facts: dict[str, Any], console: Console) -> None:
    """Print what `checking.check` gives."""
    ours = facts["tokenizers"]
    console.print(Text(f"{facts['documents']:,} documents, {mb(facts['bytes'])} MB of {plain(facts['run'], 200)}\n"))
    console.print(_overview(ours))
    for title, key in (("domain", "domains"), (facts["by"] or "", "values")):
        if ours[0][key]:
            console.print()
            console.print(_by(ours, title, key))
    for one in ours:
        for line in _notes(one):
            console.print(Text(line))


def _overview(all_: list[dict[str, Any]]) -> Table:
    table = table_of(
        (">#", "tokenizer", ">vocab", ">bytes/token", ">tokens/word", ">unused", ">lost", ">differ", "engine")
    )
    for number, one in enumerate(all_, 1):
        lost = "" if one["unreachable"] is None else f"{one['unreachable']['tokens']:,}"
        table.add_row(
            f"{number}",
            Text(_name(one)),
            f"{one['vocab']:,}",
            _ratio(one["bytes_per_token"]),
            _ratio(one["tokens_per_word"]),
            _share(one["unused"]["share"]),
            lost,
            f"{one['round_trip']['differ']:,}",
            one["engine"],
        )
    return table


def _by(all_: list[dict[str, Any]], title: str, key: str) -> Table:
    """Bytes a token (b/t) and tokens a word (t/w) by domain or value, two columns a tokenizer, by their number."""
    pairs = [
        column for number in range(1, len(all_[:MOST_BESIDE]) + 1) for column in (f">b/t {number}", f">t/w {number}")
    ]
    table = table_of((plain(title, 30), ">MB", *pairs))
    first = sorted(all_[0][key].items(), key=lambda pair: (-pair[1]["bytes"], pair[0]))
    for name, sums in first[:MOST_ROWS]:
        ratios = [
            _ratio(one[key][name][what])
            for one in all_[:MOST_BESIDE]
            for what in ("bytes_per_token", "tokens_per_word")
        ]
        table.add_row(Text(plain(name, 30) or "(none)"), mb(sums["bytes"]), *ratios)
    return table


def _notes(one: dict[str, Any]) -> list[str]:
    name, lines = _name(one), []
    if one["unreachable"] and one["unreachable"]["tokens"]:
        some = ", ".join(f"{t['id']} {printable(t['text'])!r}" for t in one["unreachable"]["examples"][:MOST_TOKENS])
        lines.append(f"\n{name}: no text gives {some}")
    if one["round_trip"]["differ"]:
        some = ", ".join(plain(d["id"]) for d in one["round_trip"]["examples"][:MOST_TOKENS])
        lines.append(f"\n{name}: not read back as they were: {some}")
    if one["engine"] == "huggingface":
        lines.append(f"\n{name}: encoded by the reference: {plain(one['why'], 200)}")
    return lines


def _name(one: dict[str, Any]) -> str:
    return plain("/".join(one["tokenizer"].rsplit("/", 2)[-2:]), 28)


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def show_trace(facts: dict[str, Any], console: Console) -> None:
    """Print what `tracing.trace` gives."""
    document, place, context = facts["document"], facts["place"], facts["context"]
    source = "" if document["file"] is None else f"{document['file']} at {document['offset']:,}"
    characters = "" if place["character"] is None else f", character {place['character']:,}, byte {place['byte']:,}"
    rows = {
        "token": f"{facts['token']:,} {printable(context['token'])!r}",
        "document": f"{plain(document['id'])} ({plain(document['domain'], 40)})",
        "from": f"row {document['row']:,} of {document['shard']}" + (f"; {source}" if source else ""),
        "place": f"token {place['token']:,} of {place['tokens']:,}{characters}",
    } | {name: plain(value) for name, value in facts["columns"].items()}
    width = max(map(len, rows))
    for name, said in rows.items():
        console.print(Text(f"{plain(name, 40):{width}}  {said}"))
    console.print(Text("\n" + printable(context["before"], keep="\n")), end="")
    console.print(Text(printable(context["token"], keep="\n"), style="reverse"), end="")
    console.print(Text(printable(context["after"], keep="\n")))
