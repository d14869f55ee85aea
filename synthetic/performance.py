"""What people do over time: walk or run along a line, stand and wave, stand and talk, sit, leave
and come back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from synthetic.gait import Stride
from synthetic.pose import Arm, Leg, Pose

_WAVES_HZ = 1.3


@dataclass(frozen=True)
class Moment:
    """A pose, and where on the ground it is held."""

    pose: Pose
    x_m: float
    y_m: float


@dataclass(frozen=True, kw_only=True)
class Walk:
    """From (x, y) in the direction of `heading` (0 towards the camera, positive to the right of the
    image).
    """

    stride: Stride
    heading: float
    x_m: float
    y_m: float

    def at(self, time_s: float) -> Moment:
        distance = self.stride.distance_m(time_s)
        look = 0.25 * float(np.sin(0.9 * time_s + 6 * self.stride.gait.phase))
        pose = self.stride.gait.pose(time_s, heading=self.heading, look=look)
        return Moment(
            pose,
            self.x_m + distance * float(np.sin(self.heading)),
            self.y_m - distance * float(np.cos(self.heading)),
        )


@dataclass(frozen=True, kw_only=True)
class Stand:
    """On the spot, waving with one hand or talking with both."""

    heading: float
    x_m: float
    y_m: float
    waving: bool = False
    phase: float = 0.0

    def at(self, time_s: float) -> Moment:
        cycle = 2 * np.pi * (time_s + 7 * self.phase)
        sway = float(np.sin(0.25 * cycle))
        pose = Pose(
            heading=self.heading,
            twist=0.04 * sway,
            roll=0.015 * sway,
            look=0.3 * float(np.sin(0.17 * cycle)),
            left_leg=Leg(spread=0.08, hip=0.05, knee=0.08),
            right_leg=Leg(spread=0.06),
        )
        if self.waving:
            swing = 0.45 * float(np.sin(_WAVES_HZ * cycle))
            pose = replace(
                pose,
                left_arm=Arm(
                    upper=(0.95, 0.25, 0.25),
                    fore=(0.15 + swing, 0.25, 1.0),
                    pronation=0.2,
                    curl=0.05,
                ),
            )
        else:
            left, right = (0.5 + 0.4 * float(np.sin(0.4 * cycle + shift)) for shift in (0.0, 2.0))
            pose = replace(
                pose,
                left_arm=Arm(upper=(0.2, 0.2, -1), fore=(0.05, 1, left - 0.3)),
                right_arm=Arm(upper=(0.2, 0.1, -1), fore=(-0.1, 1, right - 0.5)),
            )
        return Moment(pose, self.x_m, self.y_m)


@dataclass(frozen=True, kw_only=True)
class Sit:
    """On a seat, hands in the lap, and now and then a look at the time."""

    heading: float
    x_m: float
    y_m: float
    phase: float = 0.0

    def at(self, time_s: float) -> Moment:
        cycle = 2 * np.pi * (time_s + 7 * self.phase)
        raised = float(np.clip(2 * np.sin(0.15 * cycle), 0, 1))
        leg = Leg(hip=1.5, knee=1.45, spread=0.12)
        pose = Pose(
            heading=self.heading,
            bend=0.12 + 0.03 * float(np.sin(0.2 * cycle)),
            nod=0.1 + 0.3 * raised,
            look=0.25 * float(np.sin(0.11 * cycle)),
            left_leg=leg,
            right_leg=leg,
            left_arm=Arm(
                upper=(0.15, 0.35 + 0.3 * raised, -1),
                fore=(-0.2 - 0.3 * raised, 1, -0.35 + 0.8 * raised),
            ),
            right_arm=Arm(upper=(0.15, 0.35, -1), fore=(-0.2, 1, -0.35)),
        )
        return Moment(pose, self.x_m, self.y_m)


@dataclass(frozen=True, kw_only=True)
class Return:
    """There until `turn_s`, then back; turned round where nobody sees it."""

    there: Walk
    back: Walk
    turn_s: float

    def at(self, time_s: float) -> Moment:
        if time_s < self.turn_s:
            return self.there.at(time_s)
        return self.back.at(time_s - self.turn_s)


Performance = Walk | Stand | Sit | Return
