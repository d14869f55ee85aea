"""NVIDIA GPUs of a desktop or server, read through NVML (package nvidia-ml-py, extra `profile`)."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from typing import Any

logger = logging.getLogger(__name__)


class NvmlProbe:
    """Load, memory, clocks, power and temperature of every GPU; `gpu0_percent`, `gpu1_percent`, ...
    where there are several.

    A quantity that a GPU does not tell is left out.
    """

    name = "NVML"

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        self._gpus = [
            nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())
        ]

    @property
    def gpu_names(self) -> tuple[str, ...]:
        return tuple(self._nvml.nvmlDeviceGetName(gpu) for gpu in self._gpus)

    @property
    def driver(self) -> str:
        return str(self._nvml.nvmlSystemGetDriverVersion())

    def read(self) -> dict[str, float]:
        readings: dict[str, float] = {}
        for index, gpu in enumerate(self._gpus):
            prefix = f"gpu{index}" if len(self._gpus) > 1 else "gpu"
            for name, value in self._of_one(gpu).items():
                readings[f"{prefix}_{name}"] = value
        return readings

    def close(self) -> None:
        self._nvml.nvmlShutdown()

    def _of_one(self, gpu: Any) -> dict[str, float]:
        nvml = self._nvml
        wanted: dict[str, Callable[[], float]] = {
            "percent": lambda: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu,
            "memory_mib": lambda: nvml.nvmlDeviceGetMemoryInfo(gpu).used / 2**20,
            "mhz": lambda: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM),
            "memory_mhz": lambda: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_MEM),
            "w": lambda: nvml.nvmlDeviceGetPowerUsage(gpu) * 1e-3,
            "c": lambda: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU),
        }
        readings = {}
        for name, ask in wanted.items():
            try:
                readings[name] = float(ask())
            except nvml.NVMLError:
                continue
        return readings


def nvml_probe() -> NvmlProbe | None:
    """The GPUs of this machine; None without the package, the driver or a GPU."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
        probe = NvmlProbe(nvml)
    except nvml.NVMLError as error:
        logger.info("no GPU to watch: NVML says %s", error)
        return None
    return probe if probe.gpu_names else None
