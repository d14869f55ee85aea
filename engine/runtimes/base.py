"""What every runtime is: something that executes the deployable graph on slots, asynchronously.

A slot is a set of buffers for one size of input. Images are written into it, the slot is submitted,
and once its result has been waited for, maps and candidates are in it until it is submitted again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from configs import AlignmentRule, ConfigError, load_keypoint_set
from engine.geometry import Alignment, InputSize, align, check_input_size
from engine.maps import MAX_CANDIDATES, Candidates, PoseMaps
from engine.onnx.metadata import ModelMetadata
from engine.runtimes.gpus import Gpu

MAX_BATCH = 16  # images at once; a bound on memory, no runtime has one of its own
OUTPUT_TYPES: dict[str, type[np.generic]] = {
    "heatmaps": np.float32,
    "tags": np.float32,
    "x": np.int32,
    "y": np.int32,
    "score": np.float32,
    "tag": np.float32,
}


@dataclass(slots=True, eq=False)
class Slot:
    """Buffers for N images of one size, owned by whoever holds the slot.

    Attributes:
        images: (N, H, W, 3) uint8 BGR.
        heatmaps: (N, J, h, w) float32.
        tags: (N, J, D, h, w) float32.
        x: (N, J, K) int32, columns of the candidates in map pixels.
        y: (N, J, K) int32, their rows.
        score: (N, J, K) float32, their heatmap values.
        tag: (N, J, K, D) float32, their tags.
        handle: What the runtime keeps with the slot.
    """

    images: NDArray[np.uint8]
    heatmaps: NDArray[np.float32]
    tags: NDArray[np.float32]
    x: NDArray[np.int32]
    y: NDArray[np.int32]
    score: NDArray[np.float32]
    tag: NDArray[np.float32]
    handle: Any = None

    @property
    def outputs(self) -> dict[str, NDArray[Any]]:
        """The output buffers by the names that they have in the graph."""
        return {name: getattr(self, name) for name in OUTPUT_TYPES}

    def maps(
        self, index: int, alignment: Alignment, give_back: Callable[[], None] | None = None
    ) -> PoseMaps:
        """The maps and candidates of one image, in the slot's own buffers.

        Args:
            index: Of the image.
            alignment: Of the image, with the size of the maps.
            give_back: Called once the maps are released.
        """
        candidates = Candidates(self.x[index], self.y[index], self.score[index], self.tag[index])
        tags = self.tags[index].transpose(0, 2, 3, 1)
        return PoseMaps(self.heatmaps[index], tags, alignment, candidates, give_back)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What a run is going to ask of its runtime; those that build engines build for it.

    Attributes:
        input_size: Short side, or (height, width), of scale 1.
        scales: Sizes of the image relative to that.
        streams: Images to compute at the same time, each on its share of the processor.
        rule: How images are laid into the input.
    """

    input_size: InputSize
    scales: tuple[float, ...] = (1.0,)
    streams: int = 1
    rule: AlignmentRule = "centre"

    def alignments(self, image_size: tuple[int, int]) -> list[Alignment]:
        """How an image of (height, width) is laid into the network input, one alignment per scale,
        the largest scale first.
        """
        smallest = min(self.scales)
        return [
            align(image_size, self.input_size, scale=scale, min_scale=smallest, rule=self.rule)
            for scale in sorted(self.scales, reverse=True)
        ]


class Runtime(ABC):
    """Executes one model; used by one thread at a time, and a context manager.

    Attributes:
        name: As it is asked for, and as the registry calls it.
        device: What computes: `cpu`, or the kind of the GPU.
        gpu: Which one; None on the CPU.
        precision: Of the convolutions.
        metadata: Of the model.
        usual_batch: Images that are best computed at once.
        max_batch: Images that a slot may hold.
        streams: Slots that are computed at the same time.
    """

    name: ClassVar[str]
    device: str
    gpu: Gpu | None = None
    precision: str
    metadata: ModelMetadata

    # On two cores four images at once take 14 % longer than four times one (lite, 320x448,
    # OpenVINO; ONNX Runtime: 10 %).
    usual_batch: int = 1
    streams: int = 1

    @classmethod
    def check(cls) -> None:
        """Whether this machine can run it, asked when its package is there.

        Raises:
            RuntimeUnavailableError: What else it needs (a GPU, another package) is not there.
        """
        return

    @property
    def max_batch(self) -> int:
        return 1 if self.metadata.static_size is not None else MAX_BATCH

    @abstractmethod
    def make_slot(self, height: int, width: int, batch: int = 1) -> Slot:
        """A slot for images of that size. The first of a size may take long: some runtimes compile.

        Raises:
            ConfigError: A size that the model does not take.
            ExecutionError: The runtime cannot prepare for it.
        """

    @abstractmethod
    def submit(self, slot: Slot) -> Any:
        """Starts work on the slot's images and returns without waiting for it; the ticket is for
        `result`.
        """

    @abstractmethod
    def result(self, ticket: Any) -> Slot:
        """Waits until the outputs are in the slot.

        May be called again for the same ticket, once for each of its images.

        Raises:
            ExecutionError: The runtime failed.
        """

    @abstractmethod
    def close(self) -> None:
        """Frees what the runtime holds, after what was submitted is done; may be called more than
        once.
        """

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def output_shapes(
    metadata: ModelMetadata, height: int, width: int, batch: int
) -> dict[str, tuple[int, ...]]:
    """Shapes of the graph's outputs for N images of that size, by name.

    Raises:
        ConfigError: A size that the model does not take.
    """
    check_input_size((height, width))
    if metadata.static_size is not None and ((height, width) != metadata.static_size or batch != 1):
        rows, columns = metadata.static_size
        raise ConfigError(
            f"this model takes one image of {columns}x{rows} only, not {batch} of {width}x{height}"
        )
    joints, dimensions = (
        len(load_keypoint_set(metadata.model.keypoint_set)),
        metadata.model.tag_dimensions,
    )
    rows, columns = height // metadata.map_stride, width // metadata.map_stride
    picked = (batch, joints, MAX_CANDIDATES)
    return {
        "heatmaps": (batch, joints, rows, columns),
        "tags": (batch, joints, dimensions, rows, columns),
        "x": picked,
        "y": picked,
        "score": picked,
        "tag": (*picked, dimensions),
    }


def allocate_slot(metadata: ModelMetadata, height: int, width: int, batch: int) -> Slot:
    """A slot in ordinary memory."""
    shapes = output_shapes(metadata, height, width, batch)
    outputs: dict[str, Any] = {
        name: np.zeros(shapes[name], kind) for name, kind in OUTPUT_TYPES.items()
    }
    return Slot(np.zeros((batch, height, width, 3), np.uint8), **outputs)


class BlockingRuntime(Runtime):
    """A runtime whose library blocks: a thread of its own runs what is submitted, in order."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self.name)

    def submit(self, slot: Slot) -> Future[Slot]:
        return self._executor.submit(self._run, slot)

    def result(self, ticket: Future[Slot]) -> Slot:
        return ticket.result()

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)

    @abstractmethod
    def _run(self, slot: Slot) -> Slot:
        """Computes the outputs of a slot; raises ExecutionError if the library fails."""
