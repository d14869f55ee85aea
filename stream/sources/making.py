"""What the user calls a source, and which class reads it."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import av
from av.container import InputContainer

from basics.demo import DEMO_CLIP
from basics.paths import is_there, plain_path
from configs import SourceError
from keypoint_datasets.images import is_clip
from stream.sources.base import Source
from stream.sources.config import SourceConfig
from stream.sources.file import FileSource
from stream.sources.live import LiveSource
from stream.sources.network import camera_input, display_name, is_camera, is_url, network_input
from stream.sources.pattern import PatternSource
from stream.sources.pictures import is_picture
from stream.sources.playlists import is_concat
from stream.sources.sequence import (
    PLAYLIST_SUFFIXES,
    SequenceSource,
    find_files,
    read_playlist,
)
from stream.sources.web import WebSource

_LOOKED_AT = 20  # lines of a text that may be a list
_WITHOUT_HOST = ("udp", "rtp", "srt")  # udp://@:1234 listens


def make_source(spec: str, config: SourceConfig | None = None) -> Source:
    """The source that `spec` names, not opened yet; a context manager that opens and closes it.

        demo                     the clip that ships with the package
        test                     a test pattern, 25 frames a second
        0, /dev/video0           a camera
        rtsp://, http://, ...    a network stream, or a video on a web server
        clip.mp4                 a video file, or an image
        folder, shots/*.png      all images and videos in it, in natural order
        list.txt, list.m3u       the files that the list names, one a line
        -                        a video on standard input

    Args:
        spec: What people call it, as above.
        config: How cameras and network streams are opened.

    Raises:
        SourceError: A pattern or a list names nothing, or a folder cannot be read.
    """
    config = config or SourceConfig()
    spec = plain_path(spec)
    if spec == "demo":
        return FileSource(str(DEMO_CLIP), config, name="demo")
    if spec == "test":
        return PatternSource()
    if spec == "-":
        return FileSource("-", config, name="standard input", connect=_open_standard_input)
    if is_camera(spec):
        return LiveSource(camera_input(spec, config), config)
    if is_url(spec):
        _check_address(spec)
        scheme, _, rest = spec.partition("://")
        spec = f"{scheme.lower()}://{rest}"
        if spec.startswith(("http://", "https://")):
            return WebSource(network_input(spec, config), config)
        return LiveSource(network_input(spec, config), config)
    try:
        return _open_path(spec, config)
    except SourceError:  # is an OSError
        raise
    except OSError as error:
        raise SourceError(f"cannot open {spec!r}: {error.strerror or error}") from error


def _check_address(url: str) -> None:
    """Raises SourceError for what no server could be asked for."""
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) or parts.scheme.lower() in _WITHOUT_HOST
        _ = parts.port
    except ValueError:
        valid = False
    if not valid:
        raise SourceError(
            f"{display_name(url)!r} is no address: special characters in a user name or password "
            "must be percent-encoded, and a number follows the colon behind the host"
        )


def _open_path(spec: str, config: SourceConfig) -> Source:
    path = Path(spec)
    if path.is_dir() or (glob.has_magic(spec) and not path.exists()):
        return SequenceSource(spec, find_files(spec), config, found=True)
    if path.suffix.lower() in PLAYLIST_SUFFIXES and path.is_file() and _is_list(path):
        return SequenceSource(spec, read_playlist(spec), config)
    if is_picture(spec):
        return SequenceSource(spec, [spec], config)
    return FileSource(spec, config)


def _is_list(path: Path) -> bool:
    """Whether a text file names files, by their suffixes or because they exist, rather than being
    any text; HLS playlists are FFmpeg's to read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return False
    if "#EXT-X-" in text:
        return False
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    names = [line for line in lines if not line.startswith("#")]
    return any(
        is_url(name) or is_concat(name) or is_picture(name) or is_clip(name)
        for name in names[:_LOOKED_AT]
    ) or any(is_there(path.parent / plain_path(name)) for name in names[:_LOOKED_AT])


def _open_standard_input() -> InputContainer:
    try:
        return av.open("pipe:0", metadata_errors="replace")
    except (av.InvalidDataError, av.EOFError) as error:
        raise SourceError(
            "standard input is not a video that can be read as it comes: it is empty, cut off or "
            "something else, or an MP4 with its index at the end (name the file instead of -)"
        ) from error
    except (av.FFmpegError, OSError) as error:
        raise SourceError(
            f"standard input is not a video that FFmpeg can read: {error.strerror}"
        ) from error


def source_labels(specs: Sequence[str]) -> list[str]:
    """A short name for each source, fit to be part of a file name, and no two the same."""
    labels: list[str] = []
    for spec in specs:
        label = plain = _label(spec)
        number = 1
        while label in labels:
            number += 1
            label = f"{plain}_{number}"
        labels.append(label)
    return labels


def _label(spec: str) -> str:
    if spec == "-":
        return "stdin"
    spec = plain_path(spec)
    if is_camera(spec) and spec.isdigit():
        return f"camera{spec}"
    if is_url(spec):
        text = display_name(spec).split("://", 1)[1]
    else:
        path = Path(spec)
        text = path.stem if path.suffix else path.name
    return re.sub(r"[^\w.-]+", "_", text).strip("_.") or "source"
