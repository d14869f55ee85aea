"""Where results go: video files and streams, records, a window, a browser page."""

from stream.sinks.base import Controls, Interactive, Lossy, RunInfo, Sink
from stream.sinks.browser import BrowserConfig
from stream.sinks.opening import open_sinks
from stream.sinks.video_config import VideoConfig

__all__ = [
    "BrowserConfig",
    "Controls",
    "Interactive",
    "Lossy",
    "RunInfo",
    "Sink",
    "VideoConfig",
    "open_sinks",
]
