"""Does units, one after the other, with an engine that stays open."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from archive.config import VIDEO_FORMATS, Settings
from archive.cutting import find_cut, open_video
from archive.join import NoEngine, Parts, PartsSource, PartsStage
from archive.manifest import HOME, part_file
from archive.parquet import ParquetSink
from archive.parts import Maker, PartRecorder, facts
from archive.scratch import clear_abandoned, scratch_folder
from archive.storage import Folder, fetched
from archive.units import Outcome, State, Unit
from basics.hardware import usable_cores
from configs import (
    CheckpointError,
    ConfigError,
    DataError,
    ModelError,
    RuntimeUnavailableError,
    SourceError,
)
from configs.errors import one_line, redact_url
from grouping import Grouper, People
from stream import (
    EVERY_FRAME,
    Frame,
    NamedSource,
    PipelineConfig,
    Sink,
    Source,
    SourceSummary,
    run,
)
from stream.estimator import Estimator, device_of, enter_estimator, least_score, suitable_grouper
from stream.sources.file import FileSource
from stream.sources.segment import CutError, SegmentSource
from stream.tracking import DOUBTFUL_SHARE, TrackingConfig, TrackingStage

logger = logging.getLogger(__name__)

# No unit can be done after these: the run ends.
FATAL = (CheckpointError, ConfigError, ModelError, RuntimeUnavailableError)
_UNTRACKED = TrackingConfig(track="off")


class Worker:
    """Does units; a context manager that gives its engine back.

    Args:
        settings: What the archive is made with.
        estimator: Opened already, and somebody else's to close; by default the settings' own is
            opened for the first unit.
    """

    def __init__(self, settings: Settings, estimator: Estimator | None = None) -> None:
        self._settings = settings
        self._folder = Folder(settings.folder)
        self._stack = ExitStack()
        self._estimator = estimator
        self.name = f"{socket.gethostname()}:{os.getpid()}"

    def __enter__(self) -> Worker:
        if self._folder.local is None:
            clear_abandoned()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def together(self) -> int:
        """How many units are worth giving at once: what the settings say, else what the engine is
        fastest with; 1 before that is open.
        """
        if self._settings.together is not None:
            return self._settings.together
        return 1 if self._estimator is None else self._estimator.batch_size

    def do(self, unit: Unit) -> Outcome:
        """Does one unit; its outputs are complete when this returns `done`.

        Raises:
            ConfigError: As for `do_together`; the others likewise.
        """
        return self.do_together([unit])[0]

    def do_together(self, units: Sequence[Unit]) -> list[Outcome]:
        """Does units of one kind at the same time, their images in batches.

        Where one of several goes wrong, all of them are `failed`: which it was, and what that means
        for it, shows when it is done alone.

        Raises:
            ConfigError: No unit can be done; ModelError, CheckpointError and
                RuntimeUnavailableError likewise.
        """
        begin_s = time.monotonic()
        try:
            outcomes = self._do(units)
        except FATAL:
            raise
        except Exception as error:  # whatever it is, the other units are to be done
            shown = ", ".join(map(str, units))
            logger.debug("%s failed", shown, exc_info=True)
            if len(units) == 1:
                outcomes = [Outcome(state=_state_after(error), reason=_said(error))]
            else:
                reason = f"one of {len(units)} that were done together: {_said(error)}"
                outcomes = [Outcome(state="failed", reason=reason)] * len(units)
        elapsed_s = round((time.monotonic() - begin_s) / len(units), 3)
        return [replace(each, elapsed_s=elapsed_s, worker=self.name) for each in outcomes]

    def _do(self, units: Sequence[Unit]) -> list[Outcome]:
        if units[0].kind == "part":
            return self._parts(units)
        if units[0].kind == "join":
            return [self._join(unit) for unit in units]
        cuts = [
            None if unit.whole else find_cut(unit.video.address, self._settings) for unit in units
        ]
        whole = [unit for unit, cut in zip(units, cuts, strict=True) if cut is None]
        done = iter(self._whole(whole) if whole else [])
        return [next(done) if cut is None else Outcome(state="cut", cut=cut) for cut in cuts]

    def _whole(self, units: Sequence[Unit]) -> list[Outcome]:
        settings, outputs = self._settings, self._settings.outputs
        sources: list[_TimedFile] = []
        written: list[dict[str, Path]] = []
        named = []
        with ExitStack() as stack:
            for number, unit in enumerate(units):
                scratch = stack.enter_context(self._scratch())
                path = stack.enter_context(fetched(unit.video.address, scratch))
                source = self._file_source(unit, path)
                files, sinks = self._sinks(unit, scratch)
                sources.append(source)
                written.append(files)
                named.append(NamedSource(name=f"unit{number}", address=source, outputs=sinks))
            tracker = self._tracker(len(units))
            summary = run(
                named,
                estimator=self._engine,
                grouper=self._grouper(),
                tracking=_UNTRACKED,
                stages=[] if tracker is None else [tracker],
                pipeline=PipelineConfig(
                    policy=EVERY_FRAME, stride=outputs.stride, max_fps=outputs.max_fps
                ),
                render=settings.render,
                video=settings.video,
            )
            return [
                self._publish(unit, files, came, source.last_s)
                for unit, files, came, source in zip(
                    units, written, summary.sources, sources, strict=True
                )
            ]

    def _parts(self, units: Sequence[Unit]) -> list[Outcome]:
        engine, tracker = self._engine, self._tracker(len(units))
        sources = [self._part_source(unit) for unit in units]
        recorders = [PartRecorder(tracker) for _ in units]

        def record(frame: Frame, people: People) -> None:
            recorders[frame.source_index](frame, people)

        summary = run(
            sources,
            estimator=engine,
            tracking=_UNTRACKED,
            pipeline=PipelineConfig(policy=EVERY_FRAME),
            grouper=self._grouper(),
            stages=[record],
        )
        maker = Maker(
            model=engine.model,
            runtime=engine.runtime,
            precision=engine.precision,
            device=device_of(engine),
        )
        for unit, source, recorder in zip(units, sources, recorders, strict=True):
            with self._scratch() as scratch:
                file = scratch / "part.npz"
                recorder.save(file, facts(source.first, source.following, maker))
                self._folder.publish(file, part_file(unit.video.name, unit.number))
        return [
            _outcome(came, source.length_s)
            for came, source in zip(summary.sources, sources, strict=True)
        ]

    def _join(self, unit: Unit) -> Outcome:
        cut = unit.cut
        assert cut is not None
        settings, engine = self._settings, self._engine
        with ExitStack() as stack:
            scratch = stack.enter_context(self._scratch())
            names = [part_file(unit.video.name, number) for number in range(cut.parts)]
            files_of_parts = [
                stack.enter_context(fetched(self._folder.address_of(name), scratch))
                for name in names
            ]
            try:
                parts = Parts(files_of_parts, cut)
            except DataError as error:  # to try again would find it the same
                raise CutError(str(error)) from error
            nobody = NoEngine(parts.maker, engine.keypoint_set, engine.min_person_score)
            source: Source = PartsSource(parts, redact_url(unit.video.address), cut)
            if VIDEO_FORMATS & set(settings.outputs.format):
                path = stack.enter_context(fetched(unit.video.address, scratch))
                source = self._file_source(unit, path)
            files, sinks = self._sinks(unit, scratch)
            summary = run(
                source,
                sinks,
                estimator=nobody,
                tracking=_UNTRACKED,
                pipeline=PipelineConfig(policy=EVERY_FRAME),
                grouper=nobody.group,
                stages=[PartsStage(parts, self._tracker())],
                render=settings.render,
                video=settings.video,
            )
            if summary.frames != len(parts):
                raise CutError(
                    f"its parts have {len(parts)} frames, and the whole has {summary.frames}"
                )
            return replace(self._publish(unit, files, summary.sources[0], 0.0), damage=0)

    def _publish(
        self, unit: Unit, files: dict[str, Path], came: SourceSummary, media_s: float
    ) -> Outcome:
        """Makes the outputs appear, complete."""
        for trouble in came.troubles:
            logger.warning("%s: %s", unit, trouble)
        missing = [file.name for file in files.values() if not file.is_file()]
        if missing:
            why = f": {came.health.message}" if came.health.message else ""
            raise SourceError(f"{redact_url(unit.video.address)!r} gave no frame{why}")
        sizes = {
            suffix: self._folder.publish(file, f"{unit.video.name}.{suffix}")
            for suffix, file in files.items()
        }
        return replace(_outcome(came, media_s), outputs=sizes)

    def _sinks(self, unit: Unit, scratch: Path) -> tuple[dict[str, Path], list[str | Sink]]:
        """Where outputs are written before they are complete, by suffix, and who writes them."""
        files: dict[str, Path] = {
            suffix: scratch / f"out.{suffix}" for suffix in self._settings.outputs.format
        }
        sinks: list[str | Sink] = [
            ParquetSink(path) if suffix == "parquet" else str(path)
            for suffix, path in files.items()
        ]
        return files, sinks

    def _file_source(self, unit: Unit, path: Path) -> _TimedFile:
        return _TimedFile(str(path), self._settings.source, name=redact_url(unit.video.address))

    def _part_source(self, unit: Unit) -> SegmentSource:
        assert unit.cut is not None
        begin, end = unit.cut.bounds(unit.number)
        return SegmentSource(
            lambda: open_video(unit.video.address),
            redact_url(unit.video.address),
            begin=begin,
            end=end,
            config=self._settings.source,
        )

    def _grouper(self) -> Grouper:
        share = 1.0 if self._settings.tracking.track == "off" else DOUBTFUL_SHARE
        return suitable_grouper(self._engine, self._settings.people, share=share)

    def _tracker(self, sources: int = 1) -> TrackingStage | None:
        settings, engine = self._settings, self._engine
        if settings.tracking.track == "off":
            return None
        return TrackingStage(
            engine.keypoint_set,
            settings.tracking,
            min_score=least_score(engine, settings.people),
            sources=sources,
            apart=True,
        )

    @property
    def _engine(self) -> Estimator:
        if self._estimator is None:
            self._estimator = enter_estimator(
                self._settings.estimator,
                self._stack,
                streams=usable_cores(),
                batch_size=self._settings.together,
            )
        return self._estimator

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """A folder for what is not complete; beside local outputs, which are then only renamed."""
        place = None
        if self._folder.local is not None:
            place = self._folder.local / HOME / "scratch"
            place.mkdir(parents=True, exist_ok=True)
        with scratch_folder(place) as folder:
            yield folder


class _TimedFile(FileSource):
    """A file that remembers how far it was read."""

    @property
    def last_s(self) -> float:
        """Stream time of the last frame."""
        return self._last_s


def _state_after(error: Exception) -> State:
    if isinstance(error, CutError):
        return "uncuttable"
    return "unreadable" if isinstance(error, SourceError) else "failed"


def _outcome(came: SourceSummary, media_s: float) -> Outcome:
    health = came.health
    return Outcome(
        state="done",
        reason=health.message,
        frames=came.frames,
        people=came.people,
        damage=health.corrupt_packets + health.damaged_frames,
        media_s=round(media_s, 3),
    )


def _said(error: Exception) -> str:
    text = redact_url(one_line(error))
    return text or type(error).__name__
