"""What is to be done next: no files, no processes, no clock."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from archive.units import Cut, Finished, Outcome, Unit, Video
from configs.errors import redact_url

TRIES = 3
_URGENCY = {"join": 0, "part": 1, "video": 2}


@dataclass
class _State:
    """What is known of a video that is not finished."""

    video: Video
    cut: Cut | None = None
    uncuttable: str = ""
    parts: dict[int, Outcome] = field(default_factory=dict)
    spent_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class CutFound:
    """A video is to be done in parts."""

    name: str
    cut: Cut


@dataclass(frozen=True, kw_only=True)
class CutGivenUp:
    """A video is to be done whole after all; parts that are there are worth nothing."""

    name: str
    reason: str
    parts: int


@dataclass(frozen=True, kw_only=True)
class PartDone:
    """A part is done."""

    name: str
    number: int
    outcome: Outcome


Change = CutFound | CutGivenUp | PartDone | Finished
"""What the manifest has to be told."""


class Schedule:
    """Which units are to be done, in which order, and what follows from what came of them.

    Joins come first, because they free what parts take up; then parts, and large videos before
    small ones, so that at the end nobody waits for a long one.

    Args:
        videos: All of the archive.
        finished: Those that are finished, by name.
        cuts: How videos were cut in an earlier run; None for those that cannot be.
        parts: The finished parts of those, by name and number.

    Attributes:
        videos: All of the archive.
        sizes: Bytes of each, by name; 0 where that is unknown.
        finished: Those that are finished, by name.
    """

    def __init__(
        self,
        videos: Iterable[Video],
        finished: Mapping[str, Finished] | None = None,
        cuts: Mapping[str, Cut | None] | None = None,
        parts: Mapping[str, Mapping[int, Outcome]] | None = None,
    ) -> None:
        self.videos = list(videos)
        self.sizes = {video.name: video.size or 0 for video in self.videos}
        self.finished = dict(finished or {})
        self._states: dict[str, _State] = {}
        self._queue: list[tuple[int, int, int, Unit]] = []
        self._queued = 0
        self._live: set[tuple[str, str, int]] = set()
        self._failures: dict[tuple[str, str, int], int] = {}
        self._grouped: set[tuple[str, str, int]] = set()
        self._alone: set[tuple[str, str, int]] = set()
        for video in self.videos:
            if video.name in self.finished:
                continue
            state = self._states[video.name] = _State(video)
            if cuts is not None and video.name in cuts:
                state.cut = cuts[video.name]
                state.uncuttable = "" if state.cut else "it could not be cut in an earlier run"
            state.parts = dict((parts or {}).get(video.name, {})) if state.cut else {}
            state.spent_s = sum(part.elapsed_s for part in state.parts.values())
            self._plan(state)

    @property
    def failed(self) -> int:
        """How many videos failed, in this run and before."""
        return sum(video.state != "done" for video in self.finished.values())

    @property
    def unfinished(self) -> int:
        """How many videos are not finished."""
        return len(self._states)

    def parts_of(self, name: str) -> int:
        """In how many parts an unfinished video is done; 1 where it is whole."""
        state = self._states.get(name)
        return 1 if state is None or state.cut is None else state.cut.parts

    def take(self) -> Unit | None:
        """The next unit to do; None while there is none."""
        while self._queue:
            unit = heapq.heappop(self._queue)[3]
            if unit.key in self._live:
                return unit
        return None

    def take_group(self, limit: int, workers: int = 1) -> list[Unit]:
        """The next units to do at the same time, all of one kind; empty while there is none.

        Args:
            limit: How many at most.
            workers: How many wait for units, so that each gets a share of the last ones.
        """
        limit = min(limit, -(-len(self._queue) // max(1, workers)))
        first = self.take()
        if first is None:
            return []
        group = [first]
        while len(group) < limit and self._fits(first):
            unit = self.take()
            if unit is None:
                break
            group.append(unit)
        if len(group) > 1:
            self._grouped.update(unit.key for unit in group)
        return group

    def settle(self, unit: Unit, outcome: Outcome) -> Change | None:
        """What follows from the outcome of a unit that was taken; None where nothing does.

        Args:
            unit: The unit.
            outcome: What came of it; of a worker that died, that it failed. Of a group that failed
                nobody knows which unit it was: each is done again alone, and only then counts.
        """
        state = self._states.get(unit.video.name)
        if state is None or unit.key not in self._live:
            return None  # its video is done in another way by now
        state.spent_s += outcome.elapsed_s
        grouped = unit.key in self._grouped
        self._grouped.discard(unit.key)
        if grouped and outcome.state == "failed":
            self._alone.add(unit.key)
            self._put(unit)
            return None
        if outcome.state == "failed":
            return self._try_again(state, unit, outcome)
        self._live.discard(unit.key)
        if unit.kind == "part":
            return self._settle_part(state, unit, outcome)
        if outcome.state == "cut" and outcome.cut is not None:
            state.cut = outcome.cut
            self._plan(state)
            return CutFound(name=unit.video.name, cut=outcome.cut)
        if outcome.state == "uncuttable":
            return self._give_up_cut(state, outcome.reason)
        return self._finish(state, outcome)

    def _settle_part(self, state: _State, unit: Unit, outcome: Outcome) -> Change:
        if outcome.state != "done":
            # What is wrong with the video shows when it is done whole, as it would on one machine.
            return self._give_up_cut(state, outcome.reason)
        state.parts[unit.number] = outcome
        assert state.cut is not None
        if len(state.parts) == state.cut.parts:
            self._add(state, "join")
        return PartDone(name=unit.video.name, number=unit.number, outcome=outcome)

    def _plan(self, state: _State) -> None:
        if state.cut is None:
            self._add(state, "video")
            return
        missing = [number for number in range(state.cut.parts) if number not in state.parts]
        for number in missing:
            self._add(state, "part", number)
        if not missing:
            self._add(state, "join")

    def _add(self, state: _State, kind: str, number: int = 0) -> None:
        unit = Unit(
            kind=kind,  # type: ignore[arg-type]
            video=state.video,
            number=number,
            cut=state.cut,
            whole=bool(state.uncuttable),
        )
        self._live.add(unit.key)
        self._put(unit)

    def _put(self, unit: Unit) -> None:
        self._queued += 1
        size = -(unit.video.size or 0)
        heapq.heappush(self._queue, (_URGENCY[unit.kind], size, self._queued, unit))

    def _fits(self, first: Unit) -> bool:
        """Whether the next in the queue may be done at the same time."""
        if not self._queue or first.kind == "join" or first.key in self._alone:
            return False
        following = self._queue[0][3]
        return following.kind == first.kind and following.key not in self._alone

    def _try_again(self, state: _State, unit: Unit, outcome: Outcome) -> Change | None:
        failures = self._failures[unit.key] = self._failures.get(unit.key, 0) + 1
        if failures < TRIES:
            self._put(unit)
            return None
        what = "" if unit.kind == "video" else f" ({unit})"
        reason = f"failed {TRIES} times{what}, at last: {outcome.reason}"
        return self._finish(state, replace(outcome, state="failed", reason=reason))

    def _give_up_cut(self, state: _State, reason: str) -> CutGivenUp:
        parts = 0 if state.cut is None else state.cut.parts
        self._forget(state)
        state.cut, state.parts, state.uncuttable = None, {}, reason
        self._plan(state)
        return CutGivenUp(name=state.video.name, reason=reason, parts=parts)

    def _finish(self, state: _State, outcome: Outcome) -> Finished:
        name = state.video.name
        self._forget(state)
        del self._states[name]
        known = {"unreadable": "unreadable", "failed": "set-aside"}
        notes = [outcome.reason]
        if state.uncuttable and outcome.state == "done":
            notes.append(f"done whole: {state.uncuttable}")
        finished = self.finished[name] = Finished(
            name=name,
            address=redact_url(state.video.address),
            state=known.get(outcome.state, "done"),  # type: ignore[arg-type]
            reason="; ".join(filter(None, notes)),
            frames=outcome.frames,
            people=outcome.people,
            damage=outcome.damage + sum(part.damage for part in state.parts.values()),
            media_s=outcome.media_s or sum(part.media_s for part in state.parts.values()),
            elapsed_s=state.spent_s,
            parts=1 if state.cut is None else state.cut.parts,
            outputs=outcome.outputs,
        )
        return finished

    def _forget(self, state: _State) -> None:
        """No unit of it is wanted any more, whatever is queued or being done."""
        name, parts = state.video.name, 0 if state.cut is None else state.cut.parts
        self._live -= {("video", name, 0), ("join", name, 0)}
        self._live -= {("part", name, number) for number in range(parts)}
