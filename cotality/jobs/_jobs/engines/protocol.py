"""What an engine is: it hands tickets to workers, and that is all.

The store knows all about a job. An engine keeps the order of jobs, lets no more of them
run than may, and gives each ticket to one worker. It may give a ticket twice, or late:
the store then says that the ticket is out of date. But it must not lose a ticket that
was handed over in a committed transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from cotality.jobs._jobs.store.moves import Placed, Ticket

if TYPE_CHECKING:
    from sqlalchemy import Connection

# It is called in a thread of its own for each ticket, and returns when the worker lets
# go of that.
Run: TypeAlias = Callable[[Ticket], None]
Free: TypeAlias = Callable[[str, Mapping[str, int]], int]


# DBOS counts the starts of a rate in its rows, so they stay for a while.
KEEP_S = 300.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for a queue, however many workers serve it.

    Attributes:
        concurrency: How many of its jobs run at once; None for no limit.
        rate: How many may start in any period of some seconds; None for no limit.
    """

    concurrency: int | None = None
    rate: tuple[int, float] | None = None


class JobEngine(Protocol):
    """An engine; every one of them passes the same tests.

    Attributes:
        lead_s: How long (s) before a job is due its ticket has to be handed out, for an
            engine that is late. The worker waits for the rest.
        poll_s: Seconds between two looks for tickets, unless somebody says otherwise.
    """

    lead_s: float
    poll_s: float

    def prepare(self) -> None:
        """Make what it needs in the store, and find out whether it works there.

        Raises:
            StoreError: It does not; the text says what to do.
        """
        ...

    def know_queues(self, queues: Iterable[str], *, may_write: bool = True) -> None:
        """Make these queues, as far as they are not there.

        Raises:
            StoreError: One has to be made, and nothing may be written.
        """
        ...

    def limit(self, queue: str, limits: Limits, slots: int, poll_s: float) -> None:
        """Let *limits* hold for *queue*; a worker takes *slots* of its jobs at once."""
        ...

    def hand_over(self, connection: Connection, placed: Placed, delay_s: float) -> None:
        """Let a worker have this ticket after *delay_s* seconds.

        It counts from the moment at which the transaction of *connection* is committed.
        """
        ...

    def withdraw(self, tickets: Sequence[Ticket]) -> None:
        """Let nobody have these. Those that a worker has already are not touched."""
        ...

    def serve(
        self, worker: str, queues: Iterable[str] | None, run: Run, free: Free
    ) -> None:
        """Begin to take tickets, in threads; returns at once.

        Args:
            worker: Who does it.
            queues: From which queues; None for all there are, and will be.
            run: What to do with each.
            free: How many more of a queue have a place, given how many of each are
                held. An engine that cannot ask hands out as many as `limit` said.
        """
        ...

    def tend(self) -> None:
        """Called now and then, while it serves."""
        ...

    def stop(self, grace_s: float) -> None:
        """Take no more, and wait for each *run* to return, for a limited time."""
        ...

    def held_by_others(self, alive: Iterable[str]) -> dict[str, list[Ticket]]:
        """Tickets in the hands of workers that are not among those *alive*."""
        ...

    def drop(self, tickets: Sequence[Ticket]) -> None:
        """Forget what a dead worker had in its hands."""
        ...

    def clean(self, older_than_s: float = KEEP_S) -> int:
        """Forget tickets that have been over for long enough; return how many."""
        ...

    def close(self) -> None:
        """Let go of all that it has open."""
        ...
