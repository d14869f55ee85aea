"""Where results go: video files and streams, records, a window, a browser page."""

from stream.sinks.base import Abandonable, Controls, Interactive, Lossy, Resumable, RunInfo, Sink
from stream.sinks.browser import BrowserConfig
from stream.sinks.claims import Claim, Claimant, check_claims, claim_file, claim_names
from stream.sinks.json_lines import recorded_source
from stream.sinks.making import is_video_file, make_sinks, takes_standard_output
from stream.sinks.mqtt import MqttConfig
from stream.sinks.planning import Output, OutputConfig, plan_outputs
from stream.sinks.video_config import VideoConfig
from stream.sinks.window import has_display

__all__ = [
    "Abandonable",
    "BrowserConfig",
    "Claim",
    "Claimant",
    "Controls",
    "Interactive",
    "Lossy",
    "MqttConfig",
    "Output",
    "OutputConfig",
    "Resumable",
    "RunInfo",
    "Sink",
    "VideoConfig",
    "check_claims",
    "claim_file",
    "claim_names",
    "has_display",
    "is_video_file",
    "make_sinks",
    "plan_outputs",
    "recorded_source",
    "takes_standard_output",
]
