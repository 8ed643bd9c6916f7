"""The processes of ``torchrun`` that train one model together; without torchrun, one process."""

from __future__ import annotations

import atexit
import os

import torch
from torch import distributed

from iqa_zoo.errors import InputError


def begin_processes(device: torch.device) -> torch.device:
    """Join the other processes of ``torchrun``, if there are any, and return this process's device."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(device)
        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
            atexit.register(distributed.destroy_process_group)  # more trainings may follow in these processes
    return device


def get_rank() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def get_world() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def wait() -> None:
    """Wait until all processes call this."""
    if distributed.is_initialized():
        distributed.barrier()


def share(items: list[str], problem: str = "") -> list[str]:
    """Return the items of all processes, in order of rank; all of them must call this.

    Args:
        items: of this process.
        problem: error message of this process, or empty.

    Raises:
        InputError: in every process, the problems of all.
    """
    found = [(items, problem)]
    if distributed.is_initialized():
        found = [([], "")] * get_world()
        distributed.all_gather_object(found, (items, problem))
    if problems := [each for _, each in found if each]:
        raise InputError("\n".join(problems))
    return [item for each, _ in found for item in each]
