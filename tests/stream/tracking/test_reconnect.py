"""A camera that is lost and comes back, joined with who is who: people in front of a real RTSP
server, through a real cut, into written records.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from engine import PoseMaps
from stream import SourceConfig, TrackingConfig, iterate
from tests.stream.tracking.walkers import Walker
from tests.support.blank_engine import BlankEngine
from tests.support.cut_proxy import CutProxy
from tests.support.media import make_clip, read_number
from tests.support.plaza_engine import TruePeople, draw_maps
from tests.support.servers import RtspServer
from tests.support.waiting import TooSlow, measured, met

FPS = 10
LOST_AFTER_S = 2.0
STANDING = 2  # who hides at times


def joints(person: int, number: int) -> NDArray[np.float32]:
    """(17, 3) of somebody when the camera counts `number`: two walk to and fro, past each other,
    and one stands.
    """
    swing = 150 * math.cos(2 * math.pi * number / FPS / 10)
    walker = (Walker(220 - swing, 100), Walker(220 + swing, 140), Walker(500, 300))[person]
    return walker.joints(0.0)


class SceneEngine(BlankEngine):
    """An Estimator that reads from an image when it was taken, and draws the maps that a perfect
    network would give of whoever is in front of the camera then.

    hidden: numbers of the camera between which one of them hides; still open while `None`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hidden: tuple[int, int | None] | None = None

    def result(self, ticket: Any) -> PoseMaps:
        number = self.seen[ticket]
        there = [person for person in range(3) if person != STANDING or not self.hides(number)]
        keypoints = np.stack([joints(person, number) for person in there])
        return draw_maps(TruePeople(keypoints, np.zeros(len(there))), input_px=256)

    def hides(self, number: int) -> bool:
        """Whether somebody hides then."""
        if self.hidden is None:
            return False
        first, end = self.hidden
        return number >= first and (end is None or number < end)


class Sighting(NamedTuple):
    """Somebody in a line of a record: when, how often the camera had come back, and who it is said
    to be.
    """

    time_s: float
    epoch: int
    identity: int


def sightings(record: Path, numbers: dict[int, int]) -> dict[int, list[Sighting]]:
    """Of everybody, found by where they truly were, all that a record knows by an identity; frames
    that were under way when the test had seen enough are in the record alone, and left out.
    """
    found = defaultdict(list)
    for line in map(json.loads, record.read_text().splitlines()[1:]):
        for person in line["people"] if line["frame"] in numbers else ():
            seen = np.array(person["keypoints"])[:, :2]
            apart_px = [
                np.abs(seen - joints(each, numbers[line["frame"]])[:, :2]).max()
                for each in range(3)
            ]
            assert min(apart_px) < 10
            if person["id"] is not None:
                found[int(np.argmin(apart_px))].append(
                    Sighting(line["time_s"], line.get("epoch", 0), person["id"])
                )
    return found


def camera_pictures(folder: Path) -> Path:
    """A folder of key frames that show their numbers."""
    clip = make_clip(
        folder / "clip.h264", frames=400, width=640, height=480, fps=FPS, gop=1,
        options={"tune": "zerolatency", "preset": "ultrafast", "threads": "1"},
    )  # fmt: skip
    pictures = folder / "camera"
    pictures.mkdir()
    with av.open(str(clip)) as container:
        for number, packet in enumerate(container.demux(video=0)):
            (pictures / f"{number:05d}.h264").write_bytes(bytes(packet))
    return pictures


@measured
def test_identities_last_through_a_reconnect_and_not_beyond_the_time_of_death(
    tmp_path: Path,
) -> None:
    engine = SceneEngine()
    numbers: tuple[dict[int, int], dict[int, int]] = ({}, {})
    times: tuple[list[tuple[int, float]], ...] = ([], [])
    ahead_s: dict[int, float] = {}  # by epoch, how far stream time is ahead of the wall's at most
    with RtspServer(camera_pictures(tmp_path)) as server, CutProxy(server.port) as proxy:
        cut_url = server.url.replace(str(server.port), str(proxy.port))
        for frame, _ in iterate(
            [cut_url, server.url],
            [tmp_path / "{source}.jsonl"],
            estimator=engine,
            tracking=TrackingConfig(lost_after_s=LOST_AFTER_S),
            # The number of tries ends a test that has used up the camera's pictures.
            source=SourceConfig(reconnect=6, open_timeout_s=60, read_timeout_s=60),
        ):
            number = read_number(frame.image)
            numbers[frame.source_index][frame.index] = number
            times[frame.source_index].append((frame.epoch, frame.time_s))
            if engine.hidden is None and min(map(len, numbers)) >= 6:
                engine.hidden = (number + 2, None)
            elif frame.source_index == 0 and engine.hidden is not None:
                hidden_for_s = (number - engine.hidden[0]) / FPS
                if not proxy.cut and hidden_for_s > 0.3:
                    proxy.cut_all()
                if engine.hidden[1] is None and hidden_for_s > LOST_AFTER_S + 0.5 and frame.epoch:
                    engine.hidden = (engine.hidden[0], number + 2)
            if frame.source_index == 0:
                early_s = frame.time_s - frame.capture_ns * 1e-9
                ahead_s[frame.epoch] = max(early_s, ahead_s.get(frame.epoch, early_s))
            back = None if engine.hidden is None else engine.hidden[1]
            if back is not None and all(
                sum(each > back for each in seen.values()) > 5 for seen in numbers
            ):
                break
        else:
            raise TooSlow("the camera's pictures were used up")
    cut_record = next(tmp_path.glob(f"*{proxy.port}*.jsonl"))
    other_record = next(tmp_path.glob(f"*{server.port}*.jsonl"))
    gaps_s = [
        later[1] - earlier[1]
        for each in times
        for earlier, later in pairwise(each)
        if later[0] == earlier[0]
    ]
    cut, other = sightings(cut_record, numbers[0]), sightings(other_record, numbers[1])
    assert {each.epoch for each in cut[0]} == {0, 1}
    for seen in (*cut.values(), *other.values()):
        for before, after in pairwise(seen):
            is_remembered = after.time_s - before.time_s < LOST_AFTER_S
            right = (after.identity == before.identity) == is_remembered
            met(right or max(gaps_s) < 0.6, "people are seen often enough to be known again")
            assert right, (before, after)
    for found in (cut, other):
        assert len({each.identity for each in found[STANDING]}) > 1
    identities = [
        {each.identity for seen in found.values() for each in seen} for found in (cut, other)
    ]
    assert not identities[0] & identities[1]
    met(abs(ahead_s[1] - ahead_s[0]) < 0.4, "the gap in stream time is as long as it was")
