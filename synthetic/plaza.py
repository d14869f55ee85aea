"""The stage of a clip: a paved square before a brick building, or a photograph, and the people who
pass by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from synthetic.actor import Actor
from synthetic.bodies import Body, BodyLibrary
from synthetic.camera import Camera
from synthetic.clothes import Figure
from synthetic.gait import Gait, Stride
from synthetic.ground import Ground
from synthetic.light import Light
from synthetic.materials import Kind, Material, linear
from synthetic.mesh import Floats
from synthetic.performance import Moment, Performance, Sit, Stand, Walk
from synthetic.photos import PhotoLibrary
from synthetic.props import Prop, ball, box
from synthetic.scene import Scene
from synthetic.textures import build_atlas, to_linear
from synthetic.wardrobe import Palette, random_person

_GRAVEL, _BRICK, _GRASS = 0, 1, 2
_WALL_M = 11.0
_NEAREST_M, _FARTHEST_M = 3.6, 8.5
_CLEARANCE_M = 0.7
_TRIES = 60
_CHECKS_HZ = 5


@dataclass(frozen=True)
class Player:
    figure: Figure
    palette: Palette
    performance: Performance

    def at(self, time_s: float) -> Moment:
        return self.performance.at(time_s)


@dataclass(frozen=True)
class Plaza:
    """Everything of the scene that stands still, and the players."""

    still: Scene
    players: list[Player]

    def scene(self, time_s: float) -> Scene:
        """The scene at a moment; its actors are the players, in order."""
        actors = []
        for player in self.players:
            moment = player.at(time_s)
            actors.append(
                Actor.stand(player.figure, player.palette, moment.pose, moment.x_m, moment.y_m)
            )
        still = self.still
        return Scene(
            camera=still.camera, actors=actors, props=still.props, light=still.light,
            ground=still.ground, backdrop=still.backdrop, atlas=still.atlas,
        )  # fmt: skip


def open_plaza(
    width: int,
    height: int,
    people: int,
    duration_s: float,
    library: BodyLibrary,
    textures: PhotoLibrary,
    photos: PhotoLibrary | None,
    rng: np.random.Generator,
    *,
    cast: Callable[[BodyLibrary, np.random.Generator], list[Player]] | None = None,
    things: Sequence[Prop] = (),
) -> Plaza:
    """A stage with up to `people` players who never walk through each other, or with those of
    `cast`; before a photograph where there are any. `things` stand about besides.
    """
    camera = Camera(
        width=width,
        height=height,
        height_m=1.6,
        field_of_view=0.82 * min(1.0, width / height / 1.33),
        pitch=-0.085,
    )
    names = {name.removesuffix(".png"): index for index, name in enumerate(textures.names)}
    gravel, brick, grass = (textures.read(names[name]) for name in ("gravel", "brick", "grass"))
    atlas = build_atlas([gravel, np.rot90(brick).copy(), grass])
    light = Light(
        sun_colour=(1.15, 1.09, 0.98), sky_colour=(0.42, 0.46, 0.52), blur_px=1.2 * height / 480
    )
    if photos is None:
        backdrop, ground, props = (
            _sky(camera),
            Ground(texture=_GRAVEL, tile_m=1.7, tint=(1.5, 1.45, 1.35), reach_m=60.0),
            _building(rng),
        )
    else:
        backdrop, ground, props = to_linear(photos.crop(height, width, rng)), Ground(), []
    if cast is None:
        players = _players(people, duration_s, camera, library, rng)
    else:
        players = cast(library, rng)
    props += things
    for player in players:
        if isinstance(player.performance, Sit):
            props += _bench(player)
    still = Scene(
        camera=camera,
        actors=[],
        props=props,
        light=light,
        ground=ground,
        backdrop=backdrop,
        atlas=atlas,
    )
    return Plaza(still, players)


def _players(
    people: int, duration_s: float, camera: Camera, library: BodyLibrary, rng: np.random.Generator
) -> list[Player]:
    """Players one after the other, each placed so that nobody who is there already is met."""
    players: list[Player] = []
    times_s = np.linspace(0, duration_s, max(2, int(duration_s * _CHECKS_HZ)))
    tracks: list[np.ndarray] = []
    for index in range(people):
        figure, palette = random_person(library, [], rng)
        for _ in range(_TRIES):
            player = Player(figure, palette, _performance(index, figure.body, camera, rng))
            track = np.array([(moment.x_m, moment.y_m) for moment in map(player.at, times_s)])
            near_camera = track[:, 1].min() < 0.6 * _NEAREST_M
            if not near_camera and all(
                np.hypot(*(track - other).T).min() > _CLEARANCE_M for other in tracks
            ):
                players.append(player)
                tracks.append(track)
                break
    return players


def _performance(index: int, body: Body, camera: Camera, rng: np.random.Generator) -> Performance:
    """The first players are of every kind, later ones mostly walk."""
    kind = index % 7
    y = float(rng.uniform(_NEAREST_M, _FARTHEST_M))
    edge = y * float(np.tan(camera.field_of_view / 2))
    x = float(rng.uniform(-0.8, 0.8)) * edge
    phase = float(rng.random())
    if kind == 1:
        return Stand(heading=float(rng.normal(0, 0.3)), x_m=x, y_m=y, waving=True, phase=phase)
    if kind == 4:
        return Sit(heading=float(rng.normal(0, 0.5)), x_m=x, y_m=y, phase=phase)
    if kind == 5:
        return Stand(heading=float(rng.uniform(-1.5, 1.5)), x_m=x, y_m=y, phase=phase)
    if kind == 3:  # comes closer
        return Walk(
            stride=Stride.of(Gait(phase=phase), body),
            heading=float(rng.normal(0, 0.15)),
            x_m=0.4 * x,
            y_m=_FARTHEST_M + float(rng.uniform(0, 2)),
        )
    running = kind == 6
    gait = Gait(
        running=running,
        phase=phase,
        amplitude=float(rng.uniform(0.9, 1.1)),
        cadence_hz=1.35 if running else float(rng.uniform(0.9, 1.0)),
    )
    side = 1.0 if rng.random() < 0.5 else -1.0
    start = side * edge * float(rng.uniform(0.3, 1.25))
    return Walk(
        stride=Stride.of(gait, body),
        heading=-side * (np.pi / 2 + float(rng.normal(0, 0.08))),
        x_m=start,
        y_m=y,
    )


def _sky(camera: Camera) -> Floats:
    top, bottom = linear((0.45, 0.62, 0.85)), linear((0.86, 0.90, 0.93))
    share = np.linspace(0, 1, camera.height)[:, None, None] ** 0.7
    rows = top * (1 - share) + bottom * share
    return np.ascontiguousarray(np.broadcast_to(rows, (camera.height, camera.width, 3)), np.float32)


def _building(rng: np.random.Generator) -> list[Prop]:
    def plain(red: float, green: float, blue: float, specular: float = 0.0) -> Material:
        return Material(kind=Kind.LEATHER, colour=(red, green, blue), specular=specular)

    brick = Material(
        kind=Kind.TEXTURE, colour=(1.0, 0.80, 0.70), texture=_BRICK, repeats=0.55, specular=0.0
    )
    grass = Material(
        kind=Kind.TEXTURE, colour=(0.55, 0.80, 0.30), texture=_GRASS, repeats=0.7, specular=0.0
    )
    frame, glass = plain(0.85, 0.85, 0.82), plain(0.36, 0.46, 0.58, 0.3)
    props = [
        box((40, 0.5, 3.6), (0, _WALL_M, 0), 0.0, brick),
        box((40, 1.9, 0.02), (0, _WALL_M - 1.6, 0), 0.0, grass),
        box((40, 0.12, 0.05), (0, _WALL_M - 2.6, 0), 0.0, plain(0.6, 0.6, 0.57)),
        box((40, 0.6, 0.15), (0, _WALL_M, 3.6), 0.0, plain(0.5, 0.5, 0.5)),
    ]
    for x in np.arange(-9.6, 9.7, 2.4):
        props.append(box((1.3, 0.1, 1.5), (float(x), _WALL_M - 0.26, 1.5), 0.0, frame))
        props += [
            box((0.54, 0.1, 1.3), (float(x) + side, _WALL_M - 0.29, 1.6), 0.0, glass)
            for side in (-0.3, 0.3)
        ]
    for _ in range(7):
        x, radius = float(rng.uniform(-7, 7)), float(rng.uniform(0.35, 0.75))
        leaves = Material(
            kind=Kind.TEXTURE, colour=(0.55, 0.68, 0.38), texture=_GRASS, repeats=1.3, specular=0.0
        )
        props.append(ball(radius, (x, _WALL_M - 1.2, 0.7 * radius), leaves))
    return props


def _bench(player: Player) -> list[Prop]:
    moment = player.at(0.0)
    actor = Actor.stand(player.figure, player.palette, moment.pose, moment.x_m, moment.y_m)
    seat_m = float(actor.pelvis[2]) - 0.085 * actor.scale
    heading = moment.pose.heading
    wood = Material(kind=Kind.LEATHER, colour=(0.42, 0.28, 0.17), specular=0.03)
    base = (moment.x_m - 0.06 * np.sin(heading), moment.y_m + 0.06 * np.cos(heading))
    along = np.array([np.cos(heading), np.sin(heading)])
    legs = [base + side * 0.55 * along for side in (-1, 1)]
    return [
        box((1.5, 0.45, 0.06), (base[0], base[1], seat_m - 0.06), heading, wood),
        *(
            box((0.08, 0.4, seat_m - 0.06), (float(x), float(y), 0.0), heading, wood)
            for x, y in legs
        ),
    ]
