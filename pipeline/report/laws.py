"""What `winnow law` prints: the laws there are, the loss of one plan, plans side by side under every law."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from pipeline.report.plain import plain
from pipeline.report.terminal import table_of
from scaling.emergence import rows
from scaling.laws import Law
from scaling.plans import Plan, compare
from scaling.runs import run
from scaling.table import LAWS


def listed() -> list[dict[str, Any]]:
    """Every named law: name, source, form, constants, and the FLOPs and tokens a parameter it was fitted on."""
    return [
        {
            "name": law.name,
            "source": law.source,
            "form": type(law).__name__,
            "constants": law.constants(),
            "fitted_flops": law.fitted,
            "fitted_tokens_per_param": law.ratios,
        }
        for law in LAWS.values()
    ]


def show_list(laws: list[dict[str, Any]], console: Console) -> None:
    """Print the laws with their constants and sources."""
    for law in laws:
        constants = ", ".join(f"{name} = {value:.6g}" for name, value in law["constants"].items())
        console.print(Text(f"{law['name']} ({law['form']}): {constants}"), soft_wrap=True)
        console.print(Text(f"    {law['source']}"), soft_wrap=True)


def loss(law: Law, params: float, tokens: float) -> dict[str, Any]:
    """One plan under one law; `interval` is the 95 % one, null where the law's source gives no covariance."""
    return {
        "law": law.name,
        "params": params,
        "tokens": tokens,
        "loss": law.loss(params, tokens),
        "interval": law.interval(params, tokens),
    }


def show_loss(found: dict[str, Any], console: Console) -> None:
    """Print the loss in one line."""
    low_high = "" if found["interval"] is None else " (95%: {:.4f} to {:.4f})".format(*found["interval"])
    plan = f"{count(found['params'])} parameters on {count(found['tokens'])} tokens"
    console.print(Text(f"{found['law']}: {plan}: {found['loss']:.4f} nats a token{low_high}"))


def compared(plans: Sequence[tuple[float, float]], known: Sequence[str], laws: Sequence[Law]) -> list[dict[str, Any]]:
    """Given plans (parameters, tokens) and known models by name, each under every law."""
    given = [Plan(f"{count(params)}:{count(tokens)}", params, tokens) for params, tokens in plans]
    return [one.as_dict() for one in compare([*given, *(Plan.of(run(name)) for name in known)], laws)]


def show_compared(rows: list[dict[str, Any]], console: Console) -> None:
    """Print what each plan takes, then a line for each law and a column for each plan."""
    plans = table_of(("plan", ">parameters", ">tokens", ">FLOPs", ">D / N", ">x 20"))
    for row in rows:
        counts = (count(row["params"]), count(row["tokens"]), f"{row['flops']:.3g}")
        plans.add_row(Text(plain(row["name"])), *counts, f"{row['tokens_per_param']:.3g}", f"{row['times_rule20']:.3g}")
    console.print(plans)
    console.print(Text("\nLoss, nats a token (above the least loss of the same FLOPs); compare along a line only:"))
    losses = table_of(("law", *(f">{plain(row['name'], 24)}" for row in rows)))
    for law in rows[0]["losses"]:
        cells = (f"{row['losses'][law]:.4f} ({row['extra_losses'][law]:+.4f})" for row in rows)
        losses.add_row(Text(plain(law)), *cells)
    console.print(losses)


def count(value: float) -> str:
    """A raw count with three digits and its suffix: 6.97B, 1.25T; powers of ten beyond a quadrillion."""
    if value >= 0.9995e15:
        return f"{value:.3g}"
    for suffix, size in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if value >= 0.9995 * size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}"


def emergence(law: Law, flops: Sequence[float], answer_tokens: Sequence[int], bytes_per_token: float) -> dict[str, Any]:
    """Three metrics of the same models: the plan of least loss at each budget, smallest first.

    A token of an answer is taken to be right with chance exp(-loss), as likely as one of the law's own text.
    """
    losses = [law.optimal(budget).loss for budget in flops]
    models = rows(flops, losses, answer_tokens=answer_tokens, bytes_per_token=bytes_per_token)
    told = [
        {
            "flops": model.scale,
            "loss": model.loss_nats,
            "bits_per_byte": model.bits_per_byte,
            "partial_credit": model.partial_credit,
            "exact_match": {str(length): chance for length, chance in model.exact_match.items()},
        }
        for model in models
    ]
    return {"law": law.name, "bytes_per_token": bytes_per_token, "models": told}


def show_emergence(found: dict[str, Any], console: Console) -> None:
    """Print one line a model, with how many times better it is than the one before it."""
    lengths = list(found["models"][0]["exact_match"]) if found["models"] else []
    heads = [f">{length} token{'s' * (length != '1')}" for length in lengths]
    table = table_of((">FLOPs", ">loss", ">bits/byte", ">partial", *heads))
    for model in found["models"]:
        matches = [f"{chance:.2e}" for chance in model["exact_match"].values()]
        numbers = [f"{model['loss']:.4f}", f"{model['bits_per_byte']:.4f}", f"{model['partial_credit']:.4f}"]
        table.add_row(f"{model['flops']:.3g}", *numbers, *matches)
    console.print(Text(f"{found['law']}, best plans; exact match of answers of so many tokens:"))
    console.print(table)
