"""Many settings measured one after the other, those of each runtime apart from the others'."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

from configs import ConfigError, ExecutionError, PoseStreamError, RuntimeUnavailableError
from configs.commands import Say
from evaluation.measuring.grid import Combination
from evaluation.measuring.measurements import Measurement
from evaluation.measuring.setting import SettingConfig


@dataclass
class SettingOutcomes:
    """What came of some settings.

    Attributes:
        rows: Of those that were measured.
        able: How many this machine can run, those that needed no measuring among them.
        refusals: Of the others, what was asked for and why it was not measured.
    """

    rows: list[Measurement] = field(default_factory=list)
    able: int = 0
    refusals: list[tuple[str, PoseStreamError]] = field(default_factory=list)


def try_each(
    combinations: Iterable[Combination], measure: Callable[[SettingConfig], list[Measurement]]
) -> SettingOutcomes:
    """Rows of every setting that this machine can run.

    Args:
        combinations: What is asked for.
        measure: The rows of one setting. ConfigError, RuntimeUnavailableError or ExecutionError
            mean that this machine cannot run it.
    """
    outcome = SettingOutcomes()
    for combination in combinations:
        try:
            outcome.rows += measure(combination.setting())
            outcome.able += 1
        except (ConfigError, RuntimeUnavailableError, ExecutionError) as error:
            outcome.refusals.append((str(combination), error))
    return outcome


def measure_apart(
    work: Callable[[str], SettingOutcomes], runtimes: Sequence[str], say: Say
) -> list[Measurement]:
    """The rows of all runtimes, after saying what was not measured.

    In a common process the threads of one library spin while those of the next compute: OpenVINO
    took 159 instead of 17 ms beside torch (2 cores). So several runtimes get a process each.

    Args:
        work: Measures on one runtime; can be pickled.
        runtimes: Their names.
        say: Is told what was not measured, and why.

    Raises:
        PoseStreamError: The first refusal, if nothing can be measured.
    """
    outcomes = list(_one_by_one(work, runtimes))
    refusals = [refusal for outcome in outcomes for refusal in outcome.refusals]
    if refusals and not any(outcome.able for outcome in outcomes):
        raise refusals[0][1]
    for name, error in refusals:
        say(f"not measured: {name}: {error}")
    return [row for outcome in outcomes for row in outcome.rows]


def _one_by_one(
    work: Callable[[str], SettingOutcomes], runtimes: Sequence[str]
) -> Iterator[SettingOutcomes]:
    if len(runtimes) == 1:
        yield work(runtimes[0])
        return
    # Not forked: a fork inherits locks that threads of this process hold.
    context = multiprocessing.get_context("spawn")
    for runtime in runtimes:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            try:
                yield pool.submit(work, runtime).result()
            except BrokenProcessPool as error:
                yield SettingOutcomes(
                    refusals=[
                        (runtime, ExecutionError(f"its process ended without a word: {error}"))
                    ]
                )
