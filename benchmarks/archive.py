"""Archives: is everything done once when machines and drivers die, and what does it cost?

    python -m benchmarks.archive faults                  40 videos, two machines of a Ray cluster
    python -m benchmarks.archive faults --cluster local  the same by processes of this machine
    python -m benchmarks.archive overhead                one worker against `run_stream.py`

`faults` makes 36 short videos of the demo clip, a long one, two damaged ones and an empty one;
kills a machine once a few are done, then the driver, and starts it again. It fails unless
everything is done once, and all records are equal to those of a run over each video. `overhead`
runs each program over the same videos and compares frames per second, and per second of processor
time, which a busy machine does not change.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import av

from higherhrnet_stream import EstimatorConfig, open_estimator, run

from basics.demo import DEMO_CLIP
from basics.hardware import describe_hardware

SHORT, SHORT_FRAMES, LONG_FRAMES = 36, 12, 100
ROOT = Path(__file__).resolve().parents[1]


@cache
def demo_images() -> list[av.VideoFrame]:
    """The frames of the demo clip, half as large."""
    with av.open(str(DEMO_CLIP)) as source:
        return [
            image.reformat(image.width // 2, image.height // 2) for image in source.decode(video=0)
        ]


def make_video(path: Path, first: int, frames: int, gop: int) -> None:
    """Frames of the demo clip, from `first` on, over and over."""
    images = demo_images()
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height = images[0].width, images[0].height
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = gop
        for index in range(frames):
            image = images[(first + index) % len(images)]
            image.pts, image.time_base = index, Fraction(1, 25)
            image.pict_type = av.video.frame.PictureType.NONE
            target.mux(stream.encode(image))
        target.mux(stream.encode(None))


def make_videos(folder: Path) -> list[Path]:
    """The 40 videos; those that can be read."""
    folder.mkdir()
    good = [folder / f"short{number:02d}.mp4" for number in range(SHORT)]
    for number, path in enumerate(good):
        make_video(path, first=5 * number, frames=SHORT_FRAMES, gop=12)
    long = folder / "long.mp4"
    make_video(long, first=0, frames=LONG_FRAMES, gop=25)
    whole = good[0].read_bytes()
    (folder / "cut-off.mp4").write_bytes(whole[: len(whole) // 2])  # without its index
    make_video(folder / "hurt.mkv", first=20, frames=SHORT_FRAMES, gop=12)
    hurt = bytearray((folder / "hurt.mkv").read_bytes())
    hurt[len(hurt) // 2 : len(hurt) // 2 + 400] = b"\xff" * 400
    (folder / "hurt.mkv").write_bytes(hurt)
    (folder / "empty.mp4").touch()
    return [*good, long, folder / "hurt.mkv"]


def records(path: Path) -> list[dict[str, Any]]:
    """The objects of a .jsonl output without what is measured."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    for each in found:
        each.pop("latency_ms", None)
    return found


def archive_command(videos: Path, out: Path, cluster: str, *words: str) -> list[str]:
    """The command that does the archive."""
    command = [sys.executable, "-m", "archive", "run", str(videos), "-o", str(out)]
    return [*command, "--cluster", cluster, *words]


