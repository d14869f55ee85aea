"""The stage between grouping and everybody who shows or records people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from configs import KeypointSet
from grouping import People
from stream.frame import Frame
from stream.tracking.config import TrackingConfig
from stream.tracking.settings import settings_for
from stream.tracking.tracker import Tracker

# Of the score from which people are kept: who is below, but not below this share of it, is kept
# if recognised (ByteTrack's second pass).
DOUBTFUL_SHARE = 0.5


class TrackingStage:
    """Gives people identities, source by source; doubtful people stay only if recognised.

    Identities of several sources are never the same: source k of n gives k + 1, k + 1 + n, ...;
    with `apart`, each gives those that it would give alone.

    Args:
        keypoint_set: Joints of the people.
        config: Whether joints are smoothed, how long somebody is remembered, and shown unseen.
        min_score: Score from which people are kept whoever they are; the grouper should give those
            down to `DOUBTFUL_SHARE` of it.
        sources: How many sources there are.
        apart: Whether nobody looks at the results of several sources together.
    """

    name = "track"

    def __init__(
        self,
        keypoint_set: KeypointSet,
        config: TrackingConfig | None = None,
        *,
        min_score: float = 0.0,
        sources: int = 1,
        apart: bool = False,
    ) -> None:
        self._config = config or TrackingConfig()
        self._min_score = min_score
        settings = settings_for(min_score, self._config.lost_after_s)
        self._trackers = [
            Tracker(
                keypoint_set,
                settings,
                smooth=self._config.smooth,
                bridge_s=self._config.bridge_s,
                first_id=1 if apart else index + 1,
                id_step=1 if apart else max(1, sources),
            )
            for index in range(max(1, sources))
        ]
        self._trackers[0].warm_up()

    def __call__(self, frame: Frame, people: People, /) -> People:
        """Who is in the frame: people above the score, and those below it who are recognised."""
        return self.track(frame, people)

    def sample_colours(self, frame: Frame, people: People) -> NDArray[np.float64]:
        """What `track` needs to know of the image of a frame, as `Tracker.sample_colours`."""
        return self._trackers[frame.source_index].sample_colours(people, frame.image)

    def track(
        self, frame: Frame, people: People, colours: NDArray[np.float64] | None = None
    ) -> People:
        """Who is in the frame: people above the score, those below it who are recognised, and those
        who are bridged.

        Args:
            frame: The frame; of its image only the shape counts where `colours` are given.
            people: Who was found in it, doubtful people among them.
            colours: What `sample_colours` said of them.
        """
        tracker = self._trackers[frame.source_index]
        tracked = tracker.track(people, frame.time_s, frame.image, colours=colours)
        assert tracked.ids is not None
        kept = (tracked.scores >= np.float32(self._min_score)) | (tracked.ids >= 0)
        return tracked if kept.all() else tracked.only(kept)
