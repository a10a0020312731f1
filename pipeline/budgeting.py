"""From what the command line asks to a budget: devices and dollars become FLOPs, and the plan gets its bill."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scaling.budget import Prices
from scaling.budget import budget as planned
from scaling.cost import TYPICAL_MFU, Bill, bill, flops_for_dollars, flops_in
from scaling.errors import LawError
from scaling.hardware import Accelerator, accelerator
from scaling.table import DEFAULT


@dataclass(frozen=True)
class Device:
    """What runs it, at which useful share of its dense peak, and for how much an hour (None: as listed)."""

    gpu: Accelerator
    gpus: int
    mfu: float
    price: float | None


@dataclass(frozen=True)
class Serving:
    """Tokens to serve; with the other two the objective is dollars instead of FLOPs."""

    tokens: float | None = None
    decode_mfu: float | None = None
    output_share: float | None = None


def device(gpu: str | None, gpus: int, mfu: float | None, price: float | None) -> Device | None:
    """The device of that name, None without one. LawError for an unknown one, or an MFU or price of no device."""
    if gpu is None:
        if mfu is not None or price is not None or gpus != 1:
            raise LawError("budget: --gpus, --mfu and --price are of a device: name it with --gpu")
        return None
    return Device(accelerator(gpu), gpus, TYPICAL_MFU if mfu is None else mfu, price)


def budgeted(
    asked: Mapping[str, float],
    law: str | None,
    on: Device | None,
    serving: Serving,
    unique_tokens: Mapping[str, float] | None,
    shares: Mapping[str, float] | None,
) -> dict[str, Any]:
    """`scaling.budget.budget` as a dict, with `bill` (None without a device).

    asked: exactly one of flops, params, tokens, gpu_hours, dollars; the last two need a device. Raises LawError.
    """
    if shares is not None and unique_tokens is None:
        raise LawError("budget: --shares is of the domains of --unique-tokens: give them too")
    given: dict[str, Any] = _in_flops(asked, on)
    found = planned(
        law=law or DEFAULT,
        **given,
        inference_tokens=serving.tokens,
        prices=_prices(serving, on),
        unique_tokens=unique_tokens,
        shares=shares,
    ).as_dict()
    return found | {"asked": dict(asked), "bill": None if on is None else _bill(found["flops"], on).as_dict()}


def _bill(flops: float, on: Device) -> Bill:
    return bill(flops, on.gpu, gpus=on.gpus, mfu=on.mfu, dollars_per_gpu_hour=on.price)


def _in_flops(asked: Mapping[str, float], on: Device | None) -> dict[str, float]:
    """GPU-hours and dollars as FLOPs; the rest as it is."""
    if len(asked) != 1:
        found = ", ".join(asked) or "none"
        raise LawError(f"budget: give one of --flops, --params, --tokens, --gpu-hours, --dollars; found {found}")
    ((name, value),) = asked.items()
    if name in ("gpu_hours", "dollars") and on is None:
        raise LawError(f"budget: what {name} pay for depends on the device: name it with --gpu, such as H100-SXM")
    if name == "gpu_hours" and on is not None:
        return {"flops": flops_in(value, on.gpu, mfu=on.mfu)}
    if name == "dollars" and on is not None:
        return {"flops": flops_for_dollars(value, on.gpu, mfu=on.mfu, dollars_per_gpu_hour=on.price)}
    return {name: value}


def _prices(serving: Serving, on: Device | None) -> Prices | None:
    """What a FLOP costs in each phase; None where serving is counted in FLOPs. Prefill is as useful as training."""
    told = (serving.decode_mfu, serving.output_share)
    if told == (None, None):
        return None
    if serving.decode_mfu is None or serving.output_share is None or serving.tokens is None or on is None:
        raise LawError("budget: dollars of serving need --inference-tokens, --decode-mfu, --output-share and --gpu")
    hourly = _bill(1e18, on).dollars_per_gpu_hour
    if hourly is None:
        raise LawError(f"budget: no price is known for a {on.gpu.name}: give --price")
    return Prices(
        dollars_per_gpu_hour=hourly,
        peak_flops=on.gpu.peak_flops_per_second,
        train_mfu=on.mfu,
        prefill_mfu=on.mfu,
        decode_mfu=serving.decode_mfu,
        output_share=serving.output_share,
    )
