"""What is measured of a run: the fields of this class are flags of `run_stream.py`."""

from __future__ import annotations

from dataclasses import dataclass

from configs.errors import ConfigError
from configs.flags import option


@dataclass(frozen=True, kw_only=True)
class ProfileConfig:
    """Nothing is measured but the summary, unless one of these is given."""

    profile: str | None = option(
        None, help="write profile.json, trace.json and report.html to this folder", metavar="DIR"
    )
    trace_gzip: bool = option(False, help="with --profile: compress the trace, to trace.json.gz")
    benchmark: bool = option(
        False,
        help="print the figures as one line of JSON on standard output; without -o nothing is drawn or written",
    )

    def __post_init__(self) -> None:
        if self.trace_gzip and self.profile is None:
            raise ConfigError("--trace-gzip compresses the trace of --profile DIR; give that too")
