"""People drawn by the annotators of `supervision`, into a video.

python examples/with_supervision.py demo out.mp4
"""

import sys

import supervision

from higherhrnet_stream import Frame, People, RenderConfig, run

edges = supervision.EdgeAnnotator(color=supervision.Color.GREEN, thickness=3)
vertices = supervision.VertexAnnotator(color=supervision.Color.RED, radius=4)


def draw(frame: Frame, people: People) -> None:
    """A stage: what it draws into the frame is in every output."""
    key_points = people.to_supervision()
    edges.annotate(frame.image, key_points)
    vertices.annotate(frame.image, key_points)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    print(run(sys.argv[1], sys.argv[2], stages=[draw], render=RenderConfig(skeletons=False)))
