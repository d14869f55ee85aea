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
_DRIVER = Path("/proc/driver/nvidia/version")
# The instruction sets that runtimes choose their kernels by, as Linux calls them (x86, then Arm).
_INSTRUCTION_SETS = (
    *("sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512_vnni"),
    *("avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8"),
    *("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2"),
)


def describe_hardware() -> str:
    """Board or processor, how many cores this process may use, and the NVIDIA GPUs, in one line."""
    name = board_name() or processor_name()
    return ", ".join([name, f"{usable_cores()} cores", *nvidia_gpus()])


def processor_name() -> str:
    """The processor's model as the system has it, such as `Intel(R) Xeon(R) Gold 6338`."""
    named = re.search(r"^model name\s*:\s*(.+)$", read_system_file(_PROCESSOR), re.MULTILINE)
    return named[1].strip() if named else platform.processor() or platform.machine()


def instruction_sets() -> tuple[str, ...]:
    """The vector instructions of this processor that runtimes look for, such as `avx512f`; empty
    where the system does not tell (only Linux does).
    """
    found = re.search(
        r"^(?:flags|Features)\s*:\s*(.+)$", read_system_file(_PROCESSOR), re.MULTILINE
    )
    known = set(found[1].split()) if found else set()
    return tuple(name for name in _INSTRUCTION_SETS if name in known)


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


def nvidia_driver() -> str:
    """Version of NVIDIA's kernel driver, such as `580.65.06`; empty without one."""
    found = re.search(r"Kernel Module\b.*?\s(\d+\.[\d.]+)", read_system_file(_DRIVER))
    return found[1] if found else ""


def read_system_file(path: Path) -> str:
    """The text of a file of the system; empty where there is none or it may not be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
