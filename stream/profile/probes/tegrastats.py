"""One line of tegrastats, as every Jetson from Nano to Thor prints it.

    RAM 613/3964MB (lfb 634x4MB) SWAP 0/1982MB (cached 0MB) CPU [2%@102,off,0%@102,0%@102] EMC_FREQ
    0% GR3D_FREQ 0% PLL@39C CPU@40.5C PMIC@100C GPU@41C AO@46C thermal@41C POM_5V_IN 900/943
    POM_5V_GPU 0/0 POM_5V_CPU 123/123

The statistics are those of NVIDIA's Jetson Linux Developer Guide, "tegrastats Utility"; what
differs between releases: JetPack 4 prints milliwatts without a unit, 5 and later `3188mW/3188mW`
(now and average), R39 three values (now, average, maximum) and two temperatures; from Orin on
GR3D_FREQ has the clocks of its clusters in brackets, on Thor without a load.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_RAM = re.compile(r"\bRAM (\d{1,9})/(\d{1,9})MB")
_SWAP = re.compile(r"\bSWAP (\d{1,9})/(\d{1,9})MB")
_CPU = re.compile(r"\bCPU \[([^\]]*)\](?:@(\d{1,9}))?")
_CORE = re.compile(r"(\d{1,3})%(?:@(\d{1,9}))?")
_ENGINE = r"\b{name} (?:(\d{{1,3}})%)?(?:@(?:(\d{{1,9}})|\[([^\]]*)\]))?"
_GPU = re.compile(_ENGINE.format(name="GR3D_FREQ"))
_MEMORY = re.compile(_ENGINE.format(name="EMC_FREQ"))
_TEMPERATURE = re.compile(r"(?<!\S)([A-Za-z][\w-]*)@(-?\d{1,4}(?:\.\d{1,6})?)C\b")
_RAIL = re.compile(
    r"(?<!\S)([A-Z][A-Z0-9_]*) (-?\d{1,9})(?:mW)?/(-?\d{1,9})(?:mW)?(?:/-?\d{1,9}(?:mW)?)?(?!\S)"
)

_INPUT_RAILS = (
    "VDD_IN",
    "POM_5V_IN",
    "VIN",
)  # each measures what the whole module, or board, takes in
_ABSENT_C = -200.0  # an engine that is off reads -256


@dataclass(frozen=True, kw_only=True)
class TegraStats:
    """What one line says; None, or nothing in a dict, for what it does not say.

    Attributes:
        ram_used_mib: Memory in use.
        ram_total_mib: Memory in all.
        swap_used_mib: Swap in use.
        swap_total_mib: Swap in all.
        cores: Load in percent and clock in MHz of each core; (None, None) for one that is off.
        gpu_percent: Load of the GPU.
        gpu_mhz: Its clock.
        memory_percent: Load of the memory controller.
        memory_mhz: Its clock.
        temperatures_c: By sensor.
        power_mw: By rail: now, and the average since tegrastats began.
    """

    ram_used_mib: int | None = None
    ram_total_mib: int | None = None
    swap_used_mib: int | None = None
    swap_total_mib: int | None = None
    cores: tuple[tuple[int | None, int | None], ...] = ()
    memory_percent: int | None = None
    memory_mhz: int | None = None
    gpu_percent: int | None = None
    gpu_mhz: int | None = None
    temperatures_c: dict[str, float] = field(default_factory=dict)
    power_mw: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def total_w(self) -> float | None:
        """Watts that the module takes in: its input rail, or the sum of all rails where it has none
        (AGX Xavier, AGX Orin).
        """
        for rail in _INPUT_RAILS:
            if rail in self.power_mw:
                return self.power_mw[rail][0] * 1e-3
        return sum(now for now, _ in self.power_mw.values()) * 1e-3 if self.power_mw else None


def parse_tegrastats(line: str) -> TegraStats:
    """What the line says; fields that are not known, or not as they should be, are passed over.
    Never raises.
    """
    ram, swap = _pair(_RAM, line), _pair(_SWAP, line)
    gpu, memory = _engine(_GPU, line), _engine(_MEMORY, line)
    temperatures_c = {match[1]: float(match[2]) for match in _TEMPERATURE.finditer(line)}
    return TegraStats(
        ram_used_mib=ram[0],
        ram_total_mib=ram[1],
        swap_used_mib=swap[0],
        swap_total_mib=swap[1],
        cores=_cores(line),
        memory_percent=memory[0],
        memory_mhz=memory[1],
        gpu_percent=gpu[0],
        gpu_mhz=gpu[1],
        temperatures_c={name: value for name, value in temperatures_c.items() if value > _ABSENT_C},
        power_mw={
            match[1]: (int(match[2]), int(match[3]))
            for match in _RAIL.finditer(line)
            if match[1] != "NC"
        },
    )


def _pair(pattern: re.Pattern[str], line: str) -> tuple[int | None, int | None]:
    match = pattern.search(line)
    return (None, None) if match is None else (int(match[1]), int(match[2]))


def _cores(line: str) -> tuple[tuple[int | None, int | None], ...]:
    match = _CPU.search(line)
    if match is None:
        return ()
    common_mhz = None if match[2] is None else int(match[2])
    cores: list[tuple[int | None, int | None]] = []
    for text in match[1].split(","):
        core = _CORE.fullmatch(text.strip())
        if core is None:
            cores.append((None, None))
        else:
            cores.append((int(core[1]), common_mhz if core[2] is None else int(core[2])))
    return tuple(cores)


def _engine(pattern: re.Pattern[str], line: str) -> tuple[int | None, int | None]:
    """Load and clock; the highest clock where there are several."""
    match = pattern.search(line)
    if match is None:
        return None, None
    percent = None if match[1] is None else int(match[1])
    if match[3] is not None:
        clocks = [
            int(text)
            for text in match[3].split(",")
            if text.strip().isascii() and text.strip().isdigit()
        ]
        return percent, max(clocks, default=None)
    return percent, None if match[2] is None else int(match[2])
