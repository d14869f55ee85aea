"""A Jetson, read through tegrastats, which comes with its system."""

from __future__ import annotations

import logging
import shutil
import subprocess
import threading
from typing import IO

from stream.profile.probes.tegrastats import TegraStats, parse_tegrastats

logger = logging.getLogger(__name__)


class TegraProbe:
    """Load, clocks, memory, temperatures and power rails of a Jetson: the last line of a tegrastats
    that runs beside us.
    """

    name = "tegrastats"

    def __init__(self, command: str = "tegrastats", *, interval_ms: int = 500) -> None:
        self._process = subprocess.Popen(
            [command, "--interval", str(interval_ms)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._lines: IO[str] = self._process.stdout  # type: ignore[assignment]  # it is a pipe
        self._last: TegraStats | None = None
        self._thread = threading.Thread(target=self._follow, name="tegrastats", daemon=True)
        self._thread.start()

    def read(self) -> dict[str, float]:
        """Empty until the first line has come.

        Raises:
            RuntimeError: tegrastats has ended.
        """
        if self._process.poll() is not None:
            raise RuntimeError(f"tegrastats ended with code {self._process.returncode}")
        last, self._last = self._last, None
        return {} if last is None else readings_of(last)

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join(1.0)
        self._lines.close()

    def _follow(self) -> None:
        for line in self._lines:
            self._last = parse_tegrastats(line)


def tegra_probe() -> TegraProbe | None:
    """The Jetson that this is; None anywhere else."""
    command = shutil.which("tegrastats")
    if command is None:
        return None
    try:
        return TegraProbe(command)
    except OSError as error:
        logger.info("tegrastats does not start: %s", error)
        return None


def readings_of(stats: TegraStats) -> dict[str, float]:
    """By the names that `NvmlProbe` uses too, so that a Jetson and a desktop are drawn alike."""
    loads = [load for load, _ in stats.cores if load is not None]
    clocks_mhz = [clock for _, clock in stats.cores if clock is not None]
    wanted: dict[str, float | None] = {
        "gpu_percent": stats.gpu_percent,
        "gpu_mhz": stats.gpu_mhz,
        "gpu_c": next(
            (value for name, value in stats.temperatures_c.items() if name.lower() == "gpu"), None
        ),
        "memory_percent": stats.memory_percent,
        "memory_mhz": stats.memory_mhz,
        "board_cpu_percent": sum(loads) / len(stats.cores) if loads else None,
        "board_cpu_mhz": max(clocks_mhz, default=None),
        "board_ram_mib": stats.ram_used_mib,
        "board_swap_mib": stats.swap_used_mib,
        "board_w": stats.total_w,
    }
    readings = {name: float(value) for name, value in wanted.items() if value is not None}
    readings.update(
        {f"temperature_c.{name}": value for name, value in stats.temperatures_c.items()}
    )
    readings.update({f"power_w.{name}": now * 1e-3 for name, (now, _) in stats.power_mw.items()})
    return readings
