"""Themes: what the drawn image looks like, as data in `stream/render/themes/*.yaml`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs.errors import ConfigError
from configs.loading import from_mapping, load_yaml, nearest

_FOLDER = Path(__file__).parent / "themes"
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")

# Rows of `Theme.shades`.
MIDDLE, LEFT, RIGHT = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class Tint:
    """How far (0..1) a person's colour is mixed towards another one on one side of the body."""

    towards: str
    amount: float

    def __post_init__(self) -> None:
        _bgr(self.towards)
        if not 0 <= self.amount <= 1:
            raise ConfigError(f"amount must be 0..1, not {self.amount}")


@dataclass(frozen=True, kw_only=True)
class Theme:
    """What people look like in the image.

    Colours are `#rrggbb`, lengths a share of the person's size or, with `_px`, in pixels of a
    1080-line image, opacities 0..1.

    Attributes:
        palette: One colour per person, taken in turn.
        left: How that colour changes on the person's left.
        right: On the right.
        middle: In the middle.
        limb_width: Diameter of a limb over the height or width of the person, whichever is larger.
        limb_min_px: Keeps far people visible.
        limb_max_px: Keeps near ones from being painted over.
        joint_width: Diameter of a joint over the diameter of a limb.
        opacity: Of limbs and joints with a full score.
        faintest: Of those at the drawing threshold, as a share of `opacity`.
        full_score: Score from which a joint is opaque.
        outline: Colour around limbs and joints.
        joint_centre: Colour in the middle of joints.
        outline_px: Width of the outline.
        outline_opacity: Its opacity.
        text: Colour of the status line.
        text_background: Colour behind it.
        text_background_opacity: Its opacity.
        warning: Colour of numbers that are no good news.
    """

    palette: tuple[str, ...]
    left: Tint
    right: Tint
    middle: Tint
    limb_width: float = 0.025
    limb_min_px: float = 3.0
    limb_max_px: float = 12.0
    joint_width: float = 1.45
    opacity: float = 0.92
    faintest: float = 0.3
    full_score: float = 0.6
    outline: str = "#101418"
    joint_centre: str = "#ffffff"
    outline_px: float = 1.4
    outline_opacity: float = 0.55
    text: str = "#ffffff"
    text_background: str = "#101418"
    text_background_opacity: float = 0.55
    warning: str = "#ffb547"

    def __post_init__(self) -> None:
        if not self.palette:
            raise ConfigError("palette must name at least one colour")
        for colour in (
            *self.palette,
            self.outline,
            self.joint_centre,
            self.text,
            self.text_background,
            self.warning,
        ):
            _bgr(colour)

    def shades(self) -> NDArray[np.float32]:
        """(len(palette), 3, 3) float32 BGR 0..255: every palette colour in the middle, on the left
        and on the right.
        """
        base = np.array([_bgr(colour) for colour in self.palette], np.float32)[:, None]
        tints = (self.middle, self.left, self.right)
        towards = np.array([_bgr(tint.towards) for tint in tints], np.float32)
        amounts = np.array([tint.amount for tint in tints], np.float32)[:, None]
        mixed: NDArray[np.float32] = (base * (1 - amounts) + towards * amounts).astype(np.float32)
        return mixed


def bgr(colour: str) -> NDArray[np.float32]:
    """(3,) float32 blue, green, red 0..255 of `#rrggbb`."""
    return np.array(_bgr(colour), np.float32)


def theme_names() -> tuple[str, ...]:
    """Names of the themes that ship with the project."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


@cache
def load_theme(name: str) -> Theme:
    """The theme called `name`, or the one in the YAML file at that path.

    Raises:
        ConfigError: An unknown name (with the nearest known one), or a file that does not hold a
            theme.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else _FOLDER / f"{name}.yaml"
    if path.parent == _FOLDER and path.stem not in theme_names():
        raise ConfigError(f"unknown theme {name!r}{nearest(name, theme_names())}")
    return from_mapping(Theme, load_yaml(path), str(path))


def _bgr(colour: str) -> tuple[int, int, int]:
    if not _COLOUR.fullmatch(colour):
        raise ConfigError(f"a colour is #rrggbb, not {colour!r}")
    return int(colour[5:7], 16), int(colour[3:5], 16), int(colour[1:3], 16)
