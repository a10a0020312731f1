"""The verbs about scale: their numbers are those of scaling, and what they cannot do they refuse in words."""

import math
import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import RecipeError
from pipeline.quantities import SUFFIXES, pair, quantities, quantity
from scaling import flops, models
from scaling.table import DEFAULT, LAWS

# ---- numbers --------------------------------------------------------------------------------------------------------


@given(st.integers(1, 10**6), st.integers(0, 3), st.sampled_from(sorted(SUFFIXES)))
def test_a_suffix_is_a_power_of_ten_and_nothing_is_lost(digits, places, suffix):
    said = f"{digits}e-{places}{suffix}"
    assert quantity(said, "--n") == float(f"{digits}e{SUFFIXES[suffix] - places}")
    assert quantity(said.lower(), "--n") == quantity(f" {said} ", "--n")


@given(st.floats(1e-300, 1e300))
def test_every_number_that_python_prints_is_read_back(number):
    assert quantity(repr(number), "--n") == number


@pytest.mark.parametrize("said", ["", "0", "-7B", "7G", "1e", "nan", "inf", "1e999", "7 billion", "0x7", "٣", "1.4.2T"])
def test_what_is_no_positive_number_is_refused_by_the_name_of_its_option(said):
    with pytest.raises(RecipeError, match="--tokens"):
        quantity(said, "--tokens")


def test_names_and_pairs():
    assert quantities("web=1e12, code=200B", "--u") == {"web": 1e12, "code": 2e11}
    assert pair("7B:2T", "PLAN") == (7e9, 2e12)
    for wrong in ("web", "web=1,web=2", "=3", "web=many"):
        with pytest.raises(RecipeError):
            quantities(wrong, "--u")


# ---- verbs ----------------------------------------------------------------------------------------------------------


def test_law_list_and_loss(winnow):
    assert [law["name"] for law in winnow.json("law list")] == list(LAWS)
    found = winnow.json("law loss --law besiroglu2024 --params 70e9 --tokens 1.4T")
    assert found["loss"] == LAWS["besiroglu2024"].loss(70e9, 1.4e12)
    assert (found["law"], found["params"], found["tokens"]) == ("besiroglu2024", 70e9, 1.4e12)


def test_compare_puts_given_plans_and_known_models_side_by_side(winnow):
    plans = winnow.json("law compare 7e9:2e12 13B:1T --known Chinchilla --law hoffmann2022")["plans"]
    assert [plan["name"] for plan in plans] == ["7B:2T", "13B:1T", "Chinchilla"]
    assert plans[0]["losses"] == {"hoffmann2022": LAWS["hoffmann2022"].loss(7e9, 2e12)}


@pytest.mark.parametrize(
    ("asked", "spent"),
    [
        ("--flops 1e22", 1e22),
        ("--gpu-hours 1000 --gpu H100-SXM --mfu 0.5", 1000 * 3600 * 989e12 * 0.5),
        ("--dollars 4000 --price 4 --gpu A100 --mfu 0.4", 1000 * 3600 * 312e12 * 0.4),
    ],
)
def test_a_budget_starts_from_any_quantity(winnow, asked, spent):
    found = winnow.json(f"budget {asked}")
    assert found["flops"] == pytest.approx(spent, rel=1e-12)
    best = LAWS[DEFAULT].optimal(spent)
    assert found["law"] == DEFAULT
    assert (found["params"], found["tokens"]) == pytest.approx(best[:2], rel=1e-12)
    assert found["tokens_per_param"] == found["tokens"] / found["params"]
    assert (found["bill"] is None) == ("--gpu" not in asked)


def test_a_budget_from_parameters_is_one_from_their_tokens(winnow):
    by_params = winnow.json("budget --params 7B --law hoffmann2022")
    by_tokens = winnow.json(f"budget --tokens {by_params['tokens']!r} --law hoffmann2022")
    assert by_params["params"] == pytest.approx(7e9, rel=1e-9)
    assert by_tokens["flops"] == pytest.approx(by_params["flops"], rel=1e-9)


