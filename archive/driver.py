"""Goes through an archive: gives units to workers, and keeps what came of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from archive.manifest import HOME, Manifest
from archive.progress import Progress
from archive.schedule import Change, CutFound, CutGivenUp, PartDone, Schedule
from archive.storage import Folder
from archive.units import Finished, Video
from archive.workers import Workers
from configs import SinkError
from configs.errors import redact_url
from configs.units import counted

logger = logging.getLogger(__name__)

_LOOK_S = 0.5


@dataclass(frozen=True, kw_only=True)
class End:
    """What a run came to.

    Attributes:
        progress: How far it is.
        stopped: Whether it was given up, or stopped from outside, before all was done.
        reason: Why.
    """

    progress: Progress
    stopped: bool = False
    reason: str = ""


def resume(
    manifest: Manifest, videos: list[Video], formats: tuple[str, ...], *, retry_failed: bool
) -> Schedule:
    """What is left to do of an archive.

    A video counts as done only where all its outputs are there.

    Args:
        manifest: Of the archive.
        videos: All that it is made of.
        formats: Suffixes of the outputs of a video.
        retry_failed: Whether videos that failed are tried again.

    Raises:
        FetchError: What is there cannot be read.
    """
    files = manifest.folder.names()
    finished = {}
    for name, found in manifest.finished(files).items():
        missing = [suffix for suffix in formats if f"{name}.{suffix}" not in files]
        if found.state == "done" and missing:
            logger.warning("%s is done again: its .%s is gone", name, missing[0])
        elif found.state == "done" or not retry_failed:
            finished[name] = found
    there = manifest.cuts(files)
    cuts = {video.name: there[video.name] for video in videos if video.name in there}
    parts = {
        name: manifest.parts(name, files)
        for name, cut in cuts.items()
        if cut is not None and name not in finished
    }
    begin = f"{HOME}/part/"
    with_parts = {name[len(begin) :].rpartition("/")[0] for name in files if name.startswith(begin)}
    for name in with_parts & cuts.keys():
        # A run was killed after the last word on it, or a worker that was given up went on.
        cut = cuts[name]
        if cut is not None and name in finished:
            manifest.clear(name, cut.parts)
    return Schedule(videos, finished, cuts, parts)


class Driver:
    """Runs one archive to its end.

    Args:
        schedule: What is to be done.
        manifest: Where what came of it is kept.
        workers: Who does it.
        max_failures: Videos that may fail before the run is given up; None is any number.
        on_progress: Called about twice a second.
        stopping: Whether to stop soon.
    """

    def __init__(
        self,
        schedule: Schedule,
        manifest: Manifest,
        workers: Workers,
        *,
        max_failures: int | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._schedule = schedule
        self._manifest = manifest
        self._workers = workers
        self._max_failures = max_failures
        self._on_progress = on_progress
        self._stopping = stopping
        self._progress = Progress.of(schedule)
        self._began_s = time.monotonic()

    def run(self) -> End:
        """Does what is left.

        Returns:
            What it came to.

        Raises:
            PoseStreamError: No unit can be done, or the manifest cannot be written.
        """
        schedule, workers = self._schedule, self._workers
        failed_before = schedule.failed
        while True:
            while workers.free and (units := schedule.take_group(workers.room, workers.free)):
                logger.info("begins: %s", ", ".join(map(str, units)))
                workers.submit(units)
            if not workers.busy and schedule.unfinished == 0:
                return End(progress=self._now())
            for unit, outcome, _ in workers.wait(_LOOK_S):
                self._tell(str(unit), outcome.state, outcome.reason)
                change = schedule.settle(unit, outcome)
                if change is not None:
                    self._keep(change)
                self._progress = self._progress.after(change, outcome, schedule)
            self._on_progress(self._now())
            if self._stopping():
                return End(progress=self._now(), stopped=True, reason="it was stopped")
            limit, failed = self._max_failures, schedule.failed - failed_before
            if limit is not None and failed > limit:
                reason = f"{counted(failed, 'video')} failed, more than the {limit} that may"
                return End(progress=self._now(), stopped=True, reason=reason)

    def _now(self) -> Progress:
        return self._progress.at(time.monotonic() - self._began_s)

    def _tell(self, unit: str, state: str, reason: str) -> None:
        level = logging.WARNING if state in ("failed", "unreadable") else logging.INFO
        logger.log(level, "%s: %s%s", unit, state, f" ({reason})" if reason else "")

    def _keep(self, change: Change) -> None:
        manifest = self._manifest
        if isinstance(change, CutFound):
            manifest.cut(change.name, change.cut)
        elif isinstance(change, PartDone):
            manifest.finish_part(change.name, change.number, change.outcome)
        elif isinstance(change, CutGivenUp):
            manifest.uncut(change.name, change.reason)
            manifest.clear(change.name, change.parts)
        else:
            manifest.finish(change)
            if change.parts > 1:
                manifest.clear(change.name, change.parts)


def check_folder(folder: Folder) -> None:
    """Finds out now whether outputs can be written.

    Raises:
        SinkError: They cannot.
    """
    probe = f"{HOME}/probe"
    try:
        folder.write(probe, b"")
        folder.remove([probe])
    except SinkError:
        raise
    except OSError as error:
        shown = redact_url(folder.address)
        raise SinkError(f"cannot write into {shown!r}: {error.strerror or error}") from error


__all__ = ["Driver", "End", "Finished", "check_folder", "resume"]
