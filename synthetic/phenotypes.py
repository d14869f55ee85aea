"""The bodies that are baked into `data/bodies.npz`: MakeHuman's macro parameters, each from 0 to 1.

Age 0.42 is a child of about ten, 0.67 an adult of 25.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Group = Literal["man", "woman", "child"]

GROUPS: tuple[Group, ...] = ("man", "woman", "child")


@dataclass(frozen=True, kw_only=True)
class Phenotype:
    group: Group
    gender: float
    age: float
    muscle: float
    weight: float
    ancestry: Literal["african", "asian", "caucasian"]
    proportions: float = 0.5
    cupsize: float = 0.5
    firmness: float = 0.6


PHENOTYPES: tuple[Phenotype, ...] = (
    Phenotype(group="man", gender=0.95, age=0.67, muscle=0.60, weight=0.50, ancestry="caucasian"),
    Phenotype(
        group="man",
        gender=0.95,
        age=0.60,
        muscle=0.85,
        weight=0.55,
        ancestry="african",
        proportions=0.8,
    ),
    Phenotype(group="man", gender=0.90, age=0.75, muscle=0.50, weight=0.85, ancestry="asian"),
    Phenotype(group="man", gender=0.95, age=0.55, muscle=0.40, weight=0.25, ancestry="asian"),
    Phenotype(
        group="man",
        gender=0.95,
        age=0.90,
        muscle=0.45,
        weight=0.65,
        ancestry="caucasian",
        proportions=0.3,
    ),
    Phenotype(
        group="woman",
        gender=0.05,
        age=0.62,
        muscle=0.45,
        weight=0.45,
        ancestry="african",
        cupsize=0.45,
    ),
    Phenotype(group="woman", gender=0.10, age=0.67, muscle=0.50, weight=0.65, ancestry="caucasian"),
    Phenotype(
        group="woman",
        gender=0.05,
        age=0.55,
        muscle=0.55,
        weight=0.35,
        ancestry="asian",
        cupsize=0.4,
        proportions=0.8,
    ),
    Phenotype(
        group="woman",
        gender=0.08,
        age=0.80,
        muscle=0.45,
        weight=0.88,
        ancestry="african",
        cupsize=0.7,
        firmness=0.4,
    ),
    Phenotype(group="child", gender=0.60, age=0.42, muscle=0.50, weight=0.50, ancestry="caucasian"),
    Phenotype(group="child", gender=0.30, age=0.33, muscle=0.50, weight=0.55, ancestry="african"),
)
