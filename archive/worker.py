"""Does units, one after the other, with an engine that stays open."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import av
from av.container import InputContainer

from archive.config import VIDEO_FORMATS, Settings
from archive.join import NoEngine, Parts, PartsSource, PartsStage
from archive.manifest import HOME, part_file
from archive.parquet import ParquetSink
from archive.parts import Maker, PartRecorder, facts
from archive.scratch import clear_abandoned, scratch_folder
from archive.storage import Folder, RemoteFile, fetched, is_remote
from archive.units import Cut, Outcome, Unit
from basics.hardware import usable_cores
from basics.paths import ffmpeg_path
from configs import (
    CheckpointError,
    ConfigError,
    FetchError,
    ModelError,
    RuntimeUnavailableError,
    SourceError,
)
from configs.errors import one_line, redact_url
from stream import EVERY_FRAME, PipelineConfig, Sink, Source, Summary, run
from stream.estimator import Estimator, device_of, enter_estimator, least_score, suitable_grouper
from stream.sources.file import FileSource
from stream.sources.segment import CutError, SegmentSource, describe, find_cuts
from stream.tracking import DOUBTFUL_SHARE, TrackingConfig, TrackingStage

logger = logging.getLogger(__name__)

# No unit can be done after these: the run ends.
FATAL = (CheckpointError, ConfigError, ModelError, RuntimeUnavailableError)
_UNTRACKED = TrackingConfig(track="off")
_CUT_FROM = 2  # parts; shorter videos stay whole


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

    def do(self, unit: Unit) -> Outcome:
        """Does one unit; its outputs are complete when this returns `done`.

        Raises:
            ConfigError: No unit can be done; ModelError, CheckpointError and
                RuntimeUnavailableError likewise.
        """
        begin_s = time.monotonic()
        try:
            outcome = self._do(unit)
        except FATAL:
            raise
        except CutError as error:
            outcome = Outcome(state="uncuttable", reason=_said(error))
        except FetchError as error:
            outcome = Outcome(state="failed", reason=_said(error))
        except SourceError as error:
            outcome = Outcome(state="unreadable", reason=_said(error))
        except Exception as error:  # whatever it is, the other units are to be done
            logger.debug("%s failed", unit, exc_info=True)
            outcome = Outcome(state="failed", reason=_said(error))
        elapsed_s = round(time.monotonic() - begin_s, 3)
        return replace(outcome, elapsed_s=elapsed_s, worker=self.name)

    def _do(self, unit: Unit) -> Outcome:
        if unit.kind == "part":
            return self._part(unit)
        if unit.kind == "join":
            return self._join(unit)
        if not unit.whole:
            cut = self._find_cut(unit.video.address)
            if cut is not None:
                return Outcome(state="cut", cut=cut)
        return self._whole(unit)

    def _find_cut(self, address: str) -> Cut | None:
        """How to cut a video; None where it is to be done whole."""
        part_s = self._settings.outputs.cut_s
        if part_s is None:
            return None
        try:
            with _open(address) as container:
                length_s = (container.duration or 0) / av.time_base
                if length_s < _CUT_FROM * part_s:
                    return None
                stamps = find_cuts(container, part_s)
            if not stamps:
                return None
            with _open(address) as container:
                whole = describe(container, _shown(address), self._settings.source)
        except (SourceError, av.FFmpegError) as error:
            logger.info("%s is not cut: %s", _shown(address), _said(error))
            return None
        return Cut(
            stamps=tuple(stamps),
            width=whole.info.width,
            height=whole.info.height,
            fps=whole.info.fps,
            frame_count=whole.info.frame_count,
            duration_s=whole.info.duration_s,
            time_base=whole.info.time_base,
            start_s=whole.start_s,
        )

    def _whole(self, unit: Unit) -> Outcome:
        settings, outputs = self._settings, self._settings.outputs
        with self._scratch() as scratch, fetched(unit.video.address, scratch) as path:
            source = self._file_source(unit, path)
            files, sinks = self._sinks(unit, scratch)
            summary = run(
                source,
                sinks,
                estimator=self._engine,
                people=settings.people,
                tracking=settings.tracking,
                pipeline=PipelineConfig(
                    policy=EVERY_FRAME, stride=outputs.stride, max_fps=outputs.max_fps
                ),
                render=settings.render,
                video=settings.video,
            )
            return self._publish(unit, files, summary, source.last_s)

    def _part(self, unit: Unit) -> Outcome:
        assert unit.cut is not None
        settings, engine = self._settings, self._engine
        begin, end = unit.cut.bounds(unit.number)
        source = SegmentSource(
            lambda: _open(unit.video.address),
            _shown(unit.video.address),
            begin=begin,
            end=end,
            config=settings.source,
        )
        tracker = self._tracker(engine)
        recorder = PartRecorder(tracker)
        share = 1.0 if tracker is None else DOUBTFUL_SHARE
        summary = run(
            source,
            estimator=engine,
            tracking=_UNTRACKED,
            pipeline=PipelineConfig(policy=EVERY_FRAME),
            grouper=suitable_grouper(engine, settings.people, share=share),
            stages=[recorder],
        )
        maker = Maker(
            model=engine.model,
            runtime=engine.runtime,
            precision=engine.precision,
            device=device_of(engine),
        )
        with self._scratch() as scratch:
            file = scratch / "part.npz"
            recorder.save(file, facts(source.first, source.following, maker))
            self._folder.publish(file, part_file(unit.video.name, unit.number))
        return _outcome(summary, source.length_s)

    def _join(self, unit: Unit) -> Outcome:
        cut = unit.cut
        assert cut is not None
        settings, engine = self._settings, self._engine
        with ExitStack() as stack:
            scratch = stack.enter_context(self._scratch())
            names = [part_file(unit.video.name, number) for number in range(cut.parts)]
            parts = Parts(
                [
                    stack.enter_context(fetched(self._folder.address_of(name), scratch))
                    for name in names
                ],
                cut,
            )
            nobody = NoEngine(parts.maker, engine.keypoint_set, engine.min_person_score)
            source: Source = PartsSource(parts, _shown(unit.video.address), cut)
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
                stages=[PartsStage(parts, self._tracker(engine))],
                render=settings.render,
                video=settings.video,
            )
            if summary.frames != len(parts):
                raise CutError(
                    f"its parts have {len(parts)} frames, and the whole has {summary.frames}"
                )
            return replace(self._publish(unit, files, summary, 0.0), damage=0)

    def _publish(
        self, unit: Unit, files: dict[str, Path], summary: Summary, media_s: float
    ) -> Outcome:
        """Makes the outputs appear, complete."""
        for trouble in summary.sources[0].troubles:
            logger.warning("%s: %s", unit, trouble)
        missing = [file.name for file in files.values() if not file.is_file()]
        if missing:
            raise SourceError(f"{_shown(unit.video.address)!r} gave no frame: {summary}")
        sizes = {
            suffix: self._folder.publish(file, f"{unit.video.name}.{suffix}")
            for suffix, file in files.items()
        }
        return replace(_outcome(summary, media_s), outputs=sizes)

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
        return _TimedFile(str(path), self._settings.source, name=_shown(unit.video.address))

    def _tracker(self, engine: Estimator) -> TrackingStage | None:
        settings = self._settings
        if settings.tracking.track == "off":
            return None
        return TrackingStage(
            engine.keypoint_set, settings.tracking, min_score=least_score(engine, settings.people)
        )

    @property
    def _engine(self) -> Estimator:
        if self._estimator is None:
            self._estimator = enter_estimator(
                self._settings.estimator, self._stack, streams=usable_cores()
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


def _open(address: str) -> InputContainer:
    """A video to be read anywhere in it.

    Raises:
        FetchError: It cannot be reached.
        av.FFmpegError: It is no video.
    """
    file: Any = RemoteFile(address) if is_remote(address) else ffmpeg_path(address)
    opened: InputContainer = av.open(file, "r", metadata_errors="replace")
    return opened


def _outcome(summary: Summary, media_s: float) -> Outcome:
    health = summary.sources[0].health
    return Outcome(
        state="done",
        reason=health.message,
        frames=summary.frames,
        people=summary.people,
        damage=health.corrupt_packets + health.damaged_frames,
        media_s=round(media_s, 3),
    )


def _shown(address: str) -> str:
    return redact_url(address)


def _said(error: Exception) -> str:
    text = redact_url(one_line(error))
    return text or type(error).__name__
