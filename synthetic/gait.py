"""Walking and running: joint angles over the gait cycle, and how far they carry a body.

The curves are the textbook ones (J. Perry, J. Burnfield, Gait Analysis, 2nd ed., chapters 3-6 for
walking; T. Novacheck, The biomechanics of running, Gait and Posture 7 (1998), figure 8 for
running), read off at every tenth of a stride that begins at heel strike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthetic.bodies import Body
from synthetic.pose import Arm, Leg, Pose, bone_rotations

_STEPS = 40  # samples of a stride when its length is measured


def _periodic(degrees: tuple[float, ...]) -> Callable[[float], float]:
    """The trigonometric polynomial through ten evenly spaced samples, in radians over a phase in
    strides.
    """
    spectrum = np.fft.rfft(np.deg2rad(degrees)) / len(degrees)
    spectrum[1:] *= 2
    spectrum[-1] = 0  # the highest frequency only rings
    orders = np.arange(len(spectrum))
    return lambda phase: float((spectrum * np.exp(2j * np.pi * orders * phase)).real.sum())


@dataclass(frozen=True)
class _Curves:
    hip: Callable[[float], float]
    knee: Callable[[float], float]
    ankle: Callable[[float], float]


_WALK = _Curves(
    hip=_periodic((28, 24, 14, 4, -5, -11, -4, 14, 27, 30)),
    knee=_periodic((5, 16, 17, 10, 6, 12, 38, 60, 46, 16)),
    ankle=_periodic((0, -4, 4, 8, 10, 4, -16, -6, 1, 2)),
)
_RUN = _Curves(
    hip=_periodic((42, 34, 18, 0, -12, -8, 10, 34, 52, 50)),
    knee=_periodic((20, 42, 36, 18, 22, 55, 95, 108, 80, 34)),
    ankle=_periodic((5, 20, 18, -2, -24, -14, -4, 2, 6, 6)),
)


@dataclass(frozen=True, kw_only=True)
class Gait:
    running: bool = False
    amplitude: float = 1.0
    cadence_hz: float = 0.95
    """Strides (two steps) per second."""
    phase: float = 0.0
    """Where in the stride the left foot is at time 0."""

    def pose(self, time_s: float, heading: float = 0.0, look: float = 0.0) -> Pose:
        return self.at(self.phase + time_s * self.cadence_hz, heading, look)

    def at(self, phase: float, heading: float, look: float) -> Pose:
        """The pose at `phase`, in strides; whole strides are alike."""
        cycle = 2 * np.pi * phase
        size = self.amplitude
        sway = size * np.cos(cycle)
        return Pose(
            heading=heading,
            tilt=0.12 * size if self.running else 0.02,
            pelvis_turn=0.09 * sway,
            twist=-(0.2 if self.running else 0.1) * sway,
            side_bend=0.03 * size * float(np.sin(cycle)),
            bend=0.12 if self.running else 0.05,
            look=look + 0.1 * sway,
            left_leg=self._leg(phase),
            right_leg=self._leg(phase + 0.5),
            left_arm=self._arm(phase),
            right_arm=self._arm(phase + 0.5),
            lift_m=0.06 * size * max(0.0, float(np.sin(2 * cycle + 1.2))) if self.running else 0.0,
        )

    def _leg(self, phase: float) -> Leg:
        curves = _RUN if self.running else _WALK
        size = self.amplitude
        return Leg(
            hip=size * curves.hip(phase),
            knee=max(0.02, size * curves.knee(phase)),
            ankle=size * curves.ankle(phase),
            spread=0.03,
        )

    def _arm(self, phase: float) -> Arm:
        """Swings against the leg of its side."""
        swing = -np.cos(2 * np.pi * phase) * self.amplitude
        shoulder, elbow = (
            (0.75 * swing - 0.15, 1.5 + 0.25 * swing)
            if self.running
            else (0.42 * swing + 0.02, 0.3 + 0.18 * swing)
        )
        forearm = shoulder + elbow
        return Arm(
            upper=(0.14, float(np.sin(shoulder)), -float(np.cos(shoulder))),
            fore=(-0.12 if self.running else 0.04, float(np.sin(forearm)), -float(np.cos(forearm))),
            curl=0.7 if self.running else 0.3,
        )


@dataclass(frozen=True)
class Stride:
    """How far a body gets in a gait; metres (41,) are covered at every fortieth of a stride."""

    gait: Gait
    metres: NDArray[np.float64]

    @classmethod
    def of(cls, gait: Gait, body: Body) -> Stride:
        """Measured from how the lower foot moves under the hip."""
        feet = [body.library.skeleton.index["foot.L"], body.library.skeleton.index["foot.R"]]
        heads = np.concatenate([body.heads[feet], np.ones((2, 1), np.float32)], axis=1)
        track = np.empty((_STEPS + 1, 2, 3))
        for step in range(_STEPS + 1):
            rotations = bone_rotations(gait.at(step / _STEPS, 0.0, 0.0), body)
            transforms = body.library.skeleton.transforms(body.heads, rotations)
            track[step] = np.einsum("fij,fj->fi", transforms[feet], heads)
        standing = track[:-1, :, 2].argmin(1)
        row = np.arange(_STEPS)
        speed = np.clip(track[row + 1, standing, 1] - track[row, standing, 1], 0, None)
        if gait.running:  # in flight no foot tells the speed: it stays what it was on the ground
            speed = np.full(_STEPS, np.median(speed[speed > 0]))
        return cls(gait, np.concatenate([[0.0], np.cumsum(speed)]))

    def distance_m(self, time_s: float) -> float:
        """How far the person has walked since time 0; the standing foot stays where it is."""
        return self._along(self.gait.phase + time_s * self.gait.cadence_hz) - self._along(
            self.gait.phase
        )

    def _along(self, phase: float) -> float:
        whole = np.floor(phase)
        return float(
            whole * self.metres[-1]
            + np.interp(phase - whole, np.linspace(0, 1, len(self.metres)), self.metres)
        )
