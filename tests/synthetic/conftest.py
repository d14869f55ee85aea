"""Small synthetic people: one library, one dressed figure, one scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from configs.units import Size
from synthetic.actor import Actor
from synthetic.bodies import Body, BodyLibrary, load_bodies
from synthetic.camera import Camera
from synthetic.clothes import Cut, Figure, dress
from synthetic.ground import Ground
from synthetic.images import ImageMaker, ImagesConfig
from synthetic.light import Light
from synthetic.pose import Pose
from synthetic.scene import Scene
from synthetic.textures import build_atlas
from synthetic.wardrobe import Palette, random_palette

SIZE = Size(160, 120)


@pytest.fixture(scope="session")
def library() -> BodyLibrary:
    return load_bodies()


@pytest.fixture(scope="session")
def body(library: BodyLibrary) -> Body:
    return library.sample(np.random.default_rng(4), "woman")


@pytest.fixture(scope="session")
def figure(body: Body) -> Figure:
    return dress(body, Cut())


@pytest.fixture(scope="session")
def palette(figure: Figure) -> Palette:
    return random_palette(figure, Cut(), True, [], np.random.default_rng(5))


@pytest.fixture(scope="session")
def standing(figure: Figure, palette: Palette) -> Scene:
    """One person three metres in front of a camera that sees all of her."""
    camera = Camera(width=160, height=160, height_m=1.0, field_of_view=0.8)
    return Scene(
        camera=camera,
        actors=[Actor.stand(figure, palette, Pose(), 0.0, 3.0)],
        light=Light(),
        ground=Ground(),
        backdrop=np.full((160, 160, 3), 0.3, np.float32),
        atlas=build_atlas([np.full((8, 8, 3), 128, np.uint8)]),
    )


@pytest.fixture(scope="session")
def maker() -> ImageMaker:
    pytest.importorskip("skimage", reason="textures need the extra synthetic")
    return ImageMaker(ImagesConfig(size=(SIZE,), seed=7))


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder with three pictures of noise, too small to be slow."""
    import cv2

    folder = tmp_path / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(3):
        cv2.imwrite(str(folder / f"{index}.png"), rng.integers(0, 256, (200, 260, 3), np.uint8))
    return folder
