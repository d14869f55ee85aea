"""What every output has in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from configs import KeypointSet
from grouping import People
from stream.frame import Frame, SourceInfo
from stream.render.renderer import Renderer

NEWS = {"news": True}
"""`extra` of log lines that are logged as warnings to be seen, and warn of nothing."""


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What made the people: goes into headers, titles and summaries.

    Attributes:
        model: Name of the model.
        runtime: What executed it.
        precision: In which precision.
        keypoint_set: Joints of the people.
        device: What computed: `cpu`, or number and name of the GPU; empty where nobody said.
    """

    model: str
    runtime: str
    precision: str
    keypoint_set: KeypointSet
    device: str = ""


@dataclass(frozen=True, kw_only=True)
class Controls:
    """What people who watch may change while it runs, and whether they want it to end.

    Attributes:
        renderer: Draws the images of this source; its `options` may be replaced.
        stop: Ends the run soon; may be called from any thread.
        stopping: Whether somebody wants the run to end; whoever waits for a person or a
            receiver looks at it.
        over: Whether nothing more comes, for the run has failed or nobody takes its results;
            whoever waits for a person looks at it. What was written is still to be finished.
    """

    renderer: Renderer
    stop: Callable[[], None]
    stopping: Callable[[], bool] = lambda: False
    over: Callable[[], bool] = lambda: False


class Sink(Protocol):
    """Where results go: whatever has these methods can be an output.

    `open` is called once, `write` for every frame in order, `close` whatever happened, all of them
    by one thread.

    Attributes:
        needs_image: Whether `write` wants the annotated image of the next frame; where no sink
            does, none is drawn. It may change while it runs, but a sink that ever wants images has
            to say so before it is opened.
    """

    @property
    def needs_image(self) -> bool: ...

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        """Gets ready.

        Args:
            source: What the frames come from.
            run: What makes the people.

        Raises:
            SinkError: The output cannot be created.
        """

    def write(
        self,
        frame: Frame,
        people: People,
        image: NDArray[np.uint8] | None,
        *,
        latency_ms: float,
        drops: int,
    ) -> None:
        """Takes one frame.

        Args:
            frame: Lent for the call.
            people: In displayed source pixels.
            image: (H, W, 3) uint8 BGR with the people drawn, lent for the call; None unless it was
                asked for.
            latency_ms: Milliseconds since the frame was captured.
            drops: Frames that the source has lost so far.

        Raises:
            SinkError: The output can no longer be written (full disk, closed connection). It is
                closed then, and the run goes on without it, unless it is `Resumable`.
        """

    def close(self) -> None:
        """Finishes the output so that it can be used, and gives back everything that `open` took.

        May be called twice.

        Raises:
            SinkError: The output could not be finished; not where `write` has said so already.
        """


@runtime_checkable
class Interactive(Protocol):
    """A sink with keys or buttons, or one that must know when it has to hurry: whoever runs the
    pipeline calls `attach` before `open`.
    """

    def attach(self, controls: Controls) -> None:
        """Takes what the keys and buttons act on."""


@runtime_checkable
class Lossy(Protocol):
    """A sink that leaves frames of a live source out rather than hold it up.

    Attributes:
        label: Its target, without credentials.
        dropped: Frames that it left out so far.
    """

    @property
    def label(self) -> str: ...
    @property
    def dropped(self) -> int: ...


@runtime_checkable
class Abandonable(Protocol):
    """A sink whose output takes the place of an older one when it is complete."""

    def abandon(self) -> None:
        """Takes the place of `close` where the run failed, so that the output is incomplete: an
        older one stays, what is worth keeping lies beside it, and what is not goes.

        Raises:
            SinkError: The output could not be finished.
        """


@runtime_checkable
class Resumable(Protocol):
    """A sink whose `write` may be called again after it failed: it goes on behind what is whole.

    That is done for live sources, whose disk may have room again later.

    Attributes:
        resumable: Whether that makes sense now.
    """

    @property
    def resumable(self) -> bool: ...
