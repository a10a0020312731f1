"""Bytes a device holds in training: weights, gradients, optimizer state, activations.

States follow Rajbhandari et al. 2020 (ZeRO), section 3 and figure 1; activations Korthikanti et al. 2022, section 4,
written out by tensor so that grouped heads, gated feed-forward blocks and experts are counted too. For their own
architecture (MHA, GELU of 4 x width, dropout, scores kept) the sum is their s b h (34 + 5 a s / h) a layer. What the
allocator wastes and what a library keeps aside is not in it: leave a tenth of the device free.

Divided over `tensor` is all but norms (under 0.01 %); experts are divided as any other matrix is.
"""

from dataclasses import asdict, dataclass

from scaling.architecture import FFN_MATRICES, Architecture
from scaling.errors import LawError, unknown
from scaling.flops import RECOMPUTE, Recompute
from scaling.hardware import Accelerator
from scaling.parallel import Layout, fits, stage_params

VALUE_BYTES = 2  # activations in bf16 or fp16


@dataclass(frozen=True)
class States:
    """Bytes a parameter costs while it is trained."""

    weight: float = 2
    gradient: float = 2
    optimizer: float = 12

    @property
    def total(self) -> float:
        return self.weight + self.gradient + self.optimizer


ADAM_MIXED = States(2, 2, 12)  # bf16 weights and gradients; fp32 master weights and two moments: 16 in all
ADAM_MIXED_FP32_GRADIENTS = States(2, 4, 12)  # gradients summed in fp32, as Megatron-LM does: 18
ADAM_FP32 = States(4, 4, 8)


@dataclass(frozen=True)
class Memory:
    """Bytes on the fullest device."""

    weights_bytes: float
    gradients_bytes: float
    optimizer_bytes: float
    activations_bytes: float
    gathered_bytes: float  # ZeRO-3 only: whole layers while they compute

    @property
    def states_bytes(self) -> float:
        return self.weights_bytes + self.gradients_bytes + self.optimizer_bytes

    @property
    def total_bytes(self) -> float:
        return self.states_bytes + self.activations_bytes + self.gathered_bytes

    def fits(self, gpu: Accelerator, *, free_share: float = 0.1) -> bool:
        """Whether it fits beside `free_share` of the device left empty, for fragments and buffers."""
        return self.total_bytes <= gpu.memory_bytes * (1 - free_share)

    def as_dict(self) -> dict[str, float]:
        """The parts and their sum by name, for JSON."""
        return {**asdict(self), "total_bytes": self.total_bytes}


def training(
    shape: Architecture,
    layout: Layout,
    *,
    context: int | None = None,
    recompute: Recompute = "none",
    states: States = ADAM_MIXED,
    keeps_scores: bool = False,
    dropout: bool = False,
) -> Memory:
    """Bytes on the fullest device of `layout` in one training step.

    keeps_scores: attention writes its weights out (no FlashAttention). Raises LawError where the layout does not fit
    the architecture.
    """
    fits(shape, layout)
    params = stage_params(shape, layout) / layout.tensor
    shards = _shards(layout)
    return Memory(
        weights_bytes=states.weight * params / shards["weight"],
        gradients_bytes=states.gradient * params / shards["gradient"],
        optimizer_bytes=states.optimizer * params / shards["optimizer"],
        activations_bytes=activations(
            shape, layout, context=context, recompute=recompute, keeps_scores=keeps_scores, dropout=dropout
        ),
        gathered_bytes=_gathered(shape, layout, states),
    )


def states_bytes(params: float, layout: Layout, states: States = ADAM_MIXED) -> float:
    """Bytes of weights, gradients and optimizer a device holds of `params` evenly divided parameters."""
    shards = _shards(layout)
    held = params / (layout.tensor * layout.pipeline)
    return held * sum(getattr(states, kind) / count for kind, count in shards.items())


def _shards(layout: Layout) -> dict[str, int]:
    """Over how many replicas each kind of state is divided."""
    kinds = {"weight": 3, "gradient": 2, "optimizer": 1}
    return {kind: layout.data if layout.zero >= stage else 1 for kind, stage in kinds.items()}


def _gathered(shape: Architecture, layout: Layout, states: States) -> float:
    """Under ZeRO-3 one layer computes whole while the next one arrives, and one whole gradient leaves."""
    if layout.zero < 3 or layout.data == 1:
        return 0.0
    return max(shape.layer_params()) / layout.tensor * (2 * states.weight + states.gradient)


