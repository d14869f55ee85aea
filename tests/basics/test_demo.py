"""The clip that ships with the project is what it is said to be."""

from __future__ import annotations

import gzip
import json

import av

from basics.demo import DEMO_CLIP, DEMO_FRAMES, DEMO_TRUTH


def test_the_clip_and_its_truth_have_as_many_frames_as_is_said() -> None:
    with av.open(str(DEMO_CLIP)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    truth = json.loads(gzip.decompress(DEMO_TRUTH.read_bytes()))
    assert frames == len(truth) == DEMO_FRAMES
