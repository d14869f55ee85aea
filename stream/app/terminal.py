"""What one run of the command shows on the terminal."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from basics.atomic import write_error
from basics.signals import StopSignals
from basics.standard_files import say, settle
from stream.app.config import TerminalConfig
from stream.app.console import ConsoleHandler, ErrorConsole, ProgressBar, stage_table
from stream.app.json_log import log_as_json, summary_data, tell_as_json
from stream.pipeline.pipeline import Pipeline
from stream.pipeline.summary import Summary
from stream.profile import Profiler, benchmark_line, profile_tables

logger = logging.getLogger(__name__)


class Terminal:
    """Log lines, a progress bar and tables on standard error, the summary on standard output.

    Attributes:
        bar: Shows how far the run is; a context manager.
    """

    def __init__(
        self,
        config: TerminalConfig,
        signals: StopSignals,
        profiler: Profiler | None = None,
        *,
        benchmark: bool = False,
        output_taken: bool = False,
    ) -> None:
        """From now on log lines appear.

        Args:
            config: How much is shown.
            signals: Entered; their first one finishes the run.
            profiler: Has figures at the end.
            benchmark: Whether standard output gets those figures as one line of JSON.
            output_taken: Whether standard output has results on it.
        """
        self._config = config
        self._signals = signals
        self._profiler = profiler
        self._benchmark = benchmark
        self._output_taken = output_taken or benchmark
        self._console = ErrorConsole()
        self._as_json = config.log_format == "json"
        self.bar = ProgressBar(self._console, enabled=not (config.quiet or self._as_json))
        level = logging.INFO if config.verbose else logging.WARNING
        level = logging.ERROR if config.quiet and not config.verbose else level
        if self._as_json:
            log_as_json(level)
        else:
            logging.basicConfig(level=level, handlers=[ConsoleHandler(self._console)], force=True)

    def tell_compilation(self) -> None:
        """Says why nothing is seen of a first start."""
        if self._console.is_terminal and not self._config.quiet:
            with suppress(OSError):
                self._console.print("compiling for this processor: about half a minute, once")

    def start(self, pipeline: Pipeline) -> None:
        """`on_start` of `stream.run`."""
        self._signals.on_stop = pipeline.stop

    def end(self, pipeline: Pipeline) -> tuple[str, ...]:
        """`on_end` of `stream.run`: says what the run came to.

        Returns:
            The stages that hang, where the run failed; one that was stopped is left at once then.
        """
        self.bar.stop()
        figures = None if self._profiler is None else self._profiler.figures
        summary = pipeline.summary()
        if figures is not None and self._benchmark:
            try:
                say(benchmark_line(figures))
            except OSError as error:
                raise write_error(Path("standard output"), error) from error
        if not (self._config.quiet or self._as_json):
            with suppress(OSError):
                for table in () if figures is None else profile_tables(figures):
                    self._console.print(table)
                if summary.frames and self._config.verbose and figures is None:
                    self._console.print(stage_table(summary))
        if summary.frames and not self._config.quiet:
            self._say_summary(summary)
        if self._signals.received is not None and pipeline.left_behind:
            # The engine is in the middle of an image, and closing it would wait for that; all
            # outputs are finished.
            settle()
            os._exit(self._signals.exit_code)
        return pipeline.left_behind

    def tell_written(self, names: Sequence[str]) -> None:
        """Says where the results are, to whoever did not name them."""
        if names and not (self._config.quiet or self._as_json):
            self._say(f"written: {', '.join(names)}")

    def _say_summary(self, summary: Summary) -> None:
        if self._as_json:
            tell_as_json("info", str(summary), logger.name, summary_data(summary))
            return
        self._say(str(summary))

    def _say(self, text: str) -> None:
        """The results are complete; whoever does not read what is said of them loses nothing."""
        try:
            say(text, error=self._output_taken)
        except BrokenPipeError:
            return
        except OSError as error:
            logger.warning("the summary could not be written: %s", error.strerror or error)
