"""What this machine is: without it no measurement means anything."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

_BOARD = Path("/proc/device-tree/model")
_PROCESSOR = Path("/proc/cpuinfo")
_MEMORY = Path("/proc/meminfo")
_GPUS = Path("/proc/driver/nvidia/gpus")


def describe_hardware() -> str:
    """Board or processor, how many cores this process may use, and the NVIDIA GPUs, in one line."""
    name = board_name() or processor_name()
    return ", ".join([name, f"{usable_cores()} cores", *nvidia_gpus()])


def processor_name() -> str:
    """The processor's model as the system has it, such as `Intel(R) Xeon(R) Gold 6338`."""
    named = re.search(r"^model name\s*:\s*(.+)$", read_system_file(_PROCESSOR), re.MULTILINE)
    return named[1].strip() if named else platform.processor() or platform.machine()


def board_name() -> str:
    """What an embedded board calls itself, such as `NVIDIA Jetson Orin Nano`; empty elsewhere."""
    return read_system_file(_BOARD).strip("\0\n ")


def usable_cores() -> int:
    """How many processor cores this process may use; less than the machine has in a container."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_gib() -> float | None:
    """Main memory in GiB; None where the system does not tell (only Linux does)."""
    found = re.search(r"MemTotal:\s+(\d+) kB", read_system_file(_MEMORY))
    return int(found[1]) / 2**20 if found else None


def nvidia_gpus() -> list[str]:
    """Model names of NVIDIA GPUs as the driver tells them; no package is needed for that.

    The driver lists no GPU of a Jetson, where the board's name says enough.
    """
    texts = [read_system_file(path) for path in sorted(_GPUS.glob("*/information"))]
    return [
        found[1].strip()
        for text in texts
        if (found := re.search(r"^Model:\s*(.+)$", text, re.MULTILINE))
    ]


def read_system_file(path: Path) -> str:
    """The text of a file of the system; empty where there is none or it may not be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
