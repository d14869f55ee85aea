"""Where frames come from."""

from stream.sources.base import Source, SourceHealth, State
from stream.sources.config import SourceConfig
from stream.sources.making import make_source, source_labels
from stream.sources.opening import open_source, open_sources, opened
from stream.sources.pictures import is_photograph

__all__ = [
    "Source",
    "SourceConfig",
    "SourceHealth",
    "State",
    "is_photograph",
    "make_source",
    "open_source",
    "open_sources",
    "opened",
    "source_labels",
]
