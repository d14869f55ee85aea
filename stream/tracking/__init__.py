"""Who is who from frame to frame, and joints that do not jitter."""

from stream.tracking.config import TrackingConfig
from stream.tracking.stage import DOUBTFUL_SHARE, TrackingStage
from stream.tracking.tracker import Tracker

__all__ = ["DOUBTFUL_SHARE", "Tracker", "TrackingConfig", "TrackingStage"]