def activations(
    shape: Architecture,
    layout: Layout,
    *,
    context: int | None = None,
    recompute: Recompute = "none",
    keeps_scores: bool = False,
    dropout: bool = False,
) -> float:
    """Bytes of activations kept for backward on the fullest device.

    The first stage of a pipeline holds as many micro-batches as there are stages, the last one holds one and the
    logits (fp32, Korthikanti et al. 2022, section 4.3; a loss that is not fused keeps up to 2.5 times as much).
    """
    if recompute not in RECOMPUTE:
        raise unknown("recompute", recompute, RECOMPUTE)
    length = shape.context if context is None else context
    if length < 1:
        raise LawError(f"context is {length}: a sequence has 1 token or more")
    tokens = layout.micro_batch * length
    kept, working = _layer(shape, layout, length, recompute, keeps_scores, dropout)
    logits = 4 * shape.vocab / layout.tensor + 2 * VALUE_BYTES * shape.width
    if layout.pipeline == 1:
        return tokens * (shape.layers * kept + working + logits)
    stage = -(-shape.layers // layout.pipeline)
    first = in_flight_layers(shape, layout) * kept + working
    return tokens * max(first, stage * kept + working + logits)


def in_flight_layers(shape: Architecture, layout: Layout) -> float:
    """Layers' worth of activations on the first stage under 1F1B: all layers, however many stages.

    With interleaving 1 + (p - 1) / (p v) times as many (Korthikanti et al. 2022, section 4.2.3).
    """
    p, v = layout.pipeline, layout.interleave
    stage = -(-shape.layers // p)
    held = p * (1 + (p - 1) / (p * v)) if v > 1 else p
    return stage * min(held, layout.micro_batches)


def _layer(
    shape: Architecture, layout: Layout, context: int, recompute: Recompute, keeps_scores: bool, dropout: bool
) -> tuple[float, float]:
    """Bytes a token leaves in a layer, and those of the one layer that is being recomputed."""
    whole = layer_bytes(shape, layout, context, keeps_scores=keeps_scores, dropout=dropout)
    if recompute == "selective":
        return layer_bytes(shape, layout, context, keeps_scores=False, dropout=dropout), 0.0
    if recompute == "full":
        return VALUE_BYTES * shape.width / (layout.tensor if layout.sequence_parallel else 1), whole
    return whole, 0.0


def layer_bytes(
    shape: Architecture, layout: Layout, context: int, *, keeps_scores: bool = False, dropout: bool = False
) -> float:
    """Bytes of activations that one token leaves in one (mixture) layer of one device."""
    # Inputs of two norms, of attention and of the feed-forward block; two dropout masks of a byte a value.
    replicated = 4 * VALUE_BYTES * shape.width + (2 * shape.width if dropout else 0)
    sharded = _attention(shape) + _ffn(shape) + (_scores(shape, context, dropout) if keeps_scores else 0)
    return replicated / (layout.tensor if layout.sequence_parallel else 1) + sharded / layout.tensor


def _attention(shape: Architecture) -> float:
    """Queries, keys, values and the input of the output projection; of latent attention its two short vectors too."""
    key_heads = shape.heads if shape.latent else shape.key_heads
    values = shape.heads * (shape.key_dim + shape.value_dim) + key_heads * (shape.key_dim + shape.value_dim)
    if shape.latent:
        values += shape.latent.query_rank + shape.latent.kv_rank + shape.latent.rope_dim
    return VALUE_BYTES * values


def _scores(shape: Architecture, context: int, dropout: bool) -> float:
    """Softmax, with dropout its mask (a byte) and its output too: 5 a s bytes a token."""
    return shape.heads * min(context, shape.window or context) * (VALUE_BYTES + (1 + VALUE_BYTES if dropout else 0))


def _ffn(shape: Architecture) -> float:
    """Inner values of the blocks a token passes: in and out of GELU; gate, its SiLU, up and their product if gated."""
    tensors = {2: 2, 3: 4}[FFN_MATRICES[shape.ffn]]
    if not shape.moe_layers:
        return VALUE_BYTES * tensors * shape.ffn_width
    passed = shape.active_experts + shape.shared_experts
    inner = tensors * (shape.expert_width or shape.ffn_width) * passed
    copies = 2 * shape.active_experts * shape.width  # a token is sent to each expert, and each sends a result back
    return VALUE_BYTES * (inner + copies) + 4 * shape.experts  # fp32 router probabilities
