"""Is the pipeline faster than the loop that anybody would write first?

    python -m benchmarks.sequential CLIP.mp4              annotates the clip both ways, in turns
    python -m benchmarks.sequential CLIP.mp4 --streams 1  one image on all cores, as for cameras

The loop reads with cv2.VideoCapture, computes one image at a time on all cores, groups, draws, and
writes mp4v with cv2.VideoWriter; both do so with the same model, grouper and renderer. Where the
processor is the engine, threads by themselves gain nothing: what can be gained is that the other
stages fill the gaps, and that one image per core needs no cores to wait for each other. Compare the
ratios; a busy machine slows both.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from higherhrnet_stream import (
    Estimator,
    Grouper,
    PipelineConfig,
    Renderer,
    TrackingConfig,
    open_estimator,
    run,
)

from basics.hardware import usable_cores


def loop_fps(clip: Path, output: Path, estimator: Estimator, frames: int | None) -> float:
    """Frames a second of the loop."""
    grouper = Grouper.for_model(estimator)
    renderer = Renderer(estimator.keypoint_set)
    renderer.warm_up()
    begin_s = time.perf_counter()
    capture = cv2.VideoCapture(str(clip))
    width = round(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
    height = round(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    code = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(output), code, capture.get(cv2.CAP_PROP_FPS), (width, height))
    count = 0
    while count != frames:
        found, read = capture.read()
        if not found:
            break
        image = np.asarray(read, np.uint8)
        maps = estimator.result(estimator.submit(image))
        people = grouper(maps.heatmaps, maps.tags, maps.candidates).to_image(maps.alignment)
        maps.release()
        renderer.draw(image, people)
        writer.write(image)
        count += 1
    writer.release()
    return count / (time.perf_counter() - begin_s)


def pipeline_fps(clip: Path, output: Path, estimator: Estimator, frames: int | None) -> float:
    """Frames a second of the pipeline, opening and finishing included; without identities, which
    the loop has not either.
    """
    begin_s = time.perf_counter()
    summary = run(
        str(clip),
        str(output),
        estimator=estimator,
        tracking=TrackingConfig(track="off"),
        pipeline=PipelineConfig(frames=frames),
    )
    return summary.frames / (time.perf_counter() - begin_s)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path, help="video file")
    parser.add_argument("--frames", type=int, help="of each run (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="turns (default: 3)")
    parser.add_argument("--streams", type=int, default=usable_cores(), help="of the pipeline")
    options = parser.parse_args()
    image = np.asarray(cv2.VideoCapture(str(options.clip)).read()[1], np.uint8)
    ratios = []
    with (
        tempfile.TemporaryDirectory() as folder,
        open_estimator(streams=1) as whole,
        open_estimator(streams=options.streams) as shared,
    ):
        for estimator in (whole, shared):  # compiles
            estimator.result(estimator.submit(image)).release()
        for turn in range(options.rounds):
            loop = loop_fps(options.clip, Path(folder, "loop.mp4"), whole, options.frames)
            ours = pipeline_fps(
                options.clip, Path(folder, f"pipeline{turn}.mp4"), shared, options.frames
            )
            ratios.append(ours / loop)
            print(f"loop {loop:.1f} FPS, pipeline {ours:.1f} FPS, {ratios[-1]:.2f}", flush=True)
    print(f"ratio {statistics.median(ratios):.2f} (median of {len(ratios)})")


if __name__ == "__main__":
    main()
