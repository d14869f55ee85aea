"""People as grouping finds them: nobody, and somebody who stands."""

from __future__ import annotations

import numpy as np

from grouping import People

# Where the joints of somebody are who stands facing the camera, as shares of the body's height from
# the nose.
STANDING_ACROSS = np.array(
    [0, 0.03, -0.03, 0.06, -0.06, *np.repeat([0.13, 0.16, 0.17, 0.08, 0.08, 0.08], 2)]
) * [1, 1, 1, 1, 1, *[1, -1] * 6]
STANDING_DOWN = np.array([0, -0.02, -0.02, 0, 0, *np.repeat([0.15, 0.35, 0.52, 0.5, 0.75, 1], 2)])


def no_people() -> People:
    """What grouping gives for an empty frame."""
    return People(
        np.zeros((0, 17, 3), np.float32), np.zeros(0, np.float32), np.zeros((0, 1), np.float32)
    )


def nobody(*maps: object) -> People:
    """Grouping that finds nobody in any maps."""
    return no_people()
