"""Accelerators: dense peaks, memory, bandwidth and power, each with where it is printed.

Peaks are *dense* matrix FLOPs a second with fp32 accumulation. Vendors print the figure with 2:4 sparsity, which is
twice as much and which no language model training reaches: an MFU computed with it is half of what it is. bf16,
except where the chip has none (V100, T4: fp16). All figures are raw: FLOPs, bytes, watts; a link is bytes a second
*in one direction*, half of what an NVLink data sheet prints.
"""

import re
from dataclasses import dataclass

from scaling.errors import LawError, unknown


@dataclass(frozen=True)
class Accelerator:
    """One device as its maker describes it."""

    name: str
    peak_flops_per_second: float  # dense, not sparse
    memory_bytes: float  # printed GB x 1e9; NVIDIA devices report some 6 % more, which context and fragments eat
    memory_bytes_per_second: float
    watts: float | None  # thermal design power of the device alone; None where the maker prints none
    link_bytes_per_second: float | None  # to its neighbours in the node, one direction; None where not printed
    source: str
    precision: str = "bf16"


def accelerator(name: str) -> Accelerator:
    """The device called `name`, in any case and with or without maker and hyphens ("H100", "nvidia a100 80GB").

    Raises LawError with the nearest name where there is none.
    """
    key = _folded(name)
    key = ALIASES.get(key, key)
    found = {_folded(known): device for known, device in ACCELERATORS.items()}.get(key)
    if found is None:
        raise unknown("GPU", name, {*ACCELERATORS, *FAMILIES})
    return found


def _folded(name: str) -> str:
    if not isinstance(name, str):
        raise LawError(f"a GPU is asked for by name, found {name!r}")
    key = re.sub(r"[^a-z0-9]", "", name.lower())
    return re.sub(r"^(nvidia|amd|google|geforce|instinct|tesla|cloud)+", "", key)


FAMILIES = ("A100", "H100", "H200")  # short names that ALIASES resolves, offered beside the full ones

# What people say for the variant that most of them mean. A bare A100 is the one of 80 GB, a bare H100 the SXM one.
ALIASES = {
    "a100": "a10080gb",
    "a10080": "a10080gb",
    "a10080gbsxm": "a10080gb",
    "a100sxm80gb": "a10080gb",
    "a100sxm480gb": "a10080gb",
    "a10080gbpcie": "a100pcie80gb",
    "a10040": "a10040gb",
    "a10040gbsxm": "a10040gb",
    "h100": "h100sxm",
    "h100sxm5": "h100sxm",
    "h10080gb": "h100sxm",
    "h10080gbhbm3": "h100sxm",
    "h200": "h200sxm",
    "v100sxm2": "v100",
    "b200sxm": "b200",
    "4090": "rtx4090",
    "3090": "rtx3090",
    "5090": "rtx5090",
    "v3": "tpuv3",
    "v4": "tpuv4",
    "v5e": "tpuv5e",
    "v5p": "tpuv5p",
    "v6e": "tpuv6e",
    "trillium": "tpuv6e",
    "tpuv5lite": "tpuv5e",
}

_V100 = "NVIDIA V100 data sheet, January 2020 (tensor performance is fp16; the chip has no bf16)"
_A100 = "NVIDIA A100 data sheet, June 2021; dense figure, the starred one is with sparsity"
_H100 = "NVIDIA H100 data sheet, 2023: halves of 1,979 (SXM) and 1,513 (PCIe), printed with sparsity"
_H200 = "NVIDIA H200 data sheet, 2024: halves of 1,979 (SXM) and 1,671 (NVL), printed with sparsity"
_BLACKWELL = "NVIDIA Blackwell architecture technical brief, 2024, table 3: dense column, HGX B200 at 1,000 W"
_ADA = "NVIDIA Ada GPU architecture white paper, 2022, appendix A: bf16 with fp32 accumulation, dense"

