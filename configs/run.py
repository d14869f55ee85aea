"""One run of the stream: the fields of these classes are the flags of `run_stream.py`."""

from __future__ import annotations

from dataclasses import dataclass

from configs.errors import ConfigError
from configs.flags import option

# Two cameras at 25 fps, an engine that takes 10 ms for one picture or two (benchmarks/live.py
# batch-window). 1 ms apart: the window lets the second frame join the first instead of queueing behind
# it, latency p95 20.4 -> 11.9 ms. Half a period apart: it never joins, and every frame is later by
# the window (p50 10.9 -> 13.0 ms), which is why it is short. A busy engine finds frames of all
# cameras when it is done and needs no window.
BATCH_WINDOW_MS = 2.0


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What to read, what to do with it, and where results go.

    sources: paths, URLs, camera numbers, or `demo`.
    output: where results go, by suffix or scheme.
    """

    sources: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    model: str = option("lite", help="preset, ONNX file or checkpoint", metavar="NAME|PATH")
    weights: str | None = option(
        None, help="checkpoint for the preset that --model names", metavar="FILE"
    )
    runtime: str = option(
        "auto", help="auto, tensorrt, torch, openvino or onnxruntime", metavar="NAME"
    )
    precision: str = option(
        "auto", help="auto, fp32, fp16, bf16 or int8, as the runtime has it", metavar="NAME"
    )
    input_size: str | None = option(
        None, help="network input: short side, or WIDTHxHEIGHT; multiples of 32", metavar="N|WxH"
    )
    flip: bool = option(
        False, help="average with the mirrored picture: slower, a little more accurate"
    )
    scales: tuple[float, ...] = option(
        (1.0,), help="average over these sizes of the picture", metavar="S"
    )
    min_score: float | None = option(
        None,
        help="leave out people whose joints score less on average; default: what suits the model",
        metavar="0..1",
    )
    policy: str | None = option(
        None,
        help="every-frame, latest or max-age=300ms; default: latest for live sources, else every-frame",
        metavar="NAME",
    )
    frames: int | None = option(
        None, help="stop after this many frames of each source", metavar="N"
    )
    stride: int = option(1, help="use every n-th frame", metavar="N")
    max_fps: float | None = option(
        None, help="use at most this many frames a second of stream time", metavar="FPS"
    )
    batch_window_ms: float = option(
        BATCH_WINDOW_MS,
        help="several sources: how long an idle engine waits for frames to infer together",
        metavar="MS",
    )
    show: bool = option(False, help="open a window")
    verbose: bool = option(False, help="log what happens", short="-v")
    quiet: bool = option(False, help="no progress bar and no summary", short="-q")

    def __post_init__(self) -> None:
        for scale in self.scales:
            if not 0.1 <= scale <= 4:
                raise ConfigError(f"--scales must be between 0.1 and 4, not {scale:g}")
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise ConfigError(f"--min-score must be 0..1, not {self.min_score:g}")
        for field in ("frames", "stride"):
            value = getattr(self, field)
            if value is not None and value < 1:
                raise ConfigError(f"--{field} must be at least 1, not {value}")
        if not 0 <= self.batch_window_ms <= 1000:
            raise ConfigError(f"--batch-window-ms must be 0..1000, not {self.batch_window_ms:g}")
        if self.max_fps is not None and self.max_fps <= 0:
            raise ConfigError(f"--max-fps must be positive, not {self.max_fps:g}")


def parse_size(text: str, name: str) -> tuple[int, int]:
    """`1280x720` as (width, height). Raises ConfigError for anything else."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise ConfigError(f"{name} must be WIDTHxHEIGHT, such as 1280x720, not {text!r}")
    return int(parts[0]), int(parts[1])
