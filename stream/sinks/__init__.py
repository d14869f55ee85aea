"""Where results go: video files and streams, records, a window, a browser page."""

from stream.sinks.base import Controls, Interactive, Lossy, RunInfo, Sink
from stream.sinks.browser import BrowserConfig
from stream.sinks.making import make_sinks
from stream.sinks.planning import Output, plan_outputs
from stream.sinks.video_config import VideoConfig

__all__ = [
    "BrowserConfig",
    "Controls",
    "Interactive",
    "Lossy",
    "Output",
    "RunInfo",
    "Sink",
    "VideoConfig",
    "make_sinks",
    "plan_outputs",
]
