"""What identities are tried by: people who cross, hide behind each other and a wall, and one who
leaves and comes back; the same acts with other bodies, clothes and paces for every seed.
"""

from __future__ import annotations

import numpy as np

from synthetic.bodies import BodyLibrary
from synthetic.gait import Gait, Stride
from synthetic.materials import Kind, Material
from synthetic.performance import Performance, Return, Stand, Walk
from synthetic.plaza import Player
from synthetic.props import Prop, box
from synthetic.wardrobe import random_person

SECONDS = 21.0  # by when the last act is over
_LEFT, _RIGHT = -1.0, 1.0
_WALL_X_M, _WALL_Y_M, _WALL_WIDTH_M = 1.1, 6.6, 1.25
_BEHIND_WALL_M = 8.6
_AWAY_S = 1.5


def crossings(library: BodyLibrary, rng: np.random.Generator) -> list[Player]:
    """Fifteen people in the acts below: five crossings, three occlusions of about a second (two
    by the wall, one by somebody who stands in front), one who is out of the picture for a while.
    """
    players: list[Player] = []

    def enter(
        direction: float, y_m: float, *, meets_s: float, x_m: float = 0.0, pace: str = "walk"
    ) -> Player:
        """Somebody new who is at (x, y) at a time, on the way to one side of the image."""
        figure, palette = random_person(library, [], rng)
        gait = _gait(pace, rng)
        stride = Stride.of(gait, figure.body)
        start_m = x_m - direction * stride.distance_m(meets_s)
        walk = Walk(stride=stride, heading=direction * np.pi / 2, x_m=start_m, y_m=y_m)
        players.append(Player(figure, palette, walk))
        return players[-1]

    # five crossings: far apart, close, overtaken, in like clothes, three at once
    enter(_RIGHT, 4.6, meets_s=2.6, x_m=-0.6)
    enter(_LEFT, 5.7, meets_s=2.6, x_m=-0.6)
    enter(_RIGHT, 5.3, meets_s=6.0, x_m=-0.4)
    enter(_LEFT, 5.9, meets_s=6.0, x_m=-0.4)
    enter(_RIGHT, 5.8, meets_s=9.5, x_m=-0.2)
    enter(_RIGHT, 5.0, meets_s=9.5, x_m=-0.2, pace="run")
    first = enter(_RIGHT, 5.0, meets_s=13.0, x_m=-0.6)
    second = enter(_LEFT, 5.6, meets_s=13.0, x_m=-0.6)
    players[-1] = Player(first.figure, first.palette, second.performance)
    enter(_RIGHT, 4.7, meets_s=17.0, x_m=-0.5)
    enter(_LEFT, 5.4, meets_s=17.0, x_m=-0.5)
    # two occlusions by the wall
    behind_m = _WALL_X_M * _BEHIND_WALL_M / _WALL_Y_M
    enter(_RIGHT, _BEHIND_WALL_M, meets_s=4.5, x_m=behind_m)
    enter(_LEFT, _BEHIND_WALL_M, meets_s=15.0, x_m=behind_m)
    # one by a person
    figure, palette = random_person(library, [], rng)
    stand = Stand(heading=0.4, x_m=0.35, y_m=3.4, phase=float(rng.random()))
    players.append(Player(figure, palette, stand))
    enter(_LEFT, 7.4, meets_s=10.5, x_m=0.35 * 7.4 / 3.4, pace="stroll")
    # and one who turns round outside the picture
    leaver = enter(_LEFT, 6.2, meets_s=17.0, x_m=-0.434 * 6.2 - 0.4)
    players[-1] = Player(leaver.figure, leaver.palette, _coming_back(leaver.performance, 17.0))
    return players


def wall() -> Prop:
    """What people of `crossings` hide behind."""
    plaster = Material(kind=Kind.LEATHER, colour=(0.72, 0.68, 0.6), specular=0.0)
    return box((_WALL_WIDTH_M, 0.25, 2.3), (_WALL_X_M, _WALL_Y_M, 0.0), 0.0, plaster)


def _coming_back(walk: Performance, leaves_s: float) -> Return:
    assert isinstance(walk, Walk)
    turn_s = leaves_s + _AWAY_S / 2
    there = walk.at(turn_s)
    back = Walk(stride=walk.stride, heading=-walk.heading, x_m=there.x_m, y_m=there.y_m - 0.15)
    return Return(there=walk, back=back, turn_s=turn_s)


def _gait(pace: str, rng: np.random.Generator) -> Gait:
    phase = float(rng.random())
    if pace == "run":
        return Gait(running=True, phase=phase, cadence_hz=1.3)
    if pace == "stroll":
        return Gait(phase=phase, amplitude=0.7, cadence_hz=0.75)
    return Gait(
        phase=phase,
        amplitude=float(rng.uniform(0.9, 1.05)),
        cadence_hz=float(rng.uniform(0.88, 0.98)),
    )
