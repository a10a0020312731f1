"""Hardware and bills against figures that were published."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling import cost, flops
from scaling.errors import LawError
from scaling.hardware import ACCELERATORS, ALIASES, accelerator
from scaling.models import model

SECONDS_PER_YEAR = 365.25 * 86_400


def test_dense_peaks():
    """The makers' data sheets, dense: figures printed with sparsity are twice these."""
    printed = {"A100": 312, "H100": 989, "H100 PCIe": 756, "H200": 989, "B200": 2250, "MI300X": 1307, "L40S": 362}
    printed |= {"rtx 4090": 165, "tpu v4": 275, "tpu v5e": 197, "tpu v5p": 459, "V100": 125, "gb200": 2500}
    for name, tera in printed.items():
        assert accelerator(name).peak_flops_per_second == pytest.approx(tera * 1e12, rel=0.005), name


def test_every_device_is_told_with_its_source_and_plausible_units():
    for device in ACCELERATORS.values():
        assert device.source
        assert 5e13 < device.peak_flops_per_second < 5e15, device.name
        assert 1e10 < device.memory_bytes < 1e12, device.name
        assert 2e11 < device.memory_bytes_per_second < 2e13, device.name
        assert device.watts is None or 50 < device.watts < 2000, device.name
        assert device.precision == "fp16" if device.name in ("V100", "T4") else device.precision == "bf16"


@pytest.mark.parametrize("alias", ALIASES)
def test_every_alias_leads_to_a_device(alias):
    assert accelerator(alias).name in ACCELERATORS


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("h100", "H100-SXM"),
        ("NVIDIA H100 80GB HBM3", "H100-SXM"),
        ("nvidia-a100-sxm4-80gb", "A100-80GB"),
        ("A100 40GB", "A100-40GB"),
        ("Google TPU v5p", "TPU-v5p"),
        ("AMD Instinct MI300X", "MI300X"),
        ("GeForce RTX 4090", "RTX-4090"),
    ],
)
def test_names_as_people_and_drivers_say_them(said, meant):
    assert accelerator(said).name == meant


@pytest.mark.parametrize(("asked", "near"), [("H1000", "H100"), ("rtx4900", "RTX-4090"), ("TPU-v7", "TPU-v")])
def test_an_unknown_gpu_is_refused_with_the_near_name(asked, near):
    with pytest.raises(LawError, match=f"no GPU '{asked}': did you mean '{near}"):
        accelerator(asked)
    with pytest.raises(LawError, match="did you mean"):
        cost.bill(1e23, asked, mfu=0.4)


def test_gpt3_on_one_a100_at_peak_takes_32_years():
    """3.15e23 / 3.12e14 is 1.0096e9 s; tutorials round to a billion and print 31 years."""
    assert cost.gpu_hours(3.15e23, "A100", mfu=1) * 3600 / SECONDS_PER_YEAR == pytest.approx(32.0, rel=0.005)


def test_gpt3_on_ten_thousand_a100_takes_two_days_not_twenty():
    assert cost.bill(3.15e23, "A100", mfu=0.5, gpus=10_000).days == pytest.approx(2.34, rel=0.005)


def test_deepseek_v3_bill():
    """DeepSeek-V3 report, table 1: 2.788 M H800 hours x 2 dollars = 5.576 M; 180 K a trillion tokens, 3.7 days."""
    useful = cost.flops_in(2.788e6, "H800", mfu=0.3)
    bill = cost.bill(useful, "H800", mfu=0.3, gpus=2048)
    assert bill.dollars == pytest.approx(5.576e6, rel=1e-9)
    assert "2024" in bill.price_source
    assert cost.bill(cost.flops_in(180e3, "H800", mfu=0.3), "H800", mfu=0.3, gpus=2048).days == pytest.approx(
        3.7, rel=0.015
    )


@pytest.mark.parametrize(("hours", "megawatt_hours"), [(82_432, 36), (135_168, 59), (530_432, 233), (1_022_362, 449)])
def test_llama_energy(hours, megawatt_hours):
    """Touvron et al. 2023, table 15: A100-80GB at 400 W, PUE 1.1 (rounded to whole MWh)."""
    bill = cost.bill(cost.flops_in(hours, "A100-80GB", mfu=0.5), "A100-80GB", mfu=0.5)
    assert bill.kilowatt_hours / 1000 == pytest.approx(megawatt_hours, abs=1)


