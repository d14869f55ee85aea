"""Measuring one run, from before it begins until its profile is written."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import TracebackType

from basics.atomic import atomic_path, check_folder
from configs import SinkError
from stream.pipeline.summary import Summary
from stream.pipeline.timing import Timings
from stream.profile.config import ProfileConfig
from stream.profile.document import ProfileDocument
from stream.profile.figures import RunFacts, document
from stream.profile.probes.environment import Environment, find_environment
from stream.profile.probes.nvml import nvml_probe
from stream.profile.probes.process import ProcessProbe
from stream.profile.probes.tegra import tegra_probe
from stream.profile.probes.telemetry import Probe, Telemetry
from stream.profile.ranges import nvtx_ranges
from stream.profile.recorder import Recorder
from stream.profile.report.html import report
from stream.profile.trace.chrome import write_trace
from stream.sinks import Claim, claim_names

logger = logging.getLogger(__name__)


class Profiler:
    """Gives a pipeline the timings to use, watches the machine while its context is open, and
    writes what came of it. Used for one run.

        profiler = Profiler(ProfileConfig(profile=Path("out")))
        with Pipeline(..., timings=profiler.timings) as pipeline, profiler:
            pipeline.run()
        profiler.finish(facts, pipeline.summary())

    Attributes:
        timings: For the pipeline.
        figures: What `stream.profile.figures` makes of the run; None before `finish`.
    """

    def __init__(self, config: ProfileConfig) -> None:
        """Nothing is started, and no sensor touched, before the context is entered.

        Args:
            config: What is measured, and where it is written.

        Raises:
            SinkError: The folder cannot be written to.
        """
        self._folder = config.profile
        if self._folder is not None:
            _check_folder(self._folder)
        self._trace_name = "trace.json.gz" if config.trace_gzip else "trace.json"
        self.recorder = Recorder()
        self.timings = Timings(observer=self.recorder, ranges=nvtx_ranges())
        self.figures: ProfileDocument | None = None
        self._environment: Environment | None = None
        self._telemetry = Telemetry()

    def claims(self) -> list[Claim]:
        """Its files.

        Raises:
            SinkError: They could not be written.
        """
        if self._folder is None:
            return []
        _check_folder(self._folder)
        names = r"profile\.json|report\.html|trace\.json(\.gz)?"
        return [claim_names(self._folder, names, f"profile in {self._folder}")]

    def __enter__(self) -> Profiler:
        nvml = nvml_probe()
        self._environment = find_environment(nvml)
        probes: list[Probe | None] = [ProcessProbe(), nvml, tegra_probe()]
        self._telemetry.start([probe for probe in probes if probe is not None])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._telemetry.stop()

    def finish(self, facts: RunFacts, summary: Summary) -> None:
        """Makes `figures`, and writes them if a folder was given.

        Raises:
            SinkError: They cannot be written; it is only logged where the run has failed already.
        """
        self.figures = self.document(facts, summary)
        try:
            self.write(self.figures)
        except SinkError as error:
            if facts.error is None:
                raise
            logger.error("%s", error)

    def document(self, facts: RunFacts, summary: Summary) -> ProfileDocument:
        """The figures of the run; `stream.profile.figures` says what is in them."""
        environment = self._environment or find_environment()
        return document(
            facts, summary, self.timings, self.recorder, self._telemetry.samples, environment
        )

    def write(self, figures: ProfileDocument) -> None:
        """Writes profile.json, trace and report.html, if a folder was given.

        Raises:
            SinkError: A file cannot be written.
        """
        if self._folder is None:
            return
        folder = self._folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_path(folder / "profile.json") as path:
                path.write_text(
                    json.dumps(figures, indent=1, allow_nan=False) + "\n", encoding="utf-8"
                )
            with atomic_path(folder / "report.html") as path:
                # Names of files need not be UTF-8; JSON escapes them.
                path.write_text(report(figures), encoding="utf-8", errors="backslashreplace")
            with atomic_path(folder / self._trace_name) as path:
                write_trace(
                    path,
                    self.recorder,
                    self._telemetry.samples,
                    began_ns=self.timings.began_ns,
                    sources=[source["name"] for source in figures["sources"]],
                    details={"run": figures["run"], "environment": figures["environment"]},
                )
        except OSError as error:
            raise SinkError(
                f"cannot write the profile to {str(folder)!r}: {error.strerror or error}"
            ) from error
        if figures["kept_every"] > 1:
            logger.warning(
                "the run was long: its plots and trace show one frame in %d, and the slow ones",
                figures["kept_every"],
            )


_NOT_IN_LINE = (
    "timeline",
    "frames",
    "slowest_frames",
    "latency_distribution",
    "grouping_by_people",
)


def benchmark_line(figures: ProfileDocument) -> str:
    """The figures without what plots need, as one line of JSON."""
    return json.dumps(
        {name: value for name, value in figures.items() if name not in _NOT_IN_LINE},
        allow_nan=False,
    )


def _check_folder(folder: Path) -> None:
    """Creates nothing. Raises SinkError if nothing could be written there."""
    try:
        check_folder(folder)
    except SinkError as error:
        reason = str(error).partition(": ")[2]
        raise SinkError(
            f"cannot write a profile to {str(folder)!r}: {reason}; name another folder"
        ) from error
