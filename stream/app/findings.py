"""What `doctor` looks at: everything about a machine that a question about it needs."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import Any

import av
import numpy as np
from av.codec.hwaccel import hwdevices_available
from numpy.typing import NDArray

from basics.cache import cache_folder
from basics.demo import DEMO_CLIP
from basics.hardware import (
    board_name,
    instruction_sets,
    memory_gib,
    nvidia_driver,
    nvidia_gpus,
    processor_name,
    read_system_file,
    usable_cores,
)
from basics.statistics import Statistics
from configs import PoseStreamError, redact_url
from engine import format_input_size, open_estimator
from engine.runtimes import RUNTIMES
from engine.runtimes.registry import describe_runtimes
from stream.estimator import suitable_grouper
from stream.sinks.encoders import describe_encoders
from stream.sources import open_source

Findings = dict[str, Any]
"""What was found, by section; can be written as JSON."""

_PACKAGES = (
    *("numpy", "numba", "opencv-python", "av", "onnxruntime", "openvino", "torch", "tensorrt"),
    *("tensorrt-rtx", "pycuda", "nvidia-ml-py", "onnx", "nncf", "PyYAML", "rich"),
    *("prometheus_client", "paho-mqtt"),
)
_DECODERS = ("h264", "hevc", "av1", "libdav1d", "vp9", "mpeg4", "mjpeg")
_CAMERAS = Path("/sys/class/video4linux")
_SPEED_FRAMES = 8  # of the demo clip, looked at over and over


def examine(program_version: str, seconds: float) -> Findings:
    """Everything, in the order in which it is shown.

    Args:
        program_version: Of this program.
        seconds: How long the speed of `lite` is measured; 0 leaves it out.
    """
    memory = memory_gib()
    found: Findings = {
        "versions": {
            "higherhrnet-stream": program_version,
            "python": f"{platform.python_version()} ({sys.executable})",
            "system": platform.platform(),
            "packages": _package_versions(),
            "ffmpeg": {
                name: ".".join(map(str, numbers))
                for name, numbers in sorted(av.library_versions.items())
            },
        },
        "machine": {
            "board": board_name(),
            "processor": processor_name(),
            "cores": usable_cores(),
            "memory_gib": None if memory is None else round(memory, 1),
            "instruction_sets": list(instruction_sets()),
            "gpus": nvidia_gpus(),
            "nvidia_driver": nvidia_driver(),
        },
        "runtimes": {
            name: {"precisions": list(RUNTIMES[name].precisions), "state": state}
            for name, state in describe_runtimes().items()
        },
        "cameras": cameras(),
        "decoders": [name for name in _DECODERS if name in av.codecs_available],
        "hardware_decoding": sorted(str(name) for name in hwdevices_available()),
        "encoders": describe_encoders(),
        "cache": cache_contents(cache_folder()),
    }
    if seconds > 0:
        found["speed"] = measure_speed(seconds)
    clean: Findings = without_secrets(found)
    return clean


def cameras() -> dict[str, str]:
    """The name of every video device by its path, and why it cannot be opened where that is so;
    empty where the system does not tell (only Linux does).
    """
    found = {}
    for entry in sorted(_CAMERAS.glob("video*")):
        device = Path("/dev") / entry.name
        name = read_system_file(entry / "name").strip()
        if not device.exists():
            name += " (no such device in this container)"
        elif not os.access(device, os.R_OK | os.W_OK):
            name += " (this user may not open it; on Debian the group `video` may)"
        found[str(device)] = name
    return found


def cache_contents(folder: Path) -> Findings:
    """How many files each folder of the cache holds, and how large they are together."""
    contents: Findings = {"folder": str(folder), "writable": _writable(folder)}
    for part in sorted(path for path in folder.glob("*") if path.is_dir()):
        sizes = [path.stat().st_size for path in part.rglob("*") if path.is_file()]
        contents[part.name] = {"files": len(sizes), "mib": round(sum(sizes) / 2**20, 1)}
    return contents


def measure_speed(seconds: float) -> Findings:
    """How long `lite` and grouping take for a frame of the demo clip, one frame after the other;
    or what keeps them from it.
    """
    with open_source(str(DEMO_CLIP)) as source:
        images = [
            frame.image.copy() for frame, _ in zip(source, range(_SPEED_FRAMES), strict=False)
        ]
    times_ms: list[float] = []
    try:
        with open_estimator("lite") as estimator:
            group = suitable_grouper(estimator)

            def take(image: NDArray[np.uint8]) -> float:
                start_s = perf_counter()
                maps = estimator.result(estimator.submit(image))
                group(maps.heatmaps, maps.tags, maps.candidates)
                maps.release()
                return (perf_counter() - start_s) * 1e3

            for image in images[:2]:
                take(image)  # compiles and warms up
            end_s = perf_counter() + seconds
            frames = cycle(images)
            while not times_ms or perf_counter() < end_s:
                times_ms.append(take(next(frames)))
            took = Statistics.of(times_ms)
            return {
                "runtime": estimator.runtime,
                "precision": estimator.precision,
                "input_size": format_input_size(estimator.input_size),
                "frames": took.n,
                "p50_ms": round(took.p50, 2),
                "p95_ms": round(took.p95, 2),
                "fps": round(1e3 / took.mean, 1),
            }
    except PoseStreamError as error:
        return {"failed": str(error)}


def without_secrets(value: Any) -> Any:
    """The same without credentials of URLs, and with `~` for the user's folder: reports like this
    one are made public.
    """
    if isinstance(value, dict):
        return {key: without_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    if isinstance(value, str):
        return redact_url(value).replace(str(Path.home()) + os.sep, f"~{os.sep}")
    return value


def _package_versions() -> dict[str, str]:
    """Only of what is installed."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _writable(folder: Path) -> bool:
    """Whether it could be made and written to."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return os.access(there, os.W_OK)
