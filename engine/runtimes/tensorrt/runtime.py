"""TensorRT and TensorRT-RTX on a CUDA GPU. NOT RUN YET: no GPU was at hand when this was written;
everything up to loading the serialised engine is tested.

Three streams: images go up on one, the engine runs on the second, results come down on the third;
events order them for each slot, so that one image is uploaded while another is computed. Nothing
here waits on the submitting thread.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from basics.packages import import_package
from configs import ConfigError, ExecutionError, RuntimeUnavailableError, one_line
from engine.onnx.metadata import INPUT_NAME, ModelMetadata
from engine.runtimes.base import OUTPUT_TYPES, Runtime, Slot, Workload, output_shapes
from engine.runtimes.device import Device
from engine.runtimes.gpus import Gpu, find_gpu, list_gpus
from engine.runtimes.registry import RUNTIMES
from engine.runtimes.tensorrt.build import Profile
from engine.runtimes.tensorrt.cache import EngineRequest, load_engine
from engine.runtimes.tensorrt.cuda_graph import CudaGraph
from engine.runtimes.tensorrt.library import load_library

logger = logging.getLogger(__name__)


@dataclass
class _Device:
    """A slot's memory on the GPU, its events, and its work, recorded when it was first run."""

    buffers: dict[str, Any]
    uploaded: Any
    computed: Any
    downloaded: Any
    graph: CudaGraph | None = None


