"""What a run is made of, put together from what was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from basics.hardware import usable_cores
from configs import redact_url
from engine import EstimatorConfig, find_gpu
from stream.estimator import (
    Estimator,
    Group,
    Model,
    PeopleConfig,
    enter_estimators,
    least_score,
    shown_input_size,
    suitable_grouper,
    used_devices,
)
from stream.named_source import Input, NamedSource, labels_of, own, plan_named
from stream.pipeline.config import PipelineConfig
from stream.pipeline.pipeline import Pipeline
from stream.pipeline.stages import Stage
from stream.pipeline.timing import Timings
from stream.profile import RunFacts
from stream.render.config import RenderConfig
from stream.render.renderer import Renderer
from stream.sinks import (
    BrowserConfig,
    Claimant,
    MqttConfig,
    Output,
    OutputConfig,
    Sink,
    VideoConfig,
    check_claims,
    make_sinks,
    plan_outputs,
)
from stream.sources import Source, SourceConfig, make_source, opened
from stream.tracking import DOUBTFUL_SHARE, TrackingConfig, TrackingStage


class Run(NamedTuple):
    """What a run is made of, open.

    Attributes:
        pipeline: Everything put together.
        sources: In the order in which they were asked for.
        labels: What each source is called: short, without secrets, and no two the same.
        estimator: The first, where several devices share the sources.
    """

    pipeline: Pipeline
    sources: Sequence[Source]
    labels: Sequence[str]
    estimator: Estimator


@contextmanager
def open_run(
    sources: Sequence[Input],
    outputs: Sequence[Output],
    *,
    estimator: Model,
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
    timings: Timings | None = None,
    also_written: Sequence[Claimant] = (),
) -> Iterator[Run]:
    """The pipeline that was asked for, with everything that it needs, open within the block.

    What is cheap to refuse comes first: names of outputs, then files, then the model, and the
    network last of all. Arguments are those of `stream.run`.

    Args:
        timings: Where everything is measured; new ones by default.
        also_written: What else writes files.

    Raises:
        PoseStreamError: As for `stream.run`.
    """
    made = [
        _source_of(
            item, decoded_beside(own(item, "source", source), estimator, index, len(sources))
        )
        for index, item in enumerate(sources)
    ]
    labels = labels_of(sources)
    _tell_apart(sources, made, labels)
    output = output or OutputConfig()
    configs = [config for config in (browser, mqtt, output) if config is not None]
    sinks = [
        make_sinks(names, *configs, own(item, "video", video) or VideoConfig())
        for item, names in zip(sources, plan_named(sources, labels, outputs), strict=True)
    ]
    renders = [own(item, "render", render) for item in sources]
    check_claims(
        made,
        [*(sink for group in sinks for sink in group), *also_written],
        used=_used_files(estimator, renders, output),
        doubtful=[
            name
            for names in plan_outputs(labels, output.doubtful)
            for name in names
            if isinstance(name, str)
        ],
        overwrite=output.overwrite,
    )
    with ExitStack() as stack:
        stack.enter_context(opened([item for item in made if not item.live]))
        every_frame = not any(item.live for item in made)
        engines = enter_estimators(
            estimator, len(made), stack, streams=usable_cores() if every_frame else 1
        )
        engine = engines[0]
        stack.enter_context(opened([item for item in made if item.live]))
        tracker = _tracker(engine, people, tracking or TrackingConfig(), len(made))
        share = 1.0 if tracker is None else DOUBTFUL_SHARE
        opened_pipeline = Pipeline(
            made,
            engines,
            suitable_grouper(engine, people, share=share) if grouper is None else grouper,
            sinks=sinks,
            renderers=_renderers(engine, renders, sinks),
            stages=stages if tracker is None else (tracker, *stages),
            options=pipeline,
            source_options=[own(item, "pipeline", pipeline) for item in sources],
            timings=timings,
        )
        yield Run(stack.enter_context(opened_pipeline), made, labels, engine)


def _source_of(item: Input, config: SourceConfig | None) -> Source:
    """The source that was asked for, not opened yet."""
    address = item.address if isinstance(item, NamedSource) else item
    return address if isinstance(address, Source) else make_source(str(address), config)


def _tell_apart(inputs: Sequence[Input], made: Sequence[Source], labels: Sequence[str]) -> None:
    """Has messages name those that somebody named, and those that have one address."""
    names = [source.name for source in made]
    for item, source, label in zip(inputs, made, labels, strict=True):
        if isinstance(item, NamedSource) or names.count(source.name) > 1:
            source.label = label


def decoded_beside(
    source: SourceConfig | None, estimator: Model, index: int, sources: int
) -> SourceConfig | None:
    """What one of the sources is opened with: the GPU that is going to compute it decodes it, too,
    where a GPU was named and no other was named for decoding.

    Raises:
        RuntimeUnavailableError: There is no such GPU.
    """
    if source is None or source.decoder not in ("auto", "cuda") or source.decoder_gpu is not None:
        return source
    if not isinstance(estimator, EstimatorConfig):
        return source
    devices = used_devices(estimator, sources)
    device = devices[index % len(devices)]
    if device.index is None and not device.uuid:
        return source
    return replace(source, decoder_gpu=find_gpu(device).index)


def _used_files(
    estimator: Model, renders: Sequence[RenderConfig | None], output: OutputConfig
) -> list[Path]:
    """What the run reads beside its sources."""
    named: list[str | Path | None] = [output.coco_ids]
    named += [None if each is None else each.theme for each in renders]
    if isinstance(estimator, EstimatorConfig):
        named += [estimator.model, estimator.weights]
    elif isinstance(estimator, (str, Path)):
        named.append(estimator)
    return [Path(name) for name in named if name is not None]


def _tracker(
    estimator: Estimator, people: PeopleConfig | None, config: TrackingConfig, sources: int
) -> TrackingStage | None:
    """The first stage behind grouping; None with `track` off."""
    if config.track == "off":
        return None
    return TrackingStage(
        estimator.keypoint_set, config, min_score=least_score(estimator, people), sources=sources
    )


def _renderers(
    estimator: Estimator,
    renders: Sequence[RenderConfig | None],
    sinks: Sequence[Sequence[Sink]],
) -> list[Renderer]:
    """One per source, which keeps people's colours; none where nobody wants images."""
    if not any(sink.needs_image for group in sinks for sink in group):
        return []
    renderers = [Renderer(estimator.keypoint_set, options=render) for render in renders]
    renderers[0].warm_up()
    return renderers


def run_facts(
    command: str, parts: Run, pipeline: PipelineConfig | None, failure: BaseException | None
) -> RunFacts:
    """What a profile says of the run: the command that would do the same, and what it was made of.

    Args:
        command: That one.
        parts: What it was made of.
        pipeline: Which frames were used.
        failure: What ended it; None where nothing did.
    """
    options = pipeline or PipelineConfig()
    policies = {str(options.policy_for(live=source.live)) for source in parts.sources}
    return RunFacts(
        command=command,
        model=parts.estimator.model,
        runtime=parts.estimator.runtime,
        precision=parts.estimator.precision,
        devices=parts.pipeline.summary().devices,
        input_size=shown_input_size(parts.estimator),
        policy=", ".join(sorted(policies)),
        sources=tuple(source.info for source in parts.sources),
        error=None if failure is None else redact_url(str(failure) or type(failure).__name__),
    )
