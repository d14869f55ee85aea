"""Stages that a user inserts between grouping and rendering: trackers, filters, counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from configs.errors import StageError
from grouping import People
from stream.frame import Frame
from stream.pipeline.context import RunContext
from stream.pipeline.hand_over import HandOver
from stream.pipeline.item import GroupedItem
from stream.pipeline.workers import StageWorker

# "waiting" is no stage, but has a colour among them in reports
_TAKEN = frozenset({"decode", "infer", "group", "render", "write", "waiting"})


class Stage(Protocol):
    """A step of a user's own: any function or object that can be called like this.

    It has a thread of its own and sees every frame that was not dropped, each source's frames in
    order and those of all sources (`frame.source_index` tells them apart; `PerSource` keeps state
    apart). It may have a `name`, under which it is timed, and a `close()`, which is called in its
    thread when the run ends, whatever happened.
    """

    def __call__(self, frame: Frame, people: People, /) -> People | None:
        """Does something to one frame.

        Args:
            frame: The frame, lent for the call; what is drawn into `frame.image` here will be under
                the skeletons.
            people: Who was found in it, in displayed source pixels; not to be changed in place.

        Returns:
            The people that everybody behind is to see, with the same joints; None to leave them as
            they are.

        Raises:
            Exception: Ends the run with a StageError that names the stage.
        """


class PerSource:
    """A stage with state of its own for every source.

    Args:
        make: Gives a stage for one source; called when the first frame of that source comes.
        name: What to call the stage; by default the name of `make`.

    Example:
        Pipeline(sources, estimator, group, stages=[PerSource(Tracker)])
    """

    def __init__(self, make: Callable[[], Stage], name: str | None = None) -> None:
        self.name = stage_name(make) if name is None else name
        self._make = make
        self._stages: dict[int, Stage] = {}

    def __call__(self, frame: Frame, people: People, /) -> People | None:
        """Hands the frame to the stage of its source."""
        stage = self._stages.get(frame.source_index)
        if stage is None:
            stage = self._stages[frame.source_index] = self._make()
        return stage(frame, people)

    def close(self) -> None:
        """Closes the stages of all sources that have a `close`."""
        stages = list(self._stages.values())
        self._stages.clear()
        _close_all(stages)


def stage_name(stage: Any) -> str:
    """What a stage calls itself: its `name`, else that of the function or of the class."""
    name = getattr(stage, "name", None) or getattr(stage, "__name__", None) or type(stage).__name__
    return str(name).strip("<>")  # <lambda>


def stage_names(stages: Iterable[Stage]) -> list[str]:
    """A name for every stage, no two alike and none that of a built-in stage."""
    names: list[str] = []
    seen = Counter(_TAKEN)
    for stage in stages:
        name = stage_name(stage)
        while seen[name]:
            seen[name] += 1
            name = f"{name}-{seen[name]}"
        seen[name] += 1
        names.append(name)
    return names


class InsertedStageWorker(StageWorker[GroupedItem]):
    """Runs a user's stage."""

    def __init__(
        self,
        name: str,
        context: RunContext,
        inbox: HandOver[GroupedItem],
        outbox: HandOver[GroupedItem],
        call: Stage,
    ) -> None:
        super().__init__(name, context, inbox, outbox)
        self._call = call

    def process(self, item: GroupedItem) -> GroupedItem:
        frame, joints = item.frame, item.people.keypoints.shape[1:]
        where = f"at frame {frame.index} of {frame.source!r}"
        try:
            people = self._call(frame, item.people)
        except Exception as error:
            raise StageError(f"stage {self.stage!r} failed {where}: {_said(error)}") from error
        if people is None:
            return item
        if not isinstance(people, People):
            raise StageError(
                f"stage {self.stage!r} must return People or None, and returned a "
                f"{type(people).__name__} {where}"
            )
        if people.keypoints.shape[1:] != joints:
            raise StageError(
                f"stage {self.stage!r} returned keypoints of shape {people.keypoints.shape} "
                f"{where}; the joints must stay as they are: (people, {joints[0]}, {joints[1]})"
            )
        item.people = people
        return item

    def finish(self) -> None:
        try:
            _close_all([self._call])
        except Exception as error:
            raise StageError(f"stage {self.stage!r} could not be closed: {_said(error)}") from error


def _close_all(stages: Iterable[Stage]) -> None:
    """Closes what can be closed; the first error is raised when all had their turn."""
    first: Exception | None = None
    for stage in stages:
        close = getattr(stage, "close", None)
        if close is None:
            continue
        try:
            close()
        except Exception as error:  # noqa: BLE001 - raised below, when the others are closed
            first = first or error
    if first is not None:
        raise first


def _said(error: Exception) -> str:
    """The error in one line, with its kind: a bare KeyError says nothing without."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
