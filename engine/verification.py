"""Is what a runtime computes here what torch computes?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from configs import DataError, RuntimeUnavailableError
from engine.geometry import InputSize, align
from engine.model_source import ModelSource
from engine.parity import Parity, measure_parity
from engine.runtimes import RUNTIMES, Runtime, open_runtime

DEMO_CLIP = Path(__file__).parents[1] / "stream" / "data" / "plaza.mp4"
_FRAMES_PER_CLIP = 4
_LATENCY_RUNS = 20
_PACKAGES = {
    "tensorrt": "tensorrt",
    "tensorrt_rtx": "tensorrt_rtx",
    "torch_cuda": "torch",
    "openvino": "openvino",
    "onnxruntime": "onnxruntime",
    "torch_cpu": "torch",
}


def verify(
    source: ModelSource, runtime: str, precision: str, images: Sequence[NDArray[np.uint8]], input_size: InputSize
) -> tuple[str, str, Parity]:
    """The runtime and precision that were taken, and how far their maps are from torch's in single precision."""
    with (
        open_runtime(source.path, source.metadata, runtime, precision) as opened,
        open_runtime(source.path, source.metadata, "torch_cpu") as reference,
    ):
        return opened.name, opened.precision, measure_parity(opened, reference, images, input_size)


def measure_latency(runtime: Runtime, image: NDArray[np.uint8], input_size: InputSize) -> dict[str, float]:
    """Median and 95th percentile of one image at a time, in milliseconds, after warming up."""
    alignment = align(image.shape[:2], input_size)
    slot = runtime.make_slot(*alignment.input_size)
    alignment.warp(image, out=slot.images[0])
    times_ms = []
    for _ in range(_LATENCY_RUNS):
        start = time.perf_counter()
        runtime.result(runtime.submit(slot))
        times_ms.append(1e3 * (time.perf_counter() - start))
    p50, p95 = np.percentile(times_ms[2:], [50, 95])
    return {"p50": float(p50), "p95": float(p95)}


def load_images(paths: Sequence[Path] | None = None) -> list[NDArray[np.uint8]]:
    """Images (H, W, 3) uint8 BGR from image files, and some frames of each clip; by default of the demo clip.

    Raises DataError for a file that is neither.
    """
    images = [image for path in paths or [DEMO_CLIP] for image in _read(path)]
    if not images:
        raise DataError("there is no image to compare on")
    return images


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


def _read(path: Path) -> list[NDArray[np.uint8]]:
    image = cv2.imread(str(path))
    if image is not None:
        return [np.asarray(image, np.uint8)]
    capture = cv2.VideoCapture(str(path))
    frames = []
    for _ in range(_FRAMES_PER_CLIP):
        seen, frame = capture.read()
        if seen:
            frames.append(np.asarray(frame, np.uint8))
    capture.release()
    if not frames:
        raise DataError(f"{str(path)!r} is neither an image nor a clip that can be read")
    return frames
