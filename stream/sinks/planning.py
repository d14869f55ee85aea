"""Which outputs belong to which source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from configs.errors import ConfigError, redact_url
from configs.flags import option
from stream.sinks.base import Sink

Output = str | Path | Sink | Callable[[str], Sink]
"""A path or an address, `{source}` in it for the source's label; a sink of one's own; or what makes
one from the source's label."""


@dataclass(frozen=True, kw_only=True)
class OutputConfig:
    """What outputs may do to files that are there, and what joins them to their inputs.

    An output that was named is replaced when its successor is complete, unless a source of the run
    reads it. Where it is not certain that a file was meant, images, and videos that this program
    did not write, stay: files of patterns (segments, playlists), and names in `doubtful`.

    Attributes:
        overwrite: Whether those are replaced as well.
        coco_ids: Labels in COCO's format whose images are those of the source: COCO results have
            their ids; None takes the numbers that pictures are called, or those of the frames.
        doubtful: Outputs whose names are guesses, or may have been meant as sources.
    """

    TITLE: ClassVar[str] = "outputs"

    overwrite: bool = option(
        False,
        help="replace images, and videos of others, also where it is not certain that outputs were "
        "meant: later words behind one -o, segments, names that were not given",
    )
    coco_ids: Path | None = option(
        None,
        help="COCO labels of the pictures that are read: COCO results have the ids of their images",
        metavar="FILE",
    )
    doubtful: tuple[str, ...] = ()


_SHARED = ("window:",)  # each source has a window of its own under the same name


def plan_outputs(labels: Sequence[str], outputs: Sequence[Output]) -> list[list[str | Sink]]:
    """For each source its outputs, with `{source}` replaced by the label of the source.

    Args:
        labels: A short name for each source, no two the same.
        outputs: What was asked for.

    Raises:
        ConfigError: Two sources would write into one output.
    """
    for output in outputs if len(labels) > 1 else ():
        if callable(output) or output in _SHARED:
            continue
        if not isinstance(output, (str, Path)):
            raise ConfigError(
                f"several sources cannot share a {type(output).__name__}; give what makes one from "
                "the label of a source, such as the class"
            )
        if "{source}" not in str(output):
            raise ConfigError(
                "with several sources every output needs {source} in its name, and "
                f"{redact_url(str(output))!r} has none"
            )
    return [[_output_of(label, output) for output in outputs] for label in labels]


def _output_of(label: str, output: Output) -> str | Sink:
    if isinstance(output, (str, Path)):
        return str(output).replace("{source}", label)
    return output(label) if callable(output) else output
