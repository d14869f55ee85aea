"""Keypoints of a video as a table of pandas, and a plot of where everybody's left ankle is.

python examples/people_to_pandas.py demo ankles.png
"""

import sys

import matplotlib
import pandas

from higherhrnet_stream import PipelineConfig, iterate, load_keypoint_set

matplotlib.use("Agg")  # draws into files, without a window


def read_table(source: str, frames: int | None = None) -> pandas.DataFrame:
    """A row for every joint that was found, of every person in every frame."""
    names = load_keypoint_set("coco").names
    rows = [
        (frame.index, frame.time_s, int(person), name, x, y, score)
        for frame, people in iterate(source, pipeline=PipelineConfig(frames=frames))
        for person, joints in zip(people.ids, people.keypoints.tolist(), strict=True)
        for name, (x, y, score) in zip(names, joints, strict=True)
        if person >= 0 and score > 0.1
    ]
    return pandas.DataFrame(rows, columns=["frame", "time_s", "person", "joint", "x", "y", "score"])


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    table = read_table(sys.argv[1], int(sys.argv[3]) if len(sys.argv) > 3 else None)
    print(table.groupby("person")["frame"].agg(["min", "max", "nunique"]))
    ankles = table[table["joint"] == "left_ankle"]
    plot = ankles.pivot(index="time_s", columns="person", values="x").plot(ylabel="x in pixels")
    plot.figure.savefig(sys.argv[2])
