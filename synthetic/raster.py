"""The z-buffer: which triangle is in front at every pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from synthetic.mesh import Faces, Floats


@kernel(fastmath=True)
def rasterise(screen: Floats, faces: Faces, nearness: Floats, front: NDArray[np.int32]) -> None:
    """Draws the faces into `nearness` (h, w) and `front` (h, w).

    screen (n, 3) holds pixel x, y and a nearness that is linear on the screen and grows towards the
    viewer (inverse depth for a camera); a face with a corner whose nearness is not positive is left
    out. `front` becomes the index of the frontmost face where it is nearer than what `nearness`
    held. Both sides of a face are drawn.
    """
    height, width = nearness.shape
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        za, zb, zc = screen[a, 2], screen[b, 2], screen[c, 2]
        if za <= 0 or zb <= 0 or zc <= 0:
            continue
        ax, ay, bx, by, cx, cy = (
            screen[a, 0],
            screen[a, 1],
            screen[b, 0],
            screen[b, 1],
            screen[c, 0],
            screen[c, 1],
        )
        left, right = (
            max(0, int(np.ceil(min(ax, bx, cx)))),
            min(width - 1, int(np.floor(max(ax, bx, cx)))),
        )
        top, bottom = (
            max(0, int(np.ceil(min(ay, by, cy)))),
            min(height - 1, int(np.floor(max(ay, by, cy)))),
        )
        if left > right or top > bottom:
            continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9:
            continue
        inverse = 1 / area
        step_b, step_c = (cy - ay) * inverse, -(by - ay) * inverse
        for y in range(top, bottom + 1):
            share_b = ((left - ax) * (cy - ay) - (y - ay) * (cx - ax)) * inverse
            share_c = ((bx - ax) * (y - ay) - (by - ay) * (left - ax)) * inverse
            for x in range(left, right + 1):
                share_a = 1 - share_b - share_c
                if share_a >= 0 and share_b >= 0 and share_c >= 0:
                    near = share_a * za + share_b * zb + share_c * zc
                    if near > nearness[y, x]:
                        nearness[y, x] = near
                        front[y, x] = f
                share_b += step_b
                share_c += step_c
