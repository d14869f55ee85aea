"""The alternate stack that signal handlers of this thread run on, kept safe from libraries that
replace it.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _StackT(ctypes.Structure):
    """`stack_t` of <signal.h> on Linux."""

    _fields_ = (("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """Leaves this thread's alternate signal stack as it was.

    OpenVINO 2026.4 sets one of its own while a model is compiled and puts the former one back when
    the model goes. Models that do not go in the reverse order of their coming leave a stack that is
    already freed, and the next signal that Python handles (Ctrl-C, a child that ends) crashes the
    process: seen as a segmentation fault in `trip_signal`.
    """
    if sys.platform != "linux":
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    former = _StackT()
    libc.sigaltstack(None, ctypes.byref(former))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(former), None)
