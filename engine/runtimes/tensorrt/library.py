"""TensorRT in its two forms: `tensorrt` (8.6 to 11) and `tensorrt_rtx`, which have the same Python
interface.

Networks are strongly typed: their precision is in the ONNX graph, and no builder flag changes it.
Only 8.x, which cannot do that, is given the FP16 flag. TensorRT-RTX builds without a GPU; TensorRT
needs the GPU that the engine is for.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distributions
from typing import Any

from basics.packages import import_package, pip
from configs import RuntimeUnavailableError
from engine.runtimes.gpus import Gpu, driver_version
from engine.runtimes.registry import RUNTIMES

LIBRARIES = ("tensorrt", "tensorrt_rtx")
_OLDEST = (8, 6)  # the first that takes uint8 images
TURING = "Turing (compute capability 7.5)"  # RTX 20, GTX 16
# From a version on, the oldest GPUs by compute capability: NVIDIA/TensorRT issues 3589 (8.6 is
# without Maxwell) and 3826 (10.0 without Pascal), release notes of 10.5 (without Volta).
_OLDEST_GPUS = (((10, 5), (7, 5)), ((10, 0), (7, 0)), ((0, 0), (6, 0)))
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Library:
    """One of the two, imported.

    Attributes:
        name: Of the package.
        module: The package.
        logger: Passes on what it says to this project's log.
        strongly_typed: Whether it takes precision from the graph.
    """

    name: str
    module: Any
    logger: Any

    @property
    def version(self) -> str:
        return str(self.module.__version__)

    @property
    def strongly_typed(self) -> bool:
        return (
            hasattr(self.module.NetworkDefinitionCreationFlag, "STRONGLY_TYPED") or self.major >= 11
        )

    @property
    def major(self) -> int:
        """Of TensorRT's own numbering; TensorRT-RTX 1.x counts as 10, whose interface it has."""
        return 10 if self.name == "tensorrt_rtx" else int(self.version.split(".")[0])

    @property
    def cuda(self) -> str:
        """Major version of CUDA that it is built with; `any` where no package of it says so, as
        on a Jetson.
        """
        pattern = re.compile(rf"{self.name}[-_]cu(\d+)")
        for distribution in distributions():
            match = pattern.match(distribution.metadata["Name"] or "")
            if match and distribution.version == self.version:
                return match[1]
        return "any"

    @property
    def capabilities(self) -> list[Any]:
        """The kinds of GPU that an engine of TensorRT-RTX can be built for; none for TensorRT,
        whose engines are for the GPU that is there.
        """
        if self.name != "tensorrt_rtx":
            return []
        known = self.module.ComputeCapability.__members__
        return [value for name, value in known.items() if name.startswith("SM")]

    def capabilities_for(self, target: str) -> list[Any]:
        """Those of `capabilities` that an engine for `target` is built for."""
        return [each for each in self.capabilities if (each.name == "SM75") == (target == TURING)]

    def target(self, gpu: Gpu | None) -> str:
        """What an engine is built for on that GPU, or without one: by TensorRT for GPUs of its
        kind, by TensorRT-RTX for `any` but Turing, or for Turing.

        TensorRT-RTX 1.7 refuses to build for Turing what has a product of matrices in single
        precision, as `lite` has one. What takes its place (`spell_out_matrix_products`) needs more
        memory on every GPU: up to 1024x1920 1,328 MB instead of 560.
        """
        if self.name == "tensorrt_rtx":
            return TURING if gpu is not None and gpu.capability == (7, 5) else "any"
        return "any" if gpu is None else gpu.kind

    @property
    def driver(self) -> str:
        """What engines are told apart by: the newest CUDA that the driver here serves, or `any` for
        TensorRT-RTX.
        """
        return "any" if self.name == "tensorrt_rtx" else driver_version()

    def refuses(self, gpu: Gpu) -> str:
        """Why it cannot use a GPU; empty where it can."""
        major, minor = gpu.capability
        if self.name == "tensorrt_rtx":
            kinds = [each.name for each in self.capabilities]
            if f"SM{major}{minor}" in kinds:
                return ""
            reason = f"it serves kinds {', '.join(kinds)}"
        else:
            oldest = next(
                capability
                for version, capability in _OLDEST_GPUS
                if _version(self.version) >= version
            )
            if gpu.capability >= oldest:
                return ""
            reason = f"it serves compute capability {oldest[0]}.{oldest[1]} and newer"
        return f"{self.name} {self.version} does not serve {gpu.kind}: {reason}"

    @contextmanager
    def expecting_errors(self) -> Iterator[None]:
        """What the library calls errors meanwhile is none: it goes to the debug log."""
        self.logger.errors_are_expected = True
        try:
            yield
        finally:
            self.logger.errors_are_expected = False

    def create_network(self, builder: Any) -> Any:
        """An empty network, strongly typed where that can be asked for; from 11 on there is no
        other kind.
        """
        flags = self.module.NetworkDefinitionCreationFlag
        if hasattr(flags, "STRONGLY_TYPED"):
            return builder.create_network(1 << int(flags.STRONGLY_TYPED))
        if hasattr(flags, "EXPLICIT_BATCH") and self.major < 10:
            return builder.create_network(1 << int(flags.EXPLICIT_BATCH))
        return builder.create_network(0)


def load_library(name: str) -> Library:
    """The library called `name`.

    Raises:
        RuntimeUnavailableError: It is missing, too old, or cannot be loaded; the message says what
            to install.
    """
    install = RUNTIMES[name].install
    module = import_package(name, install)
    library = Library(name, module, _make_logger(module))
    if name == "tensorrt" and _version(library.version) < _OLDEST:
        raise RuntimeUnavailableError(
            f"TensorRT {library.version} is too old, it must be 8.6 to 11: {pip(install)}, or "
            "another runtime"
        )
    return library


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def _make_logger(module: Any) -> Any:
    levels = {
        module.ILogger.Severity.INTERNAL_ERROR: logging.ERROR,
        module.ILogger.Severity.ERROR: logging.ERROR,
        module.ILogger.Severity.WARNING: logging.WARNING,
    }

    class Logger(module.ILogger):  # type: ignore[misc]
        errors_are_expected = False

        def log(self, severity: Any, message: str) -> None:
            level = logging.DEBUG if self.errors_are_expected else levels.get(severity)
            logger.log(level or logging.DEBUG, "%s", message)

    return Logger()
