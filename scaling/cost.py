"""What a run costs: seconds, GPU-hours, days, dollars and energy, from FLOPs and an MFU that is said aloud.

Model FLOPs utilisation (MFU) is useful FLOPs over dense peak (Chowdhery et al. 2022, appendix B): recomputation is not
useful, so it counts in HFU only. Every figure here is proportional to 1 / MFU, hence it has no silent default;
TYPICAL_MFU is for those who must start somewhere. Prices move by a factor of three within a year: each carries a date.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from scaling.errors import LawError, unknown
from scaling.hardware import Accelerator, accelerator
from scaling.units import as_positive

SECONDS_PER_HOUR = 3600
SECONDS_PER_DAY = 86_400

# Grattafiori et al. 2024 (Llama 3), table 4: 38 to 43 % of bf16 peak on 8,192 and 16,384 H100, with attention counted.
TYPICAL_MFU = 0.40

# Touvron et al. 2023 (LLaMA), table 15: the convention of the model cards. Uptime Institute's survey of 2023 finds
# 1.58 as the average of all data centres, new and large ones near 1.1 to 1.3.
TYPICAL_PUE = 1.1


@dataclass(frozen=True)
class Price:
    """What one GPU-hour was sold for, and when."""

    dollars_per_gpu_hour: float
    date: str
    source: str


# Defaults for a first look only. Ranges are of on-demand offers; the middle is taken.
PRICES = {
    "H800": Price(2.00, "2024-12", "DeepSeek-AI 2024, DeepSeek-V3 technical report, table 1: the rental price assumed"),
    "H100-SXM": Price(3.00, "2026-01", "nanochat, README: a node of 8 for about 24 dollars an hour"),
    "A100-80GB": Price(1.30, "2026-05", "mercatus-ai.com/blog/cloud-gpu-pricing: 1.10 to 1.50, specialised clouds"),
    "H200-SXM": Price(4.00, "2026-05", "mercatus-ai.com/blog/cloud-gpu-pricing: 3.50 to 4.50, specialised clouds"),
}


@dataclass(frozen=True)
class Bill:
    """One run on one kind of device. Dollars are None without a price, energy is None without a known power."""

    gpu: str
    gpus: int
    flops: float
    mfu: float
    gpu_hours: float
    days: float
    dollars_per_gpu_hour: float | None
    dollars: float | None
    price_source: str
    pue: float
    kilowatt_hours: float | None

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, for JSON."""
        return asdict(self)


def bill(
    flops: float,
    gpu: str | Accelerator,
    *,
    mfu: float,
    gpus: int = 1,
    dollars_per_gpu_hour: float | None = None,
    pue: float = TYPICAL_PUE,
) -> Bill:
    """Hours, days, dollars and energy of `flops` useful FLOPs on `gpus` devices.

    dollars_per_gpu_hour: yours; without it the dated default of PRICES, and without that no dollars.
    Energy is thermal design power x hours x PUE: an upper bound for the devices, without hosts and network.
    Raises LawError for an unknown GPU, an MFU outside (0, 1], a PUE below 1, or counts and prices not above 0.
    """
    device = _device(gpu)
    _whole("gpus", gpus)
    if not 1 <= pue < 10:
        raise LawError(f"pue is {pue:g}: total power over power of the devices is 1 or more, typically {TYPICAL_PUE}")
    hours = gpu_hours(flops, device, mfu=mfu)
    price, source = _price(device, dollars_per_gpu_hour)
    return Bill(
        gpu=device.name,
        gpus=gpus,
        flops=flops,
        mfu=mfu,
        gpu_hours=hours,
        days=hours * SECONDS_PER_HOUR / SECONDS_PER_DAY / gpus,
        dollars_per_gpu_hour=price,
        dollars=None if price is None else price * hours,
        price_source=source,
        pue=pue,
        kilowatt_hours=None if device.watts is None else device.watts / 1000 * hours * pue,
    )