def test_serving_in_dollars_wants_a_smaller_model_than_in_flops(winnow):
    asked = "budget --flops 1e23 --gpu H100 --price 2 --inference-tokens 1T"
    in_flops = winnow.json(asked)["inference"]
    in_dollars = winnow.json(f"{asked} --decode-mfu 0.01 --output-share 0.2")["inference"]
    assert (in_flops["unit"], in_dollars["unit"]) == ("FLOPs", "dollars")
    assert in_dollars["params"] < in_flops["params"] < winnow.json("budget --flops 1e23")["params"]


def test_cost_of_an_architecture_holds_what_six_nd_leaves_out(winnow):
    found = winnow.json("cost --model llama3_8b --tokens 15T --gpu H100-SXM --data 8 --zero 3 --serve-on 1")
    assert found["flops"] == flops.run(models.model("llama3_8b"), 15e12)
    assert found["bill"]["gpus"] == 8
    assert found["memory"]["fits"] is True
    assert found["serving"]["kv_bytes_per_token"] == 128 * 1024  # modelling of Llama 3: 32 layers, 8 heads of 128, bf16
    plain = winnow.json("cost --params 8.03B --tokens 15T --gpu H100-SXM")
    assert plain["flops"] == pytest.approx(6 * 8.03e9 * 15e12)
    assert plain["memory"] is None


def test_a_fit_is_a_law_for_the_other_verbs(winnow, runs_csv, tmp_path):
    asked = f"fit {runs_csv} --bootstrap 20 --against besiroglu2024 --below 1e20"
    fit, law = winnow.json(asked), LAWS["besiroglu2024"]
    assert {name: fit[name] for name in law.constants()} == pytest.approx(law.constants(), rel=1e-2)
    assert fit["intervals"].keys() >= set(law.constants())
    assert fit["points"] == 40
    assert fit["backtest"]["worst_error"] < 1e-4
    path = tmp_path / "ours.json"
    path.write_bytes(orjson.dumps(fit))
    found = winnow.json(f"law loss --law {path} --params 7B --tokens 140B")
    assert found["loss"] == pytest.approx(law.loss(7e9, 1.4e11), rel=1e-3)


@pytest.mark.parametrize("method", ["isoflop", "params", "flops --no-floor"])
def test_the_other_methods(winnow, runs_csv, method):
    fit = winnow.json(f"fit {runs_csv} --bootstrap 0 --method {method}")
    assert fit.get("a", fit.get("exponent")) > 0
    assert (fit.get("floor") == 0) == ("--no-floor" in method)
    if method == "isoflop":
        assert fit["a"] == pytest.approx(0.5126, rel=0.05)  # beta / (alpha + beta) of the planted law


def test_plots_of_a_fit_hold_the_runs_and_ask_for_nothing(winnow, runs_csv, tmp_path):
    pytest.importorskip("plotly")
    page = tmp_path / "fit.html"
    winnow(f"fit {runs_csv} --bootstrap 0 --against hoffmann2022 --html {page}")
    text = page.read_text(encoding="utf-8")
    assert "default-src &#x27;none&#x27;" in text or "default-src 'none'" in text
    assert not re.search(r"<(link|iframe|img)\b|<script[^>]+src=", text)
    assert text.count("Plotly.newPlot(") >= 4
    assert "hoffmann2022: Huber sum" in text
    assert "Llama-3.1-405B" in text
    assert len(text) < 6e6
    assert "exists" in winnow(f"fit {runs_csv} --bootstrap 0 --html {page}", code=2)
    winnow(f"fit {runs_csv} --bootstrap 0 --html {page} --overwrite")


def test_explore_writes_its_page_and_replaces_none_unasked(winnow, tmp_path):
    page = tmp_path / "laws.html"
    assert winnow.json(f"explore {page}") == {"file": str(page), "bytes": page.stat().st_size}
    assert "exists" in winnow(f"explore {page}", code=2)
    winnow(f"explore {page} --overwrite")
    assert ".html" in winnow(f"explore {tmp_path}/laws", code=2)


