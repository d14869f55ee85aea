"""What is drawn: the flags of the annotated image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, get_args

from configs.errors import ConfigError
from configs.flags import option
from stream.render.theme import load_theme

Overlay = Literal["skeletons", "boxes", "ids", "trails", "heatmaps", "tags", "status"]
"""What keys of the window and buttons of the page turn on and off."""
OVERLAYS: tuple[Overlay, ...] = get_args(Overlay)

_TRAIL_FRAMES = 25


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """The annotated image that windows, videos and the browser page show.

    Attributes:
        theme: Colours and widths: a name (clear, contrast, night, sides) or a YAML file.
        joint_threshold: Joints with a lower score, 0..1, are not drawn.
        skeletons: Whether limbs and joints are drawn.
        boxes: Whether a box is drawn around every person.
        scores: Whether the score stands beside every person.
        ids: Whether a number stands beside every person, kept from frame to frame.
        status: Whether there is a line with FPS, people and runtime, and of live sources latency
            and drops.
        trails: Frames in which hands and feet leave a trail, 0..300; 0 is none.
        background: What is behind the people: the image itself, black, or the image blurred.
        blur_faces: Whether faces are made unrecognisable, where a head or shoulders were found.
        maps: What of the network is laid over the image.

    Raises:
        ConfigError: A number is out of range, or there is no such theme.
    """

    TITLE: ClassVar[str] = "annotated image"

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
    status: bool = option(
        True,
        help="draw the status line: FPS, people, runtime; of live sources latency and drops, too",
    )
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
        load_theme(self.theme)  # a misspelt one is told now, not with the first image
        if not 0 <= self.joint_threshold <= 1:
            raise ConfigError(f"joint_threshold must be 0..1, not {self.joint_threshold}")
        if not 0 <= self.trails <= 300:
            raise ConfigError(f"trails must be 0..300 frames, not {self.trails}")

    def toggled(self, overlay: Overlay) -> RenderConfig:
        """The same with one overlay turned on or off; there are heatmaps or tags, never both."""
        change: dict[str, Any]
        if overlay == "trails":
            change = {"trails": 0 if self.trails else _TRAIL_FRAMES}
        elif overlay in ("heatmaps", "tags"):
            change = {"maps": "none" if self.maps == overlay else overlay}
        else:
            change = {overlay: not getattr(self, overlay)}
        return replace(self, **change)
