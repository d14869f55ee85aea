"""What is measured of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from configs.errors import ConfigError
from configs.flags import option


@dataclass(frozen=True, kw_only=True)
class ProfileConfig:
    """What is measured of a run; nothing but the summary, unless one of these is given.

    Attributes:
        profile: Folder for profile.json, trace.json and report.html; None for nowhere.
        trace_gzip: Whether the trace is compressed, to trace.json.gz.
        benchmark: Whether the command prints the figures as one line of JSON on standard output.

    Raises:
        ConfigError: `trace_gzip` without a folder.
    """

    TITLE: ClassVar[str] = "measuring"

    profile: Path | None = option(
        None, help="write profile.json, trace.json and report.html to this folder", metavar="DIR"
    )
    trace_gzip: bool = option(False, help="with --profile: compress the trace, to trace.json.gz")
    benchmark: bool = option(
        False,
        help="print the figures as one line of JSON on standard output; "
        "without -o nothing is drawn or written",
    )

    def __post_init__(self) -> None:
        if self.trace_gzip and self.profile is None:
            raise ConfigError("trace_gzip compresses the trace of --profile DIR; give that too")
