"""Serving a model: FLOPs and bytes of a generated token, the key-value cache, and how many sequences fit.

A generated token costs 2 FLOPs a parameter and reads every weight once for the whole batch, and its own cache: with
few sequences the memory bandwidth is the limit, with many the peak. Both limits are given; the truth lies below.
"""

from dataclasses import asdict, dataclass

from scaling import flops
from scaling.architecture import Architecture
from scaling.errors import LawError
from scaling.hardware import Accelerator, accelerator


def kv_bytes_per_token(shape: Architecture, *, bits_per_value: float = 16) -> float:
    """Bytes of key-value cache a token takes, all layers: 2 x layers x kv_heads x head_dim values.

    Latent attention keeps its short vector and one rotary key instead (DeepSeek-AI 2024, DeepSeek-V2, table 1).
    bits_per_value: 16 for bf16; for a quantised cache with its scales, 4.5 is 4 bits and an fp16 scale each 32 values.
    """
    if shape.latent:
        values = shape.latent.kv_rank + shape.latent.rope_dim
    else:
        values = shape.key_heads * (shape.key_dim + shape.value_dim)
    return shape.layers * values * _bytes(bits_per_value)


def kv_bytes(shape: Architecture, context: int, *, bits_per_value: float = 16) -> float:
    """Bytes of cache of one sequence of `context` tokens; a sliding window keeps no more than itself."""
    if context < 1:
        raise LawError(f"context is {context}: a sequence has 1 token or more")
    return kv_bytes_per_token(shape, bits_per_value=bits_per_value) * min(context, shape.window or context)


def weights_bytes(shape: Architecture, *, bits_per_weight: float = 16) -> float:
    """Bytes of all weights: every expert must be at hand, though a token sees few."""
    return shape.params() * _bytes(bits_per_weight)


@dataclass(frozen=True)
class Serving:
    """What a group of devices can serve. Rates are upper limits, in tokens a second over all sequences."""

    gpu: str
    gpus: int
    context: int
    weights_bytes: float
    kv_bytes_per_token: float
    kv_bytes_per_sequence: float
    sequences: int  # that fit at once, each with its whole context; 0 where the weights alone do not fit
    flops_per_token: float
    tokens_per_second_one: float  # one sequence alone, by bandwidth or peak
    tokens_per_second_all: float  # with all sequences that fit

    def as_dict(self) -> dict[str, float | int | str]:
        """The fields by name, for JSON."""
        return asdict(self)


def serving(
    shape: Architecture,
    gpu: str | Accelerator,
    *,
    context: int,
    gpus: int = 1,
    bits_per_weight: float = 16,
    bits_per_value: float = 16,
    free_share: float = 0.1,
) -> Serving:
    """How many sequences of `context` tokens fit on `gpus` devices, and how fast they could be generated.

    Weights and cache are divided over the devices, `free_share` of each stays empty. A cache of fewer key heads than
    devices is copied, not divided further; a latent one is copied to each (tensor parallelism; where attention is
    data-parallel instead, each sequence lives on one device and up to `gpus` times as many fit).
    """
    device = gpu if isinstance(gpu, Accelerator) else accelerator(gpu)
    if gpus < 1 or not 0 <= free_share < 1:
        raise LawError(f"gpus is {gpus} and free_share {free_share:g}: 1 or more, and within [0, 1)")
    weights = weights_bytes(shape, bits_per_weight=bits_per_weight)
    sequence = kv_bytes(shape, context, bits_per_value=bits_per_value)
    copies = gpus if shape.latent else max(1, gpus / shape.key_heads)
    left = gpus * device.memory_bytes * (1 - free_share) - weights
    sequences = max(0, int(left // (sequence * copies)))
    per_token = flops.generating(shape, context=context)

    def rate(batch: int) -> float:
        read = weights * share_read(shape, batch) + batch * sequence * copies
        seconds = max(read / device.memory_bytes_per_second, batch * per_token / device.peak_flops_per_second) / gpus
        return batch / seconds

    return Serving(
        gpu=device.name,
        gpus=gpus,
        context=context,
        weights_bytes=weights,
        kv_bytes_per_token=kv_bytes_per_token(shape, bits_per_value=bits_per_value),
        kv_bytes_per_sequence=sequence,
        sequences=sequences,
        flops_per_token=per_token,
        tokens_per_second_one=rate(1) if sequences else 0.0,
        tokens_per_second_all=rate(sequences) if sequences else 0.0,
    )


def share_read(shape: Architecture, batch: int) -> float:
    """The share of all weights that one generated token each of `batch` sequences reads, experts chosen at random."""
    if not shape.moe_layers:
        return 1.0
    spared = (1 - shape.active_experts / shape.experts) ** batch  # chance that nobody asks for an expert
    idle = shape.experts - shape.active_experts
    routed = (shape.params() - shape.active_params()) / idle * shape.experts
    return 1 - routed * spared / shape.params()


def _bytes(bits: float) -> float:
    if not 1 <= bits <= 64:
        raise LawError(f"{bits:g} bits a value: give bits, 16 for bf16, 8 or 4 for quantised")
    return bits / 8
