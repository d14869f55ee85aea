"""What happens when frames come faster than they are used."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from configs import ConfigError
from configs.units import parse_duration


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Which frames are given up, if any, while the reader is busy.

    Attributes:
        kind: `every-frame` gives up none: the source waits for the reader (files). `latest` gives
            up all but the newest: the reader is never more than one frame behind (live). `max-age`
            is first in, first out, without the frames that are too old when their turn comes, and
            without the oldest when there is no more room.
        max_age_s: Seconds after which a frame is too old, for `max-age`.
    """

    # How full the ring is and how old a frame is are facts; announced frame rates, which other
    # programs use for this, are not: a camera that promises 30 and delivers 29 makes them drop
    # nearly everything.
    kind: Literal["every-frame", "latest", "max-age"]
    max_age_s: float = 0.5

    def __str__(self) -> str:
        return f"max-age={round(self.max_age_s * 1e3)}ms" if self.kind == "max-age" else self.kind


EVERY_FRAME = Policy(kind="every-frame")
LATEST = Policy(kind="latest")
_BY_NAME = {"every-frame": EVERY_FRAME, "latest": LATEST, "max-age": Policy(kind="max-age")}


def parse_policy(text: str, name: str = "policy") -> Policy:
    """The policy that `every-frame`, `latest`, `max-age` or `max-age=300ms` names.

    Args:
        text: What was written.
        name: What it was written for, such as `--policy`; stands in the message.

    Raises:
        ConfigError: It is anything else.
    """
    kind, separator, age = text.partition("=")
    if not separator and kind in _BY_NAME:
        return _BY_NAME[kind]
    if kind == "max-age":
        with suppress(ConfigError):  # told below, with all that may be given
            return Policy(kind="max-age", max_age_s=float(parse_duration(age, name)))
    raise ConfigError(
        f"{name} must be every-frame, latest or max-age=TIME, such as max-age=300ms, not {text!r}"
    )
