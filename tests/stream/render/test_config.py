"""What keys and buttons do to the options of the drawing."""

from __future__ import annotations

import pytest

from stream.render.config import OVERLAYS, Overlay, RenderConfig


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_overlay_is_turned_on_and_off_again(overlay: Overlay) -> None:
    start = RenderConfig()
    once = start.toggled(overlay)
    assert once != start
    assert once.toggled(overlay) == start


def test_there_are_heatmaps_or_tags_and_never_both() -> None:
    assert RenderConfig().toggled("heatmaps").toggled("tags").maps == "tags"
