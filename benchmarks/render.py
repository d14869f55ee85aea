"""How long does drawing take, and does the encoder keep up?

    python -m benchmarks.render                        the whole table, about a minute
    python -m benchmarks.render --size 1080 --people 10

Drawing: one row for each size and number of people, p50 and p99 in ms of CPU time of its one
thread, and how many times longer OpenCV takes for the same outlines, limbs and joints but without
opacity (`cv2.line` and `cv2.circle`, anti-aliased; same process, same people). People are 0.2 to
0.6 of the picture high, upright, all joints found. `extras` adds boxes, numbers, scores, trails and
blurred faces.

Encoding: libx264 as `VideoSink` uses it on pictures of the demo clip, enlarged, conversion
included; and the JPEG that the browser page shows, compressed once however many watch.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from basics.demo import DEMO_CLIP
from configs import load_keypoint_set
from grouping import People
from stream.render.renderer import RenderConfig, Renderer, Status
from stream.sinks import VideoConfig
from stream.sinks.audio import AudioReader
from stream.sinks.browser.live_state import compress
from stream.sinks.encoders import choose_encoder
from stream.sinks.video_file import VideoFile, VideoFormat
from tests.support.people import STANDING_ACROSS, STANDING_DOWN

WIDTHS = {720: 1280, 1080: 1920, 2160: 3840}
PEOPLE = (1, 10, 30)


def make_crowd(count: int, height: int, width: int) -> People:
    """`count` people spread over a picture of that size."""
    generator = np.random.default_rng(count)
    tall = generator.uniform(0.2, 0.6, (count, 1)) * height
    x = generator.uniform(0.1, 0.9, (count, 1)) * width + STANDING_ACROSS * tall
    y = generator.uniform(0.1, 0.9, (count, 1)) * (height - tall) + STANDING_DOWN * tall
    keypoints = np.stack((x, y, generator.uniform(0.4, 1, x.shape)), axis=2).astype(np.float32)
    return People(keypoints, keypoints[..., 2].mean(axis=1), np.zeros((count, 1), np.float32))


def draw_with_opencv(picture: NDArray[np.uint8], people: People) -> None:
    """The baseline: the same outlines, limbs and joints, one call each."""
    scale = max(0.55, picture.shape[0] / 1080)
    for joints in people.keypoints:
        size = max(np.ptp(joints[:, 0]), np.ptp(joints[:, 1]))
        width = round(min(12 * scale, max(3 * scale, 0.025 * size)))
        points = [(round(float(x)), round(float(y))) for x, y, _ in joints]
        for colour, more in (((24, 20, 16), 3), ((200, 120, 40), 0)):
            for first, second in load_keypoint_set("coco").links:
                cv2.line(picture, points[first], points[second], colour, width + more, cv2.LINE_AA)
            for point in points:
                cv2.circle(
                    picture, point, round(0.72 * width + more / 2), colour, cv2.FILLED, cv2.LINE_AA
                )
        for point in points:
            cv2.circle(picture, point, round(0.3 * width), (255, 255, 255), cv2.FILLED, cv2.LINE_AA)


def times_ms(call: Callable[[], object], repeats: int) -> NDArray[np.float64]:
    """Milliseconds of this thread in each of `repeats` calls, after a few that do not count; what
    else runs is not in them.
    """
    times = []
    for index in range(repeats + 5):
        began_ns = time.thread_time_ns()
        call()
        if index >= 5:
            times.append((time.thread_time_ns() - began_ns) / 1e6)
    return np.array(times)


def drawing(sizes: list[int], crowds: list[int], repeats: int) -> None:
    """Prints a row for each size and number of people."""
    status = Status(fps=29.7, latency_ms=34.2, drops=0, runtime="lite, openvino bf16")
    print(
        f"{'drawing':<14}{'people':>7}{'p50 ms':>9}{'p99 ms':>9}{'OpenCV x':>10}{'extras p50':>12}"
    )
    for height in sizes:
        picture = np.full((height, WIDTHS[height], 3), 128, np.uint8)
        for count in crowds:
            people = make_crowd(count, height, WIDTHS[height])
            plain = Renderer(load_keypoint_set("coco"))
            rich = Renderer(
                load_keypoint_set("coco"),
                options=RenderConfig(boxes=True, ids=True, scores=True, trails=25, blur_faces=True),
            )
            plain.warm_up()
            ours = times_ms(partial(plain.draw, picture, people, status), repeats)
            theirs = times_ms(partial(draw_with_opencv, picture, people), max(10, repeats // 5))
            extras = times_ms(partial(rich.draw, picture, people, status), repeats)
            p50, p99 = np.percentile(ours, (50, 99))
            ratio, extra = np.median(theirs) / p50, np.median(extras)
            print(
                f"{WIDTHS[height]}x{height:<9}{count:>7}{p50:>9.2f}{p99:>9.2f}{ratio:>10.1f}"
                f"{extra:>12.2f}"
            )


def encoding(sizes: list[int], frames: int) -> None:
    """Prints a row for each size."""
    options = VideoConfig()
    name = choose_encoder(options.video_codec, options.video_encoder)
    print(
        f"\n{'encoding':<14}{'encoder':>10}{'ms/frame':>10}{'CPU ms':>9}{'FPS':>8}"
        f"{'Mbit/s':>8}{'JPEG ms':>9}"
    )
    for height in sizes:
        size = WIDTHS[height], height
        pictures = [
            np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)
            for picture in read_clip(frames)
        ]
        video = VideoFormat(
            container="mp4", size=size, time_base=Fraction(1, 25), fps=25.0, options=options
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "out.mp4"
            file = VideoFile(str(path), video, audio=AudioReader(None), begin_s=Fraction(0))
            began_ns, cpu_ns = time.perf_counter_ns(), time.process_time_ns()
            for index, picture in enumerate(pictures):
                file.encode(picture, index)
            file.close(audio_until_s=None)
            spent_s = (time.perf_counter_ns() - began_ns) / 1e9
            cpu_ms = (time.process_time_ns() - cpu_ns) / 1e6 / len(pictures)
            rate = path.stat().st_size * 8 / (len(pictures) / 25) / 1e6
        jpeg = times_ms(partial(compress, pictures[0]), 20)
        per_frame_ms = 1000 * spent_s / len(pictures)
        print(
            f"{WIDTHS[height]}x{height:<9}{name:>10}{per_frame_ms:>10.2f}{cpu_ms:>9.2f}"
            f"{1000 / per_frame_ms:>8.1f}"
            f"{rate:>8.2f}{np.median(jpeg):>9.2f}"
        )


def read_clip(count: int) -> list[NDArray[np.uint8]]:
    """The first pictures of the demo clip."""
    with av.open(str(DEMO_CLIP)) as container:
        return [
            np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
            for frame, _ in zip(container.decode(video=0), range(count), strict=False)
        ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--size", type=int, choices=WIDTHS, help="lines of the picture (default: all)"
    )
    parser.add_argument("--people", type=int, help="number of people (default: 1, 10, 30)")
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--frames", type=int, default=60, help="pictures to encode")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    sizes = [arguments.size] if arguments.size else list(WIDTHS)
    drawing(sizes, [arguments.people] if arguments.people else list(PEOPLE), arguments.repeats)
    encoding(sizes, arguments.frames)


if __name__ == "__main__":
    main()
