"""What monitoring systems ask a run: metrics for Prometheus, and whether it is alive and ready."""

from stream.monitoring.config import MetricsConfig
from stream.monitoring.monitor import Monitor

__all__ = ["MetricsConfig", "Monitor"]
