"""A backend: a place where portions run. All of them look the same to the engine.

The engine submits a portion and gets a future; `collect` makes the report of the
portion from it.
"""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Future
from typing import Protocol

from cotality.core.utils._process.portions.chunk import ChunkReport
from cotality.core.utils._process.tasks.outcome import Portion


class Backend(Protocol):
    """A place where portions run."""

    workers: int
    # How many workers there may be later.
    most_workers: int
    # The seconds that running tasks get to finish when a call ends. None: as long as
    # they need, because nothing can stop them.
    grace: float | None

    # What the workers are: "threads", "processes", ...
    kind: str
    # The most tasks that a portion should hold here; None: what the schedule says.
    largest_portion: int | None
    # How many seconds submitting a portion has taken lately; None where that is little.
    portion_cost: float | None

    # How many portions may stand ready for each worker; None: what the schedule says. 0
    # where more portions could run at a time than there are *workers*.
    @property
    def ready_per_worker(self) -> int | None:
        """See above; it may change during the call."""
        ...

    def submit(
        self, portion: Portion, time_box: float
    ) -> tuple[Portion, Future[ChunkReport]]:
        """Have *portion* run, or only its first tasks if together they are large.

        Returns:
            The portion that was handed out, and the future of its report.
        """
        ...

    @property
    def look_at(self) -> float:
        """When to :meth:`look` next, by the monotonic clock; infinity for never."""
        ...

    def look(self) -> None:
        """Take back tasks that have not started, of portions whose time is over."""
        ...

    def collect(self, portion: Portion, future: Future[ChunkReport]) -> ChunkReport:
        """The report of *portion*, whose *future* is done.

        Raises:
            WorkerStartError: There is nothing to run portions on.
        """
        ...

    def halt(self, futures: Collection[Future[ChunkReport]]) -> None:
        """Let no further task of the portions of *futures* start."""
        ...

    def kill(self, futures: Collection[Future[ChunkReport]]) -> None:
        """End the running tasks of these portions, where that is possible."""
        ...

    def close(self, all_ended: bool, *, struck: bool = False) -> None:
        """Give back the workers that the call used.

        Args:
            all_ended: Whether no portion that was submitted is still running.
            struck: Whether an exception from outside has struck the call. Then there
                may be a portion that the call does not know.
        """
        ...
