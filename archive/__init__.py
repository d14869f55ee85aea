"""Archives of videos: the same records as a run over each, on one machine or many."""

from basics.quiet_start import leave_quietly

leave_quietly(__name__)

from archive.command import run_archive
from archive.config import ClusterConfig, OutputsConfig, Settings
from archive.driver import End
from archive.progress import Progress

__all__ = ["ClusterConfig", "End", "OutputsConfig", "Progress", "Settings", "run_archive"]
