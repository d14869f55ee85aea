"""One run of the stream: the fields of these classes are the flags of `run_stream.py`."""

from __future__ import annotations

from dataclasses import dataclass

from configs.errors import ConfigError
from configs.flags import option


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
    show: bool = option(False, help="open a window")
    verbose: bool = option(False, help="log what happens", short="-v")
    quiet: bool = option(False, help="no progress bar and no summary", short="-q")

    def __post_init__(self) -> None:
        for scale in self.scales:
            if not 0.1 <= scale <= 4:
                raise ConfigError(f"--scales must be between 0.1 and 4, not {scale:g}")
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise ConfigError(f"--min-score must be 0..1, not {self.min_score:g}")
