"""Where pictures come from."""

from stream.sources.address import open_source
from stream.sources.base import FrameSlot, Source, SourceHealth, State

__all__ = ["FrameSlot", "Source", "SourceHealth", "State", "open_source"]
