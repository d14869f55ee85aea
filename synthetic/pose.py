"""A pose: what a person does with trunk, head, arms and legs, and the bone rotations that it means.

Directions are (outward, forward, up) as the person sees them: outward is away from the middle, on
either side. Angles are in radians; a positive flexion is the one that a healthy joint does most of.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from synthetic.bodies import Body
from synthetic.skeleton import Rotation, shortest_turn, turn_about, turn_x, turn_y, turn_z, unit

Direction = tuple[float, float, float]

_SPINE = ("spine05", "spine04", "spine03", "spine02", "spine01")
_PRONATION = 0.9  # the rest pose has its palms forward; at ease they face the thighs
_HINGE_SOFTNESS = 0.25  # how straight an elbow may be before it stops turning the upper arm


@dataclass(frozen=True, kw_only=True)
class Arm:
    upper: Direction = (0.12, 0.0, -1.0)
    fore: Direction = (0.05, 0.25, -1.0)
    pronation: float = _PRONATION
    curl: float = 0.35


@dataclass(frozen=True, kw_only=True)
class Leg:
    hip: float = 0.02
    spread: float = 0.05
    turn: float = 0.12
    knee: float = 0.05
    ankle: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Pose:
    """`tilt`, `roll` and `heading` turn the whole person (tilt forwards, roll to the own left,
    heading 0 faces -y).
    """

    heading: float = 0.0
    tilt: float = 0.0
    roll: float = 0.0
    pelvis_turn: float = 0.0
    bend: float = 0.05
    side_bend: float = 0.0
    twist: float = 0.0
    nod: float = 0.05
    look: float = 0.0
    head_roll: float = 0.0
    left_arm: Arm = field(default_factory=Arm)
    right_arm: Arm = field(default_factory=Arm)
    left_leg: Leg = field(default_factory=Leg)
    right_leg: Leg = field(default_factory=Leg)
    lift_m: float = 0.0
    """Height of the lowest point above the ground: more than 0 in a jump."""


def bone_rotations(pose: Pose, body: Body) -> dict[str, Rotation]:
    """Global rotations (3, 3) of the bones that the pose sets; `Skeleton.transforms` takes them."""
    root = turn_z(pose.heading) @ turn_y(pose.roll) @ turn_x(-pose.tilt)
    pelvis = root @ turn_z(pose.pelvis_turn)
    rotations = {"root": pelvis}
    for step, bone in enumerate(_SPINE, start=1):
        share = step / len(_SPINE)
        turned = turn_z((1 - share) * pose.pelvis_turn + share * pose.twist)
        rotations[bone] = (
            root @ turned @ turn_y(share * pose.side_bend) @ turn_x(-share * pose.bend)
        )
    chest = rotations[_SPINE[-1]]
    for bone, share in (("neck01", 0.25), ("neck02", 0.5), ("neck03", 0.75), ("head", 1.0)):
        rotations[bone] = (
            chest
            @ turn_z(share * pose.look)
            @ turn_y(share * pose.head_roll)
            @ turn_x(-share * pose.nod)
        )
    for arm, suffix, outward in ((pose.left_arm, ".L", 1), (pose.right_arm, ".R", -1)):
        rotations.update(_arm_rotations(arm, body, chest, suffix, outward))
    for leg, suffix, outward in ((pose.left_leg, ".L", 1), (pose.right_leg, ".R", -1)):
        rotations.update(_leg_rotations(leg, body, pelvis, suffix, outward))
    return rotations


def _arm_rotations(
    arm: Arm, body: Body, chest: Rotation, suffix: str, outward: int
) -> dict[str, Rotation]:
    shoulder, elbow, wrist = (
        body.joint(bone + suffix) for bone in ("upperarm01", "lowerarm01", "wrist")
    )
    rest_upper, rest_fore = unit(elbow - shoulder), unit(wrist - elbow)
    upper, fore = unit(_in_body(arm.upper, outward)), unit(_in_body(arm.fore, outward))

    # The elbow is a hinge: the upper arm turns about its own axis until its hinge is square to the
    # forearm's plane. A straight arm has no such plane and keeps the smallest rotation. Half of
    # that twist is made before the deltoid, half after it.
    swing = shortest_turn(rest_upper, upper)
    swung_hinge = swing @ unit(np.cross(rest_upper, rest_fore))
    hinge = np.cross(upper, fore) + _HINGE_SOFTNESS * swung_hinge
    hinge -= upper * (hinge @ upper)
    cosine = np.clip(unit(hinge) @ swung_hinge, -1, 1)
    twist = float(np.arccos(cosine) * np.sign(np.cross(swung_hinge, hinge) @ upper))
    upper_near, upper_far = turn_about(upper, twist / 2) @ swing, turn_about(upper, twist) @ swing
    forearm = shortest_turn(upper_far @ rest_fore, fore) @ upper_far

    rotations = {
        "upperarm01" + suffix: chest @ upper_near,
        "upperarm02" + suffix: chest @ upper_far,
        "lowerarm01" + suffix: chest @ forearm,
    }
    for bone, share in (("lowerarm02", 0.5), ("wrist", 1.0)):
        rotations[bone + suffix] = (
            chest @ forearm @ turn_about(rest_fore, outward * arm.pronation * share)
        )
    palm = rotations["wrist" + suffix]
    knuckles = unit(body.joint("finger2-1" + suffix) - body.joint("finger5-1" + suffix))
    for phalanx in range(1, 4):
        curled = palm @ turn_about(knuckles, outward * arm.curl * phalanx)
        rotations.update({f"finger{finger}-{phalanx}{suffix}": curled for finger in range(2, 6)})
    raised = 0.4 * max(0.0, float(upper[2]) + 0.3)  # the shoulder blade follows the arm up
    rotations["clavicle" + suffix] = chest @ turn_y(-outward * raised / 2)
    rotations["shoulder01" + suffix] = chest @ turn_y(-outward * raised)
    return rotations


def _leg_rotations(
    leg: Leg, body: Body, pelvis: Rotation, suffix: str, outward: int
) -> dict[str, Rotation]:
    hip, knee, ankle = (body.joint(bone + suffix) for bone in ("upperleg01", "lowerleg01", "foot"))
    down = np.array([0.0, 0.0, -1.0])
    thigh_frame = (
        pelvis @ turn_x(leg.hip) @ turn_y(-outward * leg.spread) @ turn_z(outward * leg.turn)
    )
    shin_frame = thigh_frame @ turn_x(-leg.knee)
    foot_frame = shin_frame @ turn_x(leg.ankle)
    rotations = {
        "upperleg01" + suffix: thigh_frame @ shortest_turn(knee - hip, down),
        "lowerleg01" + suffix: shin_frame @ shortest_turn(ankle - knee, down),
        "foot" + suffix: foot_frame,
    }
    if leg.ankle < -0.25:  # on the ball of the foot the toes stay flat
        toes = foot_frame @ turn_x(min(0.5, -leg.ankle - 0.25))
        rotations.update({f"toe{toe}-1{suffix}": toes for toe in range(1, 6)})
    return rotations


def _in_body(direction: Direction, outward: int) -> NDArray[np.float64]:
    out, forward, up = direction
    return np.array([outward * out, -forward, up])
