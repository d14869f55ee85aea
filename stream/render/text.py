"""Text in the image: a label beside every person, and the status line.

Every printable ASCII character is drawn once, then blended by a compiled loop: no call per letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from stream.render.skeleton import capsule
from stream.render.theme import Theme, bgr

_FIRST, _LAST = 32, 126  # printable ASCII


class Glyphs(NamedTuple):
    """Every printable ASCII character, drawn once.

    Attributes:
        masks: (95, height, width) uint8 coverage of the characters 32..126.
        advances: (95,) int32 pixels to the next character.
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


def text_codes(text: str) -> NDArray[np.uint8]:
    """`text` as indices of characters; what is not printable ASCII becomes a question mark."""
    codes = np.frombuffer(text.encode("ascii", "replace"), np.uint8)
    return np.where((codes >= _FIRST) & (codes <= _LAST), codes - _FIRST, ord("?") - _FIRST).astype(
        np.uint8
    )


@kernel
def draw_text(
    image: NDArray[np.uint8],
    glyphs: Glyphs,
    codes: NDArray[np.uint8],
    x: int,
    y: int,
    colour: NDArray[np.float32],
    opacity: float,
) -> int:
    """Blends characters with their line's left upper corner at (x, y) into `image` (H, W, 3)
    uint8; gives the x after it.
    """
    height, width = image.shape[0], image.shape[1]
    for index in range(codes.shape[0]):
        mask = glyphs.masks[codes[index]]
        for row in range(max(0, -y), min(mask.shape[0], height - y)):
            for column in range(max(0, -x), min(mask.shape[1], width - x)):
                if mask[row, column] == 0:
                    continue
                weight = opacity * mask[row, column] / 255.0
                pixel = image[y + row, x + column]
                for channel in range(3):
                    pixel[channel] = np.uint8(
                        pixel[channel] + (colour[channel] - pixel[channel]) * weight + 0.5
                    )
        x += glyphs.advances[codes[index]]
    return x


_ZERO, _DOT, _HASH, _SPACE = (int(code) for code in text_codes("0.# "))


@dataclass(frozen=True, kw_only=True)
class Status:
    """How the pipeline is doing, for the status line.

    Attributes:
        fps: Frames per second; None before the second frame.
        latency_ms: From the capture of the frame until now; None where nobody waits for it, such as
            of a file, whose frames are read ahead.
        drops: Frames lost so far.
        runtime: What computes, such as `lite, openvino bf16`.
    """

    fps: float | None
    latency_ms: float | None
    drops: int
    runtime: str = ""

    def words(self, people: int) -> list[str]:
        """What the line says of a frame with so many people."""
        live = self.latency_ms is not None
        return [
            *([] if self.fps is None else [f"{self.fps:.1f} FPS"]),
            *([] if self.latency_ms is None else [f"{self.latency_ms:.0f} ms"]),
            f"{people} {'person' if people == 1 else 'people'}",
            *([f"{self.drops} dropped"] if live or self.drops else []),
            *([self.runtime] if self.runtime else []),
        ]


class TextPainter:
    """Text in the colours of a theme, with letters `line_px` high."""

    def __init__(self, theme: Theme, line_px: int) -> None:
        self._theme = theme
        self._line_px = line_px

    @cached_property
    def glyphs(self) -> Glyphs:
        """The letters, drawn at the first use."""
        return draw_glyphs(self._line_px)

    def draw_status(self, image: NDArray[np.uint8], status: Status, people: int) -> None:
        """Draws the status line into the left lower corner of `image` (H, W, 3), in place."""
        words = status.words(people)
        glyphs, theme, line = self.glyphs, self._theme, self._line_px
        gap = line * 3 // 4
        codes = [text_codes(word) for word in words]
        width = sum(int(glyphs.advances[word].sum()) for word in codes) + gap * (len(words) - 1)
        x = gap + line // 3
        y = image.shape[0] - gap - line
        background, opacity = bgr(theme.text_background), theme.text_background_opacity
        middle = y + 0.5 * (line - 1)
        capsule(
            image,
            float(x),
            middle,
            float(x + width),
            middle,
            0.5 * line + 2.0,
            background,
            opacity,
            0.0,
        )
        text, warning = bgr(theme.text), bgr(theme.warning)
        for word, code in zip(words, codes, strict=True):
            late = status.drops > 0 and word.endswith("dropped")
            x = draw_text(image, glyphs, code, x, y, warning if late else text, 0.95) + gap

    def draw_labels(
        self,
        image: NDArray[np.uint8],
        boxes: NDArray[np.float64],
        order: NDArray[np.int64],
        colours: NDArray[np.float32],
        ids: NDArray[np.int64] | None,
        scores: NDArray[np.float32] | None,
    ) -> None:
        """Draws number and score of every person above its box (P, 4) x, y, width, height, in
        place.
        """
        no_ids, no_scores = np.empty(0, np.int64), np.empty(0, np.float32)
        numbers = no_ids if ids is None else ids
        _draw_labels(
            image,
            self.glyphs,
            boxes,
            order,
            colours,
            numbers,
            no_scores if scores is None else scores,
        )


@kernel
def _draw_labels(
    image: NDArray[np.uint8],
    glyphs: Glyphs,
    boxes: NDArray[np.float64],
    order: NDArray[np.int64],
    colours: NDArray[np.float32],
    ids: NDArray[np.int64],
    scores: NDArray[np.float32],
) -> None:
    codes = np.empty(32, np.uint8)
    line = glyphs.masks.shape[1]
    ink = np.array([16.0, 16.0, 16.0], np.float32)
    for index in range(order.shape[0]):
        person = order[index]
        if boxes[person, 2] <= 0 and boxes[person, 3] <= 0:
            continue
        count = 0
        if ids.shape[0] > 0 and ids[person] >= 0:
            codes[0] = _HASH
            count = _put_number(codes, 1, ids[person])
        if scores.shape[0] > 0:
            if count:
                codes[count] = _SPACE
                count += 1
            count = _put_score(codes, count, scores[person])
        if count == 0:
            continue
        width = 0
        for place in range(count):
            width += glyphs.advances[codes[place]]
        x = int(
            min(
                image.shape[1] - width - line // 2,
                max(line // 2, boxes[person, 0] + 0.5 * (boxes[person, 2] - width)),
            )
        )
        y = int(min(image.shape[0] - line, max(2, boxes[person, 1] - 1.25 * line)))
        middle = y + 0.5 * (line - 1)
        capsule(
            image,
            float(x),
            middle,
            float(x + width),
            middle,
            0.5 * line,
            colours[person, 0],
            0.85,
            0.0,
        )
        draw_text(image, glyphs, codes[:count], x, y, ink, 1.0)


@kernel
def _put_number(codes: NDArray[np.uint8], count: int, number: int) -> int:
    size = 1
    while number >= 10**size and size < 18:
        size += 1
    for place in range(size):
        codes[count + place] = np.uint8(_ZERO + (number // 10 ** (size - 1 - place)) % 10)
    return count + size


@kernel
def _put_score(codes: NDArray[np.uint8], count: int, score: float) -> int:
    hundredths = int(100 * min(1.0, max(0.0, score)) + 0.5)
    codes[count], codes[count + 1] = np.uint8(_ZERO + hundredths // 100), _DOT
    codes[count + 2], codes[count + 3] = (
        np.uint8(_ZERO + hundredths // 10 % 10),
        np.uint8(_ZERO + hundredths % 10),
    )
    return count + 4


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
