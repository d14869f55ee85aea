"""The command `doctor`: everything about a machine that a question about it needs, on one screen
and as one JSON.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from basics.atomic import atomic_path
from basics.standard_files import say
from configs import ConfigError
from configs.flags import FlagParser, add_groups, from_namespace, option
from configs.units import counted
from stream.app.config import program_name
from stream.app.findings import Findings, examine


@dataclass(frozen=True, kw_only=True)
class DoctorConfig:
    """What `doctor` does with what it finds.

    Attributes:
        json: Where the findings are written as JSON; `-` is standard output, with nothing else on
            it. None shows them on the screen alone.
        seconds: How long the speed of `lite` is measured; 0 leaves it out.

    Raises:
        ConfigError: A negative time.
    """

    TITLE: ClassVar[str] = "doctor"

    json: str | None = option(
        None,
        help="also write the findings to this file as JSON; -: to standard output, and no screen",
        metavar="FILE",
    )
    seconds: float = option(
        3.0, help="how long to measure the speed of lite; 0: not at all", metavar="SECONDS"
    )

    def __post_init__(self) -> None:
        if self.seconds < 0:
            raise ConfigError(f"seconds must be 0 or more, not {self.seconds:g}")


def doctor_parser() -> FlagParser:
    """The parser of what follows `doctor` on a command line."""
    parser = FlagParser(
        prog=f"{program_name()} doctor",
        description="What this machine has for this program: versions, processor and GPUs, "
        "runtimes and why others do not work, cameras, decoders and encoders, the cache, and how "
        "fast lite runs. No credentials are shown.",
    )
    add_groups(parser, {"doctor": DoctorConfig})
    return parser


def parse_doctor(arguments: Sequence[str]) -> DoctorConfig:
    """What follows `doctor` on a command line.

    Raises:
        ConfigError: It cannot be understood.
    """
    return from_namespace(DoctorConfig, doctor_parser().parse_args(arguments))


def run_doctor(config: DoctorConfig, program_version: str) -> int:
    """Examines the machine and says what was found.

    Args:
        config: Where to.
        program_version: Of this program.

    Returns:
        0: whatever was found is an answer.
    """
    findings = examine(program_version, config.seconds)
    text = json.dumps(findings, indent=2) + "\n"
    if config.json == "-":
        say(text.rstrip())
        return 0
    if config.json is not None:
        with atomic_path(Path(config.json)) as path:
            path.write_text(text, encoding="utf-8")
    shown, real = io.StringIO(), Console()
    # Not to the real one: rich ends the process by itself where a pipe is broken.
    Console(file=shown, force_terminal=real.is_terminal, width=real.width).print(screen(findings))
    say(shown.getvalue().rstrip("\n"))
    return 0


def screen(findings: Findings) -> Table:
    """The findings as a table of two columns."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, said in _rows(findings):
        table.add_row(name, Text(said))
    return table


def _rows(findings: Findings) -> list[tuple[str, str]]:
    versions, machine = findings["versions"], findings["machine"]
    memory_gib = machine["memory_gib"]
    rows = [
        ("program", f"higherhrnet-stream {versions['higherhrnet-stream']}"),
        ("python", versions["python"]),
        ("system", versions["system"]),
        ("packages", _pairs(versions["packages"])),
        (
            "processor",
            f"{machine['board'] or machine['processor']}, {machine['cores']} cores to use"
            + ("" if memory_gib is None else f", {memory_gib:.1f} GiB memory"),
        ),
        ("instructions", " ".join(machine["instruction_sets"]) or "not told by this system"),
        ("gpus", ", ".join(machine["gpus"]) or "no NVIDIA GPU found"),
        ("driver", machine["nvidia_driver"] or "no NVIDIA driver found"),
        *(
            (f"runtime {name}", f"{entry['state']} ({'/'.join(entry['precisions'])})")
            for name, entry in findings["runtimes"].items()
        ),
        ("cameras", _pairs(findings["cameras"]) or "none found (looked for /dev/video*)"),
        ("decoders", " ".join(findings["decoders"])),
        (
            "in hardware",
            f"this FFmpeg could use {' '.join(findings['hardware_decoding'])}, where they exist"
            if findings["hardware_decoding"]
            else "nothing in this FFmpeg",
        ),
        ("encoders", _encoders(findings["encoders"])),
        ("cache", _cache(findings["cache"])),
    ]
    if "speed" in findings:
        rows.append(("speed of lite", _speed(findings["speed"])))
    return rows


def _pairs(items: dict[str, str]) -> str:
    return ", ".join(f"{name} {said}".strip() for name, said in items.items())


def _encoders(states: dict[str, str]) -> str:
    working = [name for name, state in states.items() if state == "yes"]
    others = [f"{name} ({state})" for name, state in states.items() if state != "yes"]
    return ", ".join([*working, *others])


def _cache(contents: Findings) -> str:
    parts = [
        f"{name}: {counted(found['files'], 'file')}, {found['mib']} MiB"
        for name, found in contents.items()
        if isinstance(found, dict)
    ]
    folder = contents["folder"] + ("" if contents["writable"] else " (cannot be written)")
    return f"{folder}; {'; '.join(parts) or 'empty'}"


def _speed(speed: Findings) -> str:
    if "failed" in speed:
        return f"could not be measured: {speed['failed']}"
    return (
        f"{speed['p50_ms']} ms a frame ({speed['p95_ms']} in 19 of 20), {speed['fps']} frames a "
        f"second, one after the other: network and grouping, {speed['input_size']} px, "
        f"{speed['runtime']} {speed['precision']}"
    )