_TABLE = (
    Accelerator("V100", 125e12, 32e9, 900e9, 300, 150e9, _V100, "fp16"),
    Accelerator("T4", 65e12, 16e9, 320e9, 70, 16e9, "NVIDIA T4 data sheet, 2019 (fp16; no bf16)", "fp16"),
    Accelerator("A100-40GB", 312e12, 40e9, 1.555e12, 400, 300e9, _A100),
    Accelerator("A100-80GB", 312e12, 80e9, 2.039e12, 400, 300e9, _A100),
    Accelerator("A100-PCIe-80GB", 312e12, 80e9, 1.935e12, 300, 32e9, _A100),
    Accelerator("A10", 125e12, 24e9, 600e9, 150, 32e9, "NVIDIA A10 data sheet, 2021, dense"),
    Accelerator("L4", 121e12, 24e9, 300e9, 72, 32e9, "NVIDIA L4 data sheet, 2023: half of 242 with sparsity"),
    Accelerator("L40S", 362e12, 48e9, 864e9, 350, 32e9, "NVIDIA L40S data sheet, 2023: 362.05 dense, 733 sparse"),
    Accelerator("RTX-3090", 71e12, 24e9, 936e9, 350, 32e9, "NVIDIA GA102 white paper, 2020, appendix A: dense"),
    Accelerator("RTX-4090", 165.2e12, 24e9, 1.008e12, 450, 32e9, _ADA),
    Accelerator("RTX-5090", 209.5e12, 32e9, 1.792e12, 575, 64e9, "NVIDIA RTX Blackwell white paper, 2025, table 1"),
    Accelerator("H100-SXM", 989e12, 80e9, 3.35e12, 700, 450e9, _H100),
    Accelerator("H100-PCIe", 756e12, 80e9, 2.0e12, 350, 64e9, _H100),
    Accelerator("H100-NVL", 835e12, 94e9, 3.9e12, 400, 300e9, "NVIDIA H100 data sheet, 2024: half of 1,671"),
    Accelerator("H800", 989e12, 80e9, 3.35e12, 700, 200e9, "NVIDIA H800 data sheet, 2023; H100 SXM, NVLink 400 GB/s"),
    Accelerator("H20", 148e12, 96e9, 4.0e12, 400, 450e9, "NVIDIA H20 data sheet, 2023, dense"),
    Accelerator("H200-SXM", 989e12, 141e9, 4.8e12, 700, 450e9, _H200),
    Accelerator("H200-NVL", 836e12, 141e9, 4.8e12, 600, 450e9, _H200),
    Accelerator("GH200", 989e12, 96e9, 4.0e12, None, 450e9, "NVIDIA GH200 data sheet, 2023: half of 1,979; HBM3 part"),
    Accelerator("B200", 2250e12, 180e9, 7.7e12, 1000, 900e9, _BLACKWELL),
    Accelerator(
        "GB200", 2500e12, 186e9, 8.0e12, 1200, 900e9, "NVIDIA GB200 NVL72 data sheet, 2024, a GPU: half of 5,000"
    ),
    Accelerator("B300", 2250e12, 288e9, 8.0e12, 1100, 900e9, "NVIDIA HGX B300 specification, 2025: dense"),
    Accelerator("MI250X", 383e12, 128e9, 3.2768e12, 560, None, "AMD Instinct MI250X data sheet, 2021 (both dies)"),
    Accelerator(
        "MI300X", 1307.4e12, 192e9, 5.3e12, 750, 448e9, "AMD Instinct MI300X data sheet, 2023: dense, 2,614.9 sparse"
    ),
    Accelerator("MI325X", 1307.4e12, 256e9, 6.0e12, 1000, 448e9, "AMD Instinct MI325X data sheet, 2024: dense"),
    Accelerator("MI355X", 2516.6e12, 288e9, 8.0e12, 1400, 538e9, "AMD Instinct MI355X data sheet, 2025: dense"),
    Accelerator("TPU-v3", 123e12, 32e9, 900e9, 262, None, "cloud.google.com/tpu/docs/v3; greatest measured power"),
    Accelerator("TPU-v4", 275e12, 32e9, 1.2e12, 192, None, "cloud.google.com/tpu/docs/v4; greatest measured power"),
    Accelerator("TPU-v5e", 197e12, 16e9, 819e9, None, 200e9, "cloud.google.com/tpu/docs/v5e; ICI 400 GB/s both ways"),
    Accelerator("TPU-v5p", 459e12, 95e9, 2.765e12, None, None, "cloud.google.com/tpu/docs/v5p"),
    Accelerator("TPU-v6e", 918e12, 32e9, 1.64e12, None, None, "cloud.google.com/tpu/docs/v6e"),
)

ACCELERATORS = {device.name: device for device in _TABLE}
