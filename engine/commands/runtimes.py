"""The command `runtimes`: which work on this machine, and why others do not."""

from __future__ import annotations

from dataclasses import dataclass

from configs.commands import Say
from engine.runtimes.registry import RUNTIMES, describe_runtimes


@dataclass(frozen=True, kw_only=True)
class RuntimesConfig:
    """`runtimes` has no flags."""


def run_runtimes(config: RuntimesConfig, say: Say) -> None:
    """Says a line for every runtime: what it computes in, and its state."""
    for name, state in describe_runtimes().items():
        say(f"{name:14} {'/'.join(RUNTIMES[name].precisions):16} {state}")
