"""What all threads of a run share."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field

from grouping import People
from stream.frame import Frame
from stream.pipeline.lane import Lane
from stream.pipeline.timing import Timings

logger = logging.getLogger(__name__)


class Outcome:
    """How a run ended: the first error wins, later ones are logged. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._error: BaseException | None = None

    @property
    def error(self) -> BaseException | None:
        """The first error; None while all is well."""
        return self._error

    def fail(self, error: BaseException, where: str) -> None:
        """Keeps the first error; one that follows is most likely its consequence."""
        with self._lock:
            if self._error is None:
                self._error = error
                return
        logger.warning("%s failed too, after the first error: %s", where, error)


@dataclass(frozen=True)
class RunContext:
    """The sources of a run, how it goes, and what is measured.

    Attributes:
        lanes: One per source, in their order.
        timings: Where stages put how long they took.
        outcome: Where stages put their errors.
    """

    lanes: tuple[Lane, ...]
    timings: Timings
    outcome: Outcome = field(default_factory=Outcome)

    def deliver(self, lane: Lane, frame: Frame, people: People) -> Delivery:
        """Counts a frame as finished, in the thread that hands its results on."""
        drops = lane.ring.dropped
        latency_ns = self.timings.delivered(
            frame.index,
            lane.index,
            capture_ns=frame.capture_ns,
            people=len(people),
            drops=drops,
        )
        lane.latency_ns.add(latency_ns)
        return Delivery(latency_ns * 1e-6, drops)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A frame that is handed out now.

    Attributes:
        latency_ms: Time since its capture.
        drops: Frames that its source has lost so far.
    """

    latency_ms: float
    drops: int
