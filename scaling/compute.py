"""The compute that one given quantity means: FLOPs as such, GPU-hours of a device, parameters or tokens by a law."""

from collections.abc import Mapping

from scaling.errors import LawError
from scaling.laws import FLOPS_PER_PARAM_TOKEN, Law
from scaling.units import as_flops, as_positive


def flops_of(chosen: Law, given: Mapping[str, float], peak_flops: float | None, mfu: float | None) -> float:
    """The FLOPs that the one given quantity means under a law; LawError unless there is exactly one."""
    if len(given) != 1:
        found = ", ".join(f"{name} {value:,g}" for name, value in given.items()) or "none"
        raise LawError(
            f"a budget starts from exactly one of flops, gpu_hours, params or tokens, and {found} was given; "
            f"params with tokens is a plan: compare it"
        )
    ((name, value),) = given.items()
    if name != "gpu_hours" and (peak_flops is not None or mfu is not None):
        raise LawError(f"peak_flops and mfu turn gpu_hours into FLOPs, and {name} was given")
    if name == "params":
        return FLOPS_PER_PARAM_TOKEN * value * chosen.tokens_for(value)
    if name == "tokens":
        return FLOPS_PER_PARAM_TOKEN * value * chosen.params_for(value)
    return float(as_flops(value if name == "flops" else _device_flops(value, peak_flops, mfu)))


def _device_flops(gpu_hours: float, peak_flops: float | None, mfu: float | None) -> float:
    if peak_flops is None or mfu is None:
        raise LawError("gpu_hours needs the device's dense peak_flops and the mfu you expect, such as 989e12 and 0.4")
    if not 0 < mfu <= 1:
        raise LawError(f"mfu is {mfu:g}: a share of peak lies above 0 and at most at 1, such as 0.4 for 40 %")
    if as_positive("peak_flops", peak_flops) < 1e9:
        raise LawError(f"peak_flops is {peak_flops:,g} a second; TFLOP/s must be written out, such as 989e12")
    return as_positive("gpu_hours", gpu_hours) * 3600 * peak_flops * mfu
