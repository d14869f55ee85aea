"""Video to video: sources, ring buffers, workers, renderer, sinks and timing."""

from stream.api import iterate
from stream.frame import Frame, SourceInfo
from stream.pipeline.config import PipelineConfig
from stream.pipeline.pipeline import Pipeline
from stream.pipeline.policy import EVERY_FRAME, LATEST, Policy, parse_policy
from stream.pipeline.progress import Progress
from stream.pipeline.stages import PerSource, Stage
from stream.pipeline.summary import SourceSummary, Summary
from stream.pipeline.timing import StageStatistics, Statistics, Timings
from stream.sources import Source, open_source

__all__ = [
    "EVERY_FRAME",
    "LATEST",
    "Frame",
    "PerSource",
    "Pipeline",
    "PipelineConfig",
    "Policy",
    "Progress",
    "Source",
    "SourceInfo",
    "SourceSummary",
    "Stage",
    "StageStatistics",
    "Statistics",
    "Summary",
    "Timings",
    "iterate",
    "open_source",
    "parse_policy",
]
