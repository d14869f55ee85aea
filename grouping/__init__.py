"""Maps to people."""

from grouping.candidates import Candidates
from grouping.grouper import Grouper
from grouping.people import People

__all__ = ["Candidates", "Grouper", "People"]
