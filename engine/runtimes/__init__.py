"""Runtimes by name, behind one protocol (`engine.runtimes.base`)."""

from engine.runtimes.base import Runtime, Slot, Workload
from engine.runtimes.registry import PRECISIONS, RUNTIMES, open_runtime

__all__ = ["PRECISIONS", "RUNTIMES", "Runtime", "Slot", "Workload", "open_runtime"]
