"""The tickets of jobs as rows: each waits, or a worker has it, or it is gone.

A worker takes tickets in a transaction of its own, in which it counts the jobs that run
and those that started lately. On SQLite, this transaction has the lock on the file. On
Postgres, a worker skips rows that another one is just taking; workers wait for each
other only at a queue that has limits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .moves import Placed, Row, Ticket, execute, one

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Tickets of one priority go in the order in which they came, or are due.
TABLES = """
CREATE TABLE IF NOT EXISTS cotality_tickets (
    serial {serial},
    job_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    due_at DOUBLE PRECISION NOT NULL,
    {more}
    worker TEXT,
    UNIQUE (job_id, number)
);
CREATE INDEX IF NOT EXISTS cotality_tickets_order
    ON cotality_tickets (queue, priority DESC, due_at, serial) WHERE worker IS NULL;
CREATE INDEX IF NOT EXISTS cotality_tickets_due
    ON cotality_tickets (queue, due_at) WHERE worker IS NULL;
CREATE INDEX IF NOT EXISTS cotality_tickets_held
    ON cotality_tickets (queue) WHERE worker IS NOT NULL;
CREATE TABLE IF NOT EXISTS cotality_starts (
    queue TEXT NOT NULL,
    started_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX IF NOT EXISTS cotality_starts_lately
    ON cotality_starts (queue, started_at);
"""


def tables(*, is_sqlite: bool, more: str = "") -> str:
    """What makes them; an engine may have more columns."""
    # No number comes twice: whoever lets go of a row lets go of no other one.
    serial = (
        "INTEGER PRIMARY KEY AUTOINCREMENT" if is_sqlite else "BIGSERIAL PRIMARY KEY"
    )
    return TABLES.format(serial=serial, more=more)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a worker would take from one queue.

    Attributes:
        queue: Its name.
        most: How many tickets.
        concurrency: How many of the queue all workers may have; None for any number.
        rate: How many may start in any period of some seconds; None for any number.
    """

    queue: str
    most: int
    concurrency: int | None = None
    rate: tuple[int, float] | None = None


class Taken(NamedTuple):
    """A ticket that a worker has, and the row of that."""

    serial: int
    ticket: Ticket
    queue: str


def add(connection: Connection, placed: Placed, due_at: float, **more: object) -> None:
    """Let *placed* wait until then; *more* goes into the columns of these names."""
    if not is_added(connection, placed, due_at, **more):
        # The id was that of a job which is purged, and a worker still has its ticket:
        # that one is no more, whatever becomes of it.
        drop(connection, [placed.ticket])
        withdraw(connection, [placed.ticket])
        is_added(connection, placed, due_at, **more)


def is_added(
    connection: Connection, placed: Placed, due_at: float, **more: object
) -> bool:
    columns = "".join(f", {name}" for name in more)
    values = "".join(f", :{name}" for name in more)
    found = one(
        connection,
        f"""
        INSERT INTO cotality_tickets (job_id, number, queue, priority, due_at{columns})
        VALUES (:job, :number, :queue, :priority, :due{values})
        ON CONFLICT (job_id, number) DO NOTHING RETURNING serial
        """,
        job=placed.ticket.job,
        number=placed.ticket.number,
        queue=placed.queue,
        priority=placed.priority,
        due=due_at,
        **more,
    )
    return found is not None


# The queues in which tickets wait: from each one, the next one is looked up in the
# index. It takes as long as there are queues, however many tickets wait.
QUEUES = """
WITH RECURSIVE queues (queue) AS (
    SELECT MIN(queue) FROM cotality_tickets WHERE worker IS NULL
    UNION ALL
    SELECT (
        SELECT MIN(queue) FROM cotality_tickets
        WHERE worker IS NULL AND queue > queues.queue
    ) FROM queues WHERE queue IS NOT NULL
)
"""


def next_due(connection: Connection) -> dict[str, float]:
    """When the first waiting ticket of each queue is due; see `QUEUES`."""
    found = execute(
        connection,
        QUEUES
        + """
        SELECT queue, (
            SELECT MIN(due_at) FROM cotality_tickets
            WHERE worker IS NULL AND queue = queues.queue
        ) AS due FROM queues WHERE queue IS NOT NULL
        """,
    )
    # One that another worker has just taken is not due any more.
    rows = [row for row in found.mappings() if row["due"] is not None]
    return {row["queue"]: row["due"] for row in rows}


def lock(connection: Connection, wish: Wish) -> None:
    """Have others wait who count what they may take from this queue."""
    has_limits = wish.concurrency is not None or wish.rate is not None
    if has_limits and skips_locked(connection):
        execute(
            connection,
            "SELECT pg_advisory_xact_lock(hashtextextended(:queue, 0))",
            queue=f"cotality:{wish.queue}",
        )


def take(connection: Connection, wish: Wish, worker: str, now: float) -> list[Taken]:
    """Give *worker* what it wishes, in order, as far as the limits of the queue allow.

    The transaction has the right to write from its start.
    """
    if wish.most <= 0:
        return []
    places = free_places(connection, wish)
    most = min(wish.most, places, free_starts(connection, wish, now))
    if most <= 0:
        return []
    found = execute(
        connection,
        f"""
        UPDATE cotality_tickets SET worker = :worker WHERE serial IN (
            SELECT serial FROM cotality_tickets
            WHERE queue = :queue AND worker IS NULL AND due_at <= :now
            ORDER BY priority DESC, due_at, serial LIMIT :most
            {skips_locked(connection)}
        ) RETURNING *
        """,
        worker=worker,
        queue=wish.queue,
        now=now,
        most=most,
    )
    rows = sorted(found.mappings(), key=in_order)
    if wish.rate is not None:
        for _ in rows:
            execute(
                connection,
                "INSERT INTO cotality_starts (queue, started_at) VALUES (:queue, :now)",
                queue=wish.queue,
                now=now,
            )
    return [taken_of(row) for row in rows]


def taken_of(row: Row) -> Taken:
    return Taken(row["serial"], Ticket(row["job_id"], row["number"]), row["queue"])


def in_order(row: Row) -> tuple[int, float, int]:
    return -row["priority"], row["due_at"], row["serial"]


def skips_locked(connection: Connection) -> str:
    is_sqlite = connection.dialect.name == "sqlite"
    return "" if is_sqlite else "FOR UPDATE SKIP LOCKED"


def free_places(connection: Connection, wish: Wish) -> int:
    if wish.concurrency is None:
        return wish.most
    held: int = execute(
        connection,
        "SELECT COUNT(*) FROM cotality_tickets "
        "WHERE queue = :queue AND worker IS NOT NULL",
        queue=wish.queue,
    ).scalar()
    return wish.concurrency - held


def free_starts(connection: Connection, wish: Wish, now: float) -> int:
    if wish.rate is None:
        return wish.most
    limit, seconds = wish.rate
    execute(
        connection,
        # A start that is to come is one before the clock was set back.
        "DELETE FROM cotality_starts WHERE queue = :queue "
        "AND (started_at <= :before OR started_at > :now)",
        queue=wish.queue,
        before=now - seconds,
        now=now,
    )
    started: int = execute(
        connection,
        "SELECT COUNT(*) FROM cotality_starts WHERE queue = :queue",
        queue=wish.queue,
    ).scalar()
    return limit - started


def next_start(connection: Connection, wish: Wish) -> list[float]:
    """When the rate of the queue lets another one start, if that is known."""
    if wish.rate is None:
        return []
    first: float | None = execute(
        connection,
        "SELECT MIN(started_at) FROM cotality_starts WHERE queue = :queue",
        queue=wish.queue,
    ).scalar()
    return [] if first is None else [first + wish.rate[1]]


def let_go(connection: Connection, serials: Iterable[int]) -> None:
    """The worker is through with what these rows are about."""
    for serial in serials:
        execute(
            connection,
            "DELETE FROM cotality_tickets WHERE serial = :serial",
            serial=serial,
        )


def withdraw(connection: Connection, tickets: Iterable[Ticket]) -> None:
    """Let nobody have those of *tickets* that wait."""
    delete(connection, tickets, "worker IS NULL")


def drop(connection: Connection, tickets: Iterable[Ticket]) -> None:
    """Whoever had these is no more."""
    delete(connection, tickets, "worker IS NOT NULL")


def delete(connection: Connection, tickets: Iterable[Ticket], which: str) -> None:
    for ticket in tickets:
        execute(
            connection,
            f"DELETE FROM cotality_tickets "
            f"WHERE job_id = :job AND number = :number AND {which}",
            job=ticket.job,
            number=ticket.number,
        )


def held_by(connection: Connection, worker: str) -> list[Taken]:
    """What *worker* has."""
    found = execute(
        connection,
        "SELECT * FROM cotality_tickets WHERE worker = :worker ORDER BY serial",
        worker=worker,
    )
    return [taken_of(row) for row in found.mappings()]


def held(connection: Connection) -> dict[str, list[Ticket]]:
    """The tickets that each worker has."""
    found = execute(
        connection,
        "SELECT worker, job_id, number FROM cotality_tickets "
        "WHERE worker IS NOT NULL ORDER BY serial",
    )
    tickets: dict[str, list[Ticket]] = {}
    for row in found.mappings():
        ticket = Ticket(row["job_id"], row["number"])
        tickets.setdefault(row["worker"], []).append(ticket)
    return tickets
