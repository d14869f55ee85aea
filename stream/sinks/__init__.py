"""Where results go: video files and streams, records, a window, a browser page."""

from stream.sinks.base import RunInfo, Sink
from stream.sinks.catalogue import open_sinks
from stream.sinks.video_options import VideoOptions

__all__ = ["RunInfo", "Sink", "VideoOptions", "open_sinks"]
