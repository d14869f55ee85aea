"""Clips of people who walk about, with the truth about every frame."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from basics.atomic import check_writable, replacing, write_error
from basics.paths import ffmpeg_path
from configs.errors import ConfigError
from configs.flags import option
from configs.units import Size
from synthetic.bodies import BODIES, load_bodies
from synthetic.capture import capture
from synthetic.crossings import SECONDS, crossings, wall
from synthetic.images import parse_image_size
from synthetic.labels import Label
from synthetic.photos import PhotoLibrary
from synthetic.plaza import Plaza, open_plaza
from synthetic.sensor import Sensor

_SENSOR = Sensor(exposure=0.95, contrast=1.05, grain=0.006)


@dataclass(frozen=True, kw_only=True)
class ClipConfig:
    seconds: float = option(8.0, help="length")
    fps: float = option(25.0, help="frames per second")
    size: Size = option(
        Size(640, 480),
        help="of the frames in pixels, both sides even",
        metavar="WIDTHxHEIGHT",
        parse=parse_image_size,
    )
    actors: int = option(5, help="how many people take part; not for crossings")
    action: Literal["passing", "crossings"] = option(
        "passing",
        help="passing: people who keep out of each other's way; crossings: five crossings, three "
        f"occlusions of a second, one who leaves and comes back, in {SECONDS:g} seconds",
    )
    seed: int = option(0, help="the same seed gives the same frames and truth")
    backgrounds: tuple[str, ...] = option(
        (), help="folders, zip archives or files with photographs, one of which replaces the plaza"
    )
    supersampling: int = option(2, help="samples per pixel each way")
    quality: int = option(23, help="constant rate factor of H.264: smaller is better and larger")

    def __post_init__(self) -> None:
        if self.size.width % 2 or self.size.height % 2:
            raise ConfigError(f"size must be even both ways for H.264, not {self.size}")
        limits = (
            ("seconds", 0.04, 3600), ("fps", 1, 240), ("actors", 1, 24), ("seed", 0, 2**63),
            ("supersampling", 1, 4), ("quality", 0, 51),
        )  # fmt: skip
        for name, low, high in limits:
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"{name} must be {low} to {high}, not {getattr(self, name)}")

    @property
    def frames(self) -> int:
        return max(1, round(self.seconds * self.fps))


class ClipMaker:
    """The frames of a clip, any of which can be made at any time."""

    def __init__(self, config: ClipConfig) -> None:
        self._config = config
        self.width, self.height = config.size.width, config.size.height
        photos = PhotoLibrary.open(config.backgrounds) if config.backgrounds else None
        try:
            self._plaza = self._open(config, photos)
        finally:
            if photos is not None:
                photos.close()

    def _open(self, config: ClipConfig, photos: PhotoLibrary | None) -> Plaza:
        is_trial = config.action == "crossings"
        return open_plaza(
            self.width,
            self.height,
            config.actors,
            config.frames / config.fps,
            load_bodies(BODIES),
            PhotoLibrary.textures(),
            photos,
            np.random.default_rng(config.seed),
            cast=crossings if is_trial else None,
            things=[wall()] if is_trial else [],
        )

    def make(self, frame: int) -> tuple[NDArray[np.uint8], list[Label]]:
        """Frame (h, w, 3) uint8 BGR and a label for every player."""
        scene = self._plaza.scene(frame / self._config.fps)
        rng = np.random.default_rng([self._config.seed, frame])
        return capture(scene, _SENSOR, rng, self._config.supersampling)


def write_clip(
    config: ClipConfig,
    path: Path,
    truth_path: Path | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Writes an H.264 clip and, if wanted, its truth as gzipped JSON; each appears whole.

    The truth is a list with one list of people per frame: `person` (the same number for the same
    person throughout), `keypoints` (17 of x, y, v with v = 0 outside the image, 1 hidden, 2
    visible), `bbox` and `area` of what is seen, `amodal_bbox` of all of the person.

    Args:
        config: What the clip is like.
        path: The clip.
        truth_path: The truth; None for none.
        progress: Called with the number of frames that are done.

    Raises:
        SinkError: One of the files cannot be written; found out before the first frame where the
            file system tells.
        DataError: Backgrounds or bodies cannot be used.
    """
    import av

    maker = ClipMaker(config)
    check_writable(path, truth_path)
    try:
        with replacing(path) as partial:
            truth = _write_frames(maker, config, partial, progress)
    except av.FFmpegError as error:  # of which only some are OSErrors
        raise write_error(path, error) from error
    if truth_path is not None:
        with replacing(truth_path) as partial:
            # Without a time stamp inside, equal clips make equal files.
            partial.write_bytes(gzip.compress(json.dumps(truth).encode(), mtime=0))


def _write_frames(
    maker: ClipMaker, config: ClipConfig, path: Path, progress: Callable[[int], None]
) -> list[list[dict[str, Any]]]:
    import av

    truth: list[list[dict[str, Any]]] = []
    with av.open(ffmpeg_path(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(config.fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = maker.width, maker.height, "yuv420p"
        stream.options = {"crf": str(config.quality), "preset": "slow"}
        for index in range(config.frames):
            image, labels = maker.make(index)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
            truth.append([_record(label) for label in labels])
            progress(index + 1)
        container.mux(stream.encode())
    return truth


def _record(label: Label) -> dict[str, Any]:
    return {
        "person": label.person,
        "keypoints": [
            [round(float(x), 2), round(float(y), 2), float(seen)] for x, y, seen in label.keypoints
        ],
        "bbox": [round(edge, 2) for edge in label.box],
        "amodal_bbox": [round(edge, 2) for edge in label.full_box],
        "area": round(label.area, 2),
    }
