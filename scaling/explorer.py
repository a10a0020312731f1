"""One HTML page with sliders over the laws, which works without a network: `winnow explore laws.html`.

The page computes with the formulas of page/laws.js. Its constants are written into it from the tables here, so that a
number has one home; that the formulas of both languages agree is held by a test in a real browser.
"""

import json
from importlib.resources import files
from typing import Any

from scaling.laws import FLOPS_PER_PARAM_TOKEN, Law
from scaling.lifetime import INFERENCE_FLOPS
from scaling.plans import RULE
from scaling.repetition import REPEATS
from scaling.runs import RUNS
from scaling.search import PASSES, POINTS
from scaling.table import DEFAULT, LAWS
from scaling.units import LEAST_FLOPS, LEAST_PARAMS, LEAST_TOKENS, MOST

_SCRIPTS = ("laws.js", "charts.js", "drawings.js", "results.js", "explorer.js")

_NAMED = ("GPT-3", "Chinchilla", "PaLM", "LLaMA-7B", "Llama-2-70B", "Llama-3-8B", "Llama-3.1-405B", "Cerebras-GPT-111M")
"""Known models with their name in the chart; the others show it under the mouse, for names would cover each other."""


def page() -> str:
    """The HTML, some 50 kB: style, scripts and constants are in it, and its policy forbids it to fetch anything."""
    filled = _part("page.html").replace("/*STYLE*/", _part("style.css"))
    filled = filled.replace("/*SCRIPT*/", "\n".join(map(_part, _SCRIPTS)))
    return filled.replace("/*TABLES*/", json.dumps(tables(), allow_nan=False).replace("<", "\\u003c"))


def tables() -> dict[str, Any]:
    """What the page's script reads as TABLES: laws, known models and the constants of the formulas, in raw units."""
    return {
        "laws": [_law(law) for law in LAWS.values()],
        "default_law": DEFAULT,
        "runs": [
            {"name": run.name, "params": run.params, "tokens": run.tokens, "shown": run.name in _NAMED}
            for run in RUNS.values()
        ],
        "flops_per_param_token": FLOPS_PER_PARAM_TOKEN,
        "inference_flops": INFERENCE_FLOPS,
        "search": {"points": POINTS, "passes": PASSES},
        "rule": RULE,
        "repeats": REPEATS,
        "least": {"params": LEAST_PARAMS, "tokens": LEAST_TOKENS, "flops": LEAST_FLOPS, "unique": LEAST_TOKENS},
        "most": MOST,
    }


def _law(law: Law) -> dict[str, Any]:
    """A form of the page is a class of laws.py; what adds repetition to a form is told by its constants."""
    return {
        "name": law.name,
        "source": law.source,
        "form": next(kind.__name__ for kind in type(law).__mro__ if kind.__name__ in ("Chinchilla", "Kaplan")),
        "constants": law.constants(),
        "allocation": law.allocation._asdict(),
        "floor": law.floor,
        "fitted": law.fitted,
        "ratios": law.ratios,
    }


def _part(name: str) -> str:
    return files("scaling").joinpath("page", name).read_text(encoding="utf-8")
