"""What a Jetson is allowed to draw: its power mode, and whether its clocks are pinned."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MODE = re.compile(r"NV Power Mode:[ \t]*(\S[^\n]*)(?:\s*\n\s*(\d+))?")
_CLOCK = re.compile(
    r"^\s*(cpu\d+|GPU|EMC)\b[^\n]*?MinFreq=(\d+)\s+MaxFreq=(\d+)\s+CurrentFreq=(\d+)", re.MULTILINE
)


@dataclass(frozen=True, kw_only=True)
class PowerMode:
    """A power mode of a Jetson.

    Attributes:
        name: Such as MAXN or 15W.
        number: What `nvpmodel -m` takes; None where it was not told.
    """

    name: str
    number: int | None = None

    def __str__(self) -> str:
        return self.name if self.number is None else f"{self.name} (mode {self.number})"


def parse_nvpmodel(text: str) -> PowerMode | None:
    """The mode in the output of `nvpmodel -q`; None if it is not in there.

    NV Power Mode: MAXN
    0
    """
    match = _MODE.search(text)
    if match is None:
        return None
    return PowerMode(name=match[1].strip(), number=None if match[2] is None else int(match[2]))


def parse_jetson_clocks(text: str) -> bool | None:
    """Whether the output of `jetson_clocks --show` says that CPU and GPU clocks are pinned; None if
    it has no clocks.

    cpu0:  Online=1 Governor=schedutil MinFreq=729600 MaxFreq=1510400 CurrentFreq=1510400
    IdleStates: WFI=1 c7=1
    GPU MinFreq=306000000 MaxFreq=624750000 CurrentFreq=306000000
    """
    clocks = [(match[1], match[2], match[3]) for match in _CLOCK.finditer(text)]
    if not clocks:
        return None
    return all(low == high for name, low, high in clocks if name != "EMC")
