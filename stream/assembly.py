"""What a run is made of, put together from what was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from basics.hardware import usable_cores
from configs import ConfigError, redact_url
from engine import EstimatorConfig
from stream.estimator import (
    Estimator,
    Group,
    Model,
    PeopleConfig,
    enter_estimators,
    least_score,
    shown_input_size,
    suitable_grouper,
)
from stream.named_source import NamedSource
from stream.pipeline.config import PipelineConfig
from stream.pipeline.pipeline import Pipeline
from stream.pipeline.policy import EVERY_FRAME, LATEST
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
from stream.sources import Source, SourceConfig, make_source, opened, source_labels
from stream.tracking import DOUBTFUL_SHARE, TrackingConfig, TrackingStage

Input = str | Path | Source | NamedSource
"""What `make_source` understands, a source of one's own that is not opened yet, or either with a
name, outputs and options of its own."""


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
    own = [item if isinstance(item, NamedSource) else None for item in sources]
    made = [_source_of(item, source) for item in sources]
    labels = _labels(sources)
    output = output or OutputConfig()
    configs = [config for config in (browser, mqtt, output) if config is not None]
    sinks = [
        make_sinks(names, *configs, *([each] if (each := _own(item, "video", video)) else []))
        for item, names in zip(own, _plan(own, labels, outputs), strict=True)
    ]
    renders = [_own(item, "render", render) for item in own]
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
            source_options=[_own(item, "pipeline", pipeline) for item in own],
            timings=timings,
        )
        yield Run(stack.enter_context(opened_pipeline), made, labels, engine)


def _source_of(item: Input, config: SourceConfig | None) -> Source:
    """The source that was asked for, not opened yet."""
    if isinstance(item, NamedSource):
        item, config = item.address, item.source or config
    return item if isinstance(item, Source) else make_source(str(item), config)


def _labels(sources: Sequence[Input]) -> list[str]:
    """A short name for each source, no two the same; those that have one keep it.

    Raises:
        ConfigError: Two have the same.
    """
    names = [item.name for item in sources if isinstance(item, NamedSource)]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two sources are called {name!r}")
    # Those that have a name come first, so that others have to differ from them.
    others = [item for item in sources if not isinstance(item, NamedSource)]
    made = source_labels(
        [
            *names,
            *(
                item if isinstance(item, str) else str(getattr(item, "name", item))
                for item in others
            ),
        ]
    )
    rest = iter(made[len(names) :])
    return [item.name if isinstance(item, NamedSource) else next(rest) for item in sources]


def _own(item: NamedSource | None, name: str, shared: Any) -> Any:
    """What a source has of its own, else what all share."""
    return shared if item is None or getattr(item, name) is None else getattr(item, name)


def _plan(
    own: Sequence[NamedSource | None], labels: Sequence[str], outputs: Sequence[Output]
) -> list[list[str | Sink]]:
    """The outputs of each source: its own, or its share of `outputs`."""
    listed = [None if item is None else item.outputs for item in own]
    sharing = [label for label, mine in zip(labels, listed, strict=True) if mine is None]
    shares = dict(zip(sharing, plan_outputs(sharing, outputs), strict=True))
    return [
        shares[label] if mine is None else plan_outputs([label], mine)[0]
        for label, mine in zip(labels, listed, strict=True)
    ]


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
    policy = None if pipeline is None else pipeline.policy
    policies = {str(policy or (LATEST if source.live else EVERY_FRAME)) for source in parts.sources}
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
