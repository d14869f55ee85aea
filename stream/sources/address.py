"""What the user calls a source, and which class reads it."""

from __future__ import annotations

from pathlib import Path

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
