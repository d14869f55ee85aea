"""How kernels are compiled by Numba and kept on disk, never out of date."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, overload

import numba
import numpy as np
from numba.core.dispatcher import Dispatcher
from numba.core.event import Event, Listener, install_listener

logger = logging.getLogger(__name__)

Function = TypeVar("Function", bound=Callable[..., Any])

_VERSION = "__kernel_version__"

if numba.config.DISABLE_JIT:
    # As Python, a kernel would take minutes for an image, and its unsigned bytes would overflow.
    os.environ.pop("NUMBA_DISABLE_JIT", None)  # Numba looks there again
    numba.config.DISABLE_JIT = 0
    logger.warning("NUMBA_DISABLE_JIT is set, but kernels are compiled all the same")


@overload
def kernel(function: Function, /) -> Function: ...
@overload
def kernel(*, fastmath: bool = False) -> Callable[[Function], Function]: ...
def kernel(
    function: Function | None = None, /, *, fastmath: bool = False
) -> Function | Callable[[Function], Function]:
    """A decorator: the function compiled at its first call, without the GIL, kept for later starts.

    Numba keeps a kernel with all that it calls and with the values of all constants that it reads,
    but looks only at the kernel's own file to see whether that is still true. So the name under
    which it is kept carries a hash of its file, of the kernels that its module knows from elsewhere
    (and so on, down to the last one called), and of the numbers and arrays of the module.

    Args:
        function: The function; its annotations stay true for callers and for mypy. Division by zero
            gives inf or NaN as in NumPy.
        fastmath: Whether floating point may be reordered and NaN ignored. Results then depend on
            the processor.
    """

    def compiled(function: Function) -> Function:
        version = _hash_kernel(function)
        function.__qualname__ += f"_{version}"
        setattr(function, _VERSION, version)
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
        try:
            return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]
        except RuntimeError:
            # Neither the package nor the user's cache folder can be written (read-only images,
            # other users' installations).
            _warn_once()
            return numba.njit(**options)(function)  # type: ignore[no-any-return]

    return compiled if function is None else compiled(function)


@contextmanager
def compilation_told(tell: Callable[[], None]) -> Iterator[None]:
    """While entered, the first kernel that has to be compiled is told: the first start after an
    installation takes half a minute, in which nothing else would be seen.

    Args:
        tell: Called once, before the compiler begins, in whatever thread that is.
    """
    with install_listener("numba:compile", _FirstCompilation(tell)):
        yield


class _FirstCompilation(Listener):  # type: ignore[misc]  # Numba has no types
    """Compilation of kernels that were not found in the cache."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell: Callable[[], None] | None = tell

    def on_start(self, event: Event) -> None:
        tell = self._tell
        if tell is not None and hasattr(event.data["dispatcher"].py_func, _VERSION):
            self._tell = None
            tell()

    def on_end(self, event: Event) -> None:
        pass


def _hash_kernel(function: Callable[..., Any]) -> str:
    """12 hexadecimal digits of the file of the function and of all that its module knows."""
    digest = hashlib.sha256(_read(function.__code__.co_filename))
    for name, value in sorted(function.__globals__.items()):
        if name.startswith("__"):
            continue
        members = vars(value).items() if isinstance(value, ModuleType) else [(name, value)]
        # Not isinstance, which asks an abstract class about every name that NumPy has: a tenth of
        # the time that importing this package takes.
        kernels = {member: known for member, known in members if Dispatcher in type(known).__mro__}
        for member, known in sorted(kernels.items()):
            digest.update(f"{name}.{member} {_version(known)}".encode())
        if _is_constant(value):
            digest.update(f"{name} {value!r}".encode())
        elif isinstance(value, np.ndarray):
            digest.update(f"{name} {value.dtype} {value.shape}".encode() + value.tobytes())
    return digest.hexdigest()[:12]


def _is_constant(value: Any) -> bool:
    """Whether its repr says all about the value, and the same in every process."""
    if isinstance(value, tuple):
        return all(map(_is_constant, value))
    return isinstance(value, (bool, int, float, complex, str, np.generic))


def _version(dispatcher: Dispatcher) -> str:
    function = dispatcher.py_func
    version = getattr(function, _VERSION, None)
    return version if version is not None else _hash_kernel(function)


@cache
def _read(path: str) -> bytes:
    """The file's content; nothing for code without a file, which Numba does not keep either."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


@cache
def _warn_once() -> None:
    logger.warning(
        "kernels are compiled anew at every start: no cache folder can be written; set "
        "NUMBA_CACHE_DIR to a writable folder"
    )
