"""The clip that ships with this project: rendered people who walk about a plaza (`synthetic`)."""

from __future__ import annotations

from pathlib import Path

DEMO_CLIP = Path(__file__).with_name("data") / "plaza.mp4"
"""H.264, what `demo` names as a source."""

DEMO_TRUTH = Path(__file__).with_name("data") / "plaza_truth.json.gz"
"""Where everybody in it is: a list of frames, each a list of people with keypoints and area."""

DEMO_FRAMES = 200
"""How many frames it has, 25 a second."""
