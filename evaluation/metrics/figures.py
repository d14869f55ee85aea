"""What all figures have in common: they become JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """Base of dataclasses whose fields are numbers; nan stands for a figure of nobody."""

    def to_json(self) -> dict[str, float | None]:
        """Name -> figure, rounded to a millionth, with None for nan, which JSON does not know."""
        return json_figures(dataclasses.asdict(self))


def json_figures(values: Mapping[str, float]) -> dict[str, float | None]:
    """Numbers by name as JSON has them; whole numbers stay whole."""
    return {name: None if math.isnan(value) else round(value, 6) for name, value in values.items()}
