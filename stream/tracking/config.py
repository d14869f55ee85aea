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
        smooth: Whether jitter is taken out of joints; costs a little lag (docs/tracking.md).

    Raises:
        ConfigError: A value is out of range, or smoothing is asked for without identities.
    """

    TITLE: ClassVar[str] = "identities"

    track: Literal["on", "off"] = option(
        "on", help="people get identities, which colours, trails and records follow"
    )
    lost_after_s: float = option(
        2.0, help="somebody who is not seen for so long is forgotten", metavar="SECONDS"
    )
    smooth: bool = option(False, help="take jitter out of joints; costs a little lag")

    def __post_init__(self) -> None:
        if not 0 < self.lost_after_s <= 3600:
            raise ConfigError(
                f"lost_after_s must be above 0 and at most 3600 seconds, not {self.lost_after_s:g}"
            )
        if self.smooth and self.track == "off":
            raise ConfigError("smooth needs identities; leave out --track off")
