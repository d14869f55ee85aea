"""Smooth noise in space, for skin, hair, cloth folds and leaves."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from basics.kernels import kernel
from synthetic.mesh import Floats

_CELLS = 64
_BLUR_CELLS = 1.2


@lru_cache(maxsize=1)
def noise_table() -> Floats:
    """(64, 64, 64) float32 with mean 0 and standard deviation 1 that repeats seamlessly; the same
    in every run.
    """
    white = np.random.default_rng(1).standard_normal((_CELLS,) * 3)
    frequency = (
        np.fft.fftfreq(_CELLS)[:, None, None] ** 2 + np.fft.fftfreq(_CELLS)[None, :, None] ** 2
    )
    frequency = frequency + np.fft.rfftfreq(_CELLS)[None, None, :] ** 2
    smooth = np.fft.irfftn(
        np.fft.rfftn(white) * np.exp(-2 * (np.pi * _BLUR_CELLS) ** 2 * frequency),
        s=white.shape,
        axes=(0, 1, 2),
    )
    return np.asarray(smooth / smooth.std(), np.float32)


@kernel(fastmath=True)
def noise(table: Floats, x: float, y: float, z: float) -> float:
    """Trilinear sample; coordinates are in cells, of which features span about three."""
    x0, y0, z0 = np.floor(x), np.floor(y), np.floor(z)
    fx, fy, fz = x - x0, y - y0, z - z0
    i, j, k = int(x0) & 63, int(y0) & 63, int(z0) & 63
    i1, j1, k1 = (i + 1) & 63, (j + 1) & 63, (k + 1) & 63
    near = (table[i, j, k] * (1 - fx) + table[i1, j, k] * fx) * (1 - fy) + (
        table[i, j1, k] * (1 - fx) + table[i1, j1, k] * fx
    ) * fy
    far = (table[i, j, k1] * (1 - fx) + table[i1, j, k1] * fx) * (1 - fy) + (
        table[i, j1, k1] * (1 - fx) + table[i1, j1, k1] * fx
    ) * fy
    value: float = near * (1 - fz) + far * fz
    return value
