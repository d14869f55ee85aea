"""A clip and its truth belong together, and its people keep out of each other's way."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from basics.demo import DEMO_TRUTH
from configs.errors import ConfigError, SinkError
from configs.units import Size
from synthetic.bodies import BodyLibrary
from synthetic.clip import ClipConfig, ClipMaker, write_clip
from synthetic.crossings import SECONDS, crossings
from synthetic.photos import PhotoLibrary
from synthetic.plaza import open_plaza

_SMALL = ClipConfig(seconds=1.0, fps=6, size=Size(160, 120), actors=3, supersampling=1, seed=2)


def test_every_frame_has_its_truth_and_a_seed_gives_one_clip(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_clip(_SMALL, tmp_path / f"{name}.mp4", tmp_path / f"{name}.json.gz")
    truth = json.loads(gzip.decompress((tmp_path / "a.json.gz").read_bytes()))
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == len(truth) == 6
    assert (frames[0].width, frames[0].height) == (160, 120)
    assert [[person["person"] for person in people] for people in truth] == [[0, 1, 2]] * 6
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()
    # The files themselves differ in a few bytes at times: x264's output depends on what is in
    # memory beside the picture.
    first, second = ClipMaker(_SMALL), ClipMaker(_SMALL)
    assert all(np.array_equal(first.make(index)[0], second.make(index)[0]) for index in range(6))


def test_the_truth_has_the_form_of_the_demo(tmp_path: Path) -> None:
    write_clip(_SMALL, tmp_path / "clip.mp4", tmp_path / "truth.json.gz")
    ours, demo = (
        json.loads(gzip.decompress(path.read_bytes()))
        for path in (tmp_path / "truth.json.gz", DEMO_TRUTH)
    )
    assert set(ours[0][0]) == set(demo[0][0])
    assert np.shape(ours[0][0]["keypoints"]) == np.shape(demo[0][0]["keypoints"]) == (17, 3)


def test_people_move_and_never_meet(library: BodyLibrary) -> None:
    plaza = open_plaza(
        160, 120, 7, 6.0, library, PhotoLibrary.textures(), None, np.random.default_rng(9)
    )
    places = np.array(
        [
            [(moment.x_m, moment.y_m) for moment in map(player.at, np.arange(0, 6, 0.1))]
            for player in plaza.players
        ]
    )
    assert len(places) >= 5
    assert (np.ptp(places, axis=1).max(1) > 1.0).sum() >= 3
    for index, one in enumerate(places):
        for other in places[:index]:
            assert np.hypot(*(one - other).T).min() > 0.6


@pytest.mark.parametrize("seed", [0, 7])
def test_people_of_crossings_cross_hide_and_come_back(library: BodyLibrary, seed: int) -> None:
    """Whatever their paces: five pairs pass each other on the image, two hide behind the wall."""
    players = crossings(library, np.random.default_rng(seed))
    times_s = np.arange(0, SECONDS, 0.1)
    places = np.array(
        [[(moment.x_m, moment.y_m) for moment in map(player.at, times_s)] for player in players]
    )
    across = places[:, :, 0] / places[:, :, 1]  # places on the image, the same for all distances
    visible = np.abs(across) < np.tan(0.82 / 2)  # the field of view at 4:3
    for first in range(0, 10, 2):
        both = visible[first] & visible[first + 1]
        assert len(set(np.sign(across[first] - across[first + 1])[both])) >= 2
    hidden = np.abs(across[10:12] - 1.1 / 6.6) < (1.25 / 2 - 0.25) / 6.6
    assert all(0.4 < 0.1 * part.sum() < 2 for part in hidden)
    away = np.flatnonzero(np.diff(visible[14].astype(int)))
    assert len(away) == 3
    assert 1.0 < 0.1 * (away[2] - away[1]) < 3.5


def test_a_clip_of_crossings_is_made_like_any_other() -> None:
    config = replace(_SMALL, action="crossings")
    image, labels = ClipMaker(config).make(3)
    assert image.shape == (120, 160, 3)
    assert [label.person for label in labels] == list(range(15))


def test_a_clip_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="clip"):
        write_clip(_SMALL, tmp_path / "missing" / "clip.mp4")
    with pytest.raises(SinkError, match="truth"):  # before an hour of rendering
        write_clip(_SMALL, tmp_path / "clip.mp4", tmp_path / "missing" / "truth.json.gz")
    assert not list(tmp_path.iterdir())
    write_clip(_SMALL, tmp_path / "clip.mp4")

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    before = (tmp_path / "clip.mp4").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write_clip(_SMALL, tmp_path / "clip.mp4", None, stop)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    assert (tmp_path / "clip.mp4").read_bytes() == before


@pytest.mark.parametrize(
    "wrong",
    [{"seconds": 0.0}, {"fps": 0.0}, {"actors": 0}, {"size": Size(160, 121)}, {"quality": 99}],
)
def test_clips_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ClipConfig(**wrong)  # type: ignore[arg-type]
