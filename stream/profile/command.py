"""The command line that a run was started with, fit to be shown to others."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable
from typing import Any

from configs import redact_url

_SECRET = ("token",)


def shown_command(
    program: str, sources: Iterable[str], outputs: Iterable[str], configs: Iterable[Any]
) -> str:
    """`program` with what differs from the defaults of `configs`, which were made with
    `configs.flags`; without secrets.
    """
    outputs = tuple(outputs)
    words = [program, *sources, *(["-o", *outputs] if outputs else [])]
    for config in configs:
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            if "help" in field.metadata and value != field.default:
                words += _flag(field.name, value)
    return shlex.join(redact_url(word) for word in words)


def _flag(name: str, value: Any) -> list[str]:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    if name in _SECRET:
        return [f"--{flag}", "***"]
    values = value if isinstance(value, tuple) else (value,)
    return [f"--{flag}", *(str(item) for item in values)]
