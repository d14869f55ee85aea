"""From what stands after `-o` to the sink that writes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from basics.paths import plain_path
from configs.errors import ConfigError, redact_url
from configs.loading import nearest
from stream.sinks.arrays import ArraysSink
from stream.sinks.base import Sink
from stream.sinks.browser import BrowserConfig, BrowserSink
from stream.sinks.coco_results import CocoResultsSink
from stream.sinks.containers import FORMATS, STREAM_FORMATS
from stream.sinks.files import is_standard_output
from stream.sinks.json_lines import JsonLinesSink
from stream.sinks.mot import MotSink
from stream.sinks.mqtt import MqttConfig, MqttSink
from stream.sinks.openpose import OpenPoseSink
from stream.sinks.pictures import PICTURE_SUFFIXES, PicturesSink
from stream.sinks.planning import OutputConfig
from stream.sinks.table import TableSink
from stream.sinks.video import VideoSink
from stream.sinks.video_config import VideoConfig
from stream.sinks.window import WindowSink

_C = TypeVar("_C")
_PREFIX = re.compile(
    r"([a-z][a-z0-9]+):(.*)", re.DOTALL
)  # two letters at least: C:\\out.mp4 is a path


class _Configs:
    """Configurations by their class; what is not given has its defaults."""

    def __init__(self, configs: Iterable[object]) -> None:
        self._given = {type(config): config for config in configs}

    def get(self, kind: type[_C]) -> _C:
        found = self._given.get(kind)
        return found if isinstance(found, kind) else kind()


_Maker = Callable[[str, _Configs], Sink]


def _record(kind: Callable[[str], Sink]) -> _Maker:
    return lambda path, configs: kind(path)


def _coco(path: str, configs: _Configs) -> Sink:
    return CocoResultsSink(path, configs.get(OutputConfig).coco_ids)


def _video(path: str, configs: _Configs) -> Sink:
    return VideoSink(path, configs.get(VideoConfig))


def _stream(target: str, configs: _Configs) -> Sink:
    scheme = target.partition(":")[0] if "://" in target else "hls"
    path = target if scheme != "hls" else str(Path(target) / "index.m3u8")
    video = replace(configs.get(VideoConfig), segment=None)
    return VideoSink(path, video, container=STREAM_FORMATS[scheme])


def _browser(url: str, configs: _Configs) -> Sink:
    return BrowserSink(url, configs.get(BrowserConfig), configs.get(VideoConfig))


def _mqtt(url: str, configs: _Configs) -> Sink:
    return MqttSink(url, configs.get(MqttConfig))


_BY_SUFFIX: dict[str, _Maker] = {
    **dict.fromkeys(FORMATS, _video),
    ".jsonl": _record(JsonLinesSink),
    ".ndjson": _record(JsonLinesSink),
    ".json": _coco,
    ".csv": _record(TableSink),
    ".npz": _record(ArraysSink),
    **dict.fromkeys(PICTURE_SUFFIXES, _record(PicturesSink)),
}
_BY_PREFIX: dict[str, _Maker] = {
    "jsonl": _record(JsonLinesSink),
    "coco": _coco,
    "mot": _record(MotSink),
    "openpose": _record(OpenPoseSink),
    "csv": _record(TableSink),
    "npz": _record(ArraysSink),
    "window": _record(WindowSink),
    "http": _browser,
    "mqtt": _mqtt,
    "mqtts": _mqtt,
    **dict.fromkeys(STREAM_FORMATS, _stream),
}


_LINES = ("jsonl", "csv", "mot")
_ADDRESSES = {kind for kind in STREAM_FORMATS if kind != "hls"}


def make_sinks(
    outputs: Sequence[str | Sink],
    *configs: VideoConfig | BrowserConfig | MqttConfig | OutputConfig,
) -> list[Sink]:
    """One sink for every output, made but not opened: nothing is created or written yet.

    Args:
        outputs: Sinks as they are, and names, by suffix (`out.mp4`), prefix (`openpose:folder`) or
            scheme (`rtsp://host/path`); `-` is JSON Lines on standard output.
        configs: How videos are encoded, pages are served, messages are sent and results get their
            ids, where that is not as usual.

    Raises:
        ConfigError: An output whose kind is not known, or that is named twice.
    """
    names = [output for output in outputs if isinstance(output, str)]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ConfigError(f"output {redact_url(name)!r} is named twice")
    given = _Configs(configs)
    return [_make(output, given) if isinstance(output, str) else output for output in outputs]


def is_video_file(output: object) -> bool:
    """Whether an output is a video in a file."""
    if not isinstance(output, (str, Path)):
        return False
    prefix = _PREFIX.fullmatch(str(output))
    is_file = prefix is None or prefix[1] not in _BY_PREFIX
    return is_file and Path(output).suffix.lower() in FORMATS


def takes_standard_output(output: object) -> bool:
    """Whether the output of that name writes lines to standard output."""
    if not isinstance(output, str):
        return False
    kind, _, path = output.rpartition(":")
    return output == "-" or (kind in _LINES and is_standard_output(path))


def _make(output: str, configs: _Configs) -> Sink:
    output = plain_path(output)
    scheme, separator, address = output.partition("://")
    if separator and scheme.isalpha():
        output = f"{scheme.lower()}://{address}"
    if output == "-":
        return JsonLinesSink("-")
    if (match := _PREFIX.fullmatch(output)) is not None:
        kind, rest = match.groups()
        if kind in _BY_PREFIX:
            if not rest and kind != "window":
                raise ConfigError(
                    f"output {output!r} does not say where: nothing follows the colon"
                )
            if kind in _ADDRESSES and not rest.startswith("//"):
                # What is before an @ may be a password, and would not be known for one.
                raise ConfigError(f"a {kind} address is written with two slashes: {kind}://...")
            return _BY_PREFIX[kind](output if rest.startswith("//") else rest, configs)
        similar = nearest(kind, _BY_PREFIX)
        mistyped = "did you mean" in similar or rest.startswith("//")
        if mistyped or Path(output).suffix.lower() not in _BY_SUFFIX:
            raise ConfigError(f"unknown kind of output {kind!r} in {redact_url(output)!r}{similar}")
        # 2024-01-01T12:30:00.mp4, cam:1.mp4: a file
    suffix = Path(output).suffix.lower()
    if suffix not in _BY_SUFFIX:
        known = (
            nearest(suffix, _BY_SUFFIX) if suffix else f" (known: {', '.join(sorted(_BY_SUFFIX))})"
        )
        raise ConfigError(
            f"output {output!r} has no suffix that names a sink{known}, nor a kind before it, as "
            "openpose:FOLDER"
        )
    return _BY_SUFFIX[suffix](output, configs)
