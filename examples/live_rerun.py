"""A live view in the viewer of Rerun (https://rerun.io), or a file that it opens.

python examples/live_rerun.py 0
python examples/live_rerun.py demo people.rrd
"""

import sys

import cv2
import rerun

from higherhrnet_stream import iterate, load_keypoint_set

JOINTS = load_keypoint_set("coco")


def main(source: str, file: str | None = None) -> None:
    rerun.init("higherhrnet_stream", spawn=file is None)
    if file is not None:
        rerun.save(file)
    for frame, people in iterate(source):
        rerun.set_time("video", duration=frame.time_s)
        picture = rerun.Image(cv2.cvtColor(frame.image, cv2.COLOR_BGR2RGB))
        rerun.log("video", picture.compress(jpeg_quality=80))
        limbs = [
            joints[list(link), :2]
            for joints in people.keypoints
            for link in JOINTS.links
            if joints[list(link), 2].min() > 0.1
        ]
        rerun.log("video/people", rerun.LineStrips2D(limbs, radii=2.0))
        rerun.log("people", rerun.Scalars(len(people)))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
