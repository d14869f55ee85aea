"""Two cameras through one engine, each with files of its own; Ctrl-C ends.

python examples/two_cameras.py 0 rtsp://camera/stream
"""

import signal
import sys

from higherhrnet_stream import EstimatorConfig, Pipeline, Progress, SourceConfig, run


def stop_on_ctrl_c(pipeline: Pipeline) -> None:
    signal.signal(signal.SIGINT, lambda *_: pipeline.stop())


def show(progress: Progress) -> None:
    print(f"\r{progress.frames} frames, {progress.drops} dropped", end="", file=sys.stderr)


def main(cameras: list[str]) -> None:
    summary = run(
        cameras,
        ["{source}.mp4", "{source}.jsonl"],
        estimator=EstimatorConfig(input_size=256),
        source=SourceConfig(read_timeout_s=3.0),
        on_start=stop_on_ctrl_c,
        on_progress=show,
    )
    print(file=sys.stderr)
    for camera in summary.sources:
        print(f"{camera.name}: {camera.frames} frames, {camera.people} people in all of them")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
