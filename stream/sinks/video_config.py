"""How video outputs are encoded: the flags that all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal

from configs.errors import ConfigError
from configs.flags import option
from configs.units import parse_duration


@dataclass(frozen=True, kw_only=True)
class VideoConfig:
    """How video files and streams are encoded.

    Attributes:
        video_codec: `h264` plays everywhere, `hevc` is smaller.
        video_encoder: FFmpeg's name of the encoder; `auto` takes hardware where it works.
        video_quality: Constant quality, 0..51, lower is better and larger: the bit rate follows
            what moves.
        video_preset: Speed of libx264 and libx265; other encoders have none.
        faststart: Whether the index of an MP4 is moved to its front when it is closed.
        segment: Seconds of stream time after which a new file begins; None is one file.

    Raises:
        ConfigError: A number is out of range.
    """

    TITLE: ClassVar[str] = "video outputs"

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
    video_preset: Literal[
        "ultrafast",
        "superfast",
        "veryfast",
        "faster",
        "fast",
        "medium",
        "slow",
        "slower",
        "veryslow",
    ] = option("veryfast", help="speed preset of libx264 and libx265")
    faststart: bool = option(
        True, help="move the index of MP4 outputs to the front when they are closed"
    )
    segment: Fraction | None = option(
        None,
        metavar="TIME",
        help="start a new video file every 90s, 10m or 1h of stream time",
        parse=parse_duration,
        show=lambda seconds: f"{float(seconds):g}s",
    )

    def __post_init__(self) -> None:
        if not 0 <= self.video_quality <= 51:
            raise ConfigError(f"video_quality must be 0..51, not {self.video_quality}")
        if self.segment is not None and not self.segment > 0:
            raise ConfigError(f"segment must be longer than 0 s, not {self.segment}")
