"""How this room's kernels are compiled and kept."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np

logger = logging.getLogger(__name__)

# A heatmap value or tag beyond this is as useless as NaN. Squares of differences and sums over
# joints stay finite below it.
LARGEST_VALUE = np.float32(1e18)

Function = TypeVar("Function", bound=Callable[..., Any])


def _hash_sources() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]


_VERSION = _hash_sources()


def kernel(function: Function) -> Function:
    """`function` compiled by Numba at its first call: without the GIL, without fastmath, kept on
    disk for later starts.

    Numba keeps a kernel with all that it calls, but looks only at the kernel's own file to see
    whether that is still true. So the name under which it is kept carries a hash of the whole room.
    """
    function.__qualname__ += f"_{_VERSION}"
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError as error:
        # Neither the package nor the user's cache folder can be written (read-only images, other
        # users' installations).
        logger.warning(
            "kernels are compiled anew at every start, set NUMBA_CACHE_DIR to a writable folder: "
            "%s",
            error,
        )
        return numba.njit(**options)(function)  # type: ignore[no-any-return]
