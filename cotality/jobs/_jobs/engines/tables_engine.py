"""Tickets are rows beside the jobs, and a worker takes them in a transaction.

Nothing else is needed: no server but that of the database, and no other package.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cotality.jobs._jobs.store import tickets as rows
from cotality.jobs._jobs.store.database import Database
from cotality.jobs._jobs.store.moves import Placed, Ticket
from cotality.jobs._jobs.store.schema import make_tables

from .protocol import KEEP_S, Free, Limits, Run
from .serving import Serving

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Between two looks: whether a file has changed takes some microseconds; a server is
# asked for rows.
POLL_FILE_S, POLL_SERVER_S = 0.05, 0.1


class TablesEngine:
    """An engine of our own, on SQLite or on Postgres."""

    lead_s = 0.0

    def __init__(self, database: Database) -> None:
        self.database = database
        self.poll_s = POLL_FILE_S if database.is_sqlite else POLL_SERVER_S
        self.limits: dict[str, Limits] = {}
        self.serving: Serving | None = None

    def prepare(self) -> None:
        make_tables(self.database, rows.tables(is_sqlite=self.database.is_sqlite))

    def know_queues(self, queues: Iterable[str], *, may_write: bool = True) -> None:
        pass  # a queue is there when somebody says its name

    def limit(self, queue: str, limits: Limits, slots: int, poll_s: float) -> None:
        self.limits[queue], self.poll_s = limits, poll_s

    def hand_over(self, connection: Connection, placed: Placed, delay_s: float) -> None:
        rows.add(connection, placed, self.database.now(connection) + delay_s)

    def withdraw(self, tickets: Sequence[Ticket]) -> None:
        if tickets:
            with self.database.writing() as connection:
                rows.withdraw(connection, tickets)

    def serve(
        self, worker: str, queues: Iterable[str] | None, run: Run, free: Free
    ) -> None:
        self.serving = Serving(self, worker, queues, run, free)
        self.serving.thread.start()

    def tend(self) -> None:
        pass

    def stop(self, grace_s: float) -> None:
        serving, self.serving = self.serving, None
        if serving is not None:
            serving.stop(grace_s)

    def held_by_others(self, alive: Iterable[str]) -> dict[str, list[Ticket]]:
        known = set(alive)
        with self.database.reading() as connection:
            found = rows.held(connection)
        return {worker: held for worker, held in found.items() if worker not in known}

    def drop(self, tickets: Sequence[Ticket]) -> None:
        if tickets:
            with self.database.writing() as connection:
                rows.drop(connection, tickets)

    def clean(self, older_than_s: float = KEEP_S) -> int:
        return 0  # a ticket that is over is gone

    def close(self) -> None:
        pass
