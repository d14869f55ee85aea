"""Which runtimes there are, and which of them is taken."""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from configs import ConfigError, ExecutionError, ModelError, RuntimeUnavailableError
from configs.loading import nearest
from engine.onnx.metadata import ModelMetadata
from engine.runtimes.base import Runtime

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A runtime that can be asked for.

    name: what it is called. home: module and class. precisions: that it offers, the one of `auto`
    first. needs_gpu: it runs on CUDA GPUs only. automatic: whether `auto` may take it; torch on the
    CPU is never faster than the others there.
    """

    name: str
    home: str
    precisions: tuple[str, ...]
    needs_gpu: bool = False
    automatic: bool = True

    def check(self) -> None:
        """Raises RuntimeUnavailableError if the machine cannot have it, whatever is installed."""
        if self.needs_gpu and not _has_cuda_driver():
            raise RuntimeUnavailableError(
                f"{self.name} needs a CUDA GPU, and this machine has no CUDA driver"
            )

    def open(self, path: Path, metadata: ModelMetadata, precision: str) -> Runtime:
        """The runtime with the exported model at `path`; raises what its constructor raises."""
        self.check()
        make: Callable[[Path, ModelMetadata, str], Runtime] = self.factory()
        return make(path, metadata, self.precisions[0] if precision == "auto" else precision)

    def factory(self) -> type[Runtime]:
        """The class, whose `name` is the entry's; imported late."""
        module, name = self.home.rsplit(".", 1)
        made: type[Runtime] = getattr(import_module(f"engine.runtimes.{module}"), name)
        return made


# In the order in which `auto` tries them.
RUNTIMES = {
    entry.name: entry
    for entry in (
        Entry("tensorrt", "tensorrt.runtime.TensorRt", ("fp16", "fp32"), needs_gpu=True),
        Entry("tensorrt_rtx", "tensorrt.runtime.TensorRtRtx", ("fp16", "fp32"), needs_gpu=True),
        Entry("torch_cuda", "torch_cuda.TorchCuda", ("fp16", "bf16", "fp32"), needs_gpu=True),
        Entry("openvino", "openvino.runtime.OpenVino", ("fp32", "bf16", "int8")),
        Entry("onnxruntime", "onnxruntime.OnnxRuntime", ("fp32",)),
        Entry("torch_cpu", "torch_cpu.TorchCpu", ("fp32",), automatic=False),
    )
}
_CANDIDATES = {
    "auto": tuple(entry for entry in RUNTIMES.values() if entry.automatic),
    "torch": (RUNTIMES["torch_cuda"], RUNTIMES["torch_cpu"]),
    **{name: (entry,) for name, entry in RUNTIMES.items()},
}
RUNTIME_NAMES = tuple(_CANDIDATES)  # that `choose` and `open_runtime` know


def open_runtime(
    path: Path, metadata: ModelMetadata, name: str = "auto", precision: str = "auto"
) -> Runtime:
    """The runtime called `name` with the exported model at `path`; the log says what was taken, and
    what was not and why.

    `auto` is the first of all that works, `torch` the GPU's or else the CPU's. Precision `auto` is
    the runtime's first: half on GPUs, single on CPUs. Raises ConfigError for an unknown name or a
    precision that the runtime does not offer; and if nothing works RuntimeUnavailableError (package
    or device missing), ModelError (it cannot load the file) or ExecutionError.
    """
    entries = choose(name, precision)
    reasons = []
    for entry in entries:
        try:
            runtime = entry.open(path, metadata, precision)
        except (RuntimeUnavailableError, ModelError, ExecutionError) as error:
            if len(entries) == 1:
                raise
            reasons.append(str(error))
            _log.info("runtime %s not taken: %s", entry.name, error)
            continue
        _log.info(
            "%s runs on %s (%s) in %s",
            metadata.model.name,
            runtime.name,
            runtime.device,
            runtime.precision,
        )
        return runtime
    raise RuntimeUnavailableError(f"no runtime can run {str(path)!r}: {'; '.join(reasons)}")


def choose(name: str, precision: str) -> tuple[Entry, ...]:
    """The runtimes that `name` stands for and that offer `precision`, in the order to try them in.

    Raises ConfigError for an unknown name or precision, or one that the other does not go with.
    """
    if name not in _CANDIDATES:
        raise ConfigError(f"unknown runtime {name!r}{nearest(name, _CANDIDATES)}")
    if precision not in ("auto", *PRECISIONS):
        raise ConfigError(
            f"unknown precision {precision!r}{nearest(precision, ('auto', *PRECISIONS))}"
        )
    able = tuple(entry for entry in _CANDIDATES[name] if precision in ("auto", *entry.precisions))
    if not able:
        others = (
            ", ".join(entry.name for entry in RUNTIMES.values() if precision in entry.precisions)
            or "no runtime"
        )
        raise ConfigError(f"runtime {name!r} does not compute in {precision}; {others} does")
    return able


@cache
def _has_cuda_driver() -> bool:
    # Asked before torch or TensorRT are imported for nothing: that takes seconds.
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True
