"""NVTX ranges: the stages in the timeline of Nsight Systems."""

from __future__ import annotations

import importlib
from typing import Any

from stream.pipeline.timing import Ranges


class NvtxRanges:
    """Marks work in the NVTX domain `higherhrnet-stream`. Costs about 0.3 us a range while no tool
    is attached.
    """

    def __init__(self, nvtx: Any) -> None:
        self._domain = nvtx.get_domain("higherhrnet-stream")
        self._attributes: dict[str, Any] = {}

    def push(self, name: str) -> None:
        attributes = self._attributes.get(name)
        if attributes is None:
            attributes = self._attributes[name] = self._domain.get_event_attributes(message=name)
        self._domain.push_range(attributes)

    def pop(self) -> None:
        self._domain.pop_range()


def nvtx_ranges() -> Ranges | None:
    """Ranges where the package `nvtx` is installed, None where it is not."""
    try:
        nvtx = importlib.import_module("nvtx")
    except ImportError:
        return None
    return NvtxRanges(nvtx)