class TensorRt(Runtime):
    """Runs a TensorRT engine of the model; builds it first if the cache has none that fits."""

    name = "tensorrt"

    def __init__(
        self,
        path: Path,
        metadata: ModelMetadata,
        precision: str,
        workload: Workload | None = None,
        engine_folder: Path | None = None,
        device: Device = Device(),  # noqa: B008 - frozen
    ) -> None:
        library = load_library(self.name)
        self.gpu: Gpu = find_gpu(device)
        self.device = self.gpu.kind
        self._cuda, self._context = open_gpu(self.name, self.gpu.index)
        self.precision = precision
        self.metadata = metadata
        self._closed = False
        gpu = "any" if self.name == "tensorrt_rtx" else self.device
        workload = workload or Workload(input_size=metadata.static_size or metadata.input_size)
        request = EngineRequest(
            library=library,
            path=path,
            model=metadata.model.name,
            precision=precision,
            profile=Profile.for_run(workload),
            gpu=gpu,
        )
        with self._current():
            self._runtime = library.module.Runtime(library.logger)
            self._engine, self._shapes = load_engine(self._runtime, request, engine_folder)
            self.usual_batch = self.max_batch
            self._up, self._compute, self._down = (self._cuda.Stream() for _ in range(3))
        # One execution context for each size of input: a CUDA graph is of one size, and scratch
        # memory is kept between frames.
        self._contexts: dict[tuple[int, ...], Any] = {}
        self._graphs: list[CudaGraph] = []
        self._records = True  # until TensorRT has work that cannot be recorded

    @classmethod
    def check(cls) -> None:
        _import_driver(cls.name)
        if not list_gpus():
            raise RuntimeUnavailableError(f"{cls.name} finds no CUDA GPU")

    @property
    def max_batch(self) -> int:
        return self._shapes[-1][0]  # what the engine was built for

    def make_slot(self, height: int, width: int, batch: int = 1) -> Slot:
        shapes = output_shapes(self.metadata, height, width, batch)
        image_shape = (batch, height, width, 3)
        with self._current(
            f"cannot prepare for images {image_shape}; if memory is short, take a smaller input "
            "size"
        ):
            self._execution(image_shape)
            host = {
                name: self._cuda.pagelocked_empty(shapes[name], kind)
                for name, kind in OUTPUT_TYPES.items()
            }
            images = self._cuda.pagelocked_empty(image_shape, np.uint8)
            images[:] = 0
            arrays = {INPUT_NAME: images, **host}
            buffers = {name: self._cuda.mem_alloc(array.nbytes) for name, array in arrays.items()}
            untimed = self._cuda.event_flags.DISABLE_TIMING
            events = [self._cuda.Event(untimed) for _ in range(2)]
            # The thread that waits for it sleeps instead of spinning, and leaves its core to
            # decoding and grouping.
            events.append(self._cuda.Event(untimed | self._cuda.event_flags.BLOCKING_SYNC))
            device = _Device(buffers, *events)
        return Slot(images, **host, handle=device)

    def submit(self, slot: Slot) -> Slot:
        device: _Device = slot.handle
        with self._current(f"could not start on images {slot.images.shape}"):
            self._cuda.memcpy_htod_async(device.buffers[INPUT_NAME], slot.images, self._up)
            device.uploaded.record(self._up)
            self._compute.wait_for_event(device.uploaded)
            self._enqueue(slot, device)
            device.computed.record(self._compute)
            self._down.wait_for_event(device.computed)
            for name, array in slot.outputs.items():
                self._cuda.memcpy_dtoh_async(array, device.buffers[name], self._down)
            device.downloaded.record(self._down)
        return slot

    def result(self, ticket: Slot) -> Slot:
        with self._current(f"failed on images {ticket.images.shape}"):
            ticket.handle.downloaded.synchronize()
        return ticket

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with self._current():
            for stream in (self._up, self._compute, self._down):
                with suppress(self._cuda.Error):  # what failed was reported by `result`
                    stream.synchronize()
            for graph in self._graphs:
                graph.close()
            # Contexts before the engine, the engine before its runtime: TensorRT's order of
            # destruction.
            self._contexts.clear()
            del self._engine, self._runtime, self._up, self._compute, self._down

    def _enqueue(self, slot: Slot, device: _Device) -> None:
        if device.graph is not None:
            device.graph.launch(self._compute.handle)
            return
        execution = self._execution(slot.images.shape)
        for name, buffer in device.buffers.items():
            execution.set_tensor_address(name, int(buffer))
        # Once outside of the graph: TensorRT may still allocate in the first run of a shape.
        if not execution.execute_async_v3(self._compute.handle):
            raise ExecutionError(
                f"{self.name} could not start on images {slot.images.shape}; its log says why"
            )
        if self._records:
            try:
                device.graph = CudaGraph(
                    self._compute.handle,
                    lambda: bool(execution.execute_async_v3(self._compute.handle)),
                )
                self._graphs.append(device.graph)
            except ExecutionError as error:
                self._records = False
                logger.warning("%s runs without CUDA graphs: %s", self.name, error)

    def _execution(self, shape: tuple[int, ...]) -> Any:
        if shape not in self._contexts:
            execution = self._engine.create_execution_context()
            if execution is None:
                raise ExecutionError(
                    f"{self.name} has not enough GPU memory for images {shape}: take a smaller "
                    "input size"
                )
            if not execution.set_input_shape(INPUT_NAME, shape):
                raise ConfigError(
                    f"images {shape} are outside of the engine's sizes: build one with python -m "
                    "engine build"
                )
            self._contexts[shape] = execution
        return self._contexts[shape]

    @contextmanager
    def _current(self, what: str = "cannot start") -> Iterator[None]:
        """Makes the GPU's context the calling thread's, for as long as the block lasts; CUDA's
        errors are ExecutionErrors.
        """
        self._context.push()
        try:
            yield
        except self._cuda.Error as error:
            raise ExecutionError(f"{self.name} {what}: {one_line(error)}") from error
        finally:
            self._context.pop()


class TensorRtRtx(TensorRt):
    """The same with TensorRT-RTX, which compiles the engine for this GPU when it loads it."""

    name = "tensorrt_rtx"


@cache
def open_gpu(name: str, index: int = 0) -> tuple[Any, Any]:
    """pycuda's driver module and the primary context of a GPU (torch uses the same one).

    The context is kept until the process ends: maps that somebody still holds lie in its pinned
    memory, and would go with it.
    """
    cuda = _import_driver(name)
    try:
        cuda.init()
        return cuda, cuda.Device(index).retain_primary_context()
    except cuda.Error as error:
        raise RuntimeUnavailableError(
            f"{name} cannot open GPU {index}: {one_line(error)}"
        ) from error


def _import_driver(name: str) -> Any:
    return import_package("pycuda.driver", RUNTIMES[name].install, name)
