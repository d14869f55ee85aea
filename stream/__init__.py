"""Video to video: sources, ring buffers, workers, renderer, sinks and timing."""

from basics.statistics import Statistics
from stream.api import annotate, iterate, run
from stream.estimator import PeopleConfig
from stream.frame import Frame, FrameStamp, SourceInfo
from stream.monitoring import MetricsConfig
from stream.named_source import NamedSource
from stream.pipeline.config import PipelineConfig
from stream.pipeline.pipeline import Pipeline
from stream.pipeline.policy import EVERY_FRAME, LATEST, Policy, parse_policy
from stream.pipeline.progress import Progress
from stream.pipeline.stages import PerSource, Stage
from stream.pipeline.summary import SourceSummary, Summary
from stream.pipeline.timing import StageStatistics, Timings
from stream.profile import ProfileConfig
from stream.render.config import RenderConfig
from stream.render.renderer import Renderer
from stream.sinks import (
    BrowserConfig,
    MqttConfig,
    OutputConfig,
    RunInfo,
    Sink,
    VideoConfig,
    make_sinks,
)
from stream.sources import Source, SourceConfig, SourceHealth, open_source, open_sources
from stream.tracking import TrackingConfig

__all__ = [
    "EVERY_FRAME",
    "LATEST",
    "BrowserConfig",
    "Frame",
    "FrameStamp",
    "MetricsConfig",
    "MqttConfig",
    "NamedSource",
    "OutputConfig",
    "PeopleConfig",
    "PerSource",
    "Pipeline",
    "PipelineConfig",
    "Policy",
    "ProfileConfig",
    "Progress",
    "RenderConfig",
    "Renderer",
    "RunInfo",
    "Sink",
    "Source",
    "SourceConfig",
    "SourceHealth",
    "SourceInfo",
    "SourceSummary",
    "Stage",
    "StageStatistics",
    "Statistics",
    "Summary",
    "Timings",
    "TrackingConfig",
    "VideoConfig",
    "annotate",
    "iterate",
    "make_sinks",
    "open_source",
    "open_sources",
    "parse_policy",
    "run",
]
