"""Spreading a run over devices: the layout, the idle share of a pipeline, and what must cross the wires.

Networks are sold in bits a second, memory and NVLink in bytes, and NVLink is printed for both directions together:
900 GB/s of an H100 are 450 each way, 400 Gb/s of InfiniBand are 50 GB/s. Names here say which; all times are for
one direction at the bandwidth given, without latency or overlap: a floor for the first, a ceiling for the second.
"""

from dataclasses import dataclass, fields
from typing import Literal

from scaling.architecture import Architecture
from scaling.errors import LawError
from scaling.units import as_positive

BITS_PER_BYTE = 8

# One port, one direction, as printed: InfiniBand HDR, NDR and XDR (InfiniBand Trade Association roadmap).
INFINIBAND_BITS_PER_SECOND = {"hdr": 200e9, "ndr": 400e9, "xdr": 800e9}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a model and its batch are divided. The product of data, tensor and pipeline is the number of devices.

    Raises LawError for counts below 1, an unknown ZeRO stage, or interleaving without a pipeline.
    """

    data: int = 1  # replicas that see different sequences
    tensor: int = 1  # devices that share each matrix
    pipeline: int = 1  # stages of consecutive layers
    zero: Literal[0, 1, 2, 3] = 0  # 0 is DDP; 1 shards the optimizer, 2 gradients too, 3 weights too (FSDP)
    sequence_parallel: bool = False  # norms and dropout sharded over `tensor` as well (Korthikanti et al. 2022)
    interleave: int = 1  # groups of layers a stage holds (Narayanan et al. 2021)
    micro_batch: int = 1  # sequences that pass a device at once
    micro_batches: int = 1  # of them, one after another, in an optimizer step

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in ("zero", "sequence_parallel") and (not isinstance(value, int) or value < 1):
                raise LawError(f"layout: {field.name} is {value!r}: it must be a whole number, 1 or more")
        if self.zero not in (0, 1, 2, 3):
            raise LawError(f"layout: there is no ZeRO stage {self.zero!r}: 0 (DDP), 1, 2 or 3")
        if self.interleave > 1 and self.pipeline == 1:
            raise LawError(f"layout: {self.interleave} groups of layers a stage need a pipeline of 2 stages or more")

    @property
    def gpus(self) -> int:
        return self.data * self.tensor * self.pipeline

    def tokens_per_step(self, context: int) -> int:
        """Tokens of an optimizer step over all replicas."""
        return self.data * self.micro_batch * self.micro_batches * context


def fits(shape: Architecture, layout: Layout) -> None:
    """LawError where `shape` cannot be divided so: heads over tensor, layers over pipeline and interleave."""
    if shape.heads % layout.tensor:
        raise LawError(f"{shape.name}: {shape.heads} heads do not divide over tensor = {layout.tensor}")
    groups = layout.pipeline * layout.interleave
    if groups > shape.layers:
        raise LawError(f"{shape.name}: {shape.layers} layers cannot fill {groups} groups (pipeline x interleave)")


def bubble(layout: Layout) -> float:
    """The share of a step in which a pipeline stage idles: (p - 1) / (v m + p - 1), without interleaving v = 1.

    Narayanan et al. 2021, section 2.2, print the idle over the *useful* time, (p - 1) / (v m); this is over the whole.
    GPipe and 1F1B idle alike (Huang et al. 2019); they differ in memory.
    """
    idle = layout.pipeline - 1
    return idle / (layout.interleave * layout.micro_batches + idle)


def bytes_per_second(bits_per_second: float) -> float:
    """A network's printed bits a second as bytes: 400e9 -> 50e9."""
    return as_positive("bits_per_second", bits_per_second) / BITS_PER_BYTE


def all_gather_bytes(size_bytes: float, ranks: int) -> float:
    """Bytes each rank sends in a ring all-gather, or reduce-scatter, of `size_bytes` in all: (n - 1) / n of them."""
    return size_bytes * (ranks - 1) / ranks


def all_reduce_bytes(size_bytes: float, ranks: int) -> float:
    """Bytes each rank sends in a ring all-reduce: a reduce-scatter and an all-gather (Patarasuk and Yuan 2009)."""
    return 2 * all_gather_bytes(size_bytes, ranks)


@dataclass(frozen=True)
class Traffic:
    """Bytes that the busiest device sends in one optimizer step, by what they are for."""

    data_bytes: float  # gradients and, where sharded, weights, among replicas
    tensor_bytes: float  # activations, within a layer
    pipeline_bytes: float  # activations, between stages

    def seconds(self, *, node_bytes_per_second: float, network_bytes_per_second: float) -> float:
        """Time on the wire: tensor traffic within the node, the rest over the network, nothing overlapped."""
        within = self.tensor_bytes / as_positive("node_bytes_per_second", node_bytes_per_second)
        across = self.data_bytes + self.pipeline_bytes
        return within + across / as_positive("network_bytes_per_second", network_bytes_per_second)


def traffic(
    shape: Architecture, layout: Layout, *, context: int | None = None, value_bytes: int = 2, gradient_bytes: int = 2
) -> Traffic:
    """What a device sends in an optimizer step. value_bytes: of a weight or activation on the wire, 2 for bf16.

    Data: a ring all-reduce of gradients; ZeRO-1 and 2 split it in halves of the same size; ZeRO-3 gathers the weights
    for forward and again for backward, each micro-batch (Rajbhandari et al. 2020, section 7: 1.5 times as much, for
    one micro-batch). Tensor: two all-reduces of activations forward and two backward a layer (Shoeybi et al. 2019,
    section 3); sequence parallelism moves as much. Pipeline: activations forward, their gradients backward.
    """
    fits(shape, layout)
    share = stage_params(shape, layout) / layout.tensor
    activations = layout.micro_batch * (context or shape.context) * shape.width * value_bytes
    layers = -(-shape.layers // layout.pipeline)
    within = 4 * layers * layout.micro_batches * all_reduce_bytes(activations, layout.tensor)
    crossings = 2 * layout.interleave * layout.micro_batches if layout.pipeline > 1 else 0
    boundary = activations / (layout.tensor if layout.sequence_parallel else 1)
    return Traffic(_among_replicas(share, layout, value_bytes, gradient_bytes), within, crossings * boundary)


def _among_replicas(params: float, layout: Layout, value_bytes: int, gradient_bytes: int) -> float:
    weights = all_gather_bytes(params * value_bytes, layout.data)
    gradients = all_gather_bytes(params * gradient_bytes, layout.data)
    if layout.zero == 3:
        return layout.micro_batches * (2 * weights + gradients)
    if layout.zero == 2:  # a gradient shard is kept, so each micro-batch reduces into it
        return weights + layout.micro_batches * gradients
    if layout.zero == 1:
        return weights + gradients
    return all_reduce_bytes(params * gradient_bytes, layout.data)


def stage_params(shape: Architecture, layout: Layout) -> int:
    """Parameters of the largest pipeline stage, before they are divided over `tensor`.

    Layers lie in order, the embedding before the first, norm and head after the last. A tied head is held by the
    first and by the last stage. Without a pipeline these are all parameters.
    """
    if layout.pipeline == 1:
        return shape.params()
    layers, each = shape.layer_params(), -(-shape.layers // layout.pipeline)
    stages = [sum(layers[start : start + each]) for start in range(0, shape.layers, each)]
    stages[0] += shape.embedding_params()
    stages[-1] += shape.vocab * shape.width + shape.norm_params()
    return max(stages)
