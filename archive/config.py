"""What an archive is made with: flags of `python -m archive run`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import ClassVar, Literal, get_args

from configs import ConfigError
from configs.flags import flag_words, option
from configs.units import parse_duration
from engine import EstimatorConfig
from stream import PeopleConfig, RenderConfig, SourceConfig, TrackingConfig, VideoConfig

Format = Literal["jsonl", "csv", "parquet", "npz", "json", "mp4", "mkv"]
_ADDRESS = re.compile(r"(ray://)?[^\s/:]+:\d+")
VIDEO_FORMATS = frozenset({"mp4", "mkv"})


@dataclass(frozen=True, kw_only=True)
class OutputsConfig:
    """What is written of each video, and which of its frames are looked at.

    Attributes:
        format: Suffixes of the outputs of a video.
        stride: Use every n-th frame.
        max_fps: Use at most this many frames in a second of stream time; None is all.
        cut: Seconds of the parts that long videos are cut into; None leaves all whole.

    Raises:
        ConfigError: A value is out of range, or a format is named twice.
    """

    TITLE: ClassVar[str] = "outputs"

    format: tuple[Format, ...] = option(
        ("jsonl",), help=f"of each video: {', '.join(get_args(Format))}", metavar="NAME"
    )
    stride: int = option(1, help="use every n-th frame; videos are not cut then", metavar="N")
    max_fps: float | None = option(
        None,
        help="use at most this many frames a second of stream time; videos are not cut then",
        metavar="FPS",
    )
    cut: Fraction | None = option(
        Fraction(600),
        metavar="TIME",
        help="cut videos of twice this and more into parts of it, such as 90s, 10m or 1h",
        parse=parse_duration,
        show=lambda seconds: f"{float(seconds):g}s",
    )

    def __post_init__(self) -> None:
        if not self.format or len(set(self.format)) != len(self.format):
            raise ConfigError("format must name at least one format, and none twice")
        if self.stride < 1:
            raise ConfigError(f"stride must be at least 1, not {self.stride}")
        if self.max_fps is not None and not 0 < self.max_fps < float("inf"):
            raise ConfigError(f"max_fps must be positive, not {self.max_fps:g}")

    @property
    def cut_s(self) -> float | None:
        """Seconds of a part; None where no video can be cut, because which frames are used depends
        on all frames before.
        """
        if self.cut is None or self.stride != 1 or self.max_fps is not None:
            return None
        return float(self.cut)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that decides what the outputs hold; every worker has the same.

    Attributes:
        folder: Path or address that outputs go to.
        outputs: What is written of each video.
        estimator: The model, and what executes it.
        people: Which people are kept.
        tracking: Whether and how people get identities.
        source: How videos are decoded.
        render: What is drawn into annotated videos.
        video: How those are encoded.
        together: As `ClusterConfig` has it; changes no record.
    """

    folder: str
    outputs: OutputsConfig = field(default_factory=OutputsConfig)
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)
    people: PeopleConfig = field(default_factory=PeopleConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    source: SourceConfig = field(default_factory=SourceConfig)
    render: RenderConfig = field(default_factory=RenderConfig)
    video: VideoConfig = field(default_factory=VideoConfig)
    together: int | None = None

    def identity(self) -> dict[str, str]:
        """The options that differ from their defaults, by flag: what a later run must have too.

        How many images are computed at the same time, and on which device, changes no record.
        """
        configs = (
            *(self.outputs, self.estimator, self.people, self.tracking, self.source, self.render),
            self.video,
        )
        words = [word for config in configs for word in flag_words(config)]
        found = {word[0]: " ".join(word[1:]) or "on" for word in words}
        return {
            flag: value
            for flag, value in found.items()
            if flag not in ("--streams", "--device", "--offline")
        }


@dataclass(frozen=True, kw_only=True)
class ClusterConfig:
    """Who does the work, and what happens when it cannot be done.

    Attributes:
        cluster: `local` is processes on this machine; `ray://host:10001` or `host:6379` is a Ray
            cluster; `auto` is the Ray cluster that this machine belongs to, else `local`.
        workers: How many; None is what the machine or the cluster has room for.
        cores: Processor cores of each; None is all of a machine's, shared among its GPUs.
        gpus: GPUs of each, may be a part of one; None is one where there are any.
        together: Videos, or parts of them, that each does at the same time, their images in one
            batch; None is as many images as its engine is fastest with, which is 1 on CPUs.
        max_failures: Videos that may fail before the run is given up; None is any number.
        retry_failed: Whether videos that failed in an earlier run are tried again.

    Raises:
        ConfigError: A number is out of range.
    """

    TITLE: ClassVar[str] = "workers"

    cluster: str = option(
        "auto",
        help="local, auto (the Ray cluster of this machine, else local), ray://HOST:PORT",
        metavar="NAME",
    )
    workers: int | None = option(
        None, help="processes that work (default: what there is room for)", metavar="N"
    )
    cores: int | None = option(
        None, help="processor cores of a worker (default: all, shared among GPUs)", metavar="N"
    )
    gpus: float | None = option(
        None, help="GPUs of a worker, such as 1 or 0.5 (default: one, if any)", metavar="N"
    )
    together: int | None = option(
        None,
        help="videos or parts that a worker does at the same time, in one batch (default: what its "
        "engine gains from; 1 on CPUs)",
        metavar="N",
    )
    max_failures: int | None = option(
        None, help="give up when more videos than this have failed", metavar="N"
    )
    retry_failed: bool = option(False, help="try videos again that failed in an earlier run")

    def __post_init__(self) -> None:
        if self.cluster not in ("local", "auto") and not _ADDRESS.fullmatch(self.cluster):
            raise ConfigError(
                "cluster must be local, auto, or the address of a Ray cluster: head:6379 or "
                f"ray://head:10001, not {self.cluster!r}"
            )
        for name in ("workers", "cores", "together"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, not {value}")
        if self.gpus is not None and not (0 <= self.gpus <= 1 or self.gpus == int(self.gpus) > 1):
            raise ConfigError(f"gpus must be 0..1 or a whole number, not {self.gpus:g}")
        if self.max_failures is not None and self.max_failures < 0:
            raise ConfigError(f"max_failures must be at least 0, not {self.max_failures}")
