"""The instrument: what a run did, when and on what, as table, JSON, trace and page."""

from stream.profile.config import ProfileConfig
from stream.profile.figures import RunFacts
from stream.profile.ranges import nvtx_ranges
from stream.profile.report.terminal import profile_tables
from stream.profile.session import Profiler, benchmark_line

__all__ = [
    "ProfileConfig",
    "Profiler",
    "RunFacts",
    "benchmark_line",
    "nvtx_ranges",
    "profile_tables",
]
