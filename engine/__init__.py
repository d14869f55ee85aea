"""Pixels to maps: the network, its checkpoints, and the runtimes that execute it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.network import load_network

__all__ = ["load_network"]

# Looked up on first use: a machine that runs an exported model needs neither torch nor the modules that import it.
_HOMES = {"load_network": "engine.network"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