def wait_for(found: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Waits until `found`, while the process runs."""
    while not found():
        if process.poll() is not None:
            raise SystemExit(f"the driver ended early, with {process.returncode}")
        time.sleep(0.1)


def faults(options: argparse.Namespace, folder: Path) -> None:
    """Kills a machine and the driver, and looks whether all is done once and equal."""
    videos, out = folder / "videos", folder / "out"
    good = make_videos(videos)
    words = ("--cut", "1s", "--input-size", str(options.input_size), "--cores", "1", "-v")
    lose: Callable[[], None] = lambda: None  # noqa: E731
    stop: Callable[[], None] = lambda: None  # noqa: E731
    address = "local"
    if options.cluster == "ray":
        from ray.cluster_utils import Cluster

        cluster: Any = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        second = cluster.add_node(num_cpus=1)
        address, stop = cluster.address, cluster.shutdown
        lose = lambda: cluster.remove_node(second, allow_graceful=False)  # noqa: E731
    try:
        finished = out / "_archive" / "finished"

        def done() -> int:
            return len(list(finished.glob("[!.]*.json")))

        with (folder / "log.txt").open("wb") as log:
            command = archive_command(videos, out, address, *words)
            with subprocess.Popen(command, cwd=ROOT, stderr=log) as driver:
                wait_for(lambda: done() >= 4, driver)
                lose()
                print(f"machine killed with {done()} videos finished", flush=True)
                wait_for(lambda: done() >= 12, driver)
                driver.send_signal(signal.SIGKILL)
            before = {path.name: path.stat().st_mtime_ns for path in finished.glob("[!.]*.json")}
            print(f"driver killed with {len(before)} videos finished", flush=True)
            code = subprocess.run(command, cwd=ROOT, stderr=log, check=False).returncode
    finally:
        stop()
    again = [
        name for name, stamp in before.items() if (finished / name).stat().st_mtime_ns != stamp
    ]
    states = {path.stem: json.loads(path.read_text()) for path in finished.glob("[!.]*.json")}
    failed = sorted(name for name, each in states.items() if each["state"] != "done")
    print(f"exit code {code}; {len(states)} videos finished, not done: {', '.join(failed)}")
    print(f"done again though they were finished: {len(again)}")
    left = list((out / "_archive").rglob("*.npz"))
    print(f"long one in {states['long']['parts']} parts; files of parts left: {len(left)}")
    different = []
    size = EstimatorConfig(input_size=options.input_size)
    # A worker's core: with another number of threads FFmpeg conceals damage otherwise.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    with open_estimator(size) as estimator:
        for path in good:
            one = folder / f"{path.stem}.jsonl"
            run(str(path), one, estimator=estimator)
            if records(one) != records(out / one.name):
                different.append(path.name)
    people = sum(states[path.stem]["people"] for path in good)
    print(
        f"{len(good)} videos with {people} people in all frames; records that differ: {different}"
    )
    if again or different or left or code != 1 or failed != ["cut-off", "empty"]:
        raise SystemExit(1)


class Cost(NamedTuple):
    """What a program took."""

    wall_s: float
    cpu_s: float


def cost_of(command: list[str]) -> Cost:
    """Runs it to its end."""
    begin_s, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.monotonic() - begin_s, cpu_s)


def overhead(options: argparse.Namespace, folder: Path) -> None:
    """One worker against `run_stream.py` over the same videos, in turns; and two against one."""
    videos = folder / "videos"
    videos.mkdir()
    frames = options.videos * options.frames
    for number in range(options.videos):
        make_video(videos / f"v{number}.mp4", 30 * number, options.frames, 25)
    size = ("--input-size", str(options.input_size))
    files = [str(path) for path in sorted(videos.iterdir())]
    for turn in range(options.rounds):
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, sorted(cores)[:1])  # what a worker has
        plain = cost_of(
            [sys.executable, "run_stream.py", *files, "-o", f"{folder}/{{source}}.jsonl", *size]
        )
        os.sched_setaffinity(0, cores)
        costs = {
            workers: cost_of(
                archive_command(
                    videos, folder / f"out{turn}-{workers}", "local", *size,
                    "--workers", str(workers), "--cores", "1",
                )
            )
            for workers in ((1, 2) if len(os.sched_getaffinity(0)) > 1 else (1,))
        }  # fmt: skip
        one = costs[1]
        print(
            f"round {turn + 1}: run_stream.py {frames / plain.wall_s:.1f} FPS, "
            f"{1000 * plain.cpu_s / frames:.1f} ms of processor a frame; one worker "
            f"{frames / one.wall_s:.1f} FPS, {1000 * one.cpu_s / frames:.1f} ms: "
            f"{plain.wall_s / one.wall_s:.2f} of the rate, {plain.cpu_s / one.cpu_s:.2f} by "
            "processor time",
            flush=True,
        )
        if 2 in costs:
            print(f"  two workers of one core: {one.wall_s / costs[2].wall_s:.2f} times one")


def main() -> None:
    """Parses and runs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("faults", "overhead"))
    parser.add_argument("--cluster", choices=("ray", "local"), default="ray")
    parser.add_argument("--input-size", type=int, default=128)
    parser.add_argument("--videos", type=int, default=6, help="of overhead")
    parser.add_argument("--frames", type=int, default=200, help="of each video of overhead")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    print(describe_hardware())
    with tempfile.TemporaryDirectory() as folder:
        (faults if options.what == "faults" else overhead)(options, Path(folder))


if __name__ == "__main__":
    main()
