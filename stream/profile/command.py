"""The command line that would do what a run did, fit to be shown to others."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from configs import redact_url
from configs.flags import flag_words


def shown_command(
    sources: Iterable[object], outputs: Iterable[object], configs: Iterable[Any]
) -> str:
    """`run_stream.py` with what differs from the defaults, without secrets.

    Args:
        sources: Names, and sources of one's own, of which the class is shown.
        outputs: Likewise.
        configs: Dataclasses made with `configs.flags`, or a model's name; the rest is left out.
    """
    words = ["run_stream.py", *(_shown(source) for source in sources)]
    if shown := [_shown(output) for output in outputs]:
        words += ["-o", *shown]
    for config in configs:
        if isinstance(config, (str, Path)):
            words += ["--model", str(config)]
        else:
            words += [word for flag in flag_words(config) for word in flag]
    return shlex.join(redact_url(word) for word in words)


def _shown(item: object) -> str:
    item = getattr(item, "address", item)  # of a source with a name
    if isinstance(item, (str, Path)):
        return str(item)
    return item.__name__ if isinstance(item, type) else type(item).__name__
