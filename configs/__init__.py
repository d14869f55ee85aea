"""Configuration: presets as YAML, the frozen dataclasses that they load into, and the errors of the
whole project.
"""

from configs.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    ExecutionError,
    FetchError,
    ModelError,
    PoseStreamError,
    RuntimeUnavailableError,
    SinkError,
    SourceError,
    StageError,
    one_line,
    redact_url,
)
from configs.grouping import Adjustment, GroupingConfig
from configs.keypoint_set import KeypointSet, keypoint_set_names, load_keypoint_set
from configs.model import (
    AlignmentRule,
    ModelConfig,
    check_input_side,
    load_model_config,
    model_names,
)

__all__ = [
    "Adjustment",
    "AlignmentRule",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "ExecutionError",
    "FetchError",
    "GroupingConfig",
    "KeypointSet",
    "ModelConfig",
    "ModelError",
    "PoseStreamError",
    "RuntimeUnavailableError",
    "SinkError",
    "SourceError",
    "StageError",
    "check_input_side",
    "keypoint_set_names",
    "load_keypoint_set",
    "load_model_config",
    "model_names",
    "one_line",
    "redact_url",
]
