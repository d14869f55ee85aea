"""Workers on the machines of a Ray cluster: actors that keep their engine."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from archive.config import ClusterConfig, Settings
from archive.units import Outcome, Unit
from archive.worker import FATAL, Worker
from archive.workers import STARTS, Answer, Done, Make, Share, with_share
from basics.packages import import_package
from configs import ConfigError, ExecutionError, PoseStreamError
from configs.errors import one_line

logger = logging.getLogger(__name__)

_PATIENCE_S = 60.0
_REACH_S = 10.0
# What Ray leaves for the programs of a machine on which it was started.
_CURRENT = Path(tempfile.gettempdir()) / "ray" / "ray_current_cluster"


def cluster_address(wanted: str) -> str | None:
    """The Ray cluster to use; None where this machine does the work alone.

    Args:
        wanted: As `ClusterConfig.cluster` has it; `auto` is the cluster that `RAY_ADDRESS` names,
            or that was started on this machine.
    """
    if wanted == "local":
        return None
    if wanted != "auto":
        return wanted
    if find_spec("ray") is None:
        return None
    return os.environ.get("RAY_ADDRESS") or ("auto" if _CURRENT.exists() else None)


def _reach(address: str) -> None:
    """Raises OSError at once where nobody listens; Ray itself would ask for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host, int(port)), timeout=_REACH_S).close()


@dataclass(frozen=True, kw_only=True)
class Size:
    """What each worker takes of the cluster, and how many there are.

    Attributes:
        cores: Processor cores.
        gpus: GPUs; may be a part of one.
        count: How many workers.
    """

    cores: int
    gpus: float
    count: int


