"""The processes that train together: one, or those that torchrun started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist

from configs import ConfigError, RuntimeUnavailableError


@dataclass(frozen=True)
class Processes:
    """The processes that train together.

    Attributes:
        rank: Number of this process.
        count: How many there are.
        device: Where this one computes.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def agree(self, elapsed_s: float, stop: bool) -> tuple[float, bool]:
        """The longest time of any process, and whether any process was asked to stop; every process
        must call this together.
        """
        if self.count == 1:
            return elapsed_s, stop
        values = torch.tensor([elapsed_s, float(stop)], dtype=torch.float64, device=self.device)
        dist.all_reduce(values, op=dist.ReduceOp.MAX)
        elapsed_s, stopped = values.tolist()
        return elapsed_s, stopped > 0

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """The mean of `values` over all processes."""
        if self.count > 1:
            dist.all_reduce(values)
            values = values / self.count
        return values


@contextmanager
def open_processes(device: str) -> Iterator[Processes]:
    """Joins the processes that torchrun started (NCCL on GPUs, gloo on CPUs); alone, it is just
    this process.

    Args:
        device: `cpu`, `cuda`, `cuda:N` or `auto`.

    Raises:
        ConfigError: The device is none of these.
        RuntimeUnavailableError: There is no such device.
    """
    count, rank, local = (
        int(os.environ.get(name, "0")) for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK")
    )
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and count > 1:
        device = f"cuda:{local}"
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise ConfigError(f"unknown device {device!r}; use cpu, cuda, cuda:N or auto") from error
    if place.type == "cuda":
        if not torch.cuda.is_available() or (place.index or 0) >= torch.cuda.device_count():
            raise RuntimeUnavailableError(
                f"device {device!r} is not there; use --device cpu or torch's CUDA build"
            )
        torch.cuda.set_device(place)
    if count <= 1:
        yield Processes(0, 1, place)
        return
    dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield Processes(rank, count, place)
    finally:
        dist.destroy_process_group()
