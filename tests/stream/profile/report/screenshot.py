"""An image of a report, as docs/images/profile.png is made:

python run_stream.py demo --realtime --profile out -o out/people.jsonl
python -m tests.stream.profile.report.screenshot out/report.html docs/images/profile.png
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.support.chromium import browser

WIDTH, HEIGHT = 1240, 1560


def main() -> None:
    report, image = (Path(argument).resolve() for argument in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as page:
        theme = sys.argv[3] if len(sys.argv) > 3 else "light"
        page.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": theme}],
        )
        page.call(
            "Emulation.setDeviceMetricsOverride",
            width=WIDTH,
            height=HEIGHT,
            deviceScaleFactor=1,
            mobile=False,
        )
        page.call("Emulation.setScrollbarsHidden", hidden=True)
        page.open(report.as_uri())
        page.wait_for("document.readyState === 'complete' && document.title")
        page.screenshot(image)
    Image.open(image).convert("RGB").quantize(256, Image.Quantize.FASTOCTREE).save(
        image, optimize=True
    )


if __name__ == "__main__":
    main()
