"""Where results go: video files and streams, records, a window, a browser page."""

from stream.sinks.base import Controls, Interactive, Lossy, RunInfo, Sink
from stream.sinks.browser import BrowserConfig
from stream.sinks.claims import Claim, check_claims, claim_file, claim_names
from stream.sinks.making import make_sinks
from stream.sinks.planning import Output, OutputConfig, plan_outputs
from stream.sinks.video_config import VideoConfig

__all__ = [
    "BrowserConfig",
    "Claim",
    "Controls",
    "Interactive",
    "Lossy",
    "Output",
    "OutputConfig",
    "RunInfo",
    "Sink",
    "VideoConfig",
    "check_claims",
    "claim_file",
    "claim_names",
    "make_sinks",
    "plan_outputs",
]
