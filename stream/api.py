"""People of a video, for programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from grouping import People
from stream.estimator import Estimator, suitable_grouper
from stream.frame import Frame
from stream.pipeline.config import PipelineConfig
from stream.pipeline.pipeline import Pipeline
from stream.sources import Source, open_source
from stream.sources.config import SourceConfig


def iterate(
    source: str | Source,
    *,
    model: str | Estimator = "lite",
    options: PipelineConfig | None = None,
    source_config: SourceConfig | None = None,
) -> Iterator[tuple[Frame, People]]:
    """Every frame with its people, in order; decoding, inference and grouping go on in the
    background.

        for frame, people in iterate("clip.mp4"):
            print(frame.time_s, people.boxes)

    source: what `open_source` understands, or a source that is open already.
    model: preset or file, for `engine.open_estimator`; or an estimator that is open already.

    Frame and people are in displayed source pixels; the frame is lent until the next one is asked
    for. Raises SourceError, ConfigError and whatever the engine raises. Leaving the loop ends the
    background work.
    """
    with ExitStack() as stack:
        opened = (
            stack.enter_context(open_source(source, source_config))
            if isinstance(source, str)
            else source
        )
        if isinstance(model, str):
            from engine import (
                open_estimator,
            )  # late: a program that brings its own estimator needs no runtime

            estimator: Estimator = stack.enter_context(open_estimator(model))
        else:
            estimator = model
        grouper = suitable_grouper(estimator)
        pipeline = stack.enter_context(Pipeline([opened], estimator, grouper, options=options))
        yield from pipeline.results()
