"""Maps to people: whose joint is whose, from heatmaps and tags; numpy and numba only.

grouper = Grouper.for_model(estimator)
people = grouper(maps.heatmaps, maps.tags, maps.candidates).to_image(maps.alignment)
"""

from grouping.candidates import Candidates
from grouping.grouper import Grouper
from grouping.people import Alignment, People

__all__ = ["Alignment", "Candidates", "Grouper", "People"]
