"""Maps to people."""

from grouping.people import People

__all__ = ["People"]
