"""Words in the picture: a label beside every person, and the status line."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np
from numpy.typing import NDArray

from stream.render.glyphs import Glyphs, draw_glyphs, draw_text, text_codes
from stream.render.skeleton import capsule
from stream.render.theme import Theme, bgr

_ZERO, _DOT, _HASH, _SPACE = (int(code) for code in text_codes("0.# "))


@dataclass(frozen=True, kw_only=True)
class Status:
    """How the pipeline is doing, for the status line.

    runtime: what computes, such as `lite, openvino bf16`.
    """

    fps: float
    latency_ms: float
    drops: int
    runtime: str = ""


class Lettering:
    """Letters of a theme in the size that suits a picture of `height` pixels."""

    def __init__(self, theme: Theme, height: int) -> None:
        self._theme = theme
        self._line_px = max(14, round(height / 44))

    @cached_property
    def glyphs(self) -> Glyphs:
        """The letters, drawn at the first use."""
        return draw_glyphs(self._line_px)

    def draw_status(self, picture: NDArray[np.uint8], status: Status, people: int) -> None:
        """Draws the status line into the left lower corner of `picture` (H, W, 3), in place."""
        words = [
            f"{status.fps:.1f} FPS",
            f"{status.latency_ms:.0f} ms",
            f"{people} {'person' if people == 1 else 'people'}",
            f"{status.drops} dropped",
        ]
        if status.runtime:
            words.append(status.runtime)
        glyphs, theme, line = self.glyphs, self._theme, self._line_px
        gap = line * 3 // 4
        codes = [text_codes(word) for word in words]
        width = sum(int(glyphs.advances[word].sum()) for word in codes) + gap * (len(words) - 1)
        x = gap + line // 3
        y = picture.shape[0] - gap - line
        background, opacity = bgr(theme.text_background), theme.text_background_opacity
        middle = y + 0.5 * (line - 1)
        capsule(
            picture,
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
            x = draw_text(picture, glyphs, code, x, y, warning if late else text, 0.95) + gap

    def draw_labels(
        self,
        picture: NDArray[np.uint8],
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
            picture,
            self.glyphs,
            boxes,
            order,
            colours,
            numbers,
            no_scores if scores is None else scores,
        )


@numba.njit(nogil=True, cache=True)
def _draw_labels(picture, glyphs, boxes, order, colours, ids, scores):  # type: ignore[no-untyped-def]
    codes = np.empty(32, np.uint8)
    line = glyphs.masks.shape[1]
    ink = np.array([16.0, 16.0, 16.0], np.float32)
    for index in range(order.shape[0]):
        person = order[index]
        if boxes[person, 2] <= 0 and boxes[person, 3] <= 0:
            continue
        count = 0
        if ids.shape[0] > 0:
            codes[0] = _HASH
            count = _put_number(codes, 1, ids[person])
        if scores.shape[0] > 0:
            if count:
                codes[count] = _SPACE
                count += 1
            count = _put_score(codes, count, scores[person])
        width = 0
        for place in range(count):
            width += glyphs.advances[codes[place]]
        x = int(
            min(
                picture.shape[1] - width - line // 2,
                max(line // 2, boxes[person, 0] + 0.5 * (boxes[person, 2] - width)),
            )
        )
        y = int(min(picture.shape[0] - line, max(2, boxes[person, 1] - 1.25 * line)))
        middle = y + 0.5 * (line - 1)
        capsule(
            picture,
            float(x),
            middle,
            float(x + width),
            middle,
            0.5 * line,
            colours[person, 0],
            0.85,
            0.0,
        )
        draw_text(picture, glyphs, codes[:count], x, y, ink, 1.0)


@numba.njit(nogil=True, cache=True)
def _put_number(codes, count, number):  # type: ignore[no-untyped-def]
    size = 1
    while number >= 10**size and size < 18:
        size += 1
    for place in range(size):
        codes[count + place] = np.uint8(_ZERO + (number // 10 ** (size - 1 - place)) % 10)
    return count + size


@numba.njit(nogil=True, cache=True)
def _put_score(codes, count, score):  # type: ignore[no-untyped-def]
    hundredths = int(100 * min(1.0, max(0.0, score)) + 0.5)
    codes[count], codes[count + 1] = np.uint8(_ZERO + hundredths // 100), _DOT
    codes[count + 2], codes[count + 3] = (
        np.uint8(_ZERO + hundredths // 10 % 10),
        np.uint8(_ZERO + hundredths % 10),
    )
    return count + 4
