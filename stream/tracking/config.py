"""Whether and how people are recognised from frame to frame: flags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from configs.errors import ConfigError
from configs.flags import option


@dataclass(frozen=True, kw_only=True)
class TrackingConfig:
    """Whether and how people are recognised from frame to frame.

    Attributes:
        track: Whether people get identities that last.
        lost_after_s: Seconds of stream time after which somebody who is not seen is forgotten, and
            would come back as somebody new.
        bridge_s: Seconds of stream time for which somebody who is missed is shown where they are
            taken to be, with a score of 0; 0 shows nobody who was not found.
        smooth: Whether jitter is taken out of joints; costs a little lag (docs/tracking.md).

    Raises:
        ConfigError: A value is out of range, or something is asked for that needs identities.
    """

    TITLE: ClassVar[str] = "identities"

    track: Literal["on", "off"] = option(
        "on", help="people get identities, which colours, trails and records follow"
    )
    lost_after_s: float = option(
        2.0, help="somebody who is not seen for so long is forgotten", metavar="SECONDS"
    )
    bridge_s: float = option(
        0.0,
        help="somebody who is missed is shown, with score 0, where they are taken to be, for so "
        "long at most",
        metavar="SECONDS",
    )
    smooth: bool = option(False, help="take jitter out of joints; costs a little lag")

    def __post_init__(self) -> None:
        if not 0 < self.lost_after_s <= 3600:
            raise ConfigError(
                f"lost_after_s must be above 0 and at most 3600 seconds, not {self.lost_after_s:g}"
            )
        if not 0 <= self.bridge_s <= self.lost_after_s:
            raise ConfigError(
                f"bridge_s must be from 0 to lost_after_s ({self.lost_after_s:g} seconds), not "
                f"{self.bridge_s:g}"
            )
        for name in ("smooth", "bridge_s"):
            if getattr(self, name) and self.track == "off":
                raise ConfigError(f"{name} needs identities; leave out --track off")