def gpu_hours(flops: float, gpu: str | Accelerator, *, mfu: float) -> float:
    """Device-hours that `flops` useful FLOPs take at `mfu` of the dense peak."""
    return as_positive("flops", flops) / (_device(gpu).peak_flops_per_second * _share(mfu)) / SECONDS_PER_HOUR


def flops_in(hours: float, gpu: str | Accelerator, *, mfu: float) -> float:
    """The useful FLOPs that `hours` device-hours give: the inverse of `gpu_hours`."""
    return as_positive("GPU-hours", hours) * SECONDS_PER_HOUR * _device(gpu).peak_flops_per_second * _share(mfu)


def flops_for_dollars(
    dollars: float, gpu: str | Accelerator, *, mfu: float, dollars_per_gpu_hour: float | None = None
) -> float:
    """The useful FLOPs that `dollars` pay for. LawError where the GPU has no default price and none is given."""
    device = _device(gpu)
    price, _ = _price(device, dollars_per_gpu_hour)
    if price is None:
        raise LawError(
            f"no price is known for a {device.name}: give dollars_per_gpu_hour. "
            f"Dated defaults exist for {', '.join(PRICES)}."
        )
    return flops_in(as_positive("dollars", dollars) / price, device, mfu=mfu)


def measured_mfu(flops_per_token: float, tokens_per_second_per_gpu: float, gpu: str | Accelerator) -> float:
    """The MFU of a measured speed. LawError above 1: then a FLOP count or a peak is wrong, not the GPU fast.

    flops_per_token: useful training FLOPs, `flops.training(...)`. Recomputation counted there would make it HFU.
    """
    peak = _device(gpu).peak_flops_per_second
    reached = as_positive("flops_per_token", flops_per_token) * as_positive("tokens/s", tokens_per_second_per_gpu)
    if reached > peak:
        raise LawError(
            f"{tokens_per_second_per_gpu:,g} tokens/s x {flops_per_token:,g} FLOPs is {reached / peak:.0%} of the "
            f"dense peak of {_device(gpu).name}: is the speed that of one GPU, and is it this GPU?"
        )
    return reached / peak


def with_other_costs(compute_dollars: float, shares: Mapping[str, float]) -> dict[str, float]:
    """Dollars by kind, where `shares` of the whole sum to 1 and "compute" is one of them.

    Raises LawError where the shares miss 1 by more than 1 %: the ranges that circulate (60 to 80 % compute, 10 to 15 %
    data and so on) have mid-points of 103 %.
    """
    if "compute" not in shares:
        raise unknown("share", "compute", shares)
    total = sum(as_positive(f"share of {kind}", share) for kind, share in shares.items())
    if abs(total - 1) > 0.01:
        raise LawError(f"the shares sum to {total:.3f}, not 1: divide each by {total:g}")
    whole = as_positive("dollars", compute_dollars) / (shares["compute"] / total)
    return {kind: whole * share / total for kind, share in shares.items()}


def _device(gpu: str | Accelerator) -> Accelerator:
    return gpu if isinstance(gpu, Accelerator) else accelerator(gpu)


def _price(device: Accelerator, given: float | None) -> tuple[float | None, str]:
    if given is not None:
        return as_positive("dollars_per_gpu_hour", given), "given"
    known = PRICES.get(device.name)
    return (
        (known.dollars_per_gpu_hour, f"{known.source} ({known.date})") if known else (None, "no price known: give one")
    )


def _share(mfu: float) -> float:
    if not 0 < mfu <= 1:
        hint = f"; if {mfu:g} is a percentage, write {mfu / 100:g}" if 1 < mfu <= 100 else ""
        raise LawError(f"mfu is {mfu:g}: the share of the dense peak lies in (0, 1], typically {TYPICAL_MFU}{hint}")
    return mfu


def _whole(what: str, count: int) -> None:
    if not isinstance(count, int) or count < 1:
        raise LawError(f"{what} is {count!r}: it must be a whole number, 1 or more")
