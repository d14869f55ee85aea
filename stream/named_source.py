"""A source with a name, outputs and options of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from configs.errors import ConfigError
from stream.pipeline.config import PipelineConfig
from stream.render.config import RenderConfig
from stream.sinks import Output, VideoConfig
from stream.sources import Source, SourceConfig

_NAME = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True, kw_only=True)
class NamedSource:
    """A source of a run, and what is different for it; what is None is that of the run.

    Attributes:
        name: What it is called in names of outputs, metrics and topics: letters, digits, `_`, `.`
            and `-`.
        address: A path, an address, or a source of one's own that is not opened yet.
        outputs: Where its results go.
        source: How it is opened and kept open.
        pipeline: Which of its frames are used: `policy`, `frames`, `stride` and `max_fps` count.
        render: What is drawn into its images.
        video: How videos of it are encoded.

    Raises:
        ConfigError: The name is no such name.
    """

    name: str
    address: str | Path | Source
    outputs: Sequence[Output] | None = None
    source: SourceConfig | None = None
    pipeline: PipelineConfig | None = None
    render: RenderConfig | None = None
    video: VideoConfig | None = None

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise ConfigError(
                f"name must be letters, digits, _, . and -, such as front-left, not {self.name!r}"
            )
