"""What a slot has on the GPU, and pinned memory: freed while the GPU's context is current, by
whichever thread lets go of it.

pycuda frees nothing in a thread that did not make the context, unless it is current there: it
warns, and what was to be freed is lost for good.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.runtimes.tensorrt.cuda_graph import CudaGraph

_RECORDINGS = 3


@dataclass(frozen=True)
class GpuContext:
    """A GPU's context, and pycuda's driver module.

    Attributes:
        cuda: The module.
        context: As pycuda has it.
    """

    cuda: Any
    context: Any

    @contextmanager
    def current(self) -> Iterator[None]:
        """Makes it the calling thread's, for as long as the block lasts."""
        self.context.push()
        try:
            yield
        finally:
            self.context.pop()

    def is_dead(self) -> bool:
        """Whether an error has made it useless, asked while it is current."""
        try:
            self.cuda.mem_get_info()
        except self.cuda.Error:
            return True
        return False

    def pinned(
        self, shape: tuple[int, ...], kind: type[np.generic], *, mapped: bool = False
    ) -> NDArray[Any]:
        """An array of pinned memory, which is freed with the last view of it, in any thread.

        mapped: the GPU may read it where it is.
        """
        flags = self.cuda.host_alloc_flags.DEVICEMAP if mapped else 0
        array: NDArray[Any] = self.cuda.pagelocked_empty(shape, kind, mem_flags=flags)
        when_gone(array, _free_pinned, self, array.base)
        return array


@dataclass
class _Parts:
    """All that is to be freed; `events` are uploaded, computed, downloaded."""

    gpu: GpuContext
    buffers: dict[str, Any] = field(default_factory=dict)
    events: list[Any] = field(default_factory=list)
    graph: CudaGraph | None = None
    execution: Any = None  # that the graph was recorded of
    in_use: bool = False

    def close(self) -> None:
        with self.gpu.current():
            if self.in_use:
                with suppress(self.gpu.cuda.Error):  # what failed was reported by `result`
                    self.events[-1].synchronize()
            if self.gpu.is_dead():
                abandon(self.graph, *self.buffers.values(), *self.events)
            else:
                if self.graph is not None:
                    self.graph.close()
                for buffer in self.buffers.values():
                    buffer.free()
            self.graph = self.execution = None
            self.buffers.clear()
            self.events.clear()


class SlotMemory:
    """A slot's pinned arrays, its memory on the GPU, its events, and its work once that was
    recorded.

    What is on the GPU is freed by `close`, or with the object; pinned memory with the last view of
    it, because maps that somebody holds lie in it.

    Attributes:
        host: Pinned arrays by name.
        recordings_left: How often it may still be tried to record its work.
        close: Frees what is on the GPU, after work that is under way; may be called more than once,
            by any thread.
    """

    def __init__(
        self,
        gpu: GpuContext,
        shapes: Mapping[str, tuple[tuple[int, ...], type[np.generic]]],
        execution: Any = None,
        mapped: Collection[str] = (),
    ) -> None:
        """Allocates arrays of these shapes and types, by name, while the context is current; keeps
        `execution` for as long as a graph may be of it. Of those that are `mapped` the GPU uses the
        pinned array itself.
        """
        cuda = gpu.cuda
        self.recordings_left = _RECORDINGS
        self._parts = _Parts(gpu, execution=execution)
        self.close = when_gone(self, self._parts.close)
        try:
            self.host = {
                name: gpu.pinned(shape, kind, mapped=name in mapped)
                for name, (shape, kind) in shapes.items()
            }
            allocations: dict[str, Any] = {name: self.host[name].base for name in mapped}
            self._mapped = {
                name: allocation.get_device_pointer() for name, allocation in allocations.items()
            }
            for name in self.host.keys() - self._mapped.keys():
                self._parts.buffers[name] = cuda.mem_alloc(self.host[name].nbytes)
            untimed = cuda.event_flags.DISABLE_TIMING
            # The thread that waits for the last one sleeps instead of spinning, and leaves its core
            # to decoding and grouping.
            for flags in (untimed, untimed, untimed | cuda.event_flags.BLOCKING_SYNC):
                self._parts.events.append(cuda.Event(flags))
        except BaseException:
            self.close()
            raise

    @property
    def execution(self) -> Any:
        """What computes it."""
        return self._parts.execution

    @property
    def buffers(self) -> dict[str, Any]:
        """What the GPU computes with, by name: its own memory, or mapped arrays."""
        return self._parts.buffers | self._mapped

    def is_mapped(self, name: str) -> bool:
        """Whether the GPU uses the pinned array itself."""
        return name in self._mapped

    @property
    def graph(self) -> CudaGraph | None:
        """The recorded work; None until there is any."""
        return self._parts.graph

    @graph.setter
    def graph(self, graph: CudaGraph) -> None:
        self._parts.graph = graph

    @property
    def events(self) -> tuple[Any, Any, Any]:
        """After the upload, after the computation, after the download."""
        uploaded, computed, downloaded = self._parts.events
        return uploaded, computed, downloaded

    def begin(self) -> None:
        """Notes that work is under way, which memory is not to be taken from."""
        self._parts.in_use = True

    def end(self) -> None:
        """Notes that it is done."""
        self._parts.in_use = False


def when_gone(thing: Any, call: Callable[..., None], *arguments: Any) -> Callable[[], Any]:
    """Calls it when `thing` is gone, or before if it is asked to; not when the process ends, which
    frees everything, while a thread may still be at work.
    """
    finalizer = weakref.finalize(thing, call, *arguments)
    finalizer.atexit = False
    return finalizer


def _free_pinned(gpu: GpuContext, allocation: Any) -> None:
    with gpu.current():
        if gpu.is_dead():
            abandon(allocation)
        else:
            allocation.free()


def abandon(*things: Any) -> None:
    """Keeps them for ever: freeing them on a dead context prints lines, and frees nothing."""
    for thing in things:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
