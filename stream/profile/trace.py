"""A run as a trace for Perfetto (ui.perfetto.dev) and chrome://tracing.

The format is the Trace Event Format that both read: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from stream.profile.recorder import Recorder
from stream.profile.rows import Rows
from stream.profile.samples import Samples

_PROCESS = 1
_UNDER_WAY = {"infer": "in the engine"}  # work that may overlap with that on the next frame has a track beside its thread's


def write_trace(
    path: Path,
    recorder: Recorder,
    samples: dict[str, Samples],
    *,
    began_ns: int,
    sources: Sequence[str],
    details: dict[str, Any],
) -> None:
    """Writes the trace, event by event; compressed if `path` ends in `.gz`. Raises OSError.

    Times count from the beginning of the run. details: what is said about the whole trace.
    """
    with _open(path) as file:
        file.write('{"displayTimeUnit":"ms","otherData":' + json.dumps(details) + ',"traceEvents":[\n')
        separator = ""
        for event in _events(recorder, samples, began_ns, sources):
            file.write(separator + event)
            separator = ",\n"
        file.write("\n]}\n")


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "wt", encoding="utf-8", compresslevel=5)
    return path.open("w", encoding="utf-8")


def _events(recorder: Recorder, samples: dict[str, Samples], began_ns: int, sources: Sequence[str]) -> Iterator[str]:
    threads = {thread: number for number, thread in enumerate(dict.fromkeys(recorder.threads.values()), start=1)}
    numbers = {stage: threads[thread] for stage, thread in recorder.threads.items()}
    every = recorder.every
    slices = {stage: rows for stage, rows in recorder.works.items() if stage not in _UNDER_WAY}
    return chain(
        _names(threads),
        *(_slices(stage, rows, every, numbers[stage], began_ns, sources) for stage, rows in slices.items()),
        *(
            _under_way(label, recorder.works[stage], every, numbers[stage], began_ns, sources)
            for stage, label in _UNDER_WAY.items()
            if stage in recorder.works
        ),
        _flows(slices, every, numbers, began_ns),
        *(_counter(f"waiting for {stage}", rows.kept(), "frames", "value", began_ns) for stage, rows in recorder.queues.items()),
        _counter("people", recorder.deliveries.kept(), "found", "value", began_ns),
        *_dropped(recorder.deliveries.kept(), began_ns, sources),
        *(_sampled(name, track, began_ns) for name, track in samples.items()),
    )


def _names(threads: dict[tuple[int, str], int]) -> Iterator[str]:
    yield _meta("process_name", 0, {"name": "higherhrnet-stream"})
    for (_, name), number in threads.items():
        yield _meta("thread_name", number, {"name": name})
        yield _meta("thread_sort_index", number, {"sort_index": number})


def _meta(name: str, thread: int, arguments: dict[str, Any]) -> str:
    return json.dumps({"ph": "M", "pid": _PROCESS, "tid": thread, "name": name, "args": arguments})


def _slices(
    stage: str, rows: Rows, every: int, thread: int, began_ns: int, sources: Sequence[str]
) -> Iterator[str]:
    name = json.dumps(stage)
    labels = [json.dumps(source) for source in sources]
    for row in _shown(rows, every):
        index, begin_ns, end_ns, source = row[0], row[1], row[2], row[3]
        yield (
            f'{{"ph":"X","pid":{_PROCESS},"tid":{thread},"cat":"stage","name":{name},"ts":{(begin_ns - began_ns) / 1000},'
            f'"dur":{(end_ns - begin_ns) / 1000},"args":{{"frame":{index},"source":{_label(labels, source)}}}}}'
        )


def _under_way(
    label: str, rows: Rows, every: int, thread: int, began_ns: int, sources: Sequence[str]
) -> Iterator[str]:
    name = json.dumps(label)
    labels = [json.dumps(source) for source in sources]
    for row in _shown(rows, every):
        index, begin_ns, end_ns, source = row[0], row[1], row[2], row[3]
        common = f'"pid":{_PROCESS},"tid":{thread},"cat":{name},"name":{name},"id2":{{"local":"{_identity(source, index):#x}"}}'
        arguments = f'"args":{{"frame":{index},"source":{_label(labels, source)}}}'
        yield f'{{"ph":"b",{common},"ts":{(begin_ns - began_ns) / 1000},{arguments}}}'
        yield f'{{"ph":"e",{common},"ts":{(end_ns - began_ns) / 1000}}}'


def _flows(slices: dict[str, Rows], every: int, numbers: dict[str, int], began_ns: int) -> Iterator[str]:
    """Arrows that follow each frame from slice to slice, in the order of time."""
    steps = [
        np.stack(
            [
                rows["source"],
                rows["index"],
                (rows["begin_ns"] + rows["end_ns"]) // 2 - began_ns,
                np.full(len(rows), numbers[stage]),
            ],
            axis=1,
        )
        for stage, rows in ((stage, table.even(every)) for stage, table in slices.items())
    ]
    if not steps:
        return
    ordered = np.concatenate(steps).astype(np.int64)
    ordered = ordered[np.lexsort((ordered[:, 2], ordered[:, 1], ordered[:, 0]))]
    same = np.all(ordered[1:, :2] == ordered[:-1, :2], axis=1)
    after, before = np.append(same, False), np.append(False, same)
    for (source, index, middle_ns, thread), goes_on, came in zip(ordered.tolist(), after, before, strict=True):
        if not (goes_on or came):
            continue
        phase = "t" if goes_on and came else "s" if goes_on else "f"
        yield (
            f'{{"ph":"{phase}","bp":"e","pid":{_PROCESS},"tid":{thread},"cat":"frame","name":"frame",'
            f'"id":{_identity(source, index)},"ts":{middle_ns / 1000}}}'
        )


def _dropped(frames: NDArray[np.void], began_ns: int, sources: Sequence[str]) -> Iterator[Iterator[str]]:
    """A counter for each source."""
    for number in np.unique(frames["source"]).tolist():
        name = "dropped" if len(sources) == 1 else f"dropped of source {number}"
        yield _counter(name, frames[frames["source"] == number], "frames", "drops", began_ns)


def _counter(name: str, rows: NDArray[np.void], unit: str, column: str, began_ns: int) -> Iterator[str]:
    head = f'{{"ph":"C","pid":{_PROCESS},"name":{json.dumps(name)},"ts":'
    for end_ns, value in zip(rows["end_ns"].tolist(), rows[column].tolist(), strict=True):
        yield f'{head}{(end_ns - began_ns) / 1000},"args":{{"{unit}":{value}}}}}'


def _sampled(name: str, track: Samples, began_ns: int) -> Iterator[str]:
    quantity, _, sensor = name.partition(".")
    words, _, unit = quantity.rpartition("_")
    head = f'{{"ph":"C","pid":{_PROCESS},"name":{json.dumps(f"{words} {sensor}".rstrip())},"ts":'
    for time_ns, value in zip(track.times_ns.tolist(), track.values.tolist(), strict=True):
        if time_ns < began_ns:
            continue  # Perfetto drops, and counts as an error, what is before the beginning
        yield f'{head}{(time_ns - began_ns) / 1000},"args":{{"{unit}":{value:.6g}}}}}'


def _shown(rows: Rows, every: int) -> Iterator[tuple[int, ...]]:
    """Rows that every stage still has, and those that were kept because they were slow."""
    kept = rows.kept()
    if every > rows.every:
        slow_ns = np.percentile(kept["end_ns"] - kept["begin_ns"], 99) if len(kept) else 0
        kept = kept[(kept["index"] % every == 0) | (kept["end_ns"] - kept["begin_ns"] > slow_ns)]
    return iter(kept.tolist())


def _identity(source: int, index: int) -> int:
    """Of a frame among all. Perfetto takes numbers only."""
    return source << 40 | index


def _label(labels: Sequence[str], source: int) -> str:
    return labels[source] if 0 <= source < len(labels) else str(source)
