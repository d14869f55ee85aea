"""A run as a trace for Perfetto (ui.perfetto.dev) and chrome://tracing.

The format is the Trace Event Format that both read:
https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any

from stream.pipeline.inference import is_engine
from stream.profile.recorder import Recorder
from stream.profile.samples import Samples
from stream.profile.trace.events import counter, dropped, flows, names, sampled, slices, under_way


def write_trace(
    path: Path,
    recorder: Recorder,
    samples: dict[str, Samples],
    *,
    began_ns: int,
    sources: Sequence[str],
    details: dict[str, Any],
) -> None:
    """Writes the trace, event by event; times count from the beginning of the run.

    Args:
        path: Where to; compressed if it ends in `.gz`.
        recorder: What was measured.
        samples: Readings of sensors, by quantity.
        began_ns: When the run began, `time.perf_counter_ns()`.
        sources: Their names.
        details: What is said about the whole trace.

    Raises:
        OSError: It cannot be written.
    """
    with _open(path) as file:
        file.write(
            '{"displayTimeUnit":"ms","otherData":' + json.dumps(details) + ',"traceEvents":[\n'
        )
        separator = ""
        for event in _events(recorder, samples, began_ns, sources):
            file.write(separator + event)
            separator = ",\n"
        file.write("\n]}\n")


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "wt", encoding="utf-8", compresslevel=5)
    return path.open("w", encoding="utf-8")


def _events(
    recorder: Recorder, samples: dict[str, Samples], began_ns: int, sources: Sequence[str]
) -> Iterator[str]:
    threads = {
        thread: number
        for number, thread in enumerate(dict.fromkeys(recorder.threads.values()), start=1)
    }
    numbers = {stage: threads[thread] for stage, thread in recorder.threads.items()}
    every = recorder.every
    # Work that may overlap with that on the next frame has a track beside its thread's.
    works = {stage: rows for stage, rows in recorder.works.items() if not is_engine(stage)}
    return chain(
        names(threads),
        *(
            slices(stage, rows, every, numbers[stage], began_ns, sources)
            for stage, rows in works.items()
        ),
        *(
            under_way(
                stage.replace("infer", "in the engine"),
                rows,
                every,
                numbers[stage],
                began_ns,
                sources,
            )
            for stage, rows in recorder.works.items()
            if is_engine(stage)
        ),
        flows(works, every, numbers, began_ns),
        *(
            counter(f"waiting for {stage}", rows.kept(), "frames", "value", began_ns)
            for stage, rows in recorder.queues.items()
        ),
        counter("people", recorder.deliveries.kept(), "found", "value", began_ns),
        *dropped(recorder.deliveries.kept(), began_ns, sources),
        *(sampled(name, track, began_ns) for name, track in samples.items()),
    )
