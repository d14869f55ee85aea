"""Draws the documentation's pictures from the demo clip: `python -m docs.draw_pictures`.

Run it again when the shipped model or the drawing changes. It needs the extra `dev`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from higherhrnet_stream import (
    Frame,
    Grouper,
    People,
    PipelineConfig,
    RenderConfig,
    RunInfo,
    SourceInfo,
    annotate,
    load_keypoint_set,
    open_estimator,
    open_source,
    run,
)

from basics.demo import DEMO_CLIP

Picture = NDArray[np.uint8]
IMAGES = Path(__file__).parent / "images"
FRAME = 60  # of the clip: people near and far, two of them close together
JOINT = "left_ankle"
JPEG_QUALITY = 82
# The animation: every fourth frame of 25 a second, small enough for a page that opens on a phone.
ANIMATION_STRIDE, ANIMATION_FRAMES, ANIMATION_WIDTH_PX = 4, 32, 480


def main() -> None:
    """Writes every picture into docs/images."""
    names = load_keypoint_set("coco").names
    with open_source(str(DEMO_CLIP)) as source:
        image = next(frame.image.copy() for frame in source if frame.index == FRAME)
    with open_estimator("lite") as estimator:
        for name, options in {
            "heatmaps": RenderConfig(maps="heatmaps", skeletons=False),
            "tags": RenderConfig(maps="tags", skeletons=False),
            "people": RenderConfig(),
            "blur_faces": RenderConfig(blur_faces=True),
            "background_black": RenderConfig(background="black"),
        }.items():
            save(name, annotate(image, estimator=estimator, render=options)[0])
        maps = estimator.result(estimator.submit(image))
        grouper = Grouper.for_model(estimator)
        grouped = grouper(maps.heatmaps, maps.tags, maps.candidates).to_image(maps.alignment)
        assert maps.candidates is not None
        picked = maps.candidates
        x, y = (values.astype(np.float32).reshape(-1) for values in (picked.x, picked.y))
        score = picked.score.reshape(-1)
        points = maps.alignment.to_image(np.stack((x, y, score), axis=1)[None])[0]
        save("candidates", draw_candidates(image, points, picked.tag.reshape(len(x), -1)))
        strong = grouped.only(grouped.scores >= estimator.min_person_score)
        save("grouped", draw_grouped(image, strong))
    save("resolutions", draw_resolutions(image, names.index(JOINT)))
    animate()


def save(name: str, image: Picture) -> None:
    """Writes a picture half as wide as the clip."""
    small = cv2.resize(image, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
    path = IMAGES / f"{name}.jpg"
    cv2.imwrite(str(path), small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    sys.stdout.write(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB\n")


def faint(image: Picture) -> Picture:
    """The image as a background that lines and dots stand out from."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return cv2.addWeighted(grey, 0.45, np.full_like(grey, 255), 0.55, 0).astype(np.uint8)


def colour(
    tag: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32]
) -> tuple[int, ...]:
    """Near tags have near colours: the first number is the hue, the second the brightness."""
    hue, bright = (tag - low) / np.maximum(high - low, 1e-6)
    hsv = np.array([[[round(170 * float(hue)), 230, round(120 + 110 * float(bright))]]], np.uint8)
    return tuple(int(value) for value in cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0])


def draw_candidates(
    image: Picture, points: NDArray[np.float32], tags: NDArray[np.float32]
) -> Picture:
    """Every peak that grouping may use, coloured by its tag."""
    drawn, seen = faint(image), points[:, 2] > 0.1
    low, high = np.quantile(tags[seen], (0.02, 0.98), axis=0)
    for (x, y, _), tag in zip(points[seen], tags[seen], strict=True):
        clipped = np.clip(tag, low, high)
        cv2.circle(drawn, (round(x), round(y)), 5, colour(clipped, low, high), -1, cv2.LINE_AA)
    return drawn


def draw_grouped(image: Picture, people: People) -> Picture:
    """What grouping made of them: each person's joints and limbs in the colour of their tag."""
    drawn, links = faint(image), load_keypoint_set("coco").links
    low, high = people.tags.min(axis=0), people.tags.max(axis=0)
    for joints, tag in zip(people.keypoints, people.tags, strict=True):
        paint = colour(tag, low, high)
        for first, second in links:
            if min(joints[first, 2], joints[second, 2]) > 0.1:
                ends = [tuple(map(round, joints[joint, :2].tolist())) for joint in (first, second)]
                cv2.line(drawn, ends[0], ends[1], paint, 2, cv2.LINE_AA)
        for x, y, score in joints.tolist():
            if score > 0.1:
                cv2.circle(drawn, (round(x), round(y)), 4, paint, -1, cv2.LINE_AA)
    return drawn


def draw_resolutions(image: Picture, joint: int) -> Picture:
    """Heatmaps of one joint at strides 4 and 2 and what aggregation makes of them, side by side."""
    import torch
    from torch.nn import functional

    from engine.networks.aggregation import merge_resolutions
    from engine.onnx.graph import PoseGraph
    from engine.onnx.weights import load_exported_network

    model = Path(__file__).resolve().parents[1] / "engine" / "weights" / "lite.onnx"
    graph = PoseGraph(load_exported_network(model))
    height, width = 320, round(320 * image.shape[1] / image.shape[0] / 64) * 64
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    with torch.inference_mode():
        pixels = torch.from_numpy(resized[None, :, :, ::-1].copy()).permute(0, 3, 1, 2)
        outputs = graph.network(pixels * graph.gain + graph.offset)
        merged, _ = merge_resolutions(outputs, graph.config)
        maps = [outputs[0][0, joint], outputs[1][0, joint], merged[0, joint]]
        shown = []
        for values in maps:
            large = functional.interpolate(values[None, None], (height, width), mode="nearest")
            level = (large[0, 0].clamp(0, 1) * 255).to(torch.uint8).numpy()
            heat = cv2.applyColorMap(level, cv2.COLORMAP_INFERNO)
            crop = slice(height // 4, height), slice(width // 8, width // 2)
            shown.append(cv2.resize(heat[crop], None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST))
    gap = np.full((shown[0].shape[0], 12, 3), 255, np.uint8)
    return np.hstack([shown[0], gap, shown[1], gap, shown[2]])


class _Pictures:
    """A sink that keeps annotated images, small."""

    needs_image = True

    def __init__(self) -> None:
        self.images: list[Image.Image] = []

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        self.scale = ANIMATION_WIDTH_PX / source.width

    def write(self, frame: Frame, people: People, image: Picture | None, **facts: float) -> None:
        assert image is not None
        small = cv2.resize(image, None, fx=self.scale, fy=self.scale, interpolation=cv2.INTER_AREA)
        self.images.append(Image.fromarray(small[:, :, ::-1].copy()))

    def close(self) -> None:
        """Nothing to close."""


def animate() -> None:
    """The demo as an animation that GitHub and browsers show."""
    kept = _Pictures()
    run(
        "demo",
        kept,
        pipeline=PipelineConfig(frames=ANIMATION_FRAMES, stride=ANIMATION_STRIDE),
        render=RenderConfig(status=False),
    )
    path = IMAGES / "demo.webp"
    kept.images[0].save(
        path,
        save_all=True,
        append_images=kept.images[1:],
        duration=40 * ANIMATION_STRIDE,
        loop=0,
        quality=58,
        method=6,
    )
    sys.stdout.write(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB\n")


if __name__ == "__main__":
    main()
