"""The whole way from sources to outputs, for programs and for the command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import DataError
from configs.loading import from_mapping
from engine import EstimatorConfig, InputSize
from grouping import People
from stream.assembly import open_run, run_facts
from stream.estimator import (
    Estimator,
    Group,
    Model,
    PeopleConfig,
    enter_estimator,
    suitable_grouper,
)
from stream.frame import Frame
from stream.monitoring import MetricsConfig, Monitor
from stream.named_source import Input
from stream.pipeline.config import PipelineConfig
from stream.pipeline.pipeline import Pipeline
from stream.pipeline.progress import Progress
from stream.pipeline.stages import Stage
from stream.pipeline.summary import Summary
from stream.pipeline.timing import Timings
from stream.pipeline.workers import run_info
from stream.profile import ProfileConfig, Profiler, nvtx_ranges
from stream.profile.command import shown_command
from stream.render.config import RenderConfig
from stream.render.renderer import Renderer
from stream.sinks import (
    BrowserConfig,
    MqttConfig,
    Output,
    OutputConfig,
    VideoConfig,
)
from stream.sources import SourceConfig
from stream.tracking import TrackingConfig


def run(
    sources: Input | Sequence[Input],
    outputs: Output | Sequence[Output] = (),
    *,
    estimator: Model = "lite",
    people: PeopleConfig | None = None,
    tracking: TrackingConfig | None = None,
    source: SourceConfig | None = None,
    pipeline: PipelineConfig | None = None,
    output: OutputConfig | None = None,
    render: RenderConfig | None = None,
    video: VideoConfig | None = None,
    browser: BrowserConfig | None = None,
    mqtt: MqttConfig | None = None,
    profile: ProfileConfig | Profiler | None = None,
    metrics: MetricsConfig | None = None,
    grouper: Group | None = None,
    stages: Sequence[Stage] = (),
    on_start: Callable[[Pipeline], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_end: Callable[[Pipeline], None] | None = None,
) -> Summary:
    """Reads sources to their end, finds the people, and writes outputs.

        run("clip.mp4", ["out.mp4", "people.jsonl"])

    Args:
        sources: One or several: paths, folders, camera numbers, addresses, `demo`, or sources of
            one's own, which are opened and closed here; a NamedSource has outputs and options of
            its own.
        outputs: One or several: paths and addresses, by suffix or scheme, `{source}` in them for
            the name of the source; sinks of one's own; or what makes one from the name of the
            source.
        estimator: The model, and what executes it, and where:
            `EstimatorConfig(device=parse_devices("cuda:1"))`; or an estimator that is open, and
            stays so.
        people: Which people are kept.
        tracking: Whether and how people get identities that last; on by default.
        source: How cameras and network streams are opened and kept open.
        pipeline: Which frames are used, and how they go through.
        output: What may be replaced.
        render: What is drawn into the images that outputs show.
        video: How video files and streams are encoded.
        browser: Whom the browser page is served to.
        mqtt: How messages are sent to an MQTT broker.
        profile: What is measured; or a profiler, which has the figures afterwards.
        metrics: Where metrics are served.
        grouper: Takes the place of the reference decoder.
        stages: Steps of one's own between grouping and rendering, in this order.
        on_start: Called with the pipeline before its first frame; `pipeline.stop` ends the run
            soon, from any thread or signal handler.
        on_progress: Called about ten times a second, in this thread.
        on_end: Called with the pipeline when all outputs are finished and nothing is closed yet,
            whatever happened; `pipeline.summary()` says what it came to.

    Returns:
        What the run came to.

    Raises:
        ConfigError: What was asked for does not go together; told before anything is opened.
        SourceError: A source cannot be opened, or was lost for good.
        SinkError: An output cannot be written.
        ModelError: The model cannot be used; CheckpointError, RuntimeUnavailableError and
            ExecutionError likewise. All of them are PoseStreamErrors.
    """
    if isinstance(profile, ProfileConfig):
        profile = Profiler(profile) if profile.profile or profile.benchmark else None
    inputs, chosen = _as_list(sources), _as_list(outputs)
    with ExitStack() as stack:
        monitor = None
        if metrics is not None and metrics.metrics is not None:
            monitor = stack.enter_context(Monitor(metrics.metrics))
        parts = stack.enter_context(
            open_run(
                inputs,
                chosen,
                estimator=estimator,
                people=people,
                tracking=tracking,
                source=source,
                pipeline=pipeline,
                output=output,
                render=render,
                video=video,
                browser=browser,
                mqtt=mqtt,
                grouper=grouper,
                stages=stages,
                timings=Timings(ranges=nvtx_ranges()) if profile is None else profile.timings,
                also_written=[] if profile is None else [profile],
            )
        )
        if monitor is not None:
            monitor.watch(parts.pipeline, parts.labels, run_info(parts.estimator))
            on_progress = _looking(monitor, on_progress)
        if on_start is not None:
            on_start(parts.pipeline)
        failure: BaseException | None = None
        try:
            with profile or nullcontext():
                return parts.pipeline.run(on_progress)
        except BaseException as error:
            failure = error
            raise
        finally:
            try:
                if profile is not None:
                    configs = (
                        estimator,
                        people,
                        tracking,
                        source,
                        pipeline,
                        output,
                        render,
                        video,
                        browser,
                        mqtt,
                        metrics,
                    )
                    command = shown_command(inputs, chosen, configs)
                    profile.finish(
                        run_facts(command, parts, pipeline, failure), parts.pipeline.summary()
                    )
            finally:
                if on_end is not None:
                    on_end(parts.pipeline)


def iterate(
    sources: Input | Sequence[Input],
    outputs: Output | Sequence[Output] = (),
    *,
    model: str | Path = "lite",
    weights: str | Path | None = None,
    runtime: str = "auto",
    precision: str = "auto",
    device: str = "auto",
    input_size: InputSize | str | None = None,
    estimator: EstimatorConfig | Estimator | None = None,
    people: PeopleConfig | None = None,
    tracking: TrackingConfig | None = None,
    source: SourceConfig | None = None,
    pipeline: PipelineConfig | None = None,
    output: OutputConfig | None = None,
    render: RenderConfig | None = None,
    video: VideoConfig | None = None,
    browser: BrowserConfig | None = None,
    mqtt: MqttConfig | None = None,
    grouper: Group | None = None,
    stages: Sequence[Stage] = (),
) -> Iterator[tuple[Frame, People]]:
    """Every frame with its people, in order; all the rest goes on in the background.

        for frame, people in iterate("clip.mp4", input_size=384):
            print(frame.time_s, people.boxes)

    Args:
        sources: As for `run`; frames of several come in turns, and `frame.source` tells them apart.
        outputs: As for `run`; what shows images draws into `frame.image`.
        model: A preset's name, an exported ONNX file, or a checkpoint.
        weights: A checkpoint for the preset.
        runtime: What executes it; `auto` is the first that works.
        precision: Of the convolutions; `auto` is the runtime's first.
        device: What computes: `auto`, `cpu`, `cuda:1`, the beginning of a GPU's `GPU-uuid`, or
            several with commas between, which share several sources.
        input_size: The short side in pixels, (height, width), or "448x320" for width by height.
        estimator: Takes the place of the six before: all that can be chosen, or an estimator that
            is open, and stays so.
        people: Which people are kept.
        tracking: Whether and how people get identities that last; on by default.
        source: How cameras and network streams are opened and kept open.
        pipeline: Which frames are used, and how they go through.
        output: What may be replaced.
        render: What is drawn.
        video: How video files and streams are encoded.
        browser: Whom the browser page is served to.
        mqtt: How messages are sent to an MQTT broker.
        grouper: Takes the place of the reference decoder.
        stages: Steps of one's own behind grouping, in this order.

    Yields:
        A frame and its people, in displayed source pixels. The frame is lent until the next one is
        asked for. Leaving the loop ends the background work and finishes the outputs.

    Raises:
        PoseStreamError: As for `run`.
    """
    chosen = {
        "model": str(model),
        "weights": weights,
        "runtime": runtime,
        "precision": precision,
        "device": device,
        "input_size": input_size,
    }
    with open_run(
        _as_list(sources),
        _as_list(outputs),
        estimator=estimator or from_mapping(EstimatorConfig, chosen, "iterate"),
        people=people,
        tracking=tracking,
        source=source,
        pipeline=pipeline,
        output=output,
        render=render,
        video=video,
        browser=browser,
        mqtt=mqtt,
        grouper=grouper,
        stages=stages,
    ) as parts:
        yield from parts.pipeline.results()


def annotate(
    image: NDArray[np.uint8],
    *,
    estimator: Model = "lite",
    people: PeopleConfig | None = None,
    render: RenderConfig | None = None,
) -> tuple[NDArray[np.uint8], People]:
    """The people of one image, and a copy of it with them drawn.

    Args:
        image: (H, W, 3) uint8 BGR, as OpenCV reads it; left as it is.
        estimator: As for `run`. Opening a model takes longer than an image: give one that is open
            for many images.
        people: Which people are kept.
        render: What is drawn.

    Returns:
        The drawn image (H, W, 3) uint8 BGR, and the people in pixels of `image`.

    Raises:
        DataError: It is no such image; None, for instance, which OpenCV gives for a file that it
            cannot read.
        PoseStreamError: As for `run`.
    """
    _check_image(image)
    options = replace(render or RenderConfig(), status=False)
    with ExitStack() as stack:
        engine = enter_estimator(estimator, stack)
        maps = engine.result(engine.submit_batch([image])[0])
        found = suitable_grouper(engine, people)(maps.heatmaps, maps.tags, maps.candidates)
        found = found.to_image(maps.alignment)
        drawn = image.copy()
        Renderer(engine.keypoint_set, options=options).draw(drawn, found, maps=maps)
        maps.release()
    return drawn, found


def _check_image(image: Any) -> None:
    wanted = "image must be an array (height, width, 3) of uint8, BGR"
    if image is None:
        raise DataError(f"{wanted}, not None: cv2.imread gives None for a file it cannot read")
    if not isinstance(image, np.ndarray):
        raise DataError(f"{wanted}, not {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise DataError(f"{wanted}, not {image.shape} of {image.dtype}")


def _looking(
    monitor: Monitor, on_progress: Callable[[Progress], None] | None
) -> Callable[[Progress], None]:
    """Lets the monitor see how far the run is, and then whoever else is told."""

    def look(progress: Progress) -> None:
        monitor.look()
        if on_progress is not None:
            on_progress(progress)

    return look


def _as_list(given: Any) -> list[Any]:
    return list(given) if isinstance(given, (list, tuple)) else [given]
