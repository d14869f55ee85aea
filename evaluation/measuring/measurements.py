"""Measurements kept in a JSON Lines file, so that AP and time, measured on different days, meet in
one table.
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from basics.atomic import write_error
from basics.hardware import describe_hardware
from configs import ConfigError, DataError
from evaluation.measuring.setting import Setting

Kind = Literal["coco", "crowdpose", "speed"]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One row: figures of a setting.

    Attributes:
        kind: What was measured.
        setting: Of what.
        on: The split or source, by name.
        figures: Names and values; None where there is no value.
        hardware: Where.
        date: When, as ISO 8601 has it.
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
    """Adds one line; earlier ones are not touched.

    Raises:
        SinkError: It cannot be written.
    """
    line = json.dumps({**vars(row), "setting": row.setting.to_json()}, allow_nan=False)
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        raise write_error(path, error) from error


def read(path: Path) -> list[Measurement]:
    """All rows, oldest first.

    Raises:
        DataError: The file cannot be read, or was not written by `append`.
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


def _row(line: str, where: str) -> Measurement:
    try:
        values: dict[str, Any] = json.loads(line)
        return Measurement(**{**values, "setting": Setting.from_json(values["setting"], where)})
    except (ValueError, TypeError, KeyError, ConfigError) as error:
        raise DataError(f"{where} is no measurement of this project: {error}") from error
