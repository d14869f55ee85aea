"""What the processor that tests run on can do."""

from __future__ import annotations

from functools import cache


@cache
def has_bf16() -> bool:
    """Whether OpenVINO computes in bf16 here; without it, it takes single precision."""
    from openvino import Core

    return "BF16" in Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
