"""Where results go: video files and streams, records, a window, a browser page."""

from stream.sinks.base import Controls, Interactive, Lossy, RunInfo, Sink
from stream.sinks.browser import BrowserOptions
from stream.sinks.opening import open_sinks
from stream.sinks.video_options import VideoOptions

__all__ = [
    "BrowserOptions",
    "Controls",
    "Interactive",
    "Lossy",
    "RunInfo",
    "Sink",
    "VideoOptions",
    "open_sinks",
]
