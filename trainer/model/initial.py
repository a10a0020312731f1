"""First weights: a pure function of (seed, name, shape), the same on every device and however the model is divided.

Each weight has a generator of its own, keyed by the hash of seed and name, so neither the order of weights nor the
absence of some (a pipeline stage) changes another. Every rank draws a whole weight and keeps its shard of it.
"""

import hashlib
import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from trainer.model.decoder import Decoder
from trainer.model.settings import ModelSettings

EMBEDDING = 1.0
"""Standard deviation of embeddings, of which a head is no copy (Takase et al. 2023). GPT-2's 0.02 drowns in what the
first block adds: after 100 steps byte models of widths 32 and 96 had 2.88 and 2.80 nats, with this one of 64 had 2.66.
"""

GAIN = math.sqrt(2 / 5)
"""Over sqrt(fan in), the deviation of matrices (Nguyen and Salazar 2019, SmallInit): 0.0198 at a width of 1,024, where
GPT-2 has 0.02 at every width. A fixed 0.02 starves narrow models: at 64 it is a fifth of this."""


@torch.no_grad()
def initialise(model: Decoder, seed: int) -> None:
    """Set every weight in place: normal, of standard deviation `deviation`; norms are 1.

    Before torch.compile or DDP wrap the model, since they rename weights; FSDP2 and tensor parallelism keep names,
    and sharded weights (DTensor) get their part without communication. 116 million values a second.
    """
    for name, weight in model.named_parameters():
        if model.settings.tied and name == "head.weight":  # on a pipeline stage that has no embedding
            name = "embedding.weight"
        _set(weight, drawn(name, tuple(weight.shape), model.settings, seed))


def drawn(name: str, shape: tuple[int, ...], settings: ModelSettings, seed: int) -> Tensor:
    """The first value of a weight: float32, on the CPU."""
    if len(shape) == 1:
        return torch.ones(shape)
    key = int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=16).digest(), "little")
    normal = np.random.Generator(np.random.SFC64(key)).standard_normal(shape, dtype=np.float32)
    return torch.from_numpy(normal).mul_(deviation(name, shape, settings))


def deviation(name: str, shape: tuple[int, ...], settings: ModelSettings) -> float:
    """The standard deviation a matrix, or stack of them, starts with. `shape`: [..., out, in].

    What is added to the stream is divided by sqrt(2 layers), the number of additions (GPT-2, section 2.3). A tied
    embedding is a head. Under "mup" a router, whose logits are not divided by m, shrinks with m more than other
    matrices do (Yang et al. 2022, table 8). A head's first logits are those of the standard parametrization at every
    width (its start with muP's rates: Everett et al. 2024, arXiv 2407.05872), so what is divided by m is drawn m times
    as wide. Table 8 has sqrt(m), or advises 0, and logits that vanish with the width: at twice a base of 64 sqrt(m) had
    2.255 nats after 200 steps and this start 2.186; at 64, where sqrt(m) had 2.45, a head of 0 had 2.70.
    """
    spread = GAIN / math.sqrt(shape[-1])
    ratio = settings.width_ratio
    if name.startswith("embedding.") and not settings.tied:
        return EMBEDDING
    if name.startswith("embedding."):
        return spread * math.sqrt(ratio)  # of both: as the base's
    if name.startswith("head."):
        return spread * ratio
    if name.endswith((".output.weight", ".down.weight", ".down")):
        return spread / math.sqrt(2 * settings.layers)
    return spread / math.sqrt(ratio) if name.endswith(".router.weight") else spread


def _set(weight: nn.Parameter, first: Tensor) -> None:
    if isinstance(weight, DTensor):
        first = first.to(weight.device)
        weight.copy_(distribute_tensor(first, weight.device_mesh, weight.placements, src_data_rank=None))
    else:
        weight.copy_(first)
