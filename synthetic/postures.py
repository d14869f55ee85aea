"""What people do in random images: stances for trunk and legs, gestures for arms, and how they go
together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from synthetic.gait import Gait
from synthetic.pose import Arm, Direction, Leg, Pose

_Maker = Callable[[np.random.Generator], Pose]

# Upper arm and forearm as (outward, forward, up); fingers' curl.
_GESTURES: dict[str, Arm] = {
    "hanging": Arm(),
    "loose": Arm(upper=(0.25, -0.1, -1), fore=(0.15, 0.3, -1)),
    "wave": Arm(upper=(0.95, 0.25, 0.2), fore=(0.2, 0.25, 1), pronation=0.2, curl=0.05),
    "raised": Arm(upper=(0.35, 0.2, 1), fore=(0.1, 0.1, 1), pronation=0.3, curl=0.2),
    "reach forward": Arm(upper=(0.15, 1, -0.15), fore=(0.0, 1, 0.1), curl=0.2),
    "reach up": Arm(upper=(0.25, 0.8, 0.8), fore=(0.0, 0.6, 1), curl=0.3),
    "reach down": Arm(upper=(0.1, 0.6, -0.9), fore=(0.0, 0.7, -0.8), curl=0.5),
    "reach aside": Arm(upper=(1, 0.15, 0.0), fore=(1, 0.3, 0.1), curl=0.1),
    "point": Arm(upper=(0.5, 0.9, 0.05), fore=(0.4, 1, 0.1), curl=0.5),
    "hand on hip": Arm(
        upper=(0.85, -0.25, -0.75), fore=(-0.7, 0.35, -0.6), pronation=0.3, curl=0.4
    ),
    "pocket": Arm(upper=(0.4, -0.35, -1), fore=(-0.1, 0.45, -1), curl=0.3),
    "behind back": Arm(upper=(0.3, -0.6, -1), fore=(-0.6, -0.25, -0.7)),
    "telephone": Arm(upper=(0.35, 0.4, -0.75), fore=(-0.1, 0.3, 1), pronation=0.1, curl=0.7),
    "hold phone": Arm(upper=(0.2, 0.25, -1), fore=(-0.25, 0.9, 0.45), pronation=-0.3, curl=0.6),
    "hold cup": Arm(upper=(0.2, 0.1, -1), fore=(-0.2, 1, 0.25), pronation=0.4, curl=0.7),
    "eat": Arm(upper=(0.3, 0.6, -0.7), fore=(-0.45, 0.35, 0.9), pronation=0.2, curl=0.7),
    "face": Arm(upper=(0.2, 0.75, -0.6), fore=(-0.3, -0.1, 1), pronation=0.2, curl=0.4),
    "behind head": Arm(upper=(0.75, 0.15, 0.75), fore=(-0.7, -0.45, 0.2), curl=0.3),
    "crossed": Arm(upper=(0.2, 0.4, -0.85), fore=(-0.9, 0.42, 0.12), pronation=0.4, curl=0.4),
    "folded": Arm(upper=(0.12, 0.25, -1), fore=(-0.6, 0.75, -0.2), pronation=0.5, curl=0.5),
    "lap": Arm(upper=(0.15, 0.35, -1), fore=(-0.2, 1, -0.35), curl=0.3),
    "lean on": Arm(upper=(0.3, 0.7, -0.9), fore=(-0.2, 1, -0.05), curl=0.2),
    "spread": Arm(upper=(1, 0.05, 0.45), fore=(0.8, 0.1, 0.7), curl=0.05),
    "boxing": Arm(upper=(0.25, 0.5, -0.85), fore=(-0.25, 0.55, 0.9), curl=1.1),
    "swing": Arm(upper=(0.75, 0.4, 0.25), fore=(0.15, 0.3, 0.8), curl=1.0),
    "across": Arm(upper=(-0.3, 0.8, -0.1), fore=(-0.8, 0.5, 0.2), curl=0.9),
}
_STANDING_GESTURES = (
    "hanging", "hanging", "loose", "loose", "pocket", "hand on hip", "wave", "raised",
    "reach forward", "reach up", "reach down", "reach aside", "point", "behind back", "telephone",
    "hold phone", "hold cup", "eat", "face", "behind head", "swing", "across",
)  # fmt: skip
_SITTING_GESTURES = (
    "lap", "lap", "lap", "lean on", "lean on", "hold phone", "hold cup", "eat", "face", "telephone",
    "reach forward", "hanging", "wave", "behind head", "point",
)  # fmt: skip
_PAIRS = (
    "crossed", "folded", "hold phone", "raised", "spread", "boxing", "hand on hip", "behind head",
    "reach forward", "reach up", "reach down", "face", "behind back", "hold cup",
)  # fmt: skip


@dataclass(frozen=True)
class Posture:
    """A pose, and the kind of support that it needs beneath it."""

    name: str
    pose: Pose
    seated: bool = False


def random_posture(rng: np.random.Generator) -> Posture:
    """Any of the stances with arms that go with it, everything varied a little; heading is left at
    0.
    """
    names = list(_STANCES)
    shares = np.array([_STANCES[name][0] for name in names])
    name = names[int(rng.choice(len(names), p=shares / shares.sum()))]
    pose = _STANCES[name][1](rng)
    pose = replace(
        pose,
        look=pose.look + float(rng.normal(0, 0.35)),
        nod=pose.nod + float(rng.normal(0, 0.15)),
        head_roll=pose.head_roll + float(rng.normal(0, 0.08)),
        twist=pose.twist + float(rng.normal(0, 0.12)),
        side_bend=pose.side_bend + float(rng.normal(0, 0.06)),
        bend=pose.bend + float(rng.normal(0, 0.06)),
    )
    return Posture(name, pose, seated=name == "sit")


def random_arms(
    rng: np.random.Generator, names: tuple[str, ...] = _STANDING_GESTURES
) -> tuple[Arm, Arm]:
    """Left and right: both in one gesture, each in its own, or anywhere a shoulder lets them."""
    kind = rng.random()
    if kind < 0.35:
        both = _GESTURES[_PAIRS[rng.integers(len(_PAIRS))]]
        return _varied(both, rng), _varied(both, rng)
    if kind < 0.85:
        left, right = (_varied(_GESTURES[names[rng.integers(len(names))]], rng) for _ in range(2))
        return left, right
    return _anywhere(rng), _anywhere(rng)


def _varied(arm: Arm, rng: np.random.Generator) -> Arm:
    upper, fore = (_nudged(direction, rng) for direction in (arm.upper, arm.fore))
    return replace(
        arm, upper=upper, fore=fore, curl=max(0.0, arm.curl + float(rng.normal(0, 0.15)))
    )


def _nudged(direction: Direction, rng: np.random.Generator, deviation: float = 0.1) -> Direction:
    out, forward, up = np.asarray(direction) + rng.normal(0, deviation, 3) * np.linalg.norm(
        direction
    )
    return float(out), float(forward), float(up)


def _anywhere(rng: np.random.Generator) -> Arm:
    """An upper arm in front or to the side, a forearm that bends away from the trunk."""
    height, azimuth = rng.uniform(-1, 0.9), rng.uniform(-0.3, 1.7)
    level = np.sqrt(1 - height**2)
    upper = np.array([level * np.cos(azimuth), level * np.sin(azimuth), height])
    bent = np.array([-0.2, 1.0, 0.3]) + rng.normal(0, 0.4, 3)
    bent -= upper * (bent @ upper)
    flexion = rng.uniform(0.1, 2.1)
    fore = upper * np.cos(flexion) + bent / np.linalg.norm(bent) * np.sin(flexion)
    return Arm(
        upper=(float(upper[0]), float(upper[1]), float(upper[2])),
        fore=(float(fore[0]), float(fore[1]), float(fore[2])),
        pronation=float(rng.uniform(0, 1)),
        curl=float(rng.uniform(0, 1)),
    )


def _with_arms(
    pose: Pose, rng: np.random.Generator, names: tuple[str, ...] = _STANDING_GESTURES
) -> Pose:
    left, right = random_arms(rng, names)
    return replace(pose, left_arm=left, right_arm=right)


def _legs(rng: np.random.Generator, leg: Leg, deviation: float) -> tuple[Leg, Leg]:
    def vary() -> Leg:
        hip, knee, ankle = rng.normal(0, deviation, 3)
        knee = max(0.02, leg.knee + float(knee))
        spread = leg.spread + abs(float(rng.normal(0, deviation / 2)))
        return replace(
            leg,
            hip=leg.hip + float(hip),
            knee=knee,
            ankle=leg.ankle + 0.5 * float(ankle),
            spread=spread,
        )

    return vary(), vary()


def _stand(rng: np.random.Generator) -> Pose:
    left, right = _legs(rng, Leg(spread=0.04), 0.05)
    weight = float(rng.normal(0, 0.05))  # on one leg more than on the other
    if rng.random() < 0.4:
        left = replace(left, hip=0.25, knee=0.45, ankle=0.1)
    return _with_arms(
        Pose(
            left_leg=left,
            right_leg=right,
            roll=weight,
            side_bend=-2 * weight,
            nod=float(rng.uniform(0, 0.3)),
        ),
        rng,
    )


def _walk(rng: np.random.Generator) -> Pose:
    pose = Gait(amplitude=rng.uniform(0.6, 1.3), phase=rng.random()).pose(0.0)
    return _with_arms(pose, rng) if rng.random() < 0.3 else pose


def _run(rng: np.random.Generator) -> Pose:
    return Gait(running=True, amplitude=rng.uniform(0.7, 1.15), phase=rng.random()).pose(0.0)


def _sit(rng: np.random.Generator) -> Pose:
    left, right = _legs(rng, Leg(hip=1.5, knee=1.45, spread=0.12), 0.1)
    if rng.random() < 0.25:  # one leg over the other
        left = Leg(hip=1.75, knee=1.35, spread=-0.3, ankle=-0.2)
    tilt = float(rng.uniform(-0.3, 0.15))  # leaning back to leaning over
    left, right = (
        replace(left, hip=left.hip + tilt),
        replace(right, hip=right.hip + tilt),
    )  # thighs stay level
    pose = Pose(tilt=tilt, bend=0.2, nod=float(rng.uniform(0, 0.4)), left_leg=left, right_leg=right)
    return _with_arms(pose, rng, _SITTING_GESTURES)


def _sit_on_ground(rng: np.random.Generator) -> Pose:
    if rng.random() < 0.5:  # cross-legged
        leg = Leg(hip=1.35, knee=2.2, spread=0.75, turn=0.5, ankle=-0.3)
    else:
        knee = float(rng.uniform(0.05, 1.6))
        leg = Leg(hip=1.4 + 0.42 * knee, knee=knee, spread=0.15)
    left, right = _legs(rng, leg, 0.06)
    return _with_arms(
        Pose(tilt=-0.1, bend=0.35, left_leg=left, right_leg=right), rng, _SITTING_GESTURES
    )


def _crouch(rng: np.random.Generator) -> Pose:
    depth = float(rng.uniform(0.35, 1.0))
    left, right = _legs(
        rng, Leg(hip=2.0 * depth, knee=2.2 * depth, ankle=0.45 * depth, spread=0.2, turn=0.3), 0.08
    )
    return _with_arms(
        Pose(tilt=0.45 * depth, bend=0.4, nod=-0.3 * depth, left_leg=left, right_leg=right),
        rng,
        _SITTING_GESTURES,
    )


def _kneel(rng: np.random.Generator) -> Pose:
    down = Leg(hip=0.1, knee=1.65, ankle=-0.7, spread=0.08)
    up = Leg(hip=1.6, knee=1.55, ankle=0.1, spread=0.1) if rng.random() < 0.6 else down
    return _with_arms(Pose(left_leg=up, right_leg=down, bend=float(rng.uniform(0, 0.5))), rng)


def _bow(rng: np.random.Generator) -> Pose:
    tilt, bend = float(rng.uniform(0.3, 1.0)), float(rng.uniform(0.2, 0.6))
    left, right = _legs(rng, Leg(hip=tilt + 0.1, knee=0.25, ankle=0.1, spread=0.1), 0.08)
    return _with_arms(
        Pose(tilt=tilt, bend=bend, nod=-0.4 * tilt, left_leg=left, right_leg=right),
        rng,
        ("reach down", "lean on", "loose", "lap"),
    )


def _lunge(rng: np.random.Generator) -> Pose:
    depth = float(rng.uniform(0.4, 1.0))
    front = Leg(hip=1.3 * depth, knee=1.3 * depth, spread=0.1, ankle=0.1)
    back = Leg(hip=-0.5 * depth, knee=0.4 * depth, ankle=-0.5 * depth, spread=0.15)
    left, right = (front, back) if rng.random() < 0.5 else (back, front)
    return _with_arms(
        Pose(tilt=0.2 * depth, twist=float(rng.normal(0, 0.3)), left_leg=left, right_leg=right), rng
    )


def _jump(rng: np.random.Generator) -> Pose:
    left, right = _legs(rng, Leg(hip=0.5, knee=0.8, ankle=-0.5, spread=0.15), 0.35)
    return _with_arms(
        Pose(
            left_leg=left,
            right_leg=right,
            lift_m=float(rng.uniform(0.05, 0.6)),
            roll=float(rng.normal(0, 0.15)),
        ),
        rng,
    )


def _ride(rng: np.random.Generator) -> Pose:
    """Knees bent, feet apart sideways, arms out: on a board or on skis."""
    left, right = _legs(rng, Leg(hip=0.75, knee=0.9, ankle=0.2, spread=0.35), 0.15)
    return _with_arms(
        Pose(tilt=0.25, roll=float(rng.normal(0, 0.2)), left_leg=left, right_leg=right),
        rng,
        ("spread", "reach aside", "loose", "boxing"),
    )


def _lie(rng: np.random.Generator) -> Pose:
    tilt = (np.pi / 2) * (1 if rng.random() < 0.4 else -1)
    left, right = _legs(rng, Leg(hip=0.2, knee=0.3, spread=0.1), 0.25)
    return _with_arms(
        Pose(tilt=tilt, left_leg=left, right_leg=right, nod=0.0),
        rng,
        ("raised", "loose", "spread", "behind head"),
    )


_STANCES: dict[str, tuple[float, _Maker]] = {
    "stand": (0.36, _stand),
    "walk": (0.16, _walk),
    "run": (0.06, _run),
    "sit": (0.17, _sit),
    "sit on ground": (0.04, _sit_on_ground),
    "crouch": (0.05, _crouch),
    "kneel": (0.03, _kneel),
    "bow": (0.04, _bow),
    "lunge": (0.04, _lunge),
    "jump": (0.02, _jump),
    "ride": (0.03, _ride),
    "lie": (0.01, _lie),
}
