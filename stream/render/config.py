"""What is drawn: the flags of the annotated image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from configs.errors import ConfigError
from configs.flags import option


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """Flags of the annotated image that windows, videos and the browser page show."""

    theme: str = option(
        "clear",
        metavar="NAME|FILE",
        help="colours and widths: clear, contrast, night, sides, or a YAML file",
    )
    joint_threshold: float = option(
        0.15, metavar="0..1", help="joints with a lower score are not drawn"
    )
    skeletons: bool = option(True, help="draw limbs and joints")
    boxes: bool = option(False, help="draw a box around every person")
    scores: bool = option(False, help="write the score beside every person")
    ids: bool = option(False, help="write a number beside every person, kept from frame to frame")
    status: bool = option(True, help="draw the status line: FPS, latency, people, drops, runtime")
    trails: int = option(
        0, metavar="FRAMES", help="draw where hands and feet were during so many frames"
    )
    background: Literal["none", "black", "blur"] = option(
        "none", help="replace the image behind the people drawn"
    )
    blur_faces: bool = option(
        False, help="make faces unrecognisable, where a head or shoulders were found"
    )
    maps: Literal["none", "heatmaps", "tags"] = option(
        "none", help="lay the network's heatmaps or tags over the image"
    )

    def __post_init__(self) -> None:
        if not 0 <= self.joint_threshold <= 1:
            raise ConfigError(f"joint_threshold must be 0..1, not {self.joint_threshold}")
        if not 0 <= self.trails <= 300:
            raise ConfigError(f"trails must be 0..300 frames, not {self.trails}")
