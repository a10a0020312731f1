"""What `winnow fit` prints: the constants with their intervals, others' constants on the same runs, and warnings."""

from typing import Any

from rich.console import Console
from rich.text import Text

from pipeline.report.plain import plain
from pipeline.report.terminal import table_of

_ABOUT = ("fitted", "ratios", "covariance", "huber_sum", "points")


def show(fit: dict[str, Any], console: Console) -> None:
    """Print a fit (the `to_dict` of its method)."""
    console.print(Text(_headline(fit) + "\n"))
    table = table_of(("constant", ">value", ">95 % from", ">to"))
    for name, value in fit.items():
        if isinstance(value, float) and name not in _ABOUT:
            ends = fit["intervals"].get(name)
            table.add_row(name, f"{value:.6g}", *(f"{end:.6g}" for end in ends or ()))
    console.print(table)
    for other in fit.get("against", ()):
        console.print(Text(against(other)))
    if fit.get("backtest"):
        console.print(Text(_backtest(fit["backtest"])))
    for warning in fit["warnings"]:
        console.print(Text(f"Note: {plain(warning, 400)}"))


def against(other: dict[str, Any]) -> str:
    """A line on someone else's constants: how much worse they fit, and whether these runs tell the two apart."""
    same = "a near-equal optimum" if other["near_equal"] else "no equal optimum"
    chance = {True: ", within the bootstrap's spread", False: ", outside the bootstrap's spread", None: ""}
    return (
        f"{plain(other['name'])}: Huber sum {other['huber_sum']:.9g}, {other['excess']:.2%} above the fit's: {same}"
        f"{chance[other['inside']]}; predictions at most {other['most_apart']:.2%} apart"
    )


def _headline(fit: dict[str, Any]) -> str:
    if "huber_sum" in fit:
        return f"{fit['points']:,} runs, Huber sum {fit['huber_sum']:.9g}"
    return f"{len(fit['optima']):,} budgets with a best size between others, approach {fit['approach']}"


def _backtest(one: dict[str, Any]) -> str:
    off = f"{one['mean_absolute_error']:.2%} off on average and {one['worst_error']:.2%} at most"
    larger = f"the {len(one['held_out']):,} larger ones (up to {one['reach']:.3g} times)"
    return f"Fitted on {one['points']:,} runs of at most {one['below_flops']:.3g} FLOPs, it is {off} on {larger}"
