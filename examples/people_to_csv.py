"""One line for every person of every frame: python examples/people_to_csv.py demo > people.csv"""

import csv
import sys

from higherhrnet_stream import iterate


def main(source: str, limit: int | None = None) -> None:
    table = csv.writer(sys.stdout)
    table.writerow(["frame", "time_s", "score", "x", "y", "width", "height"])
    for frame, people in iterate(source):
        for score, box in zip(people.scores, people.boxes, strict=True):
            numbers = [round(float(number), 2) for number in (score, *box)]
            table.writerow([frame.index, f"{frame.time_s:.3f}", *numbers])
        if limit is not None and frame.index + 1 >= limit:
            break  # ends the background work


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None)
