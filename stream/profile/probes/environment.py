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

from basics.hardware import (
    board_name,
    memory_gib,
    processor_name,
    read_system_file,
    usable_cores,
)
from stream.profile.probes.nvml import NvmlProbe
from stream.profile.probes.nvpmodel import parse_jetson_clocks, parse_nvpmodel

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
_L4T = Path("/etc/nv_tegra_release")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where a run was measured.

    Attributes:
        began: UTC, ISO 8601.
        versions: By package, what is installed.
        hardware: By name, what is known.
        power: By name, what is known of power modes and clocks.
        load_average: Processes that wanted a core in the minute before the run; close to 0 on an
            idle machine. None on Windows.
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
    release = re.search(r"R(\d+).*?REVISION: ([\d.]+)", read_system_file(_L4T))
    if release is not None:
        versions["jetson linux"] = f"{release[1]}.{release[2]}"
    return versions


def _hardware(nvml: NvmlProbe | None) -> dict[str, str]:
    hardware = {"cpu": processor_name(), "cores": str(usable_cores())}
    memory = memory_gib()
    if memory is not None:
        hardware["memory"] = f"{memory:.1f} GiB"
    board = board_name()
    if board:
        hardware["board"] = board
    if nvml is not None:
        hardware["gpu"] = ", ".join(nvml.gpu_names)
        hardware["driver"] = nvml.driver
    return hardware


def _power() -> dict[str, str]:
    power = {}
    governor = read_system_file(_GOVERNOR).strip()
    if governor:
        power["cpu governor"] = governor
    mode = parse_nvpmodel(_output("nvpmodel", "-q"))
    if mode is not None:
        power["nvpmodel"] = str(mode)
    pinned = parse_jetson_clocks(_output("jetson_clocks", "--show"))
    if pinned is not None:
        power["jetson_clocks"] = "pinned" if pinned else "not pinned"
    return power


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
