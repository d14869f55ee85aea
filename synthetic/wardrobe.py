"""What random people wear and look like."""

from __future__ import annotations

import colorsys

import numpy as np

from synthetic.bodies import BodyLibrary
from synthetic.clothes import Cut, Figure, Part, dress
from synthetic.materials import Colour, Kind, Material, Pattern

Palette = dict[Part, Material]

# Light to dark; real complexions lie on a curve, not in a cube.
_SKINS: tuple[Colour, ...] = (
    (0.93, 0.78, 0.70), (0.88, 0.70, 0.59), (0.82, 0.62, 0.49), (0.75, 0.54, 0.40),
    (0.65, 0.45, 0.32), (0.53, 0.35, 0.24), (0.42, 0.27, 0.18), (0.30, 0.20, 0.15),
)  # fmt: skip
_HAIRS: tuple[Colour, ...] = (
    (0.06, 0.05, 0.05), (0.10, 0.07, 0.05), (0.20, 0.13, 0.08), (0.32, 0.21, 0.12),
    (0.48, 0.33, 0.18), (0.68, 0.52, 0.30), (0.55, 0.26, 0.12), (0.55, 0.54, 0.52),
    (0.80, 0.79, 0.76),
)  # fmt: skip
_HAIR_SHARES = np.array([5, 5, 4, 3, 2, 1.5, 0.7, 1.2, 0.6]) / 23
_IRISES: tuple[Colour, ...] = (
    (0.22, 0.13, 0.07),
    (0.16, 0.10, 0.06),
    (0.30, 0.40, 0.50),
    (0.30, 0.36, 0.22),
)
_JEANS: tuple[Colour, ...] = (
    (0.16, 0.21, 0.34),
    (0.24, 0.33, 0.50),
    (0.42, 0.52, 0.66),
    (0.10, 0.11, 0.14),
)
_PATTERNS = (Pattern.STRIPES, Pattern.PINSTRIPES, Pattern.CHECKS, Pattern.DOTS, Pattern.BLOTCHES)


def random_person(
    library: BodyLibrary, prints: list[int], rng: np.random.Generator
) -> tuple[Figure, Palette]:
    """A random body in random clothes; `prints` are the atlas slots whose images may appear on
    cloth.
    """
    body = library.sample(rng)
    cut = random_cut(body.group == "woman" or (body.group == "child" and rng.random() < 0.4), rng)
    figure = dress(body, cut)
    return figure, random_palette(figure, cut, body.group == "man", prints, rng)


def random_cut(feminine: bool, rng: np.random.Generator) -> Cut:
    skirt = feminine and rng.random() < 0.28
    bottom = "skirt" if skirt else ("long" if rng.random() < 0.68 else "short")
    long_hair = rng.random() < (0.65 if feminine else 0.06)
    hair = "long" if long_hair else ("none" if not feminine and rng.random() < 0.1 else "short")
    hat = "none" if rng.random() < 0.82 else ("cap" if rng.random() < 0.6 else "beanie")
    jacket = rng.random() < 0.25
    sleeve = "long" if jacket else ("short", "long", "none")[rng.choice(3, p=[0.48, 0.36, 0.16])]
    shoes = ("low", "boots", "none")[rng.choice(3, p=[0.78, 0.14, 0.08])]
    return Cut(
        sleeve=sleeve,  # type: ignore[arg-type]
        hem_m=float(rng.uniform(-0.04, 0.075)),
        top_ease_m=float(rng.uniform(0.028, 0.045) if jacket else rng.uniform(0.010, 0.026)),
        bottom=bottom,  # type: ignore[arg-type]
        bottom_hem_m=float(rng.uniform(-0.12, 0.3) if skirt else rng.uniform(-0.2, 0.05)),
        bottom_ease_m=float(rng.uniform(0.006, 0.022)),
        shoes=shoes,  # type: ignore[arg-type]
        hair=hair,  # type: ignore[arg-type]
        hair_volume_m=float(rng.uniform(0.004, 0.032)),
        nape_m=0.02 if long_hair else 0.0,
        hat=hat,  # type: ignore[arg-type]
    )


