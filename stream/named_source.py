"""Sources with names, outputs and options of their own, beside others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.errors import ConfigError
from stream.pipeline.config import PipelineConfig
from stream.render.config import RenderConfig
from stream.sinks import Output, Sink, VideoConfig, plan_outputs
from stream.sources import Source, SourceConfig, source_labels

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


Input = str | Path | Source | NamedSource
"""What `make_source` understands, a source of one's own that is not opened yet, or either with a
name, outputs and options of its own."""


def own(item: object, name: str, shared: Any) -> Any:
    """What a NamedSource has of its own; what all share where it has nothing, or is none."""
    mine = getattr(item, name) if isinstance(item, NamedSource) else None
    return shared if mine is None else mine


def labels_of(sources: Sequence[Input]) -> list[str]:
    """A short name for each source, no two the same; those that have one keep it.

    Raises:
        ConfigError: Two have the same.
    """
    names = [item.name for item in sources if isinstance(item, NamedSource)]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two sources are called {name!r}")
    others = [item for item in sources if not isinstance(item, NamedSource)]
    # Names first, so that others have to differ from them.
    made = source_labels(
        [
            *names,
            *(
                item if isinstance(item, str) else str(getattr(item, "name", item))
                for item in others
            ),
        ]
    )
    rest = iter(made[len(names) :])
    return [item.name if isinstance(item, NamedSource) else next(rest) for item in sources]


def plan_named(
    sources: Sequence[object], labels: Sequence[str], outputs: Sequence[Output]
) -> list[list[str | Sink]]:
    """The outputs of each source: its own, or its share of `outputs`.

    Args:
        sources: Those that are no NamedSource share.
        labels: What they are called.
        outputs: What they share.

    Raises:
        ConfigError: Two sources would write into one output.
    """
    listed = [own(item, "outputs", None) for item in sources]
    sharing = [label for label, mine in zip(labels, listed, strict=True) if mine is None]
    shares = dict(zip(sharing, plan_outputs(sharing, outputs), strict=True))
    return [
        shares[label] if mine is None else plan_outputs([label], mine)[0]
        for label, mine in zip(labels, listed, strict=True)
    ]
