"""TensorRT and TensorRT-RTX on a CUDA GPU. NOT RUN YET: no GPU was at hand when this was written.
Streams, memory and threads are tested on a driver in memory (`tests/support/cuda`).

Three streams: images go up on one, the engine runs on the second, results come down on the third;
events order them for each slot, so that one image is uploaded while another is computed. Nothing
here waits on the submitting thread.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from basics.packages import import_package
from configs import ExecutionError, RuntimeUnavailableError, one_line
from engine.onnx.metadata import INPUT_NAME, ModelMetadata
from engine.runtimes.base import OUTPUT_TYPES, Runtime, Slot, Workload, output_shapes
from engine.runtimes.device import Device
from engine.runtimes.gpus import Gpu, find_gpu, list_gpus
from engine.runtimes.registry import RUNTIMES
from engine.runtimes.tensorrt.build import Profile
from engine.runtimes.tensorrt.cache import EngineRequest, load_engine
from engine.runtimes.tensorrt.cuda_graph import CudaGraph
from engine.runtimes.tensorrt.executions import Executions
from engine.runtimes.tensorrt.library import Library, load_library
from engine.runtimes.tensorrt.memory import GpuContext, SlotMemory, abandon, when_gone

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING
logger = logging.getLogger(__name__)


class _Loaded:
    """What a runtime has on the GPU besides its slots; `close` frees all of it."""

    def __init__(self, gpu: GpuContext, library: Library) -> None:
        """The library's runtime and three streams, while the GPU's context is current."""
        self.gpu = gpu
        self.library = library
        self.slots: weakref.WeakSet[SlotMemory] = weakref.WeakSet()
        self.runtime: Any = library.module.Runtime(library.logger)
        self.engine: Any = None
        self.executions: Executions | None = None
        # Another thread's work on the legacy default stream (torch has some, and so has TensorRT
        # when it makes an engine) would spoil what is being recorded on a blocking stream.
        self.streams: list[Any] = [gpu.cuda.Stream(_NON_BLOCKING) for _ in range(3)]

    def close(self) -> None:
        with self.gpu.current():
            self._finish()
            dead = self.gpu.is_dead()
            # Contexts before the engine, the engine before its runtime: TensorRT's order of
            # destruction.
            if self.executions is not None:
                self.executions.close(abandon_memory=dead)
            self.executions = self.engine = self.runtime = None
            if dead:
                abandon(*self.streams)
            self.streams.clear()

    def _finish(self) -> None:
        """Waits for what is under way, and frees the slots. A function of its own: a name that
        still holds a stream when the context is no longer current would lose it.
        """
        for stream in self.streams:
            with suppress(self.gpu.cuda.Error):  # what failed was reported by `result`
                stream.synchronize()
        for slot in list(self.slots):
            slot.close()


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
        if reason := library.refuses(self.gpu):
            raise RuntimeUnavailableError(reason)
        self.device = self.gpu.kind
        self._context = open_gpu(self.name, self.gpu.index)
        self._cuda = self._context.cuda
        self.precision = precision
        self.metadata = metadata
        workload = workload or Workload(input_size=metadata.static_size or metadata.input_size)
        request = EngineRequest(
            library=library,
            path=path,
            model=metadata.model.name,
            precision=precision,
            profile=Profile.for_run(workload),
            gpu=library.target(self.gpu),
            driver=library.driver,
        )
        self._library = library
        self._unrecorded = False  # whether a recording failed, which is said once
        with self._current():
            self._loaded = _Loaded(self._context, library)
            self._close = when_gone(self, self._loaded.close)
            try:
                self._loaded.engine, file = load_engine(
                    self._loaded.runtime, request, engine_folder
                )
                self._loaded.executions = Executions(
                    library, self._context, self._loaded.engine, file.folder
                )
            except BaseException:
                self.close()
                raise
        self._shapes = file.shapes
        self.usual_batch = self.max_batch

    @classmethod
    def check(cls) -> None:
        _import_driver(cls.name)
        gpus = list_gpus()
        if not gpus:
            raise RuntimeUnavailableError(f"{cls.name} finds no CUDA GPU")
        library = load_library(cls.name)
        reasons = [library.refuses(gpu) for gpu in gpus]
        if all(reasons):
            raise RuntimeUnavailableError(reasons[0])

    @property
    def max_batch(self) -> int:
        return self._shapes[-1][0]  # what the engine was built for

    def make_slot(self, height: int, width: int, batch: int = 1) -> Slot:
        shapes = output_shapes(self.metadata, height, width, batch)
        image_shape = (batch, height, width, 3)
        arrays: dict[str, Any] = {INPUT_NAME: (image_shape, np.uint8)}
        arrays |= {name: (shapes[name], kind) for name, kind in OUTPUT_TYPES.items()}
        with self._current(
            f"cannot prepare for images {image_shape}; if memory is short, take a smaller input "
            "size"
        ):
            execution = self._executions.of_shape(image_shape)
            # A GPU that shares its memory with the CPU (a Jetson's) reads images where they are.
            # Maps are copied all the same: the graph itself reads them again, for candidates.
            mapped = (INPUT_NAME,) if self.gpu.integrated else ()
            memory = SlotMemory(self._context, arrays, execution, mapped)
        self._loaded.slots.add(memory)
        images = memory.host.pop(INPUT_NAME)
        images[:] = 0
        return Slot(images, **memory.host, handle=memory)

    def submit(self, slot: Slot) -> Slot:
        memory: SlotMemory = slot.handle
        uploaded, computed, downloaded = memory.events
        up, compute, down = self._loaded.streams
        with self._current(f"could not start on images {slot.images.shape}"):
            memory.begin()
            if not memory.is_mapped(INPUT_NAME):
                self._cuda.memcpy_htod_async(memory.buffers[INPUT_NAME], slot.images, up)
                uploaded.record(up)
                compute.wait_for_event(uploaded)
            self._enqueue(slot, memory, compute.handle)
            computed.record(compute)
            down.wait_for_event(computed)
            for name, array in slot.outputs.items():
                self._cuda.memcpy_dtoh_async(array, memory.buffers[name], down)
            downloaded.record(down)
        return slot

    def result(self, ticket: Slot) -> Slot:
        memory: SlotMemory = ticket.handle
        with self._current(f"failed on images {ticket.images.shape}"):
            memory.events[-1].synchronize()
            memory.end()
        return ticket

    def close(self) -> None:
        self._close()

    @property
    def _executions(self) -> Executions:
        if self._loaded.executions is None:
            raise ExecutionError(f"{self.name} was closed")
        return self._loaded.executions

    def _enqueue(self, slot: Slot, memory: SlotMemory, stream: int) -> None:
        if memory.graph is not None:
            try:
                memory.graph.launch(stream)
            except ExecutionError as error:
                raise ExecutionError(
                    f"{self.name} could not start on images {slot.images.shape}: {error}"
                ) from error
            return
        execution = memory.execution.context
        for name, buffer in memory.buffers.items():
            execution.set_tensor_address(name, int(buffer))
        # Once outside of the graph: TensorRT may still allocate in the first run of a shape.
        if not execution.execute_async_v3(stream):
            self._cuda.Context.synchronize()  # where the GPU failed before, this says with what
            raise ExecutionError(
                f"{self.name} could not start on images {slot.images.shape}; its log says why"
            )
        if memory.recordings_left:
            memory.recordings_left -= 1
            self._record(memory, execution, stream)

    def _record(self, memory: SlotMemory, execution: Any, stream: int) -> None:
        """Makes the slot's work a graph, unless something keeps the driver from it."""
        try:
            with self._library.expecting_errors():
                memory.graph = CudaGraph(stream, lambda: bool(execution.execute_async_v3(stream)))
        except ExecutionError as error:
            # One thing that spoils a recording is another thread's: it may go well the next time.
            if not self._unrecorded:
                logger.warning("%s runs without a CUDA graph: %s", self.name, error)
            self._unrecorded = True

    @contextmanager
    def _current(self, what: str = "cannot start") -> Iterator[None]:
        """Makes the GPU's context the calling thread's, for as long as the block lasts; CUDA's
        errors are ExecutionErrors.
        """
        with self._context.current():
            try:
                yield
            except self._cuda.Error as error:
                raise ExecutionError(f"{self.name} {what}: {one_line(error)}") from error


class TensorRtRtx(TensorRt):
    """The same with TensorRT-RTX, which compiles the engine for this GPU when it loads it."""

    name = "tensorrt_rtx"


@cache
def open_gpu(name: str, index: int = 0) -> GpuContext:
    """The primary context of a GPU, which torch uses, too.

    The context is kept until the process ends: maps that somebody still holds lie in its pinned
    memory, and would go with it. Nobody destroys it then: pycuda would take it for one that it
    made, and the driver refuse.
    """
    cuda = _import_driver(name)
    try:
        cuda.init()
        context = cuda.Device(index).retain_primary_context()
    except cuda.Error as error:
        raise RuntimeUnavailableError(
            f"{name} cannot open GPU {index}: {one_line(error)}"
        ) from error
    abandon(context)
    return GpuContext(cuda, context)


def _import_driver(name: str) -> Any:
    return import_package("pycuda.driver", RUNTIMES[name].install, name)
