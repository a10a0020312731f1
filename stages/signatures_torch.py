"""The signatures of stages/signatures.py by torch, on a GPU or a CPU: equal to the last bit.

Torch multiplies int64 with wrap-around and has no unsigned arithmetic on every device, so bits travel in
int64: uint32 as they are, uint64 with the highest bit turned over where the order counts. Import it only
where it is asked for; `pip install torch`.
"""

import numpy as np
import torch

from stages.signatures import permutations

SCHEMES = ("affine32", "affine64", "datatrove")

_LOW = 0xFFFFFFFF
_HIGHEST = -(2**63)  # its bit pattern is 2**63: turned over, the order of int64 is that of uint64
_MERSENNE = 2**61 - 1


def signatures(
    first: np.ndarray,
    values: np.ndarray,
    scheme: str,
    k: int,
    seed: int,
    device: str = "cuda",
    most_bytes: int = 256_000_000,
) -> np.ndarray:
    """[N, k] as `stages.signatures.signatures` gives it, for the schemes of SCHEMES.

    most_bytes: of permuted shingles on the device at a time; torch holds about three times as much in passing,
    beside 8 * N * k bytes for the result and 16 a shingle. ValueError for another scheme; RuntimeError from
    torch where there is no such device.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"{scheme!r} has no torch version; there are: {', '.join(SCHEMES)}")
    a, b = (torch.from_numpy(_bits(row)).to(device) for row in permutations(scheme, k, seed))
    shingles = _mixed(torch.from_numpy(_bits(values)).to(device), scheme)
    texts = torch.repeat_interleave(torch.from_numpy(np.diff(first)).to(device))
    least = torch.full((len(first) - 1, k), 2**63 - 1, dtype=torch.int64, device=device)
    step = max(1, most_bytes // (8 * k))
    for start in range(0, len(shingles), step):
        permuted = _permuted(shingles[start : start + step, None], a, b, scheme)
        rows = texts[start : start + step, None].expand(-1, k)
        least.scatter_reduce_(0, rows, permuted, "amin")
    return _unsigned(least.cpu().numpy(), np.diff(first) == 0, scheme)


def _bits(array: np.ndarray) -> np.ndarray:
    """int64 of the same low bits; uint32 stays below 2**32."""
    return array.astype(np.uint64).view(np.int64)


def _mixed(x: torch.Tensor, scheme: str) -> torch.Tensor:
    """MurmurHash3's finalizer where the scheme has one: int64 of uint32 or uint64 bits."""
    if scheme == "affine32":
        x = x & _LOW
        x = (x ^ (x >> 16)) * 0x85EBCA6B & _LOW
        x = (x ^ (x >> 13)) * 0xC2B2AE35 & _LOW
        return x ^ (x >> 16)
    if scheme == "affine64":
        x = (x ^ _shifted(x, 33)) * (0xFF51AFD7ED558CCD - 2**64)
        x = (x ^ _shifted(x, 33)) * (0xC4CEB9FE1A85EC53 - 2**64)
        return x ^ _shifted(x, 33)
    return x


def _shifted(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Shifted right with zeros from above, which int64 does not do by itself."""
    return (x >> bits) & (2 ** (64 - bits) - 1)


def _permuted(x: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scheme: str) -> torch.Tensor:
    """a * x + b of each shingle [C, 1] and permutation [k], in an order that int64 keeps: int64 [C, k]."""
    x = x * a + b
    if scheme == "affine32":
        return x & _LOW
    if scheme == "affine64":
        return x ^ _HIGHEST
    x = (x & _MERSENNE) + _shifted(x, 61)
    return torch.where(x >= _MERSENNE, x - _MERSENNE, x)


def _unsigned(least: np.ndarray, empty: np.ndarray, scheme: str) -> np.ndarray:
    """Back to the type of the scheme; a text without shingles has the largest value."""
    found = (least ^ _HIGHEST if scheme == "affine64" else least).view(np.uint64)
    found[empty] = 2**64 - 1
    return found.astype(np.uint32) if scheme == "affine32" else found
