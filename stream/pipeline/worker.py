"""Threads that work together: the first error ends the run, and everybody learns of the end."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from stream.pipeline.ring import RingClosed

_LOG = logging.getLogger(__name__)


class End(Protocol):
    """The end of a ring that a worker holds."""

    def close(self, reason: str = ...) -> None: ...
    def abort(self, reason: str = ...) -> None: ...


class Outcome:
    """How a run ended: the first error wins, later ones are logged. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._error: BaseException | None = None

    @property
    def error(self) -> BaseException | None:
        return self._error

    def fail(self, error: BaseException, where: str) -> None:
        """Keeps the first error; one that follows is most likely its consequence."""
        with self._lock:
            if self._error is None:
                self._error = error
                return
        _LOG.warning("%s failed too, after the first error: %s", where, error)


class Worker(threading.Thread, ABC):
    """One stage in a thread of its own.

    When it ends, for whatever reason, nothing more goes into its `inboxes`, so that the stages
    before it end, and its `outboxes` are closed, so that the stages behind it finish what they have
    and end. An error goes to `outcome`.
    """

    def __init__(
        self,
        name: str,
        outcome: Outcome,
        *,
        inboxes: Sequence[End] = (),
        outboxes: Sequence[End] = (),
    ) -> None:
        super().__init__(
            name=name, daemon=True
        )  # a stage that hangs in native code must not keep the process alive
        self._outcome = outcome
        self._inboxes = tuple(inboxes)
        self._outboxes = tuple(outboxes)

    @abstractmethod
    def work(self) -> None:
        """The stage. RingClosed means that it is done."""

    def finish(self) -> None:
        """Gives back what the stage holds; called once, in its thread, whatever happened."""
        return

    def run(self) -> None:
        try:
            self.work()
        except RingClosed:
            pass
        except BaseException as error:  # noqa: BLE001 - handed to the caller of the pipeline, who raises it
            self._outcome.fail(error, self.name)
        try:
            self.finish()
        except BaseException as error:  # noqa: BLE001 - as above
            self._outcome.fail(error, self.name)
        finally:
            reason = f"{self.name} ended"
            for ring in self._inboxes:
                ring.abort(reason)
            for ring in self._outboxes:
                ring.close(reason)
