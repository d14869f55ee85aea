"""Random scenes: who stands where, seen by which camera, in which light, among which things."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from synthetic.actor import Actor
from synthetic.bodies import BodyLibrary
from synthetic.camera import Camera
from synthetic.clothes import Figure
from synthetic.ground import Ground
from synthetic.light import Light
from synthetic.materials import Kind, Material
from synthetic.mesh import Floats
from synthetic.photos import Image, PhotoLibrary
from synthetic.postures import Posture, random_posture
from synthetic.props import Prop, ball, box, chair, cylinder
from synthetic.scene import Scene
from synthetic.sensor import Sensor
from synthetic.textures import SIZE_PX, build_atlas, to_linear
from synthetic.wardrobe import Palette, random_colour, random_person

_PEOPLE = np.array(
    [0.24, 0.22, 0.17, 0.13, 0.09, 0.07, 0.05, 0.03]
)  # shares of images with 1 to 8 people
_CLEARANCE_M = 0.5
_PLACING_TRIES = 30
_GROUND_SLOT, _PRINT_SLOTS = 0, (1, 2)
_SITTING_DEPTH_M = 0.085  # from hip joints down to the seat, adult of 1.7 m


@dataclass(frozen=True)
class Backgrounds:
    """Photographs to stand people before, and textures for the ground and for cloth; photographs
    may be missing.
    """

    photos: PhotoLibrary | None
    textures: PhotoLibrary


@dataclass(frozen=True)
class _Spot:
    x_m: float
    y_m: float


def random_scene(
    width: int,
    height: int,
    library: BodyLibrary,
    backgrounds: Backgrounds,
    rng: np.random.Generator,
) -> Scene:
    """A scene with one to eight people; the same generator state gives the same scene."""
    camera, spots = _frame(width, height, rng)
    photo = _photo(width, height, backgrounds, rng)
    atlas = build_atlas(_surfaces(backgrounds, rng))
    backdrop = to_linear(photo)
    ground = _ground(backgrounds, rng)
    light = _light(backdrop, ground, atlas, rng)

    actors: list[Actor] = []
    props: list[Prop] = []
    for spot in spots:
        figure, palette = random_person(library, list(_PRINT_SLOTS), rng)
        actor, furniture = _placed(figure, palette, random_posture(rng), spot, rng)
        actors.append(actor)
        props += furniture
    props += _things(camera, spots, rng)
    return Scene(
        camera=camera,
        actors=actors,
        props=props,
        light=light,
        ground=ground,
        backdrop=backdrop,
        atlas=atlas,
    )


def random_sensor(rng: np.random.Generator) -> Sensor:
    tint = rng.normal(0, 0.04, 3)
    return Sensor(
        exposure=float(np.exp(rng.normal(0, 0.18))),
        balance=(1 + float(tint[0]), 1 + float(tint[1]), 1 + float(tint[2])),
        contrast=float(rng.uniform(0.85, 1.2)),
        grain=float(rng.uniform(0.002, 0.02)),
        blur_px=float(
            rng.choice([0.0, rng.uniform(0.3, 0.7), rng.uniform(0.7, 1.4)], p=[0.4, 0.45, 0.15])
        ),
    )


def _frame(width: int, height: int, rng: np.random.Generator) -> tuple[Camera, list[_Spot]]:
    """A camera, and where people stand in its view; the first is the one it looks at."""
    height_m = rng.choice(
        [rng.uniform(1.1, 1.9), rng.uniform(0.3, 1.0), rng.uniform(2.0, 4.5)], p=[0.68, 0.16, 0.16]
    )
    view = Camera(
        width=width,
        height=height,
        height_m=float(height_m),
        field_of_view=float(rng.uniform(0.5, 1.15)),
    )
    count = 1 + int(rng.choice(len(_PEOPLE), p=_PEOPLE))
    largest = 1.7 if count < 4 else 0.9
    share = float(
        np.exp(rng.uniform(np.log(0.28), np.log(largest)))
    )  # of the image's height, for a standing adult
    distance_m = float(np.clip(view.focal_px * 1.7 / (share * height), 0.9, 25))
    aim_m = rng.uniform(0.9, 1.5) if share > 0.9 else rng.uniform(0.5, 1.4)
    camera = replace(
        view,
        pitch=float(
            np.clip(-np.arctan2(height_m - aim_m, distance_m), -0.75, 0.5) + rng.normal(0, 0.05)
        ),
        roll=float(rng.normal(0, 0.04)),
    )
    half_width = np.tan(view.field_of_view / 2)
    spots = [_Spot(float(rng.uniform(-0.75, 0.75) * distance_m * half_width), distance_m)]
    row = count > 2 and rng.random() < 0.3
    for _ in range(count - 1):
        for _ in range(_PLACING_TRIES):
            away_m = (
                distance_m + rng.normal(0, 0.15)
                if row
                else distance_m * np.exp(rng.normal(0.25, 0.45))
            )
            away_m = max(float(away_m), 0.8)
            spot = _Spot(float(rng.uniform(-1.05, 1.05) * away_m * half_width), away_m)
            if all(
                np.hypot(spot.x_m - other.x_m, spot.y_m - other.y_m) > _CLEARANCE_M
                for other in spots
            ):
                spots.append(spot)
                break
    return camera, spots


def _photo(width: int, height: int, backgrounds: Backgrounds, rng: np.random.Generator) -> Image:
    if backgrounds.photos is not None and rng.random() < 0.88:
        return backgrounds.photos.crop(height, width, rng)
    return _tinted(backgrounds.textures.crop(height, width, rng), rng)


def _surfaces(backgrounds: Backgrounds, rng: np.random.Generator) -> list[Image]:
    """Images of the ground and of two kinds of cloth."""
    slots = [backgrounds.textures.crop(SIZE_PX, SIZE_PX, rng)]
    for _ in _PRINT_SLOTS:
        source = (
            backgrounds.photos
            if backgrounds.photos is not None and rng.random() < 0.8
            else backgrounds.textures
        )
        slots.append(source.crop(SIZE_PX, SIZE_PX, rng, largest=0.7))
    return slots


def _tinted(image: Image, rng: np.random.Generator) -> Image:
    tint = 0.4 + 1.0 * np.asarray(random_colour(rng, 0.4, 1.0))
    return np.clip(image * tint.astype(np.float32), 0, 255).astype(np.uint8)


def _ground(backgrounds: Backgrounds, rng: np.random.Generator) -> Ground:
    if rng.random() < (0.3 if backgrounds.photos is not None else 0.7):
        red, green, blue = 0.5 + 0.8 * np.asarray(random_colour(rng, 0.3, 1.0))
        tint = (float(red), float(green), float(blue))
        return Ground(
            texture=_GROUND_SLOT,
            tile_m=float(rng.uniform(0.6, 3)),
            tint=tint,
            reach_m=float(rng.uniform(8, 40)),
        )
    return Ground(shadow=float(rng.uniform(0.25, 0.65)))


def _light(backdrop: Floats, ground: Ground, atlas: Floats, rng: np.random.Generator) -> Light:
    """As bright and as coloured as the background, so that people look as if they stood there."""
    mean = backdrop[::8, ::8].reshape(-1, 3).mean(0).astype(np.float64)
    if ground.texture is not None:
        mean = 0.5 * mean + 0.5 * atlas[ground.texture, ::64].mean(0)
    level = float(np.clip(mean.mean() / 0.22, 0.35, 1.35) * np.exp(rng.normal(0.0, 0.25)))
    cast = np.clip(mean / max(mean.mean(), 1e-3), 0.6, 1.5) ** 0.5
    sunny = rng.beta(1.5, 1.5) if rng.random() < 0.8 else 0.1
    azimuth, elevation = rng.uniform(-np.pi, np.pi), rng.uniform(0.35, 1.35)
    toward_camera = -abs(np.cos(azimuth)) if rng.random() < 0.75 else np.cos(azimuth)
    sun = (
        np.sin(azimuth) * np.cos(elevation),
        toward_camera * np.cos(elevation),
        np.sin(elevation),
    )
    warm = 1 + rng.uniform(0, 0.12) * np.array([1.0, 0.0, -1.0])

    def colour(strength: float, tint: np.ndarray) -> tuple[float, float, float]:
        red, green, blue = strength * level * tint
        return float(red), float(green), float(blue)

    return Light(
        sun=(float(sun[0]), float(sun[1]), float(sun[2])),
        sun_colour=colour(1.3 * sunny, warm),
        sky_colour=colour(1.0 - 0.55 * sunny, cast * warm[::-1] ** 0.5),
        ground_colour=colour(0.45 - 0.2 * sunny, cast),
        blur_px=float(rng.uniform(0.8, 5.0)),
    )


def _placed(
    figure: Figure, palette: Palette, posture: Posture, spot: _Spot, rng: np.random.Generator
) -> tuple[Actor, list[Prop]]:
    """The person on the spot, with whatever they sit on."""
    facing = np.arctan2(
        spot.x_m, spot.y_m
    )  # heading that looks into the camera, negative to the right
    heading = (
        float(-facing + rng.normal(0, 0.7))
        if rng.random() < 0.6
        else float(rng.uniform(-np.pi, np.pi))
    )
    pose = replace(posture.pose, heading=posture.pose.heading + heading)
    actor = Actor.stand(figure, palette, pose, spot.x_m, spot.y_m)
    furniture: list[Prop] = []
    if posture.seated:
        seat_m = float(actor.pelvis[2]) - _SITTING_DEPTH_M * actor.scale
        back = rng.random() < 0.6
        behind = 0.04  # the pelvis is over the middle of the seat
        base = (spot.x_m - behind * np.sin(heading), spot.y_m + behind * np.cos(heading), 0.0)
        if rng.random() < 0.65:
            furniture += chair(seat_m, base, heading, _surface(rng), back=back)
        else:
            width = float(rng.uniform(0.45, 1.6))
            furniture.append(box((width, 0.5, seat_m), base, heading, _surface(rng)))
        if rng.random() < 0.3:
            furniture.append(_table(actor, heading, seat_m, rng))
    elif rng.random() < 0.08:
        wrist = actor.keypoints[9 + int(rng.integers(2))]
        radius = float(rng.uniform(0.05, 0.14))
        centre = (float(wrist[0]), float(wrist[1]) - 0.05, float(wrist[2]) - 0.12 - radius / 2)
        furniture.append(ball(radius, centre, _surface(rng)))
    return actor, furniture


def _table(actor: Actor, heading: float, seat_m: float, rng: np.random.Generator) -> Prop:
    away = 0.62 * actor.scale + float(rng.uniform(0, 0.2))
    x = float(actor.pelvis[0]) + away * np.sin(heading)
    y = float(actor.pelvis[1]) - away * np.cos(heading)
    top_m = seat_m + 0.27 * actor.scale
    return box((float(rng.uniform(0.7, 1.8)), 0.6, 0.04), (x, y, top_m), heading, _surface(rng))


def _things(camera: Camera, spots: list[_Spot], rng: np.random.Generator) -> list[Prop]:
    """Boxes, posts and balls: a few about the place, and at times one in front of somebody."""
    half_width = np.tan(camera.field_of_view / 2)
    things: list[Prop] = []
    for _ in range(int(rng.choice(4, p=[0.45, 0.3, 0.15, 0.1]))):
        y = float(rng.uniform(2.0, 12.0))
        x = float(rng.uniform(-1, 1) * y * half_width)
        if all(np.hypot(x - spot.x_m, y - spot.y_m) > 0.9 for spot in spots):
            things.append(_thing(x, y, rng))
    if rng.random() < 0.3:
        hidden = spots[int(rng.integers(len(spots)))]
        share = float(rng.uniform(0.55, 0.8))
        x = share * hidden.x_m + float(rng.normal(0, 0.25))
        y = share * hidden.y_m
        if y > 1.0 and all(np.hypot(x - spot.x_m, y - spot.y_m) > 0.6 for spot in spots):
            things.append(_thing(x, y, rng))
    return things


def _thing(x: float, y: float, rng: np.random.Generator) -> Prop:
    kind = rng.random()
    if kind < 0.5:
        size = (
            float(rng.uniform(0.2, 1.2)),
            float(rng.uniform(0.2, 0.6)),
            float(rng.uniform(0.25, 1.1)),
        )
        return box(size, (x, y, 0.0), float(rng.uniform(-np.pi, np.pi)), _surface(rng))
    if kind < 0.85:
        return cylinder(
            float(rng.uniform(0.03, 0.2)), float(rng.uniform(0.5, 3.0)), (x, y, 0.0), _surface(rng)
        )
    radius = float(rng.uniform(0.1, 0.35))
    return ball(radius, (x, y, radius), _surface(rng))


def _surface(rng: np.random.Generator) -> Material:
    if rng.random() < 0.5:
        return Material(
            kind=Kind.LEATHER, colour=random_colour(rng), specular=float(rng.uniform(0, 0.15))
        )
    tint = random_colour(rng, 0.7, 1.0)
    repeats = float(rng.uniform(0.7, 2))
    return Material(
        kind=Kind.TEXTURE, colour=tint, texture=int(rng.integers(3)), repeats=repeats, specular=0.03
    )
