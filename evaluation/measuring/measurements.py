"""Measurements kept in a JSON Lines file, so that AP and time, measured on different days, meet in
one table.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from configs import ConfigError, DataError, SinkError
from evaluation.measuring.setting import Setting

Kind = Literal["coco", "crowdpose", "speed"]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One row: figures of a setting.

    kind: what was measured. on: the split or source, by name. figures: names and values; none where
    there is no value. hardware, date: where and when.
    """

    kind: Kind
    setting: Setting
    on: str
    figures: dict[str, float | None]
    hardware: str
    date: str


def measurement(
    kind: Kind, setting: Setting, on: str, figures: dict[str, float | None]
) -> Measurement:
    """A row of today on this machine."""
    date = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    return Measurement(
        kind=kind, setting=setting, on=on, figures=figures, hardware=describe_hardware(), date=date
    )


def append(path: Path, row: Measurement) -> None:
    """Adds one line; earlier ones are not touched. Raises SinkError if it cannot be written."""
    line = json.dumps({**vars(row), "setting": row.setting.to_json()}, allow_nan=False)
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        raise SinkError(f"cannot write {str(path)!r}: {error.strerror}") from error


def read(path: Path) -> list[Measurement]:
    """All rows, oldest first. Raises DataError for a file that cannot be read or was not written by
    `append`.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise DataError(f"cannot read measurements {str(path)!r}: {reason}") from error
    return [
        _row(line, f"{str(path)!r}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def describe_hardware() -> str:
    """Board or processor, how many cores this process may use, and the NVIDIA GPUs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return ", ".join([_processor(), f"{cores} cores", *_gpus()])


def _processor() -> str:
    board = _text(Path("/proc/device-tree/model")).rstrip(
        "\0"
    )  # Jetson's own name, such as "NVIDIA Jetson Orin Nano"
    named = re.search(r"^model name\s*:\s*(.+)$", _text(Path("/proc/cpuinfo")), re.MULTILINE)
    return board or (named[1].strip() if named else platform.processor() or platform.machine())


def _gpus() -> list[str]:
    """Model names that the driver tells; it lists no GPU of a Jetson, where the board's name says
    enough.
    """
    texts = [_text(path) for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))]
    return [
        found[1].strip()
        for text in texts
        if (found := re.search(r"^Model:\s*(.+)$", text, re.MULTILINE))
    ]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # not Linux, or not that hardware


def _row(line: str, where: str) -> Measurement:
    try:
        values: dict[str, Any] = json.loads(line)
        return Measurement(**{**values, "setting": Setting.from_json(values["setting"], where)})
    except (ValueError, TypeError, KeyError, ConfigError) as error:
        raise DataError(f"{where} is no measurement of this project: {error}") from error
