"""What parity is like where nothing differs."""

from engine.verify.maps import Parity

PERFECT = Parity(
    images=1,
    heatmap_max=0,
    heatmap_mean=0,
    tag_max=0,
    tag_mean=0,
    peaks=100,
    peaks_lost=0,
    peaks_gained=0,
    peak_drift_px=0,
)
