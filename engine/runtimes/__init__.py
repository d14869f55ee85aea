"""Runtimes by name, behind one protocol (`engine.runtimes.base`)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from configs import ConfigError, ExecutionError, ModelError, RuntimeUnavailableError
from configs.loading import nearest
from engine.metadata import ModelMetadata
from engine.runtimes.base import Runtime, Slot

__all__ = ["PRECISIONS", "RUNTIMES", "Runtime", "Slot", "open_runtime"]

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A runtime that can be asked for.

    name: what it is called. module, factory: where it is. precisions: that it offers, the one of `auto` first. automatic:
    whether `auto` may take it; torch on the CPU is never faster than the others there. needs_gpu: it cannot run without.
    """

    name: str
    module: str
    factory: str
    precisions: tuple[str, ...]
    automatic: bool = True
    needs_gpu: bool = False

    def open(self, path: Path, metadata: ModelMetadata, precision: str) -> Runtime:
        # Late: each of these modules imports a large package that need not be there.
        make: Callable[[Path, ModelMetadata, str], Runtime] = getattr(import_module(self.module), self.factory)
        return make(path, metadata, precision)


# In the order in which `auto` tries them.
RUNTIMES = {
    entry.name: entry
    for entry in (
        Entry(name="openvino", module="engine.runtimes.openvino", factory="OpenVino", precisions=("fp32", "bf16")),
        Entry(name="onnxruntime", module="engine.runtimes.onnxruntime", factory="OnnxRuntime", precisions=("fp32",)),
        Entry(name="torch", module="engine.runtimes.torch", factory="TorchCpu", precisions=("fp32",), automatic=False),
    )
}


def open_runtime(path: Path, metadata: ModelMetadata, name: str = "auto", precision: str = "auto") -> Runtime:
    """The runtime called `name` with the exported model at `path`; `auto` is the first that works, and says which in the log.

    Precision `auto` is the runtime's first: single on CPUs. Raises ConfigError for an unknown name or a precision that the
    runtime does not offer, RuntimeUnavailableError if its package or device is missing, ModelError if it cannot load the file;
    with `auto`, RuntimeUnavailableError with everybody's reasons if nothing works.
    """
    _check(name, precision)
    if name != "auto":
        return _open(RUNTIMES[name], path, metadata, precision)
    reasons = []
    for entry in RUNTIMES.values():
        if not entry.automatic or precision not in ("auto", *entry.precisions):
            continue
        try:
            return _open(entry, path, metadata, precision)
        except (RuntimeUnavailableError, ModelError, ExecutionError) as error:
            reasons.append(str(error))
            _log.info("runtime %s not taken: %s", entry.name, error)
    raise RuntimeUnavailableError(f"no runtime can run {str(path)!r}: {'; '.join(reasons)}")


def _open(entry: Entry, path: Path, metadata: ModelMetadata, precision: str) -> Runtime:
    runtime = entry.open(path, metadata, entry.precisions[0] if precision == "auto" else precision)
    _log.info("%s runs on %s (%s) in %s", metadata.model.name, runtime.name, runtime.device, runtime.precision)
    return runtime


def _check(name: str, precision: str) -> None:
    if name != "auto" and name not in RUNTIMES:
        raise ConfigError(f"unknown runtime {name!r}{nearest(name, ('auto', *RUNTIMES))}")
    if precision != "auto" and precision not in PRECISIONS:
        raise ConfigError(f"unknown precision {precision!r}{nearest(precision, ('auto', *PRECISIONS))}")
    entries = [entry for entry in RUNTIMES.values() if name in ("auto", entry.name)]
    offered = {item for entry in entries for item in entry.precisions}
    if precision not in ("auto", *offered):
        whose = ", ".join(entry.name for entry in RUNTIMES.values() if precision in entry.precisions)
        asked = "no runtime" if name == "auto" else f"runtime {name!r}"
        raise ConfigError(
            f"{asked} computes in {precision}; it offers {', '.join(sorted(offered))}"
            if name == "auto"
            else f"{asked} does not compute in {precision}, only in {', '.join(sorted(offered))}"
            + (f"; take {whose} for {precision}" if whose else "")
        )
