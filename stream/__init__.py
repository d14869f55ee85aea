"""Video to video: sources, ring buffers, workers, renderer, sinks and timing."""

from stream.frame import Frame, SourceInfo
from stream.iteration import iterate
from stream.options import PipelineOptions
from stream.pipeline import Pipeline
from stream.policy import EVERY_FRAME, LATEST, Policy, parse_policy
from stream.progress import Progress
from stream.sources import Source, open_source
from stream.summary import SourceSummary, Summary
from stream.timing import StageStatistics, Statistics, Timings

__all__ = [
    "EVERY_FRAME",
    "LATEST",
    "Frame",
    "Pipeline",
    "PipelineOptions",
    "Policy",
    "Progress",
    "Source",
    "SourceInfo",
    "SourceSummary",
    "StageStatistics",
    "Statistics",
    "Summary",
    "Timings",
    "iterate",
    "open_source",
    "parse_policy",
]
