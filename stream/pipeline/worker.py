"""Threads that work together: the first error ends the run, and everybody learns of the end."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from stream.pipeline.context import RunContext
from stream.pipeline.hand_over import Closed


class End(Protocol):
    """The end of a ring or a hand-over that a worker holds."""

    def close(self, reason: str = ...) -> None:
        """No more goes in."""

    def abort(self, reason: str = ...) -> None:
        """No more goes in or comes out."""


class Worker(threading.Thread, ABC):
    """One stage in a thread of its own.

    When it ends, for whatever reason, nothing more goes into its `inboxes`, so that the stages
    before it end, and its `outboxes` are closed, so that the stages behind it finish what they have
    and end. An error goes to the outcome of the run.
    """

    def __init__(
        self,
        name: str,
        context: RunContext,
        *,
        inboxes: Sequence[End] = (),
        outboxes: Sequence[End] = (),
    ) -> None:
        super().__init__(
            name=name, daemon=True
        )  # a stage that hangs in native code must not keep the process alive
        self.context = context
        self._inboxes = tuple(inboxes)
        self._outboxes = tuple(outboxes)

    @abstractmethod
    def work(self) -> None:
        """The stage. Closed means that it is done."""

    def finish(self) -> None:
        """Gives back what the stage holds; called once, in its thread, whatever happened."""
        return

    def run(self) -> None:
        try:
            self.work()
        except Closed:
            pass
        except BaseException as error:  # noqa: BLE001 - the caller of the pipeline raises it
            self.context.outcome.fail(error, self.name)
        try:
            self.finish()
        except BaseException as error:  # noqa: BLE001 - as above
            self.context.outcome.fail(error, self.name)
        finally:
            reason = f"{self.name} ended"
            for ring in self._inboxes:
                ring.abort(reason)
            for ring in self._outboxes:
                ring.close(reason)
