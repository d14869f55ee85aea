"""What the user calls a source, and which class reads it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from configs import redact_url
from configs.run import SourceConfig
from stream.sources.base import Source
from stream.sources.file import FileSource

DEMO_CLIP = Path(__file__).parents[1] / "data" / "plaza.mp4"


def open_source(spec: str, config: SourceConfig | None = None) -> Source:
    """The source that `spec` names, not opened yet: use it as a context manager.

    `demo` is the clip that ships with the package. Raises SourceError (when it is entered) if it cannot be used.
    """
    config = config or SourceConfig()
    if spec == "demo":
        return FileSource(str(DEMO_CLIP), realtime=config.realtime, name="demo")
    return FileSource(spec, realtime=config.realtime)


def source_labels(specs: Sequence[str]) -> list[str]:
    """A short name for each source, fit to be part of a file name, and no two the same."""
    labels: list[str] = []
    for spec in specs:
        label = plain = _label(spec)
        number = 1
        while label in labels:
            number += 1
            label = f"{plain}_{number}"
        labels.append(label)
    return labels


def _label(spec: str) -> str:
    if spec == "-":
        return "stdin"
    if spec.isdigit():
        return f"camera{spec}"
    if "://" in spec:
        text = redact_url(spec).split("://", 1)[1].removeprefix("***@").split("?", 1)[0]
    else:
        path = Path(spec)
        text = path.stem if path.suffix else path.name
    return re.sub(r"[^\w.-]+", "_", text).strip("_.") or "source"
