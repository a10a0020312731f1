"""A model, tokens and devices in, the whole bill out: FLOPs, hours, dollars, memory, idle, traffic, serving."""

from dataclasses import asdict, dataclass
from typing import Any

from scaling import flops, memory, parallel
from scaling.architecture import Architecture
from scaling.cost import bill
from scaling.errors import LawError
from scaling.flops import Recompute
from scaling.hardware import accelerator
from scaling.models import model as named
from scaling.parallel import Layout
from scaling.serving import serving


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command line asks of a cost. Counts are raw; `model` is a name of scaling.models."""

    model: str | None
    params: float | None
    tokens: float
    gpu: str
    gpus: int
    mfu: float
    dollars_per_gpu_hour: float | None
    layout: Layout
    recompute: Recompute
    context: int | None
    serve_on: int | None


def cost(asked: Asked) -> dict[str, Any]:
    """{model, params, active_params, tokens, flops, flops_per_token, six_nd, attention_share, hfu_over_mfu, bill,
    layout, memory, bubble, traffic, serving}; what needs an architecture is None where only `params` is given.

    Raises LawError where not exactly one of model and params is given, or a name or number is wrong.
    """
    if (asked.model is None) == (asked.params is None):
        raise LawError("cost: give --model, a published architecture, or --params, and not both")
    if asked.model is None:
        return _counted(asked, float(asked.params or 0))
    return _exact(asked, named(asked.model))


def _counted(asked: Asked, params: float) -> dict[str, Any]:
    if asked.serve_on is not None or asked.layout.gpus > 1:
        raise LawError("cost: memory, layout and serving depend on an architecture: give --model instead of --params")
    spent = flops.six_nd(params, asked.tokens)
    exact = ("flops_per_token", "attention_share", "hfu_over_mfu", "layout", "memory", "bubble", "traffic", "serving")
    known = {"model": None, "params": params, "active_params": params, "tokens": asked.tokens}
    return known | {"flops": spent, "six_nd": spent, "bill": _bill(asked, spent)} | dict.fromkeys(exact)


def _exact(asked: Asked, shape: Architecture) -> dict[str, Any]:
    spent = flops.run(shape, asked.tokens, context=asked.context)
    held = memory.training(shape, asked.layout, context=asked.context, recompute=asked.recompute)
    fits = held.fits(accelerator(asked.gpu))
    return {
        "model": shape.name,
        "params": shape.params(),
        "active_params": shape.active_params(),
        "tokens": asked.tokens,
        "flops": spent,
        "flops_per_token": flops.training(shape, context=asked.context),
        "six_nd": flops.six_nd(shape.active_params(), asked.tokens),
        "attention_share": flops.attention_share(shape, context=asked.context),
        "hfu_over_mfu": flops.hfu_over_mfu(shape, recompute=asked.recompute, context=asked.context),
        "bill": _bill(asked, spent),
        "layout": asdict(asked.layout),
        "memory": held.as_dict() | {"fits": fits},
        "bubble": parallel.bubble(asked.layout),
        "traffic": asdict(parallel.traffic(shape, asked.layout, context=asked.context)),
        "serving": _serving(asked, shape),
    }


def _serving(asked: Asked, shape: Architecture) -> dict[str, Any] | None:
    if asked.serve_on is None:
        return None
    return serving(shape, asked.gpu, context=asked.context or shape.context, gpus=asked.serve_on).as_dict()


def _bill(asked: Asked, spent: float) -> dict[str, Any]:
    gpus = max(asked.gpus, asked.layout.gpus)
    rate = asked.dollars_per_gpu_hour
    return bill(spent, asked.gpu, mfu=asked.mfu, gpus=gpus, dollars_per_gpu_hour=rate).as_dict()
