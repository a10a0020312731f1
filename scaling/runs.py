"""Known training runs: parameters, tokens seen, hardware and bill, each with the place it was read.

`params` are those that work on a token: for mixtures of experts the active ones, with all of them in `total_params`.
`tokens` are tokens seen, counting repetitions. FLOPs are 6 N D where the source prints none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from scaling.errors import unknown
from scaling.laws import FLOPS_PER_PARAM_TOKEN


@dataclass(frozen=True, kw_only=True)
class Run:
    """A model that somebody trained and described."""

    name: str
    year: int
    params: float
    tokens: float
    source: str
    hardware: str = ""
    gpu_hours: float | None = None
    total_params: float | None = None
    unique_tokens: float | None = None
    published_flops: float | None = None
    note: str = ""

    @property
    def flops(self) -> float:
        """Training FLOPs: as published, else 6 N D."""
        return self.published_flops or FLOPS_PER_PARAM_TOKEN * self.params * self.tokens

    @property
    def tokens_per_param(self) -> float:
        """Tokens seen for each (active) parameter; 20 is compute-optimal by rule."""
        return self.tokens / self.params


_GPT3 = "Brown et al. 2020, arXiv 2005.14165, table D.1"
_LLAMA = "Touvron et al. 2023, arXiv 2302.13971, tables 2 and 15"
_LLAMA2 = "Touvron et al. 2023, arXiv 2307.09288, tables 1 and 2"
_LLAMA3 = "Llama 3 model card, meta-llama/llama3"
_CEREBRAS = "Dey et al. 2023, arXiv 2304.03208, table 1"

_ALL = (
    Run(
        name="BERT-large",
        year=2018,
        params=3.4e8,
        tokens=1.31e11,
        source="Devlin et al. 2018, arXiv 1810.04805, section A.2: a million steps of 256 x 512 tokens",
        hardware="16 Cloud TPUs (64 chips), 4 days",
        note="masked, not causal; an upper bound, since nine steps in ten used sequences of 128",
    ),
    Run(
        name="GPT-3",
        year=2020,
        params=1.75e11,
        tokens=3e11,
        source=_GPT3,
        hardware="V100",
        published_flops=3.14e23,
    ),
    Run(
        name="Gopher",
        year=2021,
        params=2.8e11,
        tokens=3e11,
        source="Rae et al. 2021, arXiv 2112.11446, section 3; FLOPs: Hoffmann et al. 2022, section 4",
        hardware="4,096 TPU v3",
        published_flops=5.76e23,
    ),
    Run(
        name="MT-NLG",
        year=2022,
        params=5.3e11,
        tokens=2.7e11,
        source="Smith et al. 2022, arXiv 2201.11990, sections 2 and 3",
        hardware="A100 80 GB, 280 to 420 nodes of 8",
    ),
    Run(
        name="Chinchilla",
        year=2022,
        params=7e10,
        tokens=1.4e12,
        source="Hoffmann et al. 2022, arXiv 2203.15556, section 4",
        hardware="TPU v3 and v4",
        published_flops=5.76e23,
    ),
    Run(
        name="PaLM",
        year=2022,
        params=5.4e11,
        tokens=7.8e11,
        source="Chowdhery et al. 2022, arXiv 2204.02311, sections 2 and 5, table 21",
        hardware="6,144 TPU v4, MFU 46.2 %",
        published_flops=2.56e24,
    ),
    *(
        Run(name=f"Cerebras-GPT-{size}", year=2023, params=params, tokens=tokens, source=_CEREBRAS, hardware="16 CS-2")
        for size, params, tokens in (
            ("111M", 1.11e8, 2.2e9),
            ("256M", 2.56e8, 5.1e9),
            ("590M", 5.9e8, 1.18e10),
            ("1.3B", 1.316e9, 2.63e10),
            ("2.7B", 2.652e9, 5.3e10),
            ("6.7B", 6.658e9, 1.33e11),
            ("13B", 1.2853e10, 2.57e11),
        )
    ),
    *(
        Run(
            name=f"LLaMA-{size}",
            year=2023,
            params=params,
            tokens=tokens,
            source=_LLAMA,
            hardware="A100 80 GB",
            gpu_hours=hours,
        )
        for size, params, tokens, hours in (
            ("7B", 6.7e9, 1e12, 82_432.0),
            ("13B", 1.3e10, 1e12, 135_168.0),
            ("33B", 3.25e10, 1.4e12, 530_432.0),
            ("65B", 6.52e10, 1.4e12, 1_022_362.0),
        )
    ),
    *(
        Run(
            name=f"Llama-2-{size}",
            year=2023,
            params=params,
            tokens=2e12,
            source=_LLAMA2,
            hardware="A100 80 GB",
            gpu_hours=hours,
        )
        for size, params, hours in (("7B", 7e9, 184_320.0), ("13B", 1.3e10, 368_640.0), ("70B", 7e10, 1_720_320.0))
    ),
    Run(
        name="phi-1",
        year=2023,
        params=1.3e9,
        tokens=5e10,
        source="Gunasekar et al. 2023, arXiv 2306.11644, section 2",
        hardware="8 A100, under 4 days",
        unique_tokens=7e9,
        note="6 B filtered web tokens and 1 B synthetic, some 7 epochs: 'slightly over 50 B tokens'",
    ),
    Run(
        name="DeepSeek-67B",
        year=2024,
        params=6.7e10,
        tokens=2e12,
        source="DeepSeek-AI 2024, arXiv 2401.02954, table 2",
    ),
    *(
        Run(
            name=f"Llama-3-{size}",
            year=2024,
            params=params,
            tokens=1.5e13,
            source=_LLAMA3,
            hardware="H100 80 GB",
            gpu_hours=hours,
        )
        for size, params, hours in (("8B", 8e9, 1.3e6), ("70B", 7e10, 6.4e6))
    ),
    Run(
        name="Llama-3.1-405B",
        year=2024,
        params=4.05e11,
        tokens=1.56e13,
        source="Llama team 2024, arXiv 2407.21783, sections 1 and 3.3; GPU-hours: Llama 3.1 model card",
        hardware="up to 16,384 H100 80 GB, MFU 38 to 43 %",
        gpu_hours=3.084e7,
        published_flops=3.8e25,
    ),
    Run(
        name="DeepSeek-V3",
        year=2024,
        params=3.7e10,
        tokens=1.48e13,
        source="DeepSeek-AI 2024, arXiv 2412.19437, section 1 and table 1",
        hardware="2,048 H800",
        gpu_hours=2.788e6,
        total_params=6.71e11,
        note="$5.576 M at $2 a GPU-hour, without the research runs before it",
    ),
)

RUNS: Mapping[str, Run] = MappingProxyType({run.name: run for run in _ALL})
"""By name, in the order of their years."""


def run(name: str) -> Run:
    """The run of that name; LawError with the nearest name where there is none."""
    if name not in RUNS:
        raise unknown("known run", name, RUNS)
    return RUNS[name]
