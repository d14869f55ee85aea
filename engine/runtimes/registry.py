"""Which runtimes there are, what each needs, and which of them is taken."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib import metadata as import_metadata
from pathlib import Path
from typing import Any

from basics.packages import import_package
from configs import ConfigError, ExecutionError, PoseStreamError, RuntimeUnavailableError, one_line
from configs.loading import nearest
from engine.onnx.metadata import ModelMetadata
from engine.runtimes.base import Runtime, Workload
from engine.runtimes.device import Device
from engine.runtimes.engine_file import warn_of_measured
from engine.runtimes.gpus import load_driver

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RuntimeEntry:
    """A runtime that can be asked for: all that is known of it without importing it.

    Attributes:
        name: What it is called everywhere: on command lines, in tables, by itself.
        home: Its module and class, in `engine.runtimes`.
        package: What it imports, and what its version is that of.
        install: What pip is to be given where that is missing.
        precisions: That it offers, the one of `auto` first.
        needs_gpu: It runs on CUDA GPUs only.
        automatic: Whether `auto` may take it; torch on the CPU is never faster than the others.
        builds: Whether `python -m engine build` makes an engine file for it.
        reads_workload: Whether it prepares itself for what a run is going to ask of it.
    """

    name: str
    home: str
    package: str
    install: str
    precisions: tuple[str, ...]
    needs_gpu: bool = False
    automatic: bool = True
    builds: bool = False
    reads_workload: bool = False

    def check(self) -> Any:
        """The package, imported.

        Raises:
            RuntimeUnavailableError: The package, or what it needs of the machine, is not there.
        """
        if self.needs_gpu and not _has_cuda_driver():
            raise RuntimeUnavailableError(
                f"{self.name} needs a CUDA GPU, and this machine has no CUDA driver"
            )
        try:
            module = import_package(self.package, self.install)
        except RuntimeUnavailableError as error:
            if isinstance(error.__cause__, AttributeError):
                self.runtime_class().check()  # may know which version of what it was made for
            raise
        self.runtime_class().check()
        return module

    @property
    def works(self) -> bool:
        """Whether what it needs is here, as far as that is known without a model."""
        try:
            self.check()
        except RuntimeUnavailableError:
            return False
        return True

    def open(
        self,
        path: Path,
        metadata: ModelMetadata,
        precision: str = "auto",
        workload: Workload | None = None,
        engine_folder: Path | None = None,
        device: Device | None = None,
    ) -> Runtime:
        """The runtime with an exported model.

        Args:
            path: The ONNX file.
            metadata: What is in it.
            precision: One that the runtime offers; `auto` is the first of them.
            workload: What a run is going to ask of it; by default the model at its own input size.
            engine_folder: The only place to look for the engine in, for runtimes that build one and
                for int8; by default it is looked for beside the model and in the cache.
            device: The GPU, for runtimes that need one; by default the first.

        Raises:
            RuntimeUnavailableError: A package or device is missing.
            ModelError: The runtime cannot load the file.
            ExecutionError: Anything else that keeps it from starting.
        """
        self.check()
        make: Callable[..., Runtime] = self.runtime_class()
        workload = workload or Workload(input_size=metadata.static_size or metadata.input_size)
        more: dict[str, Any] = {} if engine_folder is None else {"engine_folder": engine_folder}
        if self.reads_workload:
            more["workload"] = workload
        if self.needs_gpu and device is not None and device.kind == "cuda":
            more["device"] = device
        precision = self.precisions[0] if precision == "auto" else precision
        if self.builds and not self.needs_gpu and precision != "int8":  # it has no engine to read
            version = import_metadata.version(self.package)
            warn_of_measured(metadata.model.name, self.name, version, precision, path)
        try:
            with ExitStack() as stack:
                runtime = stack.enter_context(make(path, metadata, precision, **more))
                if self.needs_gpu:
                    _try_out(runtime, workload)
                stack.pop_all()
                return runtime
        except PoseStreamError:
            raise
        except Exception as error:
            # An old driver is a TypeError of TensorRT's bindings, a GPU that torch has no kernels
            # for a RuntimeError: libraries raise whatever they like.
            logger.debug("%s could not start", self.name, exc_info=True)
            raise ExecutionError(f"{self.name} could not start: {one_line(error)}") from error

    def runtime_class(self) -> type[Runtime]:
        """The class, imported now."""
        module, name = self.home.rsplit(".", 1)
        found: type[Runtime] = getattr(import_module(f"engine.runtimes.{module}"), name)
        return found


# In the order in which `auto` tries them.
RUNTIMES = {
    entry.name: entry
    for entry in (
        RuntimeEntry(
            name="tensorrt",
            home="tensorrt.runtime.TensorRt",
            package="tensorrt",
            install="higherhrnet-stream[tensorrt]",
            precisions=("fp16", "fp32"),
            needs_gpu=True,
            builds=True,
            reads_workload=True,
        ),
        RuntimeEntry(
            name="tensorrt_rtx",
            home="tensorrt.runtime.TensorRtRtx",
            package="tensorrt_rtx",
            install="tensorrt-rtx pycuda",
            precisions=("fp16", "fp32"),
            needs_gpu=True,
            builds=True,
            reads_workload=True,
        ),
        RuntimeEntry(
            name="torch_cuda",
            home="torch_cuda.TorchCuda",
            package="torch",
            install="higherhrnet-stream[torch]",
            precisions=("fp16", "bf16", "fp32"),
            needs_gpu=True,
        ),
        RuntimeEntry(
            name="torch2trt",
            home="tensorrt.torch2trt.Torch2Trt",
            package="torch2trt",
            install="git+https://github.com/NVIDIA-AI-IOT/torch2trt --no-build-isolation",
            precisions=("fp16", "fp32"),
            needs_gpu=True,
            automatic=False,
            reads_workload=True,
        ),
        RuntimeEntry(
            name="openvino",
            home="openvino.runtime.OpenVino",
            package="openvino",
            install="higherhrnet-stream[openvino]",
            precisions=("fp32", "bf16", "int8"),
            builds=True,
            reads_workload=True,
        ),
        RuntimeEntry(
            name="onnxruntime",
            home="onnxruntime.OnnxRuntime",
            package="onnxruntime",
            install="onnxruntime",
            precisions=("fp32",),
            builds=True,
        ),
        RuntimeEntry(
            name="torch_cpu",
            home="torch_cpu.TorchCpu",
            package="torch",
            install="higherhrnet-stream[torch]",
            precisions=("fp32",),
            automatic=False,
        ),
    )
}
# What every name that users may give stands for, in the order to try it in.
CANDIDATES = {
    "auto": tuple(entry for entry in RUNTIMES.values() if entry.automatic),
    "torch": (RUNTIMES["torch_cuda"], RUNTIMES["torch_cpu"]),
    **{name: (entry,) for name, entry in RUNTIMES.items()},
}
RUNTIME_NAMES = tuple(CANDIDATES)  # that `choose` and `open_runtime` know


def open_runtime(
    path: Path,
    metadata: ModelMetadata,
    name: str = "auto",
    precision: str = "auto",
    workload: Workload | None = None,
    device: Device | None = None,
) -> Runtime:
    """The runtime called `name` with an exported model; the log says what was taken, and what was
    not and why.

    Args:
        path: The ONNX file.
        metadata: What is in it.
        name: `auto` is the first of all that works, `torch` the GPU's or else the CPU's.
        precision: `auto` is the runtime's first: half on GPUs, single on CPUs.
        workload: What a run is going to ask of it; by default the model at its own input size.
        device: What is to compute; by default a GPU where one works, else the CPU.

    Raises:
        ConfigError: An unknown name, or a precision or device that the runtime does not offer.
        RuntimeUnavailableError: A package or device is missing; or nothing works at all.
        ModelError: The runtime that was asked for cannot load the file.
        ExecutionError: The runtime that was asked for cannot start.
    """
    entries = choose(name, precision, device)
    reasons: list[str] = []
    for entry in entries:
        try:
            runtime = entry.open(path, metadata, precision, workload, device=device)
        except PoseStreamError as error:
            if len(entries) == 1:
                raise
            # A GPU that is there and idle is worth a word; a runtime that is not installed is not.
            level = logging.WARNING if entry.needs_gpu and _has_cuda_driver() else logging.INFO
            logger.log(level, "runtime %s not taken: %s", entry.name, error)
            reasons.append(str(error))
            continue
        logger.info(
            "%s runs on %s (%s) in %s",
            metadata.model.name,
            runtime.name,
            runtime.device if runtime.gpu is None else runtime.gpu,
            runtime.precision,
        )
        return runtime
    wanted = "" if precision == "auto" else f" in {precision}"
    others = [
        f"{entry.name} ({', '.join(entry.precisions)})"
        for entry in CANDIDATES[name]
        if entry not in entries and entry.works
    ]
    instead = f"; in another precision {' or '.join(others)} can" if others and wanted else ""
    raise RuntimeUnavailableError(
        f"no runtime can run {str(path)!r}{wanted}: {'; '.join(reasons)}{instead}"
    )


def choose(name: str, precision: str, device: Device | None = None) -> tuple[RuntimeEntry, ...]:
    """The runtimes that `name` stands for, that offer `precision` and run on `device`, in the order
    to try them in.

    Raises:
        ConfigError: An unknown name or precision, or one that the other, or the device, does not go
            with.
    """
    device = device or Device()
    if name not in CANDIDATES:
        raise ConfigError(f"unknown runtime {name!r}{nearest(name, CANDIDATES)}")
    if precision not in ("auto", *PRECISIONS):
        raise ConfigError(
            f"unknown precision {precision!r}{nearest(precision, ('auto', *PRECISIONS))}"
        )
    able = tuple(entry for entry in CANDIDATES[name] if precision in ("auto", *entry.precisions))
    if not able:
        others = (
            ", ".join(entry.name for entry in RUNTIMES.values() if precision in entry.precisions)
            or "no runtime"
        )
        raise ConfigError(f"runtime {name!r} does not compute in {precision}; {others} does")
    suitable = tuple(entry for entry in able if device.suits(entry.needs_gpu))
    if not suitable:
        where = "on CUDA GPUs" if able[0].needs_gpu else "on the CPU"
        raise ConfigError(
            f"runtime {name!r} in precision {precision} runs {where} only, not on device {device}"
        )
    return suitable


def describe_runtimes() -> dict[str, str]:
    """The state of every runtime by name: `yes` and the version of its package, or why it cannot be
    used here.
    """
    states = {}
    for name, entry in RUNTIMES.items():
        try:
            module = entry.check()
        except RuntimeUnavailableError as error:
            states[name] = f"no: {error}"
        else:
            states[name] = f"yes: {_version(module)}"
    return states


def _version(module: Any) -> str:
    """Of a package; torch2trt says it to pip alone."""
    try:
        return str(module.__version__)
    except AttributeError:
        with suppress(import_metadata.PackageNotFoundError):
            return import_metadata.version(module.__name__)
        return "unknown version"


def _try_out(runtime: Runtime, workload: Workload) -> None:
    """One image, so that what fails only at the first one fails before a run has begun."""
    slot = runtime.make_slot(*workload.alignments((1080, 1920))[0].input_size)
    runtime.result(runtime.submit(slot))


@cache
def _has_cuda_driver() -> bool:
    try:
        load_driver()
    except OSError:
        return False
    return True
