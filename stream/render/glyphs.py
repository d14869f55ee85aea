"""Text without a call per letter: every printable ASCII character drawn once, then blended by a
compiled loop.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

_FIRST, _LAST = 32, 126


class Glyphs(NamedTuple):
    """masks: (95, height, width) uint8 coverage of the characters 32..126; advances: (95,) int32
    pixels to the next one.
    """

    masks: NDArray[np.uint8]
    advances: NDArray[np.int32]


def draw_glyphs(height_px: int) -> Glyphs:
    """The characters in lines of `height_px` pixels (capitals are about two thirds of it)."""
    width = height_px + 4
    masks = np.zeros((_LAST - _FIRST + 1, height_px, width), np.uint8)
    advances = np.zeros(len(masks), np.int32)
    for index, mask in enumerate(masks):
        advances[index] = _draw_character(mask, chr(_FIRST + index))
    # Digits of one width: numbers that change must not make the line jump.
    digits = slice(ord("0") - _FIRST, ord("9") - _FIRST + 1)
    advances[digits] = advances[digits].max()
    return Glyphs(masks, advances)


def text_width(glyphs: Glyphs, text: str) -> int:
    """Width of `text` in pixels."""
    return int(glyphs.advances[text_codes(text)].sum())


def text_codes(text: str) -> NDArray[np.uint8]:
    """`text` as indices of characters; what is not printable ASCII becomes a question mark."""
    codes = np.frombuffer(text.encode("ascii", "replace"), np.uint8)
    return np.where((codes >= _FIRST) & (codes <= _LAST), codes - _FIRST, ord("?") - _FIRST).astype(
        np.uint8
    )


@numba.njit(nogil=True, cache=True)
def draw_text(picture, glyphs, codes, x, y, colour, opacity):  # type: ignore[no-untyped-def]
    """Blends characters with their line's left upper corner at (x, y) into `picture` (H, W, 3)
    uint8; gives the x after it.
    """
    height, width = picture.shape[0], picture.shape[1]
    for index in range(codes.shape[0]):
        mask = glyphs.masks[codes[index]]
        for row in range(max(0, -y), min(mask.shape[0], height - y)):
            for column in range(max(0, -x), min(mask.shape[1], width - x)):
                if mask[row, column] == 0:
                    continue
                weight = opacity * mask[row, column] / 255.0
                pixel = picture[y + row, x + column]
                for channel in range(3):
                    pixel[channel] = np.uint8(
                        pixel[channel] + (colour[channel] - pixel[channel]) * weight + 0.5
                    )
        x += glyphs.advances[codes[index]]
    return x


def _draw_character(mask: NDArray[np.uint8], character: str) -> int:
    height = mask.shape[0]
    baseline = round(0.76 * height)
    if hasattr(cv2, "FontFace"):  # OpenCV 5 brings an outline font
        library: Any = cv2
        font = library.FontFace("sans")
        size = max(6, round(0.72 * height))
        end, _ = library.putText(mask, character, (1, baseline), (255,), font, size, 500)
        return max(1, int(end[0]) - 1) if character != " " else max(2, round(0.26 * height))
    scale = height / 32
    thickness = max(1, round(height / 18))
    cv2.putText(
        mask,
        character,
        (1, baseline),
        cv2.FONT_HERSHEY_SIMPLEX,
        scale,
        (255,),
        thickness,
        cv2.LINE_AA,
    )
    (advance, _), _ = cv2.getTextSize(character, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    return advance
