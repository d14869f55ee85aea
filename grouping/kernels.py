"""How this room's kernels are compiled."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import numba

logger = logging.getLogger(__name__)

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """`function` compiled by Numba at its first call: without the GIL, without fastmath, kept on disk for later starts.

    Numba's cache notices a change only in the file of the kernel that was called. Kernels therefore call only kernels of
    their own module; Python calls the modules one after the other.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError as error:
        # Neither the package nor the user's cache folder can be written (read-only images, other users' installations).
        logger.warning("kernels are compiled anew at every start, set NUMBA_CACHE_DIR to a writable folder: %s", error)
        return numba.njit(**options)(function)  # type: ignore[no-any-return]
