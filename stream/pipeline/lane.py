"""One source on its way through the pipeline, with everything that is kept apart from other
sources.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from stream.frame import Frame
from stream.pipeline.histogram import Histogram
from stream.pipeline.outlet import Outlet
from stream.pipeline.ring import RingBuffer
from stream.pipeline.sampling import FrameSampler
from stream.render.renderer import Renderer
from stream.sinks import Controls, Interactive
from stream.sources import Source

# A camera's picture that is older than 10 s is of no use to anybody; under 5 ms nobody cares.
LATENCY_BOUNDS_MS = (5, 10, 20, 30, 50, 75, 100, 150, 250, 500, 1000, 2500, 5000, 10_000)


def _latencies() -> Histogram:
    return Histogram([bound * 1_000_000 for bound in LATENCY_BOUNDS_MS])


@dataclass
class Lane:
    """One source, the ring that its frames wait in, and where its results go.

    Attributes:
        index: Number of the source among those of the run, from 0.
        source: Where the frames come from.
        ring: Decoded frames that wait for the engine.
        outlets: Where its results go.
        renderer: Draws the images that its sinks want; it keeps people's colours, so each source
            has one of its own.
        sampler: Which of its frames are used.
        label: Tells its stages from those of other sources; empty where there is only one.
        device: What computes its maps.
        frames: Written so far; counted by the thread that writes.
        people: In the frames written so far.
        last_people: In the last of them.
        last_ns: `time.monotonic_ns()` when that was written; 0 before the first.
        latency_ns: From the capture of each frame to the moment when its results are handed to the
            sinks; one thread counts.
    """

    index: int
    source: Source
    ring: RingBuffer[Frame]
    outlets: tuple[Outlet, ...] = ()
    renderer: Renderer | None = None
    sampler: FrameSampler = field(default_factory=FrameSampler)
    label: str = ""
    device: str = ""
    frames: int = 0
    people: int = 0
    last_people: int = 0
    last_ns: int = 0
    latency_ns: Histogram = field(default_factory=_latencies)

    @property
    def draws(self) -> bool:
        """Whether a sink wants the annotated image."""
        return any(outlet.needs_image for outlet in self.outlets)

    @property
    def draws_maps(self) -> bool:
        """Whether heatmaps or tags are to be seen in it."""
        return self.draws and self.renderer is not None and self.renderer.options.maps != "none"

    @property
    def left_out(self) -> dict[str, int]:
        """Frames that are missing in each output: its disk, encoder or receiver was not ready."""
        return {outlet.label: outlet.lost for outlet in self.outlets if outlet.lost}

    def attach_controls(
        self, stop: Callable[[], None], stopping: Callable[[], bool], over: Callable[[], bool]
    ) -> None:
        """Gives keys and buttons of its sinks what they act on; the arguments are `Controls`'."""
        if self.renderer is None:
            return
        controls = Controls(renderer=self.renderer, stop=stop, stopping=stopping, over=over)
        for outlet in self.outlets:
            if isinstance(outlet.sink, Interactive):
                outlet.sink.attach(controls)

    def stage(self, name: str) -> str:
        """The name of a stage that each source has one of."""
        return f"{name} {self.label}".rstrip()

    def count(self, people: int) -> None:
        """One more frame is finished, with so many people in it."""
        self.frames += 1
        self.people += people
        self.last_people = people
        self.last_ns = time.monotonic_ns()
