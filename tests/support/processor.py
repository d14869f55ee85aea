"""What the processor that tests run on can do."""

from __future__ import annotations

import os
from functools import cache


@cache
def has_bf16() -> bool:
    """Whether OpenVINO computes in bf16 here; without it, it takes single precision."""
    from openvino import Core

    if "ONEDNN_MAX_CPU_ISA" in os.environ:  # oneDNN goes by it, what OpenVINO says does not
        return False
    return "BF16" in Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
