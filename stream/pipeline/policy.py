"""What happens when frames come faster than they are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from configs import ConfigError

_UNITS_S = {"ms": 1e-3, "s": 1.0}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Which frames are given up, if any, while the reader is busy.

    every-frame: none; the writer waits for a free slot (files).
    latest: all but the newest (live: the reader is never more than one frame behind).
    max-age: first in, first out, without those older than `max_age_s` when their turn comes, and
        without the oldest when there is no more room. How full the ring is and how old a frame is
        are facts; announced frame rates, which other programs use for this, are not (a camera that
        promises 30 and delivers 29 makes them drop nearly everything).
    """

    kind: Literal["every-frame", "latest", "max-age"]
    max_age_s: float = 0.5

    def __str__(self) -> str:
        return f"max-age={round(self.max_age_s * 1e3)}ms" if self.kind == "max-age" else self.kind


EVERY_FRAME = Policy(kind="every-frame")
LATEST = Policy(kind="latest")


def parse_policy(text: str) -> Policy:
    """The policy that `every-frame`, `latest`, `max-age` or `max-age=300ms` (`=0.3s`) names.

    Raises ConfigError for anything else.
    """
    kind, separator, age = text.partition("=")
    if kind == "max-age":
        return (
            Policy(kind="max-age", max_age_s=_seconds(age, text))
            if separator
            else Policy(kind="max-age")
        )
    if not separator and kind == "latest":
        return LATEST
    if not separator and kind == "every-frame":
        return EVERY_FRAME
    raise ConfigError(
        f"--policy must be every-frame, latest or max-age=TIME (300ms, 0.5s), not {text!r}"
    )


def _seconds(age: str, text: str) -> float:
    for unit, factor in _UNITS_S.items():
        number = age.removesuffix(unit)
        if number != age and number.replace(".", "", 1).isdigit() and float(number) > 0:
            return float(number) * factor
    raise ConfigError(f"--policy {text!r}: the age must be a positive time such as 300ms or 0.5s")
