"""How video outputs are encoded: the flags that all of them share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from configs.errors import ConfigError
from configs.flags import option

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)?")
_SECONDS = {None: 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, kw_only=True)
class VideoConfig:
    """Flags of video files and streams; a constant quality lets the bit rate follow what moves."""

    video_codec: Literal["h264", "hevc"] = option(
        "h264", help="codec of video outputs; h264 plays everywhere"
    )
    video_encoder: str = option(
        "auto",
        metavar="NAME",
        help="FFmpeg encoder, such as libx264 or h264_nvenc; auto takes hardware where it works",
    )
    video_quality: int = option(
        23, metavar="0..51", help="constant quality of video outputs, lower is better and larger"
    )
    video_preset: str = option(
        "veryfast", metavar="NAME", help="speed preset of libx264 and libx265"
    )
    faststart: bool = option(
        True, help="move the index of MP4 outputs to the front when they are closed"
    )
    segment: str | None = option(
        None, metavar="TIME", help="start a new video file every 90s, 10m or 1h of stream time"
    )

    def __post_init__(self) -> None:
        if not 0 <= self.video_quality <= 51:
            raise ConfigError(f"video_quality must be 0..51, not {self.video_quality}")
        if self.segment is not None:
            _seconds(self.segment)

    @property
    def segment_s(self) -> Fraction | None:
        """Length of a segment in seconds, none where everything goes into one file."""
        return None if self.segment is None else _seconds(self.segment)


def _seconds(text: str) -> Fraction:
    match = _DURATION.fullmatch(text)
    if match is None or Fraction(match[1]) == 0:
        raise ConfigError(f"segment must be a time such as 90s, 10m or 1h, not {text!r}")
    return Fraction(match[1]) * _SECONDS[match[2]]
