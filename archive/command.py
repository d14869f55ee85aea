"""The command `run`: from inputs to an archive."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from archive.config import ClusterConfig, Settings
from archive.driver import Driver, End, check_folder, resume
from archive.inputs import find_videos
from archive.manifest import HOME, Manifest
from archive.progress import Progress
from archive.ray_workers import RayWorkers, cluster_address
from archive.storage import Folder
from archive.workers import LocalWorkers, Workers, share_machine
from basics.hardware import nvidia_gpus

logger = logging.getLogger(__name__)

_TOLD_EVERY_S = 30.0


def run_archive(
    inputs: Sequence[str],
    settings: Settings,
    cluster: ClusterConfig | None = None,
    *,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    stopping: Callable[[], bool] = lambda: False,
) -> End:
    """Does what is left of an archive; new inputs are added to those of earlier runs.

    Args:
        inputs: Files, folders, patterns, lists and addresses, as for `find_videos`.
        settings: What the archive is made with.
        cluster: Who does the work.
        on_progress: Called about twice a second.
        stopping: Whether to stop soon.

    Returns:
        What it came to.

    Raises:
        ConfigError: The folder holds an archive that was made with other settings.
        SourceError: An input names nothing.
        SinkError: The outputs cannot be written.
        ModelError: The model cannot be used; CheckpointError and RuntimeUnavailableError likewise.
    """
    cluster = cluster or ClusterConfig()
    folder = Folder(settings.folder)
    check_folder(folder)
    manifest = Manifest(folder)
    known = manifest.videos() if manifest.has_videos() else []
    manifest.agree(settings.identity())
    found = {video.address: video for video in known}
    found |= {video.address: video for video in find_videos(inputs, known)}
    videos = list(found.values())
    manifest.keep_videos(videos)
    _clean(folder)
    schedule = resume(manifest, videos, settings.outputs.format, retry_failed=cluster.retry_failed)
    if not schedule.unfinished:
        return End(progress=Progress.of(schedule))
    with open_workers(settings, cluster) as workers:
        logger.info("%d videos to do, by %s", schedule.unfinished, workers.shown)
        driver = Driver(
            schedule,
            manifest,
            workers,
            max_failures=cluster.max_failures,
            on_progress=on_progress,
            stopping=stopping,
        )
        return driver.run()


def open_workers(settings: Settings, cluster: ClusterConfig) -> AbstractContextManager[Workers]:
    """Who does the work, not started yet."""
    address = cluster_address(cluster.cluster)
    settings = replace(settings, together=cluster.together)
    if address is not None:
        return RayWorkers(settings, cluster, address)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return LocalWorkers(settings, share_machine(cluster, cores, len(nvidia_gpus())))


def _clean(folder: Folder) -> None:
    """Removes what killed runs left half-written."""
    folder.clean()
    if folder.local is not None:
        shutil.rmtree(folder.local / HOME / "scratch", ignore_errors=True)


class Teller:
    """Says now and then how far a run is."""

    def __init__(self, say: Callable[[str], None], every_s: float = _TOLD_EVERY_S) -> None:
        self._say = say
        self._every_s = every_s
        self._next_s = time.monotonic() + every_s

    def __call__(self, progress: Progress) -> None:
        """Says it, if it is time."""
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + self._every_s
            self._say(str(progress))
