"""Sensors that are read while a run goes on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from stream.profile.samples import Samples

logger = logging.getLogger(__name__)

PERIOD_S = 0.5  # NVML and tegrastats average over 0.1 to 1 s themselves


class Probe(Protocol):
    """Something that can be read. Absent hardware has no probe: what makes one returns None."""

    name: str

    def read(self) -> Mapping[str, float]:
        """Readings by name with the unit at its end: `gpu_percent`, `power_w.VDD_IN`. May raise;
        then it is not asked again.
        """

    def close(self) -> None:
        """Gives back what it holds."""


class Telemetry:
    """Reads probes twice a second in a thread of its own, from `start` to `stop`.

    Attributes:
        samples: By name of the quantity.
    """

    def __init__(self, *, period_s: float = PERIOD_S) -> None:
        self.samples: dict[str, Samples] = {}
        self._probes: tuple[Probe, ...] = ()
        self._silent: set[str] = set()
        self._period_s = period_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="telemetry", daemon=True)

    def start(self, probes: Sequence[Probe]) -> None:
        """Begins to read the probes, which belong to it from now on. Once."""
        self._probes = tuple(probes)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and closes the probes."""
        self._stop.set()
        self._thread.join(2.0)  # a driver that hangs must not keep the profile from being written
        if not self._thread.is_alive():
            for probe in self._probes:
                self._guarded(probe, probe.close)

    def _watch(self) -> None:
        next_s = time.monotonic()
        while True:
            for probe in self._probes:
                if probe.name not in self._silent:
                    self._guarded(probe, partial(self._read, probe))
            next_s = max(next_s + self._period_s, time.monotonic())
            if self._stop.wait(next_s - time.monotonic()):
                return

    def _read(self, probe: Probe) -> None:
        for name, value in probe.read().items():
            if name not in self.samples:
                self.samples[name] = Samples()
            self.samples[name].append(time.perf_counter_ns(), value)

    def _guarded(self, probe: Probe, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - a sensor must not end a run
            self._silent.add(probe.name)
            logger.warning("%s can no longer be read: %s", probe.name, error)