def size_workers(config: ClusterConfig, nodes: list[dict[str, float]]) -> Size:
    """What workers take, where it was not said: a GPU each, else a whole machine.

    Args:
        config: What was said.
        nodes: Resources of each machine: `CPU`, `GPU`.

    Raises:
        ConfigError: No machine has room for one.
    """
    most_gpus = max((node.get("GPU", 0.0) for node in nodes), default=0.0)
    gpus = config.gpus if config.gpus is not None else (1.0 if most_gpus else 0.0)
    useful = [node for node in nodes if not gpus or node.get("GPU", 0.0) >= gpus]
    each = [
        node.get("CPU", 0.0) / max(1.0, node.get("GPU", 0.0) / gpus if gpus else 1.0)
        for node in useful
    ]
    cores = config.cores or max(1, int(min((share for share in each if share >= 1), default=1)))
    room = sum(
        min(
            int(node.get("CPU", 0.0) // cores),
            int(node.get("GPU", 0.0) / gpus + 1e-6) if gpus else 1 << 30,
        )
        for node in useful
    )
    if not room and config.workers is None:
        raise ConfigError(
            f"no machine of the Ray cluster has {cores} cores and {gpus:g} GPUs for a worker; give "
            "smaller --cores or --gpus, or --workers for those that the cluster will start"
        )
    return Size(cores=cores, gpus=gpus, count=config.workers or room)


class RayWorker:
    """A worker in a process of a cluster's machine.

    Args:
        settings: What the archive is made with.
        make: What makes a worker.
    """

    def __init__(self, settings: Settings, make: Make) -> None:
        self._settings = settings
        self._make = make
        self._worker: Worker | None = None

    def place(self) -> tuple[str, list[int]]:
        """On which machine it is, and the numbers of the cores that it might use there."""
        ray = import_package("ray", "higherhrnet-stream[cluster]")
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        return str(ray.get_runtime_context().get_node_id()), cores

    def begin(self, cores: tuple[int, ...]) -> None:
        """Gets ready, held to these cores; to all where there are none."""
        self._worker = self._make(with_share(self._settings, Share(cores=cores)))

    def do(self, units: Sequence[Unit]) -> Done | PoseStreamError:
        """What came of units; the error, where none can be done."""
        assert self._worker is not None
        try:
            return Done(self._worker.do_together(units), self._worker.together)
        except FATAL as error:
            return error


@dataclass
class _Actor:
    """An actor of the cluster, and what it has to do."""

    handle: Any
    node: str = ""  # empty while the cluster has no room for it
    turn: int = 0  # among those of its machine
    units: Sequence[Unit] = ()
    room: int = 1
    begun_s: float = field(default_factory=time.monotonic)


class RayWorkers:
    """Actors on a Ray cluster; one that dies with its process or its machine is replaced, wherever
    there is room.

    Args:
        settings: What the archive is made with.
        config: How many workers, and of what size.
        address: Of the cluster, as `ray.init` takes it.
        make: What makes a worker; has to be importable on every machine.

    Raises:
        RuntimeUnavailableError: Ray, or what its client needs, is not installed.
    """

    def __init__(
        self, settings: Settings, config: ClusterConfig, address: str, make: Make = Worker
    ) -> None:
        self._settings = settings
        self._config = config
        self._address = address
        self._make = make
        self._ray = import_package("ray", "higherhrnet-stream[cluster]", f"--cluster {address}")
        if address.startswith("ray://"):  # Ray's client speaks it, and Ray alone does not bring it
            import_package("grpc", "higherhrnet-stream[cluster]", "--cluster ray://")
        self._size = Size(cores=1, gpus=0.0, count=1)
        self._actors: list[_Actor] = []
        self._awaited: dict[Any, _Actor] = {}
        self._connected_here = False
        self._told = False
        self._starts_failed = 0

    @property
    def free(self) -> int:
        return sum(bool(actor.node) and not actor.units for actor in self._actors)

    @property
    def busy(self) -> int:
        return sum(bool(actor.units) for actor in self._actors)

    @property
    def room(self) -> int:
        return self._next.room

    @property
    def shown(self) -> str:
        size = self._size
        gpus = f" and {size.gpus:g} GPUs" if size.gpus else ""
        return f"{size.count} Ray actors of {size.cores} cores{gpus}"

    def __enter__(self) -> RayWorkers:
        ray = self._ray
        if not ray.is_initialized():
            # What Ray will do by default in later versions, and says so loudly until then.
            os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
            try:
                _reach(self._address)
                ray.init(address=self._address, log_to_driver=False, logging_level=logging.WARNING)
            except (ConnectionError, OSError, ValueError, RuntimeError) as error:
                raise ConfigError(
                    f"no Ray cluster answers at {self._address!r} ({one_line(error)}); start one "
                    "with `ray start --head`, or take --cluster local"
                ) from error
            self._connected_here = True
        try:
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            self._size = size_workers(self._config, nodes)
            for _ in range(self._size.count):
                self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def submit(self, units: Sequence[Unit]) -> None:
        """Gives units to an actor that is free."""
        actor = self._next
        actor.units = units
        self._awaited[actor.handle.do.remote(units)] = actor

    def wait(self, timeout_s: float) -> list[Answer]:
        """What has come, after at most `timeout_s`.

        Raises:
            PoseStreamError: No unit can be done by any of them.
        """
        ray = self._ray
        awaited = list(self._awaited)
        ready, _ = ray.wait(awaited, num_returns=1, timeout=timeout_s)
        if ready:
            ready, _ = ray.wait(awaited, num_returns=len(awaited), timeout=0)
        answers = [answer for each in ready for answer in self._answers(each)]
        self._tell_if_waiting()
        return answers

    @property
    def _next(self) -> _Actor:
        return next(actor for actor in self._actors if actor.node and not actor.units)

    def _answers(self, reference: Any) -> list[Answer]:
        actor = self._awaited.pop(reference)
        try:
            found = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return self._replace(actor, one_line(error))
        if isinstance(found, PoseStreamError):
            raise found
        if not isinstance(found, Done):
            self._settle_down(actor, *found)
            return []
        units, actor.units = actor.units, ()
        actor.room = found.together
        return [Answer(*each) for each in zip(units, found.outcomes, strict=True)]

    def _settle_down(self, actor: _Actor, node: str, cores: list[int]) -> None:
        """The cluster has found a place for it: cores there that no other worker of ours has."""
        self._starts_failed = 0
        taken = {other.turn for other in self._actors if other.node == node}
        actor.node = node
        actor.turn = next(turn for turn in range(len(taken) + 1) if turn not in taken)
        count = self._size.cores
        begin = actor.turn * count
        held = tuple(cores[begin : begin + count]) if len(cores) > count else ()
        actor.handle.begin.remote(held)

    def _replace(self, dead: _Actor, reason: str) -> list[Answer]:
        self._actors.remove(dead)
        self._starts_failed += not dead.node
        if self._starts_failed >= STARTS:
            raise ExecutionError(f"{STARTS} Ray actors in a row could not be started: {reason}")
        self._ray.kill(dead.handle)  # one that is only out of reach would do the same unit
        logger.warning("a worker is gone: %s", reason)
        self._start()
        outcome = Outcome(state="failed", reason=f"the worker that had it is gone: {reason}")
        return [Answer(unit, outcome, died=True) for unit in dead.units]

    def _start(self) -> None:
        make = self._ray.remote(
            num_cpus=self._size.cores, num_gpus=self._size.gpus, max_restarts=0, max_task_retries=0
        )(RayWorker)
        actor = _Actor(make.remote(self._settings, self._make), room=self._settings.together or 1)
        self._actors.append(actor)
        self._awaited[actor.handle.place.remote()] = actor

    def _tell_if_waiting(self) -> None:
        """Says so if the cluster has no room for any worker for long."""
        if self._told or any(actor.node for actor in self._actors):
            return
        if time.monotonic() - min(actor.begun_s for actor in self._actors) > _PATIENCE_S:
            self._told = True
            logger.warning(
                "waiting for room in the cluster: a worker takes %d cores and %g GPUs",
                self._size.cores,
                self._size.gpus,
            )

    def _end(self) -> None:
        for actor in self._actors:
            self._ray.kill(actor.handle)
        self._actors.clear()
        self._awaited.clear()
        if self._connected_here:
            self._ray.shutdown()
