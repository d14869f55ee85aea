"""Pixels to maps: the network, its checkpoints, and the runtimes that execute it."""

from __future__ import annotations

from basics.quiet_start import leave_quietly

leave_quietly(__name__)

from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine.config import EstimatorConfig
from engine.estimator import Estimator, open_estimator
from engine.geometry import (
    Alignment,
    InputSize,
    align,
    format_input_size,
    parse_input_size,
)
from engine.maps import Candidates, PoseMaps
from engine.model_source import ModelSource, find_model
from engine.onnx.metadata import ModelMetadata, read_metadata
from engine.runtimes import RUNTIMES, Runtime, Slot, open_runtime
from engine.runtimes.device import Device, DeviceList, parse_devices
from engine.runtimes.gpus import find_gpu
from engine.slots import Preparation

if TYPE_CHECKING:
    from engine.checkpoints.loading import load_backbone, load_checkpoint
    from engine.networks.inference import infer_maps
    from engine.networks.network import load_network
    from engine.onnx.export import export_onnx

__all__ = [
    "RUNTIMES",
    "Alignment",
    "Candidates",
    "Device",
    "DeviceList",
    "Estimator",
    "EstimatorConfig",
    "InputSize",
    "ModelMetadata",
    "ModelSource",
    "PoseMaps",
    "Preparation",
    "Runtime",
    "Slot",
    "align",
    "export_onnx",
    "find_gpu",
    "find_model",
    "format_input_size",
    "infer_maps",
    "load_backbone",
    "load_checkpoint",
    "load_network",
    "open_estimator",
    "open_runtime",
    "parse_devices",
    "parse_input_size",
    "read_metadata",
]

# Looked up on first use: a machine that runs an exported model needs neither torch nor the modules
# that import it.
_NEED_TORCH = {
    "infer_maps": "engine.networks.inference",
    "load_backbone": "engine.checkpoints.loading",
    "load_checkpoint": "engine.checkpoints.loading",
    "load_network": "engine.networks.network",
    "export_onnx": "engine.onnx.export",
}


def __getattr__(name: str) -> Any:
    if name not in _NEED_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_NEED_TORCH[name]), name)