def random_palette(
    figure: Figure, cut: Cut, masculine: bool, prints: list[int], rng: np.random.Generator
) -> Palette:
    """Materials of every part of the figure."""
    skin = _mixed(_SKINS, rng)
    hair = _varied(_HAIRS[rng.choice(len(_HAIRS), p=_HAIR_SHARES)], 0.25, rng)
    top = _cloth(rng, prints, plain=0.45, folds=0.2)
    bottom = _cloth(rng, prints, plain=0.85, folds=0.14)
    if cut.bottom != "skirt" and rng.random() < 0.5:
        bottom = Material(
            kind=Kind.CLOTH,
            colour=_varied(_JEANS[rng.integers(len(_JEANS))], 0.15, rng),
            folds=0.14,
        )
    matching = cut.bottom == "skirt" and rng.random() < 0.5  # a dress
    bald = cut.hair == "none"
    return {
        Part.SKIN: Material(
            kind=Kind.SKIN,
            colour=skin,
            second=_varied(hair, 0.2, rng)
            if not bald
            else tuple(0.5 * channel for channel in skin),  # type: ignore[arg-type]
            specular=float(rng.uniform(0.02, 0.10)),
            shininess=14,
            eye=(float(figure.eye[0]), float(figure.eye[1]), float(figure.eye[2])),
            iris=_IRISES[rng.integers(len(_IRISES))],
            beard=float(rng.uniform(0.15, 0.85)) if masculine and rng.random() < 0.4 else 0.0,
        ),
        Part.TOP: top,
        Part.BOTTOM: bottom,
        Part.SKIRT: top if matching else bottom,
        Part.SHOES: Material(
            kind=Kind.LEATHER, colour=_shoe_colour(rng), specular=float(rng.uniform(0.02, 0.15))
        ),
        Part.HAIR: Material(kind=Kind.HAIR, colour=hair, specular=float(rng.uniform(0.03, 0.14))),
        Part.HAT: _cloth(rng, prints, plain=0.9, folds=0.03),
    }


def random_colour(
    rng: np.random.Generator, darkest: float = 0.08, lightest: float = 0.92
) -> Colour:
    """Half of what people wear is nearly grey, the rest has some colour, a little of it a lot."""
    saturation = rng.uniform(0, 0.12) if rng.random() < 0.4 else rng.beta(1.5, 2.5)
    return colorsys.hsv_to_rgb(rng.random(), saturation, rng.uniform(darkest, lightest))


def _cloth(rng: np.random.Generator, prints: list[int], plain: float, folds: float) -> Material:
    pattern, texture = Pattern.PLAIN, 0
    if rng.random() > plain:
        choice = rng.random()
        if prints and choice < 0.45:
            pattern = Pattern.PRINT if choice < 0.25 else Pattern.FABRIC
            texture = prints[rng.integers(len(prints))]
        else:
            pattern = _PATTERNS[rng.integers(len(_PATTERNS))]
    repeats = rng.uniform(2, 6) if pattern is Pattern.FABRIC else rng.uniform(5, 25)
    return Material(
        kind=Kind.CLOTH,
        colour=random_colour(rng),
        second=random_colour(rng),
        pattern=pattern,
        repeats=float(repeats),
        folds=folds * float(rng.uniform(0.6, 1.4)),
        texture=texture,
        specular=float(rng.choice([0.01, 0.02, 0.08])),
    )


def _shoe_colour(rng: np.random.Generator) -> Colour:
    return random_colour(rng, 0.75, 0.95) if rng.random() < 0.3 else random_colour(rng, 0.05, 0.5)


def _mixed(colours: tuple[Colour, ...], rng: np.random.Generator) -> Colour:
    place = rng.uniform(0, len(colours) - 1)
    index = int(place)
    first, second = (
        np.asarray(colours[index]),
        np.asarray(colours[min(index + 1, len(colours) - 1)]),
    )
    return _varied(tuple(first + (second - first) * (place - index)), 0.04, rng)


def _varied(colour: Colour, amount: float, rng: np.random.Generator) -> Colour:
    brightness, *tint = rng.normal(0, amount, 4)
    red, green, blue = (
        float(np.clip(c * (1 + brightness + 0.3 * t), 0, 1))
        for c, t in zip(colour, tint, strict=True)
    )
    return red, green, blue