@pytest.mark.parametrize(
    ("name", "context", "gpu", "tokens_per_second", "percent", "source"),
    [
        ("llama3_8b", 8192, "H100", 5762, 33.7, "torchtitan, 8 x H100, FSDP"),
        ("llama3_8b", 8192, "H100", 6667, 39.0, "torchtitan, with torch.compile"),
        ("palm_540b", 2048, "TPU v4", 238_300 / 6144, 46.2, "Chowdhery et al. 2022, appendix B"),
        ("gpt2", 1024, "H100", 302_900, 26.2, "modded-nanogpt, record 4"),
    ],
)
def test_measured_mfu(name, context, gpu, tokens_per_second, percent, source):
    per_token = flops.training(model(name), context=context)
    assert 100 * cost.measured_mfu(per_token, tokens_per_second, gpu) == pytest.approx(percent, rel=0.005), source


def test_more_than_the_peak_is_refused():
    """nanoGPT printed 104 % on an H100, from the peak of an A100 (pull request 464)."""
    with pytest.raises(LawError, match="104% of the dense peak of A100"):
        cost.measured_mfu(1.04 * 312e12, 1.0, "A100")


@given(st.floats(1e15, 1e27), st.sampled_from(sorted(ACCELERATORS)), st.floats(0.01, 1), st.integers(1, 100_000))
def test_bills_add_up(useful, gpu, mfu, gpus):
    bill = cost.bill(useful, gpu, mfu=mfu, gpus=gpus, dollars_per_gpu_hour=2.5, pue=1.2)
    assert cost.flops_in(bill.gpu_hours, gpu, mfu=mfu) == pytest.approx(useful)
    assert cost.flops_for_dollars(bill.dollars, gpu, mfu=mfu, dollars_per_gpu_hour=2.5) == pytest.approx(useful)
    assert bill.days * 24 * gpus == pytest.approx(bill.gpu_hours)
    if bill.kilowatt_hours is not None:
        assert bill.kilowatt_hours == pytest.approx(bill.gpu_hours * 1.2 * accelerator(gpu).watts / 1000)


def test_without_a_price_there_are_no_dollars():
    bill = cost.bill(1e21, "MI300X", mfu=0.4)
    assert bill.dollars is None
    assert bill.as_dict()["price_source"].startswith("no price")
    with pytest.raises(LawError, match="give dollars_per_gpu_hour"):
        cost.flops_for_dollars(100, "MI300X", mfu=0.4)


def test_default_prices_name_known_devices_and_carry_a_date():
    for name, price in cost.PRICES.items():
        assert accelerator(name).name == name
        assert price.date >= "2024"
        assert price.source


def test_shares_of_other_costs():
    whole = cost.with_other_costs(700, {"compute": 0.7, "data": 0.1, "evaluation": 0.1, "people": 0.1})
    assert whole == pytest.approx({"compute": 700, "data": 100, "evaluation": 100, "people": 100})
    with pytest.raises(LawError, match=r"divide each by 1\.03"):
        cost.with_other_costs(700, {"compute": 0.7, "data": 0.125, "evaluation": 0.075, "people": 0.13})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mfu": 40}, "write 0.4"),
        ({"mfu": 0}, "share of the dense peak"),
        ({"mfu": float("nan")}, "share of the dense peak"),
        ({"gpus": 0}, "gpus is 0"),
        ({"gpus": 1.5}, "whole number"),
        ({"pue": 0.9}, "pue is 0.9"),
        ({"flops": -1}, "flops is -1"),
        ({"flops": float("nan")}, "flops is nan"),
        ({"dollars_per_gpu_hour": 0}, "dollars_per_gpu_hour is 0"),
    ],
)
def test_impossible_numbers_are_refused(change, words):
    asked = {"flops": 1e21, "gpu": "H100", "mfu": 0.4}
    with pytest.raises(LawError, match=words):
        cost.bill(**{**asked, **change})
