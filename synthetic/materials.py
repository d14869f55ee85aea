"""What surfaces are made of, as people describe them and as the shading kernel reads them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]
"""Red, green, blue as on a screen (sRGB), 0 to 1."""

GAMMA = 2.2


class Kind(IntEnum):
    SKIN = 0
    CLOTH = 1
    HAIR = 2
    LEATHER = 3
    TEXTURE = 4


class Pattern(IntEnum):
    PLAIN = 0
    STRIPES = 1
    PINSTRIPES = 2
    CHECKS = 3
    DOTS = 4
    BLOTCHES = 5
    PRINT = 6
    """An image from the atlas on the chest."""
    FABRIC = 7
    """An image from the atlas all over."""


class Column(IntEnum):
    """Columns of the table that the kernel reads; colours are linear there."""

    KIND = 0
    COLOUR = 1
    SECOND = 4
    PATTERN = 7
    REPEATS = 8
    SPECULAR = 9
    SHININESS = 10
    FOLDS = 11
    TEXTURE = 12
    EYE = 13
    IRIS = 16
    BEARD = 19
    COUNT = 20


@dataclass(frozen=True, kw_only=True)
class Material:
    kind: Kind
    colour: Colour
    second: Colour = (0.1, 0.1, 0.1)
    """Second colour of a pattern; the eyebrows and the beard of skin."""
    pattern: Pattern = Pattern.PLAIN
    repeats: float = 12.0
    """Repetitions of the pattern per metre."""
    specular: float = 0.02
    shininess: float = 24.0
    folds: float = 0.0
    texture: int = 0
    eye: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Where the left eye is, in texture coordinates (skin only)."""
    iris: Colour = (0.25, 0.15, 0.08)
    beard: float = 0.0


def material_table(materials: list[Material]) -> NDArray[np.float32]:
    """(number of materials, Column.COUNT) float32."""
    table = np.zeros((len(materials), Column.COUNT), np.float32)
    for row, material in zip(table, materials, strict=True):
        row[Column.KIND], row[Column.PATTERN], row[Column.TEXTURE] = (
            material.kind,
            material.pattern,
            material.texture,
        )
        row[Column.COLOUR : Column.COLOUR + 3] = linear(material.colour)
        row[Column.SECOND : Column.SECOND + 3] = linear(material.second)
        row[Column.IRIS : Column.IRIS + 3] = linear(material.iris)
        row[Column.EYE : Column.EYE + 3] = material.eye
        row[Column.REPEATS], row[Column.FOLDS], row[Column.BEARD] = (
            material.repeats,
            material.folds,
            material.beard,
        )
        row[Column.SPECULAR], row[Column.SHININESS] = material.specular, material.shininess
    return table


def linear(colour: Colour) -> NDArray[np.float64]:
    return np.asarray(np.clip(colour, 0, 1)) ** GAMMA
