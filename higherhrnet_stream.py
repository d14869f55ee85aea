"""Real-time multi-person pose from any video: HigherHRNet as a streaming pipeline.

    from higherhrnet_stream import iterate, run

    run("clip.mp4", ["out.mp4", "people.jsonl"])
    for frame, people in iterate("clip.mp4"):
        print(frame.time_s, people.boxes)

This module is the public API; the packages beside it are not, and may change without notice.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

__version__ = "0.1.0"


def _refuse_strangers() -> None:
    """Raises ImportError if somebody else's package has one of our names and is found first."""
    here = Path(__file__).resolve().parent
    for name in ("basics", "configs", "keypoint_datasets", "engine", "grouping", "stream"):
        spec = sys.modules[name].__spec__ if name in sys.modules else find_spec(name)
        found = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or ())]
        origin = Path(next(filter(None, found), "nowhere"))  # a folder without code has no origin
        if origin.resolve() != here / name / "__init__.py":
            raise ImportError(
                f"higherhrnet_stream needs the package {name!r} that is beside it in "
                f"{str(here)!r}, but Python finds another one first: {str(origin)!r}; "
                "rename that one (with nothing but __pycache__ in it: remove it), or take its "
                "folder off sys.path"
            )


_refuse_strangers()

from configs import (
    CheckpointError,
    ConfigError,
    DataError,
    ExecutionError,
    FetchError,
    GroupingConfig,
    KeypointSet,
    ModelError,
    PoseStreamError,
    RuntimeUnavailableError,
    SinkError,
    SourceError,
    StageError,
    load_keypoint_set,
)
from configs.units import Size
from engine import Estimator, EstimatorConfig, PoseMaps, open_estimator, parse_devices
from grouping import Grouper, People
from stream import (
    EVERY_FRAME,
    LATEST,
    BrowserConfig,
    Frame,
    FrameStamp,
    MetricsConfig,
    MqttConfig,
    NamedSource,
    OutputConfig,
    PeopleConfig,
    PerSource,
    Pipeline,
    PipelineConfig,
    Policy,
    ProfileConfig,
    Progress,
    RenderConfig,
    Renderer,
    RunInfo,
    Sink,
    Source,
    SourceConfig,
    SourceHealth,
    SourceInfo,
    SourceSummary,
    Stage,
    StageStatistics,
    Statistics,
    Summary,
    TrackingConfig,
    VideoConfig,
    annotate,
    iterate,
    make_sinks,
    open_source,
    open_sources,
    run,
)

__all__ = [
    "EVERY_FRAME",
    "LATEST",
    "BrowserConfig",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "Estimator",
    "EstimatorConfig",
    "ExecutionError",
    "FetchError",
    "Frame",
    "FrameStamp",
    "Grouper",
    "GroupingConfig",
    "KeypointSet",
    "MetricsConfig",
    "ModelError",
    "MqttConfig",
    "NamedSource",
    "OutputConfig",
    "People",
    "PeopleConfig",
    "PerSource",
    "Pipeline",
    "PipelineConfig",
    "Policy",
    "PoseMaps",
    "PoseStreamError",
    "ProfileConfig",
    "Progress",
    "RenderConfig",
    "Renderer",
    "RunInfo",
    "RuntimeUnavailableError",
    "Sink",
    "SinkError",
    "Size",
    "Source",
    "SourceConfig",
    "SourceError",
    "SourceHealth",
    "SourceInfo",
    "SourceSummary",
    "Stage",
    "StageError",
    "StageStatistics",
    "Statistics",
    "Summary",
    "TrackingConfig",
    "VideoConfig",
    "__version__",
    "annotate",
    "iterate",
    "load_keypoint_set",
    "make_sinks",
    "open_estimator",
    "open_source",
    "open_sources",
    "parse_devices",
    "run",
]
