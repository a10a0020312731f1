"""Known runs: every row has its source, and the ratios people quote come out."""

import pytest

from scaling.errors import LawError
from scaling.runs import RUNS, run


@pytest.mark.parametrize("name", RUNS)
def test_every_run_has_a_source_and_plausible_raw_counts(name):
    found = RUNS[name]
    assert found.name == name
    assert "arXiv" in found.source or "card" in found.source
    assert 1e8 <= found.params <= 1e13
    assert 1e9 <= found.tokens <= 1e14
    assert 2017 <= found.year <= 2026
    assert found.total_params is None or found.total_params > found.params
    assert found.unique_tokens is None or found.unique_tokens < found.tokens


@pytest.mark.parametrize(
    ("name", "ratio"),
    [
        ("GPT-3", 1.714),
        ("Chinchilla", 20),
        ("LLaMA-7B", 149),  # 6.7 B parameters; by the name's 7 it is the 143 often quoted
        ("Llama-2-70B", 28.6),
        ("Llama-3-8B", 1875),
        ("Llama-3.1-405B", 38.5),
        ("DeepSeek-V3", 400),
    ],
)
def test_tokens_per_parameter_of_known_runs(name, ratio):
    assert RUNS[name].tokens_per_param == pytest.approx(ratio, rel=0.005)


@pytest.mark.parametrize("name", ["GPT-3", "Gopher", "Chinchilla", "PaLM", "Llama-3.1-405B"])
def test_published_flops_are_near_6_n_d(name):
    """Gopher's 6 N D is 5.04e23 beside the published 5.76e23, which counts attention: 13 % is the largest gap."""
    found = RUNS[name]
    assert found.published_flops
    assert 6 * found.params * found.tokens == pytest.approx(found.published_flops, rel=0.13)
    assert found.flops == found.published_flops


def test_flops_without_a_published_figure_are_6_n_d():
    assert RUNS["Llama-2-7B"].flops == 6 * 7e9 * 2e12


def test_cerebras_gpt_follows_the_20_to_1_rule():
    ratios = [found.tokens_per_param for name, found in RUNS.items() if name.startswith("Cerebras")]
    assert len(ratios) == 7
    assert ratios == pytest.approx([20] * 7, rel=0.01)


def test_gpu_hours_imply_a_plausible_share_of_peak():
    """Model FLOPs over A100 bf16 (312e12) or H100/H800 bf16 (989e12) peak lie between 15 and 60 % of the hours said."""
    for found in RUNS.values():
        if found.gpu_hours:
            peak = 312e12 if "A100" in found.hardware else 989e12
            assert 0.15 < 6 * found.params * found.tokens / (found.gpu_hours * 3600 * peak) < 0.6, found.name


def test_an_unknown_run_is_refused_with_the_nearest_name():
    with pytest.raises(LawError, match="did you mean 'Chinchilla'"):
        run("chinchila")
