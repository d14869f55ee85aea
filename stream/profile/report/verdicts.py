"""What the figures of a run say, in sentences."""

from __future__ import annotations

from typing import NamedTuple

from stream.profile.document import ProfileDocument

_BUSY = 0.9  # from here on a stage is what limits the run
_FULL = 0.9  # of the processor


class Verdict(NamedTuple):
    """A sentence or two; `doubt` for those that say why the figures may not be what they seem."""

    text: str
    doubt: bool = False


def verdicts(document: ProfileDocument) -> list[Verdict]:
    """What limits the run, and what casts doubt on its figures."""
    makers = (_outcome, _slowest, _waiting, _processor, _other_load, _sampled)
    return [verdict for make in makers if (verdict := make(document)) is not None]


def _outcome(document: ProfileDocument) -> Verdict | None:
    run = document["run"]
    if run["outcome"] == "failed":
        return Verdict(f"The run failed: {run['error']}", doubt=True)
    if run["outcome"] == "stopped":
        return Verdict("The run was stopped before its sources ended.", doubt=True)
    return None


def _slowest(document: ProfileDocument) -> Verdict | None:
    if not document["stages"]:
        return None
    stage = max(document["stages"], key=lambda stage: stage["busy_share"])
    takes = (
        f"{stage['name']} takes {stage['mean']:.1f} ms a frame and is at work "
        f"{stage['busy_share']:.0%} of the time"
    )
    if stage["busy_share"] >= _BUSY:
        return Verdict(
            f"{takes}: it limits the frame rate, and no other stage is worth making faster first."
        )
    takes = takes[0].upper() + takes[1:]
    return Verdict(
        f"No stage is busy all of the time. {takes}; the rest is waiting, for the source or for a "
        "core."
    )


def _waiting(document: ProfileDocument) -> Verdict | None:
    """Says why a latency of seconds is none of the engine's, where frames of a file queue up."""
    queue = max((figures["mean"] for figures in document["queues"].values()), default=0.0)
    if queue < 1 or any(source["live"] for source in document["sources"]):
        return None
    return Verdict(
        f"Files are read ahead: {queue:.0f} frames wait in front of the slowest stage, and the "
        "latency is mostly that wait. "
        "How it would be from a camera, --realtime shows."
    )


def _processor(document: ProfileDocument) -> Verdict | None:
    figures, cores = (
        document["telemetry"].get("cpu_percent"),
        int(document["environment"]["hardware"]["cores"]),
    )
    if figures is None or figures["mean"] < 100 * cores * _FULL:
        return None
    return Verdict(
        f"The processor is full: {figures['mean'] / 100:.1f} of {cores} cores on average."
    )


def _other_load(document: ProfileDocument) -> Verdict | None:
    load, cores = (
        document["environment"]["load_average"],
        int(document["environment"]["hardware"]["cores"]),
    )
    if load is None or load < cores / 4:
        return None
    return Verdict(
        f"The machine was not idle: in the minute before the run, {load:g} processes on average "
        f"wanted one of its {cores} "
        "cores. An idle machine gives other figures.",
        doubt=True,
    )


def _sampled(document: ProfileDocument) -> Verdict | None:
    every = document["kept_every"]
    if every == 1:
        return None
    return Verdict(
        f"The run was long: plots and trace show one frame in {every}, and all that were unusually "
        "slow. Counts, means and "
        "maxima are of all frames, percentiles of the last 65,536.",
        doubt=True,
    )
