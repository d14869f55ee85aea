"""Parts of a video hold the frames of the whole, each once."""

from __future__ import annotations

import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from stream.sources import open_source
from stream.sources.segment import CutError, SegmentSource, find_cuts
from tests.support.media import make_clip

Frames = list[tuple[int | None, int]]


def whole(path: Path) -> Frames:
    with open_source(str(path)) as source:
        return [(frame.pts, zlib.crc32(frame.image.data)) for frame in source]


def parts(path: Path, every_s: float) -> list[Frames]:
    """The frames of all parts, of which neighbours agree on the frame between them."""
    with av.open(str(path)) as container:
        cuts = find_cuts(container, every_s)
    found = []
    following = None
    for begin, end in pairwise([None, *cuts, None]):
        source = SegmentSource(lambda: av.open(str(path)), "clip", begin=begin, end=end)
        with source:
            found.append([(frame.pts, zlib.crc32(frame.image.data)) for frame in source])
        assert source.first == following
        following = source.following
    return found


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain.mp4", {}),
        ("plain.mkv", {"audio": True}),
        ("open.mp4", {"options": {"x264-params": "open-gop=1:bframes=3:keyint=20:scenecut=0"}}),
        ("refresh.mp4", {"options": {"x264-params": "intra-refresh=1:keyint=20:bframes=0"}}),
        ("vp9.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime"}}),
        ("gaps.mkv", {"stamps": [index + 40 * (index // 33) for index in range(100)]}),
    ],
)
def test_parts_together_are_the_whole(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    path = make_clip(tmp_path / name, frames=100, gop=20, **options)
    found = parts(path, 1.0)
    assert len(found) > 2
    assert [frame for part in found for frame in part] == whole(path)


def test_damage_costs_a_part_what_it_costs_the_whole(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "damaged.mkv", frames=100, gop=20, width=320, height=192)
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    hurt = packets[30]
    assert hurt.pos is not None and not hurt.is_keyframe
    content[hurt.pos + 20 : hurt.pos + hurt.size - 1] = b"\xff" * (hurt.size - 21)
    path.write_bytes(content)
    found = [frame for part in parts(path, 1.0) for frame in part]
    assert found == whole(path)
    with open_source(str(path)) as source:
        assert list(source) and source.health.corrupt_packets + source.health.damaged_frames


@pytest.mark.parametrize(("name", "why"), [("a.ts", "may jump"), ("a.avi", "does not say when")])
def test_formats_whose_parts_are_not_the_whole_are_not_cut(
    name: str, why: str, tmp_path: Path
) -> None:
    path = make_clip(tmp_path / name, frames=30)
    with av.open(str(path)) as container, pytest.raises(CutError, match=why):
        find_cuts(container, 1.0)


def test_a_part_that_begins_at_no_key_frame_is_refused(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mkv", frames=60, gop=20)
    with av.open(str(path)) as container:
        beside = find_cuts(container, 1.0)[0] + 1
    source = SegmentSource(lambda: av.open(str(path)), "clip", begin=beside, end=None)
    with pytest.raises(CutError, match="key frame at 0"), source:
        pass


def test_frames_that_are_made_from_their_neighbours_are_not_cut(tmp_path: Path) -> None:
    options = {"flags": "+ildct+ilme", "x264-params": "interlaced=1:keyint=20"}
    path = make_clip(tmp_path / "fields.mkv", frames=60, options=options, gop=20)
    with pytest.raises(CutError, match="interlaced"):
        parts(path, 1.0)
