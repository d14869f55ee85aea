"""What is known of an exported model without torch: its inputs and outputs, and the metadata that
travels inside it, so that a runtime needs the file and nothing else.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs import ConfigError, ModelConfig, ModelError
from configs.loading import from_mapping
from engine.geometry import InputSize
from engine.onnx.file import read_properties

INPUT_NAME = "image"
OUTPUT_NAMES = ("heatmaps", "tags", "x", "y", "score", "tag")
# Raised whenever the same network would be exported as another graph, so that cached files are made
# anew.
GRAPH_VERSION = 3
SCHEMA = 1  # of the metadata
_PREFIX = "higherhrnet_stream."


@dataclass(frozen=True, kw_only=True)
class ModelMetadata:
    """How an exported graph was made and how it is to be used.

    Attributes:
        schema: Version of these fields.
        model: The network's configuration, with its keypoint set.
        input_size: What it is used at unless told otherwise: short side, or (height, width).
        static_size: (height, width) of the only input that it takes; None where it takes any
            multiple of 32.
        map_stride: Input pixels per map pixel.
        weights: Where they came from.
        weights_sha256: Of the network's parameters.
        ap: Measured average precision in percent.
        ap_measured_on: On what it was measured.
        created: ISO date.
    """

    schema: int = SCHEMA
    model: ModelConfig
    input_size: InputSize
    static_size: tuple[int, int] | None = None
    map_stride: int
    weights: str = ""
    weights_sha256: str = ""
    ap: float | None = None
    ap_measured_on: str = ""
    created: str = ""

    def to_properties(self) -> dict[str, str]:
        """As the text properties of an ONNX model, one a field."""
        return {
            _PREFIX + name: json.dumps(value) for name, value in dataclasses.asdict(self).items()
        }


def read_metadata(path: str | Path) -> ModelMetadata:
    """The metadata of an exported model.

    Raises:
        ModelError: The file cannot be read, is no ONNX model, or was not exported by this version
            of this project.
    """
    properties = read_properties(path)
    values: dict[str, Any] = {
        name[len(_PREFIX) :]: json.loads(value)
        for name, value in properties.items()
        if name.startswith(_PREFIX)
    }
    if "schema" not in values:
        raise ModelError(
            f"{str(path)!r} is an ONNX model without this project's metadata: export one with "
            "python -m engine export"
        )
    if values["schema"] != SCHEMA:
        raise ModelError(
            f"{str(path)!r} has metadata of version {values['schema']}, not {SCHEMA}: export it "
            "again"
        )
    try:
        return from_mapping(ModelMetadata, values, str(path))
    except ConfigError as error:
        raise ModelError(f"the metadata of {error}") from error
