"""What a runtime is measured against, and how long it takes."""

from __future__ import annotations

import logging
import time

import numpy as np
from numpy.typing import NDArray

from basics.statistics import Statistics
from configs import RuntimeUnavailableError
from engine.geometry import InputSize, align
from engine.model_source import ModelSource
from engine.runtimes import Runtime, open_runtime

_LATENCY_RUNS = 20
_WARM_UP_RUNS = 2
logger = logging.getLogger(__name__)


def open_reference(source: ModelSource, measured: Runtime) -> Runtime:
    """What others are measured against: torch in single precision, or ONNX Runtime where there is
    no torch.

    Raises:
        RuntimeUnavailableError: That would compare ONNX Runtime with itself.
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
    for _ in range(_WARM_UP_RUNS + _LATENCY_RUNS):
        start = time.perf_counter()
        runtime.result(runtime.submit(slot))
        times_ms.append(1e3 * (time.perf_counter() - start))
    latency_ms = Statistics.of(times_ms[_WARM_UP_RUNS:])
    return {"p50": latency_ms.p50, "p95": latency_ms.p95}
