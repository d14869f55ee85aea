"""One image of a scene with its labels, supersampled if wanted."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from synthetic.labels import Label, label_people
from synthetic.scene import Scene, render
from synthetic.sensor import Sensor, expose


def capture(
    scene: Scene, sensor: Sensor, rng: np.random.Generator, supersampling: int = 1
) -> tuple[NDArray[np.uint8], list[Label]]:
    """The image (h, w, 3) uint8 BGR of the size that the camera says, and a label for every
    actor.
    """
    if supersampling == 1:
        rendering = render(scene)
        labels = label_people(rendering, scene.actors)
        return expose(rendering, sensor, rng), labels
    width, height = scene.camera.width, scene.camera.height
    large = (width * supersampling, height * supersampling)
    fine = replace(
        scene,
        camera=scene.camera.scaled(supersampling),
        backdrop=np.asarray(
            cv2.resize(scene.backdrop, large, interpolation=cv2.INTER_LINEAR), np.float32
        ),
        light=replace(scene.light, blur_px=scene.light.blur_px * supersampling),
    )
    rendering = render(fine)
    labels = label_people(rendering, scene.actors, supersampling)
    small = cv2.resize(rendering.image, (width, height), interpolation=cv2.INTER_AREA)
    smooth = replace(
        rendering, image=np.asarray(small, np.float32), edges=np.zeros((height, width), np.uint8)
    )
    return expose(smooth, sensor, rng), labels
