"""Pixels to maps: the network, its checkpoints, and the runtimes that execute it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.checkpoint import load_checkpoint
    from engine.network import load_network

__all__ = ["load_checkpoint", "load_network"]

# Looked up on first use: a machine that runs an exported model needs neither torch nor the modules that import it.
_HOMES = {"load_checkpoint": "engine.checkpoint", "load_network": "engine.network"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
