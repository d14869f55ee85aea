"""Is what a runtime computes here what torch computes?"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from basics.statistics import Statistics
from configs import RuntimeUnavailableError
from engine.geometry import InputSize, align
from engine.model_source import ModelSource
from engine.runtimes import RUNTIMES, Runtime, open_runtime
from engine.verify.maps import Parity, measure_parity
from engine.verify.people import GroupPeople

_LATENCY_RUNS = 20
logger = logging.getLogger(__name__)
_PACKAGES = {
    "tensorrt": "tensorrt",
    "tensorrt_rtx": "tensorrt_rtx",
    "torch_cuda": "torch",
    "openvino": "openvino",
    "onnxruntime": "onnxruntime",
    "torch_cpu": "torch",
}


def verify(
    source: ModelSource,
    runtime: str,
    precision: str,
    images: Sequence[NDArray[np.uint8]],
    input_size: InputSize,
    group: GroupPeople | None = None,
) -> tuple[str, str, Parity]:
    """The runtime and precision that were taken, and how far their maps are from the reference's.

    With `group`, people too. Raises what `open_reference` and `open_runtime` raise.
    """
    with (
        open_runtime(source.path, source.metadata, runtime, precision) as opened,
        open_reference(source, opened) as reference,
    ):
        return (
            opened.name,
            opened.precision,
            measure_parity(opened, reference, images, input_size, group),
        )


def open_reference(source: ModelSource, measured: Runtime) -> Runtime:
    """What others are measured against: torch in single precision, or ONNX Runtime where there is
    no torch.

    Raises RuntimeUnavailableError if that would compare ONNX Runtime with itself.
    """
    try:
        return open_runtime(source.path, source.metadata, "torch_cpu")
    except RuntimeUnavailableError as error:
        if measured.name == "onnxruntime":
            raise RuntimeUnavailableError(
                f"onnxruntime can only be compared with torch here: {error}"
            ) from error
        logger.info("compared with onnxruntime: %s", error)
        return open_runtime(source.path, source.metadata, "onnxruntime")


def measure_latency(
    runtime: Runtime, image: NDArray[np.uint8], input_size: InputSize
) -> dict[str, float]:
    """Median and 95th percentile of one image at a time, in milliseconds, after warming up."""
    alignment = align(image.shape[:2], input_size)
    slot = runtime.make_slot(*alignment.input_size)
    alignment.warp(image, out=slot.images[0])
    times_ms = []
    for _ in range(_LATENCY_RUNS):
        start = time.perf_counter()
        runtime.result(runtime.submit(slot))
        times_ms.append(1e3 * (time.perf_counter() - start))
    latency_ms = Statistics.of(times_ms[2:])
    return {"p50": latency_ms.p50, "p95": latency_ms.p95}


def describe_runtimes() -> Iterator[tuple[str, str]]:
    """Name and state of every runtime: the version of its package, or why it cannot be used here."""
    for name, entry in RUNTIMES.items():
        try:
            module = import_module(_PACKAGES[name])
            entry.check()
        except RuntimeUnavailableError as error:
            yield name, f"no: {error}"
        except (ImportError, OSError) as error:
            yield name, f"no: {error}"
        else:
            yield name, f"yes: {getattr(module, '__version__', '')}"
