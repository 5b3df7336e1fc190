"""What the schedules of all workers have in common, kept by the engine."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class TickStore(Protocol):
    """For each schedule the last due time that was handled. All times are in UTC.

    Any number of workers call it at the same time.
    """

    def last_tick(self, name: str) -> datetime | None:
        """The last due time of *name* that was handled; None if it is not known."""
        ...

    def set_last_tick(
        self, name: str, moment: datetime, *, expected: datetime | None
    ) -> bool:
        """Store *moment*, if *expected* is what is stored now; whether it was."""
        ...

    def enqueue_tick(self, name: str, due: datetime, job_id: str) -> bool:
        """Enqueue the job of *name* as *job_id* and store *due*; whether it did.

        Both in one transaction, and only if what is stored is earlier than *due*. Where
        there is no transaction around both, the job comes first: its id keeps it from
        being enqueued twice if somebody is killed in between.
        """
        ...
