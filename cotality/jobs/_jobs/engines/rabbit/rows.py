"""What the engine keeps in the store, beyond the tickets themselves.

Each ticket has a time from which on any worker with a free place may take it without a
turn: at once if no turn is given for it, otherwise when its turn should have come. So
no job waits because a turn was lost.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from cotality.jobs._jobs.store import tickets
from cotality.jobs._jobs.store.moves import execute, one

if TYPE_CHECKING:
    from sqlalchemy import Connection

MORE = """
CREATE INDEX IF NOT EXISTS cotality_tickets_open
    ON cotality_tickets (queue, open_at) WHERE worker IS NULL;
CREATE TABLE IF NOT EXISTS cotality_broker (
    one INTEGER PRIMARY KEY,
    prefix TEXT NOT NULL
);
"""


class Times(NamedTuple):
    """Of the tickets of one queue that wait.

    Attributes:
        due: When the first one is due.
        open: When the first one may be taken without a turn.
    """

    due: float
    open: float


def tables(*, is_sqlite: bool) -> str:
    column = "open_at DOUBLE PRECISION NOT NULL,"
    return tickets.tables(is_sqlite=is_sqlite, more=column) + MORE


def made_prefix(connection: Connection) -> str:
    """By which the queues of this store are known from those of others.

    Several stores may use one broker; turns of one are nothing to the other.
    """
    execute(
        connection,
        "INSERT INTO cotality_broker (one, prefix) VALUES (1, :prefix) "
        "ON CONFLICT DO NOTHING",
        prefix=secrets.token_hex(4),
    )
    return prefix(connection)


def prefix(connection: Connection) -> str:
    found = one(connection, "SELECT prefix FROM cotality_broker")
    return "" if found is None else str(found["prefix"])


def times(connection: Connection) -> dict[str, Times]:
    """The times of each queue in which tickets wait; see `tickets.QUEUES`."""
    found = execute(
        connection,
        tickets.QUEUES
        + """
        SELECT queue, (
            SELECT MIN(due_at) FROM cotality_tickets
            WHERE worker IS NULL AND queue = queues.queue
        ) AS due, (
            SELECT MIN(open_at) FROM cotality_tickets
            WHERE worker IS NULL AND queue = queues.queue
        ) AS open FROM queues WHERE queue IS NOT NULL
        """,
    )
    rows = [row for row in found.mappings() if row["due"] is not None]
    return {row["queue"]: Times(row["due"], row["open"]) for row in rows}
