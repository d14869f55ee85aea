"""People drawn into the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from configs import KeypointSet
from grouping import People
from stream.render.config import RenderConfig
from stream.render.heatmaps import Maps, draw_maps
from stream.render.privacy import blur_background, head_joints, mosaic_heads
from stream.render.skeleton import Skeleton, Style, draw_boxes, draw_people, person_size
from stream.render.text import Status, TextPainter
from stream.render.theme import LEFT, MIDDLE, RIGHT, Theme, bgr, load_theme
from stream.render.trails import Trails

__all__ = ["RenderConfig", "Renderer", "Status"]

# Widths of joints follow the spread of their labels (sigma): 0.079 is a shoulder's, drawn in full;
# an eye's is 0.025.
_FULL_WIDTH_SIGMA = 0.062
_SMALLEST_WEIGHT = 0.5


class Renderer:
    """Draws people as skeletons, with what `options` adds.

    Owned by one thread; keeps people's colours from frame to frame.

    Args:
        keypoint_set: Joints of the people.
        theme: Takes the place of the one that `options` names.
        options: What is drawn.

    Attributes:
        options: May be replaced between frames (keys of the window, buttons of the browser page).
        theme: Colours and widths.
    """

    def __init__(
        self,
        keypoint_set: KeypointSet,
        theme: str | Theme | None = None,
        options: RenderConfig | None = None,
    ) -> None:
        self.options = options or RenderConfig()
        self.theme = theme if isinstance(theme, Theme) else load_theme(theme or self.options.theme)
        self._shades = self.theme.shades()
        self._outline, self._centre = bgr(self.theme.outline), bgr(self.theme.joint_centre)
        self._keypoint_set = keypoint_set
        self._skeleton = make_skeleton(keypoint_set)
        self._heads = head_joints(keypoint_set)
        self._trails = Trails(keypoint_set)
        self._text_painters: dict[int, TextPainter] = {}  # by the height of their letters

    def warm_up(self) -> None:
        """Compiles what `draw` calls, or loads it from the cache, before the first frame is
        waiting.
        """
        keypoints = np.ones((1, len(self._keypoint_set), 3), np.float32)
        people = People(
            keypoints, np.ones(1, np.float32), np.zeros((1, 1), np.float32), np.zeros(1, np.int64)
        )
        status = Status(fps=0.0, latency_ms=0.0, drops=0)
        everything = RenderConfig(boxes=True, scores=True, ids=True, trails=2, blur_faces=True)
        spare = Renderer(self._keypoint_set, self.theme, everything)  # these people are nobody's
        for _ in range(2):
            spare.draw(np.zeros((64, 64, 3), np.uint8), people, status)

    def draw(
        self,
        image: NDArray[np.uint8],
        people: People,
        status: Status | None = None,
        *,
        maps: Maps | None = None,
    ) -> None:
        """Draws `people`, in pixels of `image` (H, W, 3) uint8 BGR, into it. Only options that
        show maps need `maps`.
        """
        options = self.options
        keypoints = _usable(people.keypoints.astype(np.float64))
        if options.background == "black":
            image.fill(0)
        elif options.background == "blur":
            blur_background(image)
        elif options.blur_faces:
            mosaic_heads(image, keypoints, self._heads)
        if maps is not None and options.maps != "none":
            draw_maps(image, maps, options.maps)
        if len(people) or options.trails:
            self._draw_people(image, keypoints, people)
        if status is not None and options.status:
            self._text(image).draw_status(image, status, len(people))

    def _draw_people(
        self,
        image: NDArray[np.uint8],
        keypoints: NDArray[np.float64],
        people: People,
    ) -> None:
        options = self.options
        style = make_style(self.theme, image.shape[0], options.joint_threshold)
        # who is not known (yet) has the last colour; where nobody is tracked, colours go by order
        ids = np.arange(len(people)) if people.ids is None else people.ids
        colours = self._shades[ids % len(self._shades)]
        boxes, sizes = _boxes(keypoints, options.joint_threshold)
        order = np.argsort(sizes)  # near people are drawn over far ones
        if options.trails and people.ids is not None:
            self._trails.draw(
                image, keypoints, people.ids, self._shades, style, length=options.trails
            )
        if options.boxes:
            draw_boxes(image, boxes, order, colours, 0.4 * style.limb_min_px, 0.9)
        if options.skeletons:
            draw_people(
                image,
                keypoints,
                order,
                colours,
                self._skeleton,
                style,
                self._outline,
                self._centre,
            )
        if options.ids or options.scores:
            self._text(image).draw_labels(
                image,
                boxes,
                order,
                colours,
                people.ids if options.ids else None,
                people.scores if options.scores else None,
            )

    def _text(self, image: NDArray[np.uint8]) -> TextPainter:
        line_px = max(14, round(image.shape[0] / 44))
        if line_px not in self._text_painters:
            self._text_painters[line_px] = TextPainter(self.theme, line_px)
        return self._text_painters[line_px]


def make_style(theme: Theme, height: int, threshold: float) -> Style:
    """The numbers of `theme` for an image of `height` pixels; lines of small images shrink less
    than the image.
    """
    scale = max(0.55, height / 1080)
    return Style(
        threshold=threshold,
        full_score=theme.full_score,
        faintest=theme.faintest,
        opacity=theme.opacity,
        limb_width=theme.limb_width,
        limb_min_px=theme.limb_min_px * scale,
        limb_max_px=theme.limb_max_px * scale,
        joint_width=theme.joint_width,
        outline_px=theme.outline_px * scale,
        outline_opacity=theme.outline_opacity,
    )


def make_skeleton(keypoint_set: KeypointSet) -> Skeleton:
    """What to draw of `keypoint_set`: a link between two sides is in the middle, one from the
    middle takes the side's shade.
    """
    sides = np.full(len(keypoint_set), MIDDLE, np.int32)
    for left, right in keypoint_set.flip_pairs:
        sides[left], sides[right] = LEFT, RIGHT
    links = np.array(keypoint_set.links, np.int32).reshape(-1, 2)
    first, second = sides[links[:, 0]], sides[links[:, 1]]
    link_sides = np.where(
        first == second,
        first,
        np.where(first == MIDDLE, second, np.where(second == MIDDLE, first, MIDDLE)),
    )
    weights = np.clip(
        np.array(keypoint_set.sigmas, np.float32) / _FULL_WIDTH_SIGMA, _SMALLEST_WEIGHT, 1
    )
    return Skeleton(links, link_sides.astype(np.int32), sides, weights.astype(np.float32))


@kernel
def _usable(keypoints: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same array: joints nowhere near an image (not finite, or beyond a million pixels) get
    score 0.
    """
    for person in range(keypoints.shape[0]):
        for joint in range(keypoints.shape[1]):
            x, y, score = keypoints[person, joint]
            if not (abs(x) < 1e6 and abs(y) < 1e6 and score > 0):
                keypoints[person, joint, :] = 0
    return keypoints


@kernel
def _boxes(
    keypoints: NDArray[np.float64], threshold: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Boxes (P, 4) x, y, width, height of the joints that are drawn, a tenth larger; and the sizes
    (P,) of the people.
    """
    count = keypoints.shape[0]
    boxes = np.zeros((count, 4))
    sizes = np.zeros(count)
    for person in range(count):
        sizes[person] = person_size(keypoints[person], threshold)
        left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
        for joint in range(keypoints.shape[1]):
            x, y, score = keypoints[person, joint]
            if score >= threshold and score > 0:
                left, right = min(left, x), max(right, x)
                top, bottom = min(top, y), max(bottom, y)
        if right >= left:
            margin = 0.05 * sizes[person] + 2
            boxes[person] = (
                left - margin,
                top - margin,
                right - left + 2 * margin,
                bottom - top + 2 * margin,
            )
    return boxes, sizes
