"""Where a run was measured: without it no figure means anything."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from stream.profile.nvml_probe import NvmlProbe
from stream.profile.nvpmodel import parse_jetson_clocks, parse_nvpmodel

_PACKAGES = (
    *(
        "higherhrnet-stream",
        "numpy",
        "numba",
        "opencv-python",
        "opencv-python-headless",
        "av",
        "onnxruntime",
    ),
    *("onnxruntime-gpu", "openvino", "torch", "tensorrt", "tensorrt-rtx", "pycuda", "nvidia-ml-py"),
)
_BOARD = Path("/proc/device-tree/model")
_L4T = Path("/etc/nv_tegra_release")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """began: UTC, ISO 8601. versions, hardware, power: by name, what is known.

    load_average: processes that wanted a core in the minute before the run; close to 0 on an idle
    machine. None on Windows.
    """

    began: str
    versions: dict[str, str]
    hardware: dict[str, str]
    power: dict[str, str]
    load_average: float | None


def find_environment(nvml: NvmlProbe | None = None) -> Environment:
    """What this machine is; takes some milliseconds, more where nvpmodel is asked."""
    return Environment(
        began=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        versions=_versions(),
        hardware=_hardware(nvml),
        power=_power(),
        load_average=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    )


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "system": platform.platform()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    release = re.search(r"R(\d+).*?REVISION: ([\d.]+)", _text(_L4T))
    if release is not None:
        versions["jetson linux"] = f"{release[1]}.{release[2]}"
    return versions


def _hardware(nvml: NvmlProbe | None) -> dict[str, str]:
    hardware = {"cpu": _cpu_name(), "cores": str(_usable_cores())}
    memory = re.search(r"MemTotal:\s+(\d+) kB", _text(Path("/proc/meminfo")))
    if memory is not None:
        hardware["memory"] = f"{int(memory[1]) / 2**20:.1f} GiB"
    board = _text(_BOARD).strip("\0\n ")
    if board:
        hardware["board"] = board
    if nvml is not None:
        hardware["gpu"] = ", ".join(nvml.gpu_names)
        hardware["driver"] = nvml.driver
    return hardware


def _power() -> dict[str, str]:
    power = {}
    governor = _text(_GOVERNOR).strip()
    if governor:
        power["cpu governor"] = governor
    mode = parse_nvpmodel(_output("nvpmodel", "-q"))
    if mode is not None:
        power["nvpmodel"] = str(mode)
    pinned = parse_jetson_clocks(_output("jetson_clocks", "--show"))
    if pinned is not None:
        power["jetson_clocks"] = "pinned" if pinned else "not pinned"
    return power


def _cpu_name() -> str:
    name = re.search(r"model name\s*:\s*(.+)", _text(Path("/proc/cpuinfo")))
    return name[1].strip() if name is not None else platform.processor() or platform.machine()


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _output(*command: str) -> str:
    """What the command prints; nothing if it is not there, not allowed or too slow."""
    path = shutil.which(command[0])
    if path is None:
        return ""
    try:
        found = subprocess.run(
            [path, *command[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.decode("utf-8", "replace")
