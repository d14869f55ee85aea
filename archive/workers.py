"""Worker processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from archive.config import ClusterConfig, Settings
from archive.units import Outcome, Unit
from archive.worker import FATAL, Worker
from basics.hardware import usable_cores
from configs import ExecutionError, PoseStreamError
from engine import DeviceList, parse_devices

_END_S = 5.0
_READY = "ready"
STARTS = 5
"""Workers that may die in a row before they can do anything."""


class Done(NamedTuple):
    """What a worker sends back.

    Attributes:
        outcomes: Of its units, in their order.
        together: How many units it would take at once.
    """

    outcomes: list[Outcome]
    together: int


class Answer(NamedTuple):
    """What a worker came to: `died` where it is gone, and its unit was not done."""

    unit: Unit
    outcome: Outcome
    died: bool = False


class Workers(Protocol):
    """Who does units; a context manager that ends them all.

    Attributes:
        free: How many have nothing to do.
        busy: How many have.
        room: How many units the next of those that are free takes at once.
        shown: What they are, for people to read.
    """

    @property
    def free(self) -> int: ...
    @property
    def busy(self) -> int: ...
    @property
    def room(self) -> int: ...
    @property
    def shown(self) -> str: ...

    def submit(self, units: Sequence[Unit]) -> None:
        """Gives units to one that is free, to be done at the same time."""

    def wait(self, timeout_s: float) -> list[Answer]:
        """What has come, after at most `timeout_s`.

        Raises:
            PoseStreamError: No unit can be done by any of them.
        """

    def __enter__(self) -> Workers: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one worker process may use of this machine.

    Attributes:
        cores: Numbers of its processor cores; empty where it is not to be held to any.
        device: Its GPU, as `--device` names it; None leaves the choice to the settings.
    """

    cores: tuple[int, ...] = ()
    device: str | None = None


def share_machine(config: ClusterConfig, cores: Sequence[int], gpus: int) -> list[Share]:
    """What each worker of this machine gets.

    Args:
        config: How many workers, and of what size.
        cores: Numbers of the cores that there are.
        gpus: How many GPUs there are.

    Returns:
        One share per worker. One worker uses all cores; several get different ones, as far as there
        are enough.
    """
    per_gpu = max(1, int(1 / config.gpus)) if config.gpus else 1
    if config.gpus == 0:
        gpus = 0
    count = config.workers or (
        gpus * per_gpu if gpus else max(1, len(cores) // config.cores if config.cores else 1)
    )
    each = config.cores or max(1, len(cores) // count)
    held = count > 1 or config.cores is not None
    return [
        Share(
            cores=tuple(cores[(index * each + turn) % len(cores)] for turn in range(each))
            if held and cores
            else (),
            device=f"cuda:{index % gpus}" if gpus > 1 else None,
        )
        for index in range(count)
    ]


def with_share(settings: Settings, share: Share) -> Settings:
    """The settings of a worker that has `share`; holds this process to its cores."""
    if share.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, share.cores)
    if share.device is None or settings.estimator.device != DeviceList():
        return settings
    device = parse_devices(share.device, "device")
    return replace(settings, estimator=replace(settings.estimator, device=device))


Make = Callable[[Settings], Worker]
"""Makes the worker of a process; has to be importable there."""


class _Process:
    """A worker process, and the units that it has."""

    def __init__(self, settings: Settings, share: Share, make: Make) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.share = share
        self.units: Sequence[Unit] = ()
        self.room = settings.together or 1
        self.ready = False
        self.process = context.Process(
            target=_work, args=(theirs, settings, share, make), name="archive worker", daemon=True
        )
        self.process.start()
        theirs.close()

    def end(self) -> None:
        self.connection.close()
        if self.units:
            self.process.terminate()
        self.process.join(_END_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()


class LocalWorkers:
    """Processes on this machine; one that dies is replaced.

    Args:
        settings: What the archive is made with.
        shares: What each may use.
        make: What makes a worker.
    """

    def __init__(self, settings: Settings, shares: Sequence[Share], make: Make = Worker) -> None:
        self._settings = settings
        self._shares = list(shares)
        self._make = make
        self._processes: list[_Process] = []
        self._starts_failed = 0

    @property
    def free(self) -> int:
        return sum(not process.units for process in self._processes)

    @property
    def busy(self) -> int:
        return len(self._processes) - self.free

    @property
    def room(self) -> int:
        return self._next.room

    @property
    def shown(self) -> str:
        count = len(self._shares)
        cores = len(self._shares[0].cores) or usable_cores()
        return f"{count} {'process' if count == 1 else 'processes'} of {cores} cores"

    def __enter__(self) -> LocalWorkers:
        for share in self._shares:
            self._start(share)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.end()
        self._processes.clear()

    def submit(self, units: Sequence[Unit]) -> None:
        """Gives units to a process that is free."""
        process = self._next
        process.units = units
        with suppress(OSError):  # it is dead; `wait` will see that
            process.connection.send(units)

    def wait(self, timeout_s: float) -> list[Answer]:
        """What has come, after at most `timeout_s`.

        Raises:
            PoseStreamError: No unit can be done by any of them.
        """
        handles: dict[Any, _Process] = {}
        for process in self._processes:
            handles[process.connection] = process
            handles[process.process.sentinel] = process
        ready = {id(handles[each]): handles[each] for each in wait(list(handles), timeout_s)}
        return [answer for process in ready.values() for answer in self._answers(process)]

    @property
    def _next(self) -> _Process:
        return next(process for process in self._processes if not process.units)

    def _answers(self, process: _Process) -> list[Answer]:
        try:
            found = process.connection.recv() if process.connection.poll() else None
        except (EOFError, OSError):
            found = None
        if found is None:
            return self._replace(process) if not process.process.is_alive() else []
        if isinstance(found, PoseStreamError):
            raise found
        if found == _READY:
            process.ready, self._starts_failed = True, 0
            return []
        units, process.units = process.units, ()
        process.room = found.together
        return [Answer(*each) for each in zip(units, found.outcomes, strict=True)]

    def _replace(self, dead: _Process) -> list[Answer]:
        code = dead.process.exitcode
        self._starts_failed += not dead.ready
        if self._starts_failed >= STARTS:
            raise ExecutionError(
                f"{STARTS} worker processes in a row ended before they could work, the last with "
                f"code {code}; what they said stands above"
            )
        self._processes.remove(dead)
        dead.end()
        self._start(dead.share)
        how = f"by {signal.Signals(-code).name}" if code is not None and code < 0 else f"({code})"
        reason = f"the process that worked on it was ended {how}"
        outcome = Outcome(state="failed", reason=reason)
        return [Answer(unit, outcome, died=True) for unit in dead.units]

    def _start(self, share: Share) -> None:
        self._processes.append(_Process(self._settings, share, self._make))


def _work(connection: Connection, settings: Settings, share: Share, make: Make) -> None:
    """What a worker process does until the driver is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver ends it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with make(with_share(settings, share)) as worker:
        connection.send(_READY)
        while True:
            try:
                units = connection.recv()
            except (EOFError, OSError):
                return
            try:
                connection.send(Done(worker.do_together(units), worker.together))
            except FATAL as error:
                connection.send(error)
            except OSError:
                return


def _end_with_parent() -> None:
    """Leaves when the driver does: a run that goes on later would do the same unit beside this."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
