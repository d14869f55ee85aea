"""CUDA graphs through the driver itself: pycuda has no interface to them (its pull request 343 is
open since 2022).

NOT RUN YET on a GPU; tested on a driver in memory.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache

from configs import ExecutionError

# CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads may allocate and copy while this one records
_THREAD_LOCAL = 1
_LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


class CudaGraph:
    """Work that was recorded once and is started with one call. Owns the recording; `close` frees
    it.
    """

    def __init__(self, stream_handle: int, enqueue: Callable[[], bool]) -> None:
        """Records what `enqueue` puts on the stream; nothing is run.

        Raises:
            ExecutionError: The driver refuses, or `enqueue` does.
        """
        stream, graph = ctypes.c_void_p(stream_handle), ctypes.c_void_p()
        self._executable = ctypes.c_void_p()
        _call("cuStreamBeginCapture_v2", stream, _THREAD_LOCAL)
        try:
            enqueued = enqueue()
        finally:
            # A stream that is left recording can never be used again.
            _call("cuStreamEndCapture", stream, ctypes.byref(graph))
        try:
            if not enqueued:
                raise ExecutionError("the engine's work cannot be recorded as a CUDA graph")
            _call(
                "cuGraphInstantiateWithFlags",
                ctypes.byref(self._executable),
                graph,
                ctypes.c_ulonglong(0),
            )
        finally:
            _call("cuGraphDestroy", graph)

    def launch(self, stream_handle: int) -> None:
        """Starts the recorded work on the stream, without waiting for it."""
        _call("cuGraphLaunch", self._executable, ctypes.c_void_p(stream_handle))

    def close(self) -> None:
        """Frees the recording; may be called more than once."""
        if self._executable:
            executable, self._executable = self._executable, ctypes.c_void_p()
            _call("cuGraphExecDestroy", executable)


@cache
def _driver() -> ctypes.CDLL:
    return ctypes.CDLL(_LIBRARY)


def _call(name: str, *arguments: object) -> None:
    status = getattr(_driver(), name)(*arguments)
    if status:
        raise ExecutionError(f"CUDA's driver refuses {name}: error {status}")
