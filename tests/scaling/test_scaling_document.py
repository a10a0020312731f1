"""docs/scaling.md and docs/reference/scaling.md say what the commands print, and every number in them is worked out."""

import re

import numpy as np
import pytest

from scaling import emergence, flops, memory, models
from scaling.cost import bill
from scaling.hardware import accelerator
from scaling.hyperparameters import critical_batch, more_tokens
from scaling.parallel import Layout, bytes_per_second
from scaling.plans import penalties, rule20
from scaling.repetition import REPEATS, effective_tokens
from scaling.runs import RUNS
from scaling.table import DEFAULT, LAWS, POWER_LAWS
from tests.conftest import ROOT

DOCUMENT = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "reference" / "scaling.md").read_text(encoding="utf-8")
CONSOLE = re.findall(r"```console\n\$ winnow ([^\n]*)\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.mark.parametrize(("line", "shown"), CONSOLE, ids=[line[:40] for line, _ in CONSOLE])
def test_the_document_shows_what_its_commands_print(winnow, line, shown, request, monkeypatch, tmp_path):
    """Line for line; `...` stands for any lines."""
    monkeypatch.chdir(tmp_path)
    if "chinchilla.csv" in line:
        source = request.getfixturevalue("data") / "scaling" / "chinchilla_normalised.csv"
        (tmp_path / "chinchilla.csv").write_bytes(source.read_bytes())
    pattern = "".join(r"(?:.*\n)*?" if part == "..." else re.escape(part) + r"\s*\n" for part in shown.splitlines())
    printed = winnow(line)
    assert re.fullmatch(pattern, printed), printed


def days_of_gpt3():
    return bill(RUNS["GPT-3"].flops, "A100", mfu=0.5, gpus=10_000).days


FACTS = {
    "28.87B parameters on 577.4B tokens": lambda: (rule20(1e23).params / 1e9, rule20(1e23).tokens / 1e9),
    "not 129B on 129B": lambda: ((1e23 / 6) ** 0.5 / 1e9,) * 2,
    "takes 6.91e22": lambda: (6 * 24e9 * 480e9,),
    "7B on 2.38T and 70B on 238B": lambda: (7, 1e23 / 6 / 7e9 / 1e12, 70, 1e23 / 6 / 70e9 / 1e9),
    "16.1 % by Kaplan's": lambda: (100 * (1 - POWER_LAWS["params"].factor(10)),),
    "19.6 % is the law of tokens": lambda: (100 * (1 - POWER_LAWS["tokens"].factor(10)),),
    "10.9 %. 0.05": lambda: (100 * (1 - POWER_LAWS["flops"].factor(10)), POWER_LAWS["flops"].exponent),
    "is 5.37 times, with 1.86 times": lambda: (10**0.73, 10**0.27),
    "give 0.575": lambda: (1 / (1 + LAWS["kaplan2020"].alpha_N / LAWS["kaplan2020"].alpha_D),),
    "are 0.339 and 0.285": lambda: (LAWS["hoffmann2022"].alpha, LAWS["hoffmann2022"].beta),
    "with A 406.4 and B 410.7": lambda: (LAWS["hoffmann2022"].A, LAWS["hoffmann2022"].B),
    "22.2 % of Llama-3-8B's": lambda: (100 * flops.attention_share(models.model("llama3_8b"), context=8192),),
    "2.7 % of GPT-3's": lambda: (100 * flops.attention_share(models.model("gpt3_175b"), context=2048),),
    "1.71 tokens a parameter: 11.7 times": lambda: (
        RUNS["GPT-3"].tokens_per_param,
        20 / RUNS["GPT-3"].tokens_per_param,
    ),
    "1,875 tokens a parameter, 94 times": lambda: (
        RUNS["Llama-3-8B"].tokens_per_param,
        RUNS["Llama-3-8B"].tokens_per_param / 20,
    ),
    "2.3 days": lambda: (days_of_gpt3(),),
    "32 years": lambda: (RUNS["GPT-3"].flops / accelerator("A100").peak_flops_per_second / 86_400 / 365.25,),
    "16 bytes a parameter: 112 GB": lambda: (memory.ADAM_MIXED.total, memory.states_bytes(7e9, Layout()) / 1e9),
    "140 GB of states": lambda: (memory.states_bytes(70e9, Layout(data=8, zero=3)) / 1e9,),
    "450 GB/s in one direction": lambda: (accelerator("H100").link_bytes_per_second / 1e9,),
    "50 GB/s |": lambda: (bytes_per_second(400e9) / 1e9,),
    "1.07M tokens at a loss of 3 and 7.4M at 2": lambda: (critical_batch(3) / 1e6, 3, critical_batch(2) / 1e6, 2),
    "needs 3 times the fewest": lambda: (more_tokens(2.0, 1.0),),
    "32.8 %, 0.95^5 is 77.4 %": lambda: (
        100 * emergence.exact_match(0.8, 5),
        0.95,
        100 * emergence.exact_match(0.95, 5),
    ),
    "worth 3.73 fresh ones, forty are worth 15.2": lambda: (
        effective_tokens(4e12, 1e12) / 1e12,
        effective_tokens(40e12, 1e12) / 1e12,
    ),
    "no number of them is worth 16.4": lambda: (1 + REPEATS,),
    "R = 15.39": lambda: (REPEATS,),
    "13 % at 10^11": lambda: (100 * (1e11 ** (LAWS["hoffmann2022"].beta - 0.28) - 1), 10),
    "51 tokens a parameter here, 78 with": lambda: tuple(
        np.divide(*LAWS[name].optimal(1e23)[1::-1]) for name in ("hoffmann2022", "hoffmann2022_rounded")
    ),
    "cost 0.007 nats here, but as much\n  as 16 %": lambda: tuple(
        max(factor * getattr(one, name) for one in penalties(LAWS[DEFAULT], 1e23, (0.5, 2)))
        for name, factor in (("extra_loss", 1), ("wasted", 100))
    ),
    "sum to 102.5 %": lambda: ((60 + 80 + 10 + 15 + 5 + 10 + 10 + 15) / 2,),
}


@pytest.mark.parametrize("said", FACTS)
def test_every_number_in_the_document_is_worked_out(said):
    assert said in DOCUMENT
    numbers = re.findall(r"(?<![\w.^-])\d[\d,]*(?:\.\d+)?(?:e\d+)?", said)
    for number, value in zip(numbers, FACTS[said](), strict=True):
        assert rounded(value, number) == float(number.replace(",", "")), value


def rounded(value: float, like: str) -> float:
    """`value` with as many digits as `like` was printed with."""
    if "e" in like:
        return float(f"{value:.{len(like.split('e')[0]) - 2}e}")
    return round(value, len(like.partition(".")[2]))


def documented(verb: str) -> set[str]:
    """Keys of the table under a heading of the reference."""
    section = REFERENCE.split(f"\n## `{verb}`\n")[1].split("\n## ")[0]
    return {
        key for cell in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for key in re.findall(r"`([^`]+)`", cell)
    }


def keys(value, path="") -> set[str]:
    """Paths of an object's keys, lists as [], down to where names are data."""
    if isinstance(value, list):
        return set().union(*(keys(one, f"{path}[]") for one in value)) if value else set()
    if not isinstance(value, dict) or path in OPEN:
        return set()
    named = {f"{path}.{key}" if path else key: inner for key, inner in value.items()}
    return set(named).union(*(keys(inner, name) for name, inner in named.items()))


OPEN = {
    "models[].exact_match",
    "[].constants",
    "plans[].losses",
    "plans[].extra_losses",
    "batch.by_law",
    "learning_rates",
    "rule20.losses",
}
OPEN |= {"rule20.extra_losses", "asked", "intervals", "standard_errors"}


@pytest.mark.parametrize(
    ("verb", "line"),
    [
        ("law list", "law list"),
        ("law loss", "law loss --params 7B --tokens 1T"),
        ("law compare", "law compare 7B:1T"),
        ("law emergence", "law emergence 1e22 1e20"),
        ("budget", "budget --flops 1e23 --gpu H100 --inference-tokens 1T --unique-tokens web=1e11"),
        ("cost", "cost --model llama3_8b --tokens 1T --gpu H100 --serve-on 1"),
        ("fit", "fit {runs} --bootstrap 20 --against besiroglu2024 --below 1e20"),
        ("explore", "explore {out}"),
    ],
)
def test_json_has_the_documented_keys_and_no_others(winnow, runs_csv, tmp_path, verb, line):
    found = winnow.json(line.format(runs=runs_csv, out=tmp_path / "laws.html"))
    assert keys(found) == documented(verb)
