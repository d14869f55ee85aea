"""Events of the Trace Event Format, each as one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.profile.rows import Rows
from stream.profile.samples import Samples

_PROCESS = 1


def names(threads: dict[Thread, int]) -> Iterator[str]:
    """What the process and its threads are called, and the order of their tracks."""
    yield _meta("process_name", 0, {"name": "higherhrnet-stream"})
    for thread, number in threads.items():
        yield _meta("thread_name", number, {"name": thread.name})
        yield _meta("thread_sort_index", number, {"sort_index": number})


def _meta(name: str, thread: int, arguments: dict[str, Any]) -> str:
    return json.dumps({"ph": "M", "pid": _PROCESS, "tid": thread, "name": name, "args": arguments})


def slices(
    stage: str, rows: Rows, every: int, thread: int, began_ns: int, sources: Sequence[str]
) -> Iterator[str]:
    """The work of a stage as blocks on the track of its thread, which do not overlap."""
    name = json.dumps(stage)
    labels = [json.dumps(source) for source in sources]
    for row in _shown(rows, every):
        index, begin_ns, end_ns, source = row[0], row[1], row[2], row[3]
        yield (
            f'{{"ph":"X","pid":{_PROCESS},"tid":{thread},"cat":"stage","name":{name},'
            f'"ts":{(begin_ns - began_ns) / 1000},'
            f'"dur":{(end_ns - begin_ns) / 1000},'
            f'"args":{{"frame":{index},"source":{_label(labels, source)}}}}}'
        )


def under_way(
    label: str, rows: Rows, every: int, thread: int, began_ns: int, sources: Sequence[str]
) -> Iterator[str]:
    """What a thread has begun and not yet ended, on a track of its own, where it may overlap."""
    name = json.dumps(label)
    labels = [json.dumps(source) for source in sources]
    for row in _shown(rows, every):
        index, begin_ns, end_ns, source = row[0], row[1], row[2], row[3]
        common = (
            f'"pid":{_PROCESS},"tid":{thread},"cat":{name},"name":{name},'
            f'"id2":{{"local":"{_identity(source, index):#x}"}}'
        )
        arguments = f'"args":{{"frame":{index},"source":{_label(labels, source)}}}'
        yield f'{{"ph":"b",{common},"ts":{(begin_ns - began_ns) / 1000},{arguments}}}'
        yield f'{{"ph":"e",{common},"ts":{(end_ns - began_ns) / 1000}}}'


def flows(
    works: dict[str, Rows], every: int, numbers: dict[str, int], began_ns: int
) -> Iterator[str]:
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
        for stage, rows in ((stage, table.even(every)) for stage, table in works.items())
    ]
    if not steps:
        return
    ordered = np.concatenate(steps).astype(np.int64)
    ordered = ordered[np.lexsort((ordered[:, 2], ordered[:, 1], ordered[:, 0]))]
    same = np.all(ordered[1:, :2] == ordered[:-1, :2], axis=1)
    after, before = np.append(same, False), np.append(False, same)
    for (source, index, middle_ns, thread), goes_on, came in zip(
        ordered.tolist(), after, before, strict=True
    ):
        if not (goes_on or came):
            continue
        phase = "t" if goes_on and came else "s" if goes_on else "f"
        yield (
            f'{{"ph":"{phase}","bp":"e","pid":{_PROCESS},"tid":{thread},'
            f'"cat":"frame","name":"frame","id":{_identity(source, index)},'
            f'"ts":{middle_ns / 1000}}}'
        )


def dropped(
    frames: NDArray[np.void], began_ns: int, sources: Sequence[str]
) -> Iterator[Iterator[str]]:
    """A counter for each source."""
    for number in np.unique(frames["source"]).tolist():
        name = "dropped" if len(sources) == 1 else f"dropped of source {number}"
        yield counter(name, frames[frames["source"] == number], "frames", "drops", began_ns)


def counter(
    name: str, rows: NDArray[np.void], unit: str, column: str, began_ns: int
) -> Iterator[str]:
    """A column of the rows over time."""
    head = f'{{"ph":"C","pid":{_PROCESS},"name":{json.dumps(name)},"ts":'
    for end_ns, value in zip(rows["end_ns"].tolist(), rows[column].tolist(), strict=True):
        yield f'{head}{(end_ns - began_ns) / 1000},"args":{{"{unit}":{value}}}}}'


def sampled(name: str, track: Samples, began_ns: int) -> Iterator[str]:
    """Readings over time; `name` ends in their unit, before the sensor's name if it has one."""
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
