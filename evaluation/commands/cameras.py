"""The command `cameras`: how many one engine serves, from what it takes per image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from basics.atomic import check_writable
from configs import ConfigError
from configs.commands import Say
from configs.flags import option
from evaluation.measuring.cameras import EngineTimes, Service, simulate
from evaluation.report.tables import markdown, milliseconds, percent, write

_ENOUGH = 0.99  # of the frames


@dataclass(frozen=True, kw_only=True)
class CamerasConfig:
    """Flags of `cameras`."""

    batch_ms: tuple[float, ...] = option(
        help="what the network takes, as `speed` measures it: one image, two together, four, ...",
        metavar="MS",
    )
    rest_ms: float = option(
        0.0, help="from maps to outputs: grouping, drawing, writing", metavar="MS"
    )
    fps: float = option(25.0, help="frames a second of a camera", metavar="N")
    cameras: tuple[int, ...] = option(
        (1, 2, 4, 8, 16), help="how many to serve, one row each", metavar="N"
    )
    in_flight: int = option(1, help="batches under way at a time", metavar="N")
    window_ms: float = option(
        2.0, help="how long an idle engine waits for other cameras", metavar="MS"
    )
    markdown: Path | None = option(None, help="write the table", metavar="table.md")

    def __post_init__(self) -> None:
        if not self.cameras or min(self.cameras) < 1:
            raise ConfigError("cameras must be above 0")
        if self.fps <= 0:
            raise ConfigError(f"fps must be above 0, not {self.fps:g}")
        _ = self.times  # checks the others

    @property
    def times(self) -> EngineTimes:
        """What the engine takes."""
        return EngineTimes(
            batch_ms=self.batch_ms,
            rest_ms=self.rest_ms,
            in_flight=self.in_flight,
            window_ms=self.window_ms,
        )


def run_cameras(config: CamerasConfig, say: Say) -> None:
    """Says what each number of cameras gets, and how many get nearly all of their frames.

    Raises:
        SinkError: An output cannot be written.
    """
    check_writable(config.markdown)
    table = markdown(
        ["cameras", "FPS each", "frames used, %", "latency p50, ms", "p95, ms", "engine busy, %"],
        [_row(count, simulate(count, config.fps, config.times)) for count in config.cameras],
    )
    say(table)
    count = served(config)
    cameras, get = ("camera", "gets") if count == 1 else ("cameras", "get")
    say(f"{count} {cameras} of {config.fps:g} FPS {get} nearly all of the frames")
    write(config.markdown, f"{table}\n")


def served(config: CamerasConfig) -> int:
    """The largest number of cameras that get 99 % of their frames; 0 where one does not."""
    count = 0
    while simulate(count + 1, config.fps, config.times, seconds=20).share >= _ENOUGH:
        count += 1
    return count


def _row(count: int, service: Service) -> list[str]:
    latency = service.latency_ms
    return [
        str(count),
        f"{service.fps:.1f}",
        percent(service.share),
        milliseconds(latency.p50),
        milliseconds(latency.p95),
        percent(service.busy),
    ]
