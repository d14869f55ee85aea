"""The command line that a run was started with, fit to be shown to others."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

from configs import redact_url
from configs.flags import flag_words

_SECRET = ("--token",)


def shown_command(
    program: str, sources: Iterable[str], outputs: Iterable[str], configs: Iterable[Any]
) -> str:
    """`program` with what differs from the defaults of `configs`, which were made with
    `configs.flags`; without secrets.
    """
    outputs = tuple(outputs)
    words = [program, *sources, *(["-o", *outputs] if outputs else [])]
    for config in configs:
        for flag, *values in flag_words(config):
            words += [flag, *(["***"] if flag in _SECRET else values)]
    return shlex.join(redact_url(word) for word in words)
