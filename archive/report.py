"""What an archive holds, for people and for programs."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from archive.manifest import Manifest
from archive.progress import shown_time
from archive.units import Finished, Video
from basics.atomic import replacing
from basics.paths import utf8_text
from configs.errors import redact_url

COLUMNS = (
    *("name", "state", "frames", "people", "damage", "video_s", "work_s", "parts"),
    *("reason", "address"),
)
_SHOWN_FAILURES = 20


@dataclass(frozen=True, kw_only=True)
class Row:
    """One video; a video that is not finished has only a name and an address.

    Attributes:
        video: The video.
        finished: The last word on it; None while there is none.
        parts_done: Of one that is done in parts.
        parts: Of one that is done in parts; 0 of others.
    """

    video: Video
    finished: Finished | None
    parts_done: int = 0
    parts: int = 0

    @property
    def state(self) -> str:
        """`done`, `unreadable`, `set-aside`, or how far it is."""
        if self.finished is not None:
            return self.finished.state
        return f"{self.parts_done} of {self.parts} parts" if self.parts else "waiting"


def rows_of(manifest: Manifest) -> list[Row]:
    """All videos of an archive in their order.

    Raises:
        ConfigError: There is no archive.
        FetchError: It cannot be read.
    """
    videos = manifest.videos()
    files = manifest.folder.names()
    finished, cuts = manifest.finished(files), manifest.cuts(files)
    rows = []
    for video in videos:
        cut = cuts.get(video.name)
        done = len(manifest.parts(video.name, files)) if cut and video.name not in finished else 0
        rows.append(
            Row(
                video=video,
                finished=finished.get(video.name),
                parts_done=done,
                parts=0 if cut is None else cut.parts,
            )
        )
    return rows


def status_lines(rows: Sequence[Row]) -> list[str]:
    """What `status` says: how far the archive is, and what failed."""
    last = [row.finished for row in rows if row.finished is not None]
    done = [each for each in last if each.state == "done"]
    failed = [each for each in last if each.state != "done"]
    begun = [row for row in rows if row.finished is None and row.parts]
    total = sum(row.video.size or 0 for row in rows)
    size = sum(row.video.size or 0 for row in rows if row.finished is not None)
    share = f" ({size / total:.0%} of the bytes)" if total else ""
    lines = [
        f"{len(last)} of {len(rows)} videos finished{share}, {len(failed)} of them failed",
        f"{sum(each.frames for each in done)} frames, "
        f"{sum(each.media_s for each in done) / 3600:.2f} h of video, "
        f"{shown_time(sum(each.elapsed_s for each in done))} of work",
        *(f"{row.video.name}: {row.state}" for row in begun),
        *(f"{each.state}: {_named(each)}" for each in failed[:_SHOWN_FAILURES]),
    ]
    if len(failed) > _SHOWN_FAILURES:
        lines.append(f"and {len(failed) - _SHOWN_FAILURES} more: see `report`")
    return lines


def _named(failed: Finished) -> str:
    """Why, with the video's address once."""
    address = repr(failed.address)
    return failed.reason if address in failed.reason else f"{address}: {failed.reason}"


def table_of(rows: Sequence[Row]) -> list[list[str]]:
    """What `report` says: COLUMNS, then a row for each video."""
    return [list(COLUMNS), *(_cells(row) for row in rows)]


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Writes the table as CSV.

    Raises:
        SinkError: It cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([utf8_text(cell) for cell in row] for row in table_of(rows))


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """The table as lines of text, columns one below the other."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _cells(row: Row) -> list[str]:
    last = row.finished
    if last is None:
        return [row.video.name, row.state, *[""] * 7, redact_url(row.video.address)]
    return [
        *(last.name, last.state, str(last.frames), str(last.people), str(last.damage)),
        *(f"{last.media_s:.1f}", f"{last.elapsed_s:.1f}", str(last.parts)),
        *(last.reason, last.address),
    ]
