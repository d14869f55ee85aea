"""Where frames come from."""

from stream.sources.address import open_source
from stream.sources.base import FrameSlot, Source, SourceHealth, State
from stream.sources.opening import open_sources

__all__ = ["FrameSlot", "Source", "SourceHealth", "State", "open_source", "open_sources"]
