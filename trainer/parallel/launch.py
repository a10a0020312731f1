"""Processes find each other: torchrun and Ray Train set the same environment, RANK, WORLD_SIZE, MASTER_ADDR."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from corpus.errors import RecipeError

TIMEOUT = timedelta(minutes=10)
"""How long a rank waits for the others: longer than the slowest honest wait, the first step's compilation."""


def device_of(asked: str = "auto") -> torch.device:
    """The device of this process: cuda:LOCAL_RANK where there is CUDA, or the CPU. asked: auto, cpu or cuda.

    RecipeError where cuda is asked and there is none, or fewer than processes on this machine.
    """
    if asked == "cpu" or (asked == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    local, found = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if local >= found:
        raise RecipeError(
            f"device: process {local} of this machine asks for a CUDA device of its own, {found} were found. Start "
            f"{found or 'no'} processes on it, or set device: cpu."
        )
    return torch.device("cuda", local)


def one_thread() -> None:
    """Hold torch to one thread, as torchrun holds the processes of a machine: a core has one at most."""
    torch.set_num_threads(1)


@contextmanager
def joined(device: torch.device, timeout: timedelta = TIMEOUT) -> Iterator[int]:
    """The number of processes of this run, which talk to each other within: nccl on CUDA, gloo on the CPU.

    One process, or a group that another launcher made already, is taken as it is. At a good end all wait for each
    other before any leaves (gloo aborts the slower ones otherwise); after an error nobody waits.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1 or dist.is_initialized():
        yield dist.get_world_size() if dist.is_initialized() else 1
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    on_cuda = device.type == "cuda"
    dist.init_process_group("nccl" if on_cuda else "gloo", timeout=timeout, device_id=device if on_cuda else None)
    try:
        yield world
        dist.barrier()
    finally:
        dist.destroy_process_group()
