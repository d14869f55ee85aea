"""How far an archive is."""

from __future__ import annotations

from dataclasses import dataclass, replace

from archive.schedule import Change, PartDone, Schedule
from archive.units import Finished, Outcome


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is; `str` says it in a line.

    Attributes:
        videos: Of the whole archive.
        finished: Of those, done or failed, in earlier runs too.
        failed: Of those, failed.
        bytes_left: Of the videos that were not finished when the run began.
        bytes_done: Of those, finished since.
        media_s: Seconds of video that this run has read.
        frames: Frames that it has looked at.
        elapsed_s: Seconds since it began.
    """

    videos: int
    finished: int
    failed: int
    bytes_left: int = 0
    bytes_done: float = 0.0
    media_s: float = 0.0
    frames: int = 0
    elapsed_s: float = 0.0

    @staticmethod
    def of(schedule: Schedule) -> Progress:
        """That of a run that begins."""
        left = [video for video in schedule.videos if video.name not in schedule.finished]
        done = len(schedule.videos) - len(left)
        return Progress(
            videos=len(schedule.videos),
            finished=done,
            failed=schedule.failed,
            bytes_left=sum(video.size or 0 for video in left),
        )

    def after(self, change: Change | None, outcome: Outcome, schedule: Schedule) -> Progress:
        """That after a unit was settled."""
        bytes_done = self.bytes_done
        sizes = {} if change is None else schedule.sizes
        if isinstance(change, Finished) and change.parts == 1:
            bytes_done += sizes.get(change.name, 0)
        elif isinstance(change, PartDone):
            bytes_done += sizes.get(change.name, 0) / max(1, schedule.parts_of(change.name))
        is_new = isinstance(change, PartDone) or (
            isinstance(change, Finished) and change.parts == 1
        )
        return replace(
            self,
            finished=len(schedule.videos) - schedule.unfinished,
            failed=schedule.failed,
            bytes_done=bytes_done,
            media_s=self.media_s + (outcome.media_s if is_new else 0.0),
            frames=self.frames + (outcome.frames if is_new else 0),
        )

    def at(self, elapsed_s: float) -> Progress:
        """The same at a moment."""
        return replace(self, elapsed_s=elapsed_s)

    @property
    def share(self) -> float:
        """Of this run's work, by bytes of video: 0 to 1."""
        return min(1.0, self.bytes_done / self.bytes_left) if self.bytes_left else 0.0

    @property
    def rate(self) -> float:
        """Seconds of video per second."""
        return self.media_s / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """About how many seconds it still takes; None while that is unknown."""
        if self.share <= 0:
            return None
        return self.elapsed_s * (1 - self.share) / self.share

    def __str__(self) -> str:
        parts = [
            f"{self.finished} of {self.videos} videos",
            f"{self.media_s / 3600:.2f} h of video read",
            f"{self.rate:.1f} times real time",
        ]
        if self.left_s is not None and self.finished < self.videos:
            parts.append(f"about {shown_time(self.left_s)} left")
        parts.append(f"{self.failed} failed")
        return ", ".join(parts)


def shown_time(seconds: float) -> str:
    """`2 h 5 min`, `12 min` or `40 s`."""
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min" if seconds >= 90 else f"{seconds:.0f} s"
