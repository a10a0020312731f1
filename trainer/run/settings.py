"""What a training run is told: the `train:` part of a recipe, checked before anything is loaded.

Every number of tokens counts all ranks together. A name that no setting has is an error, as in every recipe.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from trainer.model.settings import ModelSettings


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Batch(_Part):
    """Tokens of an optimizer step. `micro`: sequences that pass a rank at once; the rest accumulates."""

    tokens: int = Field(default=524_288, gt=0)
    micro: int = Field(default=8, gt=0)
    ramp: tuple[tuple[int, int], ...] = ()  # (tokens trained, batch tokens from there on), ascending; then `tokens`
    follow_noise: bool = False  # double the batch when the measured critical batch is twice it, up to `tokens`


class Optimizer(_Part):
    """AdamW's own defaults are Llama's (Touvron et al. 2023). sgd is for comparisons."""

    name: Literal["adamw", "muon", "sgd"] = "adamw"
    rate: float = Field(default=3e-4, gt=0)
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.1, ge=0)
    muon_rate: float = Field(default=0.02, gt=0)  # of matrices within blocks, under "muon" (Jordan et al. 2024)
    momentum: float = Field(default=0.95, ge=0, lt=1)  # of muon; of sgd where that is asked


class Schedule(_Part):
    """The rate over the run. Shares are of the tokens of the whole run; the horizon is the budget's."""

    kind: Literal["cosine", "wsd", "linear", "constant"] = "cosine"
    warmup: float = Field(default=0.01, ge=0, lt=1)
    decay: float = Field(default=0.2, gt=0, le=1)  # the last share, of "wsd"
    floor: float = Field(default=0.1, ge=0, lt=1)  # of the peak rate


class Parallel(_Part):
    """How devices divide the work; their product is the number of ranks. `expert` divides the data ranks."""

    data: int = Field(default=1, ge=1)
    zero: Literal[0, 1, 2, 3] = 0  # 0: DDP; 1 shards optimizer states, 2 gradients too, 3 weights too (FSDP2)
    tensor: int = Field(default=1, ge=1)
    pipeline: int = Field(default=1, ge=1)
    pipeline_schedule: Literal["gpipe", "1f1b"] = "1f1b"
    expert: int = Field(default=1, ge=1)
    context: int = Field(default=1, ge=1)


class Stability(_Part):
    """Clipping, guards and the control of loss spikes."""

    clip: float = Field(default=1.0, ge=0)  # of the global gradient norm; 0: none
    most_skipped: int = Field(default=10, ge=0)  # steps in a row without finite gradients before the run gives up
    spikes: bool = True
    spike_score: float = Field(default=8.0, gt=0)  # robust deviations (median and MAD) of loss or gradient norm
    spike_window: int = Field(default=128, ge=16)  # steps that a deviation is measured against
    rewind: int = Field(default=100, ge=1)  # steps back from the spike, at least (Chowdhery et al. 2022, section 5.1)
    skip: int = Field(default=200, ge=1)  # batches around the spike that are never fed again (same: 200 to 500)
    most_rewinds: int = Field(default=8, ge=0)
    noise_every: int = Field(default=0, ge=0)  # steps between measures of the gradient noise scale; 0: never


class Checkpoints(_Part):
    """What survives. `every` 0: only at the end and on SIGTERM."""

    every: int = Field(default=500, ge=0)  # steps
    keep: int = Field(default=3, ge=1)
    asynchronous: bool = True


class Evaluation(_Part):
    """Held-out documents, by content hash, per domain; and benchmarks."""

    held_out: float = Field(default=0.005, ge=0, lt=0.5)  # share of each domain's documents
    most_tokens: int = Field(default=1_000_000, gt=0)  # of each domain's held-out documents that are measured
    every: int = Field(default=500, ge=0)  # steps; 0: at the end only
    benchmarks: tuple[str, ...] = ()  # files of items, see evaluation/multiple_choice.py


class Monitoring(_Part):
    """Beside metrics.jsonl, which is always written."""

    every: int = Field(default=10, ge=1)  # steps between lines
    tensorboard: bool = False
    wandb: str = ""  # a project, of wandb or, where that is not installed, trackio
    peak: str = ""  # the accelerator whose printed peak MFU is of, scaling/hardware.py; "": the one found


class Online(_Part):
    """Weights of domains that change on the way, by training losses; they begin as the mixture's. mixtures/online."""

    method: Literal["odm", "ado"]  # a bandit that prefers high losses; laws that prefer losses that still fall
    every: int = Field(default=10, ge=1)  # steps between changes
    warmup: float | None = Field(default=None, ge=0, lt=0.5)  # share of the steps before the first; odm 1 %, ado 1/60


class TrainSettings(_Part):
    """A whole run."""

    model: ModelSettings
    tokens: str = ""  # manifest of token shards; "": those of the run directory
    mixture: str | dict[str, float] | None = None  # mixture.json, an allotment, or shares by domain
    online: Online | None = None  # None: the mixture stays as it is
    budget: int = Field(gt=0)  # tokens to train on, in all
    packing: Literal["windows", "concatenate", "best_fit"] = "concatenate"
    most_epochs: float = Field(default=4.0, gt=0)
    batch: Batch = Batch()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    precision: Literal["fp64", "fp32", "bf16", "fp16"] = "bf16"  # of matrix products; master weights stay fp32
    recompute: Literal["none", "selective", "full"] = "none"  # activation checkpointing
    compile: bool = True
    device: Literal["auto", "cpu", "cuda"] = "auto"
    parallel: Parallel = Parallel()
    stability: Stability = Stability()
    checkpoints: Checkpoints = Checkpoints()
    evaluation: Evaluation = Evaluation()
    monitoring: Monitoring = Monitoring()
    seed: int = 0
