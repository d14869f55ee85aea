"""The scales of a multi-scale test."""

from __future__ import annotations

from collections.abc import Sequence

from configs import ConfigError

_LARGEST = 4.0


def check_scales(scales: Sequence[float]) -> None:
    """Raises ConfigError unless the scales are positive and, if there are several, hold 1: tags are
    those of scale 1.
    """
    if not scales:
        raise ConfigError("scales must hold at least one scale, such as 1")
    for scale in scales:
        if not 0 < scale <= _LARGEST:
            raise ConfigError(f"scales must be above 0 and at most {_LARGEST:g}, not {scale:g}")
    if len(scales) > 1 and 1.0 not in scales:
        shown = " ".join(f"{scale:g}" for scale in scales)
        raise ConfigError(f"several scales must include 1, whose tags are kept; add it to {shown}")
