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
    # How many there may come to be.
    most_workers: int
    # The seconds running tasks get to finish once a call is to end; None: all they
    # need, because nothing can stop them.
    grace: float | None

    # What the workers are: "threads", "processes", ...
    kind: str
    # The most tasks that a portion should hold here; None: what the schedule says.
    largest_portion: int | None
    # The seconds it lately took to submit a portion; None where that is little.
    portion_cost: float | None

    # How many portions may stand ready for each worker; None: what the schedule says.
    # Where more of them could run at a time than *workers* says, none may.
    @property
    def ready_per_worker(self) -> int | None:
        """See above; it may change on the way."""
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
        """Have handed back what has not started of portions whose time is over."""
        ...

    def collect(self, portion: Portion, future: Future[ChunkReport]) -> ChunkReport:
        """What became of *portion*; its *future* is done.

        Raises:
            WorkerStartError: There is nothing to run portions on.
        """
        ...

    def halt(self, futures: Collection[Future[ChunkReport]]) -> None:
        """Let no task start that has not started, in the portions of *futures*."""
        ...

    def kill(self, futures: Collection[Future[ChunkReport]]) -> None:
        """End what runs, where that is possible."""
        ...

    def close(self, all_ended: bool, *, struck: bool = False) -> None:
        """Give back what the call used.

        Args:
            all_ended: Whether nothing that came back from :meth:`submit` still runs.
            struck: Whether an exception from outside has struck the call. Then there
                may be a portion that it does not know of.
        """
        ...
