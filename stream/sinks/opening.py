"""From what stands after `-o` to the sink that writes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from configs.errors import ConfigError, redact_url
from configs.loading import nearest
from stream.sinks.arrays import ArraysSink
from stream.sinks.base import Sink
from stream.sinks.browser import BrowserConfig, BrowserSink
from stream.sinks.coco_results import CocoResultsSink
from stream.sinks.containers import FORMATS, STREAM_FORMATS
from stream.sinks.json_lines import JsonLinesSink
from stream.sinks.openpose import OpenPoseSink
from stream.sinks.table import TableSink
from stream.sinks.video import VideoSink
from stream.sinks.video_config import VideoConfig
from stream.sinks.window import WindowSink

_PREFIX = re.compile(
    r"([a-z][a-z0-9]+):(.*)", re.DOTALL
)  # two letters at least: C:\\out.mp4 is a path


@dataclass(frozen=True)
class _Options:
    video: VideoConfig
    browser: BrowserConfig


_Maker = Callable[[str, _Options], Sink]


def _record(kind: Callable[[str], Sink]) -> _Maker:
    return lambda path, options: kind(path)


def _video(path: str, options: _Options) -> Sink:
    return VideoSink(path, options.video)


def _stream(target: str, options: _Options) -> Sink:
    scheme = target.partition(":")[0] if "://" in target else "hls"
    path = target if scheme != "hls" else str(Path(target) / "index.m3u8")
    return VideoSink(path, replace(options.video, segment=None), container=STREAM_FORMATS[scheme])


def _browser(url: str, options: _Options) -> Sink:
    return BrowserSink(url, options.browser, options.video)


_BY_SUFFIX: dict[str, _Maker] = {
    **dict.fromkeys(FORMATS, _video),
    ".jsonl": _record(JsonLinesSink),
    ".ndjson": _record(JsonLinesSink),
    ".json": _record(CocoResultsSink),
    ".csv": _record(TableSink),
    ".npz": _record(ArraysSink),
}
_BY_PREFIX: dict[str, _Maker] = {
    "jsonl": _record(JsonLinesSink),
    "coco": _record(CocoResultsSink),
    "openpose": _record(OpenPoseSink),
    "csv": _record(TableSink),
    "npz": _record(ArraysSink),
    "window": _record(WindowSink),
    "http": _browser,
    **dict.fromkeys(STREAM_FORMATS, _stream),
}


def open_sinks(
    outputs: Sequence[str],
    *,
    video: VideoConfig | None = None,
    browser: BrowserConfig | None = None,
) -> list[Sink]:
    """One sink for every output, chosen by suffix (`out.mp4`), prefix (`openpose:folder`) or scheme
    (`rtsp://host/path`).

    `-` is JSON Lines on standard output. The sinks are made but not opened: nothing is created or
    written yet.
    Raises ConfigError for an output whose kind is not known, and for one that is named twice.
    """
    options = _Options(video or VideoConfig(), browser or BrowserConfig())
    for index, output in enumerate(outputs):
        if output in outputs[:index]:
            raise ConfigError(f"output {redact_url(output)!r} is named twice")
    return [_make(output, options) for output in outputs]


def _make(output: str, options: _Options) -> Sink:
    if output == "-":
        return JsonLinesSink("-")
    if (match := _PREFIX.fullmatch(output)) is not None:
        kind, rest = match.groups()
        if kind not in _BY_PREFIX:
            raise ConfigError(
                f"unknown kind of output {kind!r} in "
                f"{redact_url(output)!r}{nearest(kind, _BY_PREFIX)}"
            )
        return _BY_PREFIX[kind](output if rest.startswith("//") else rest, options)
    suffix = Path(output).suffix.lower()
    if suffix not in _BY_SUFFIX:
        known = (
            nearest(suffix, _BY_SUFFIX) if suffix else f" (known: {', '.join(sorted(_BY_SUFFIX))})"
        )
        raise ConfigError(
            f"output {output!r} has no suffix that names a sink{known}, nor a kind before it, as "
            "openpose:FOLDER"
        )
    return _BY_SUFFIX[suffix](output, options)