REFUSED = {
    "law loss --law besiroglu24 --params 7B --tokens 1T": "besiroglu2024",
    "law loss --params 7 --tokens 2T": "raw counts",
    "law loss --params 7X --tokens 2T": "--params",
    "law loss --law nowhere.json --params 7B --tokens 2T": "nowhere.json",
    "law compare 7B": "params:tokens",
    "law compare": "no plans",
    "law compare 7B:2T 7e9:2e12": "7B:2T",
    "law compare --known Chinchila": "Chinchilla",
    "budget": "give one of",
    "budget --flops 1e22 --params 7B": "flops, params",
    "budget --gpu-hours 1e6": "--gpu",
    "budget --dollars 1M --gpu T4": "price",
    "budget --flops 1e22 --mfu 0.4": "--gpu",
    "budget --gpu-hours 1e6 --gpu H10": "H100",
    "budget --gpu-hours 1e6 --gpu H100 --mfu 40": "0.4",
    "budget --flops 1e22 --shares web=1": "--unique-tokens",
    "budget --flops 1e22 --unique-tokens web=1e12 --shares wed=1": "web",
    "budget --flops 1e22 --inference-tokens 1T --decode-mfu 0.01": "--output-share",
    "cost --tokens 1T --gpu H100": "--model",
    "cost --tokens 1T --gpu H100 --model llama3_8c": "llama3_8b",
    "cost --tokens 1T --gpu H100 --params 7B --zero 3 --data 8": "--model",
    "cost --tokens 1T --gpu H100 --model gpt2 --tensor 5": "heads",
    "cost --tokens 1T --gpu H100 --model gpt2 --recompute some": "selective",
    "fit {runs} --method magic": "parametric",
    "fit {runs} --no-floor": "--method",
    "fit {runs} --loss los": "loss",
    "fit {runs} --method isoflop --below 1e20": "--below",
    "fit {runs} --against kaplan2020": "kaplan2020",
    "fit {runs} --drop-highest 99": "99",
    "fit nowhere.csv": "nowhere.csv",
    "explore laws.txt": ".html",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_is_asked_wrongly_is_refused_in_words_with_code_2(winnow, runs_csv, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = winnow(line.format(runs=runs_csv), code=2)
    assert REFUSED[line] in said
    assert "Traceback" not in said
    assert not list(tmp_path.iterdir())


def test_every_verb_has_an_example_that_runs(winnow, runs_csv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs.csv").write_bytes(runs_csv.read_bytes())
    for verb in ("fit", "budget", "cost", "explore", "law", "law list", "law loss", "law compare"):
        example = re.search(rf"Example: winnow ({verb}\b.*?)\n\s*\n", winnow(f"{verb} --help") + "\n\n", re.DOTALL)
        assert example, f"{verb} has no example"
        winnow(" ".join(example[1].split()))


def test_exact_match_looks_sudden_where_loss_does_not(winnow):
    """The table is p^k of the law's own losses: smooth in loss, and many decades in twenty tokens."""
    found = winnow.json("law emergence 1e24 1e20 --answer-tokens 1,20 --bytes-per-token 4")
    small, large = found["models"]
    assert (small["flops"], large["flops"]) == (1e20, 1e24)
    for model in found["models"]:
        assert model["loss"] == LAWS["besiroglu2024"].optimal(model["flops"]).loss
        assert model["partial_credit"] == pytest.approx(math.exp(-model["loss"]), rel=1e-12)
        assert model["exact_match"]["1"] == model["partial_credit"]
        assert model["exact_match"]["20"] == pytest.approx(model["partial_credit"] ** 20, rel=1e-9)
        assert model["bits_per_byte"] == pytest.approx(model["loss"] / math.log(2) / 4, rel=1e-12)
    assert large["loss"] / small["loss"] > 0.7
    assert large["exact_match"]["20"] / small["exact_match"]["20"] > 1e5


@pytest.mark.parametrize("wrong", ["5", "1e20 --answer-tokens 0", "1e20 --bytes-per-token 0", "1e20 --law chinchila"])
def test_emergence_refuses_what_cannot_be(winnow, wrong):
    assert winnow(f"law emergence {wrong}", code=2)
