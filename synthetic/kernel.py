"""How this room compiles its Numba kernels: cached on disk, without the interpreter lock, floating
point reordered freely.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])


def kernel(function: _Function) -> _Function:
    """`function` compiled at its first call; its annotations stay true for callers and for mypy."""
    return cast(
        _Function, numba.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")(function)
    )
