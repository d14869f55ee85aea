"""High dynamic range into what SDR screens show: HLG (phones, broadcasts) and PQ (HDR10).

Read as if they were SDR, such frames are grey and flat, and networks, which have seen SDR
photographs, find fewer joints in them.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel

PQ, HLG = 16, 18  # FFmpeg's AVCOL_TRC_SMPTE2084 and AVCOL_TRC_ARIB_STD_B67 (libavutil/pixfmt.h)

_WHITE_NITS = 203.0  # diffuse white (ITU-R BT.2408); SDR's white
_PEAK_NITS = 1000.0  # of the nominal HLG display, and what most PQ is mastered for
_PEAK = _PEAK_NITS / _WHITE_NITS
_KNEE = 0.5  # luminance up to which nothing is compressed, as a share of diffuse white
_SDR_GAMMA = 2.2
_HLG_GAMMA = 1.2  # of the system at 1000 nits (ITU-R BT.2100)
_CODES, _STEPS, _LEVELS = 1 << 12, 1 << 14, 1 << 16
_SHIFT = 4  # from 16 bits to the 12 that codes are told apart by

# Luminance of BT.2020, and its primaries in those of BT.709 (ITU-R BT.2087).
_RED, _GREEN, _BLUE = 0.2627, 0.6780, 0.0593
_TO_BT709 = (
    (1.6605, -0.5876, -0.0728),
    (-0.1246, 1.1329, -0.0083),
    (-0.0182, -0.1006, 1.1187),
)


def tone_map(pixels: NDArray[np.uint16], transfer: int, out: NDArray[np.uint8]) -> None:
    """Converts a frame of high dynamic range to SDR.

    Args:
        pixels: (H, W, 3) uint16 BGR, full range, BT.2020 primaries, not linear.
        transfer: `PQ` or `HLG`.
        out: (H, W, 3) uint8 BGR, sRGB primaries; filled.
    """
    linear, gains = _tables(transfer)
    _map_pixels(pixels, linear, gains, _sdr_codes(), out)


@cache
def _tables(transfer: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Light by code, and what that is multiplied by according to its luminance: shares of the peak
    in, shares of SDR's white out.
    """
    codes = np.arange(_CODES) / (_CODES - 1)
    luminance = np.maximum(np.arange(_STEPS), 0.5) / (_STEPS - 1)
    if transfer == HLG:
        linear = _hlg_light(codes)
        shown = _PEAK * luminance**_HLG_GAMMA  # what the display adds to the light of the scene
    else:
        linear = np.minimum(_pq_nits(codes) / _PEAK_NITS, 1.0)
        shown = _PEAK * luminance
    return linear.astype(np.float32), (_compressed(shown) / luminance).astype(np.float32)


def _hlg_light(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light of the scene, 0..1 (ITU-R BT.2100, inverse of HLG's OETF)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    light: NDArray[np.float64] = np.where(
        codes <= 0.5, codes**2 / 3, (np.exp((codes - c) / a) + b) / 12
    )
    return light


def _pq_nits(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light of the display in nits (SMPTE ST 2084, EOTF)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = codes ** (1 / m2)
    nits: NDArray[np.float64] = 10_000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return nits


def _compressed(luminance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Luminance in shares of diffuse white: as it is up to the knee, then ever flatter until the
    peak is 1 (Reinhard's curve, which begins with slope 1).
    """
    above = np.maximum(luminance - _KNEE, 0) / (1 - _KNEE)
    longest = (_PEAK - _KNEE) / (1 - _KNEE)
    squeezed = _KNEE + (1 - _KNEE) * above * (1 + above / longest**2) / (1 + above)
    return np.where(luminance <= _KNEE, luminance, squeezed)


@cache
def _sdr_codes() -> NDArray[np.uint8]:
    light = np.arange(_LEVELS) / (_LEVELS - 1)
    return np.round(255 * light ** (1 / _SDR_GAMMA)).astype(np.uint8)


@kernel(fastmath=True)
def _map_pixels(
    pixels: NDArray[np.uint16],
    linear: NDArray[np.float32],
    gains: NDArray[np.float32],
    sdr: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> None:
    for row in range(pixels.shape[0]):
        for column in range(pixels.shape[1]):
            blue = linear[pixels[row, column, 0] >> _SHIFT]
            green = linear[pixels[row, column, 1] >> _SHIFT]
            red = linear[pixels[row, column, 2] >> _SHIFT]
            luminance = _RED * red + _GREEN * green + _BLUE * blue
            gain = gains[min(int(luminance * (_STEPS - 1)), _STEPS - 1)]
            for channel in range(3):
                of_red, of_green, of_blue = _TO_BT709[2 - channel]
                light = gain * (of_red * red + of_green * green + of_blue * blue)
                light = min(max(light, 0.0), 1.0)
                out[row, column, channel] = sdr[int(light * (_LEVELS - 1))]
