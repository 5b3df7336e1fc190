"""What may happen to a job: one statement each, which names the states in which it may.

Each is called in a transaction. If a statement changes no row, another program was
quicker, and nothing has happened.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sqlalchemy import Connection, TextClause

Row = Mapping[str, Any]  # Any: what a column holds
AT_ONCE = 1000  # ids in one statement; databases have a limit


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job as it is enqueued; times in seconds since 1970."""

    id: str
    name: str
    queue: str
    priority: int
    arguments: str
    delay: float
    due_at: float | None
    key: str | None
    keep_s: float


@dataclass(frozen=True, slots=True)
class Ticket:
    """What an engine hands to a worker: of which job, and the how many-th of it."""

    job: str
    number: int


class Waiting(NamedTuple):
    """A job that may begin when its time has come and there is room."""

    name: str
    queue: str
    due_at: float


@dataclass(frozen=True, slots=True)
class Begun:
    """A job whose body is to run now."""

    ticket: Ticket
    run: int
    attempt: int
    lost: int
    name: str
    queue: str
    arguments: str
    due_at: float


@dataclass(frozen=True, slots=True)
class Raised:
    """What went wrong, as text.

    Attributes:
        kind: The class of what was raised.
        module: Where that class is.
    """

    kind: str
    text: str
    traceback: str = ""
    module: str = ""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a ticket belongs."""

    ticket: Ticket
    queue: str
    priority: int


def execute(
    connection: Connection, statement: str, **values: object
) -> Any:  # Any: rows of any columns
    return connection.execute(prepared(statement), values)


@functools.cache
def prepared(statement: str) -> TextClause:
    from sqlalchemy import text

    return text(statement)


def one(connection: Connection, statement: str, **values: object) -> Row | None:
    found = execute(connection, statement, **values).mappings().first()
    return None if found is None else dict(found)


def add(connection: Connection, job: NewJob, now: float, ticket: int = 1) -> bool:
    """Write it down; False if its id was given before, or its key is taken."""
    due = job.due_at if job.due_at is not None else now + job.delay
    found = one(
        connection,
        """
        INSERT INTO cotality_jobs (
            id, name, queue, priority, arguments, state, ticket, run, attempt, lost,
            live_key, job_key, keep_s, enqueued_at, due_at, cancel_asked
        ) VALUES (
            :id, :name, :queue, :priority, :arguments, 'QUEUED', :ticket, 0, 0, 0,
            :key, :key, :keep, :now, :due, 0
        ) ON CONFLICT DO NOTHING RETURNING id
        """,
        id=job.id,
        ticket=ticket,
        name=job.name,
        queue=job.queue,
        priority=job.priority,
        arguments=job.arguments,
        key=job.key,
        keep=job.keep_s,
        now=now,
        due=due,
    )
    return found is not None


def lock_keys(connection: Connection) -> None:
    """Have others wait who write several keys, whatever the order of these is.

    Two of them would wait for each other at a key that the other one has.
    """
    if connection.dialect.name != "sqlite":
        execute(
            connection,
            "SELECT pg_advisory_xact_lock(hashtextextended('cotality keys', 0))",
        )


def id_of_key(connection: Connection, key: str) -> str | None:
    found = one(
        connection, "SELECT id FROM cotality_jobs WHERE live_key = :key", key=key
    )
    return None if found is None else str(found["id"])


def name_of(connection: Connection, job: str) -> str | None:
    found = one(connection, "SELECT name FROM cotality_jobs WHERE id = :id", id=job)
    return None if found is None else str(found["name"])


def look(connection: Connection, ticket: Ticket) -> Waiting | None:
    """The job that waits for *ticket*; None if this one is out of date."""
    found = execute(
        connection,
        "SELECT name, queue, due_at FROM cotality_jobs WHERE id = :id "
        "AND ticket = :ticket AND state IN ('QUEUED', 'RETRYING')",
        id=ticket.job,
        ticket=ticket.number,
    ).first()
    return None if found is None else Waiting(*found)


def begin(
    connection: Connection, ticket: Ticket, worker: str, now: float
) -> Begun | None:
    """Let *worker* run the job now; None if *ticket* is out of date."""
    found = one(
        connection,
        """
        UPDATE cotality_jobs SET state = 'RUNNING', run = run + 1,
            attempt = attempt + 1, worker = :worker, started_at = :now
        WHERE id = :id AND ticket = :ticket AND state IN ('QUEUED', 'RETRYING')
        RETURNING run, attempt, lost, name, queue, arguments, due_at
        """,
        id=ticket.job,
        ticket=ticket.number,
        worker=worker,
        now=now,
    )
    if found is None:
        return None
    execute(
        connection,
        "INSERT INTO cotality_attempts (job_id, run, started_at, worker, outcome) "
        "VALUES (:id, :run, :now, :worker, 'running')",
        id=ticket.job,
        run=found["run"],
        now=now,
        worker=worker,
    )
    return Begun(ticket, **found)


# That it is still the run that ends: nobody has cancelled the job, or taken it over.
IS_THIS_RUN = "id = :id AND ticket = :ticket AND run = :run AND state = 'RUNNING'"


def close_attempt(
    connection: Connection,
    job: str,
    run: int,
    outcome: str,
    now: float,
    raised: Raised | None = None,
) -> None:
    execute(
        connection,
        """
        UPDATE cotality_attempts SET ended_at = :now, outcome = :outcome,
            error_type = :kind, error = :text, error_module = :module,
            traceback = :traceback
        WHERE job_id = :id AND run = :run AND ended_at IS NULL
        """,
        id=job,
        run=run,
        outcome=outcome,
        now=now,
        kind=raised.kind if raised else None,
        text=raised.text if raised else None,
        module=raised.module or None if raised else None,
        traceback=raised.traceback or None if raised else None,
    )


def is_closed(
    connection: Connection,
    found: Row | None,
    begun: Begun,
    outcome: str,
    now: float,
    raised: Raised | None = None,
) -> bool:
    """Close the attempt if its move has *found* the run; whether it has."""
    if found is not None:
        close_attempt(connection, begun.ticket.job, begun.run, outcome, now, raised)
    return found is not None


def succeed(connection: Connection, begun: Begun, result: str, now: float) -> bool:
    """Keep *result*: the job is done, and will never run again."""
    found = one(
        connection,
        f"""
        UPDATE cotality_jobs SET state = 'SUCCEEDED', result = :result,
            ended_at = :now, expires_at = :now + keep_s, live_key = NULL,
            error_type = NULL, error = NULL, traceback = NULL
        WHERE {IS_THIS_RUN} RETURNING id
        """,
        id=begun.ticket.job,
        ticket=begun.ticket.number,
        run=begun.run,
        result=result,
        now=now,
    )
    return is_closed(connection, found, begun, "succeeded", now)


def bury(connection: Connection, begun: Begun, raised: Raised, now: float) -> bool:
    """Let the job that runs be a dead letter."""
    found = one(
        connection,
        f"""
        UPDATE cotality_jobs SET state = 'FAILED', ended_at = :now, live_key = NULL,
            error_type = :kind, error = :text, traceback = :traceback
        WHERE {IS_THIS_RUN} RETURNING id
        """,
        id=begun.ticket.job,
        ticket=begun.ticket.number,
        run=begun.run,
        now=now,
        kind=raised.kind,
        text=raised.text,
        traceback=raised.traceback,
    )
    return is_closed(connection, found, begun, "failed", now, raised)


def retry(
    connection: Connection,
    begun: Begun,
    raised: Raised,
    due: float,
    now: float,
    *,
    new_ticket: bool,
    is_attempt: bool = True,
) -> Placed | None:
    """Let the job that runs wait until *due* and run again.

    Args:
        new_ticket: Whether the worker lets go of it meanwhile. The ticket that is
            given back has to be handed to the engine then, in the same transaction.
        is_attempt: Whether this run counts as an attempt.
    """
    found = one(
        connection,
        f"""
        UPDATE cotality_jobs SET state = 'RETRYING', due_at = :due,
            ticket = ticket + :more, attempt = attempt - :less,
            error_type = :kind, error = :text, traceback = :traceback
        WHERE {IS_THIS_RUN} RETURNING id, ticket, queue, priority
        """,
        id=begun.ticket.job,
        ticket=begun.ticket.number,
        run=begun.run,
        due=due,
        more=int(new_ticket),
        less=int(not is_attempt),
        kind=raised.kind,
        text=raised.text,
        traceback=raised.traceback,
    )
    if not is_attempt:
        # There may be any number of those, and what they raise is how they say it.
        raised = replace(raised, traceback="")
    is_closed(connection, found, begun, "failed", now, raised)
    return None if found is None else placed_of(found)


def placed_of(row: Row) -> Placed:
    return Placed(Ticket(row["id"], row["ticket"]), row["queue"], row["priority"])


def go_back(connection: Connection, begun: Begun, now: float) -> Placed | None:
    """Let the job that runs wait again, as if this run had not been."""
    found = one(
        connection,
        f"""
        UPDATE cotality_jobs SET state = 'QUEUED', ticket = ticket + 1,
            attempt = attempt - 1, due_at = :now, worker = NULL
        WHERE {IS_THIS_RUN} RETURNING id, ticket, queue, priority
        """,
        id=begun.ticket.job,
        ticket=begun.ticket.number,
        run=begun.run,
        now=now,
    )
    is_closed(connection, found, begun, "returned", now)
    return None if found is None else placed_of(found)


def let_go(connection: Connection, ticket: Ticket) -> tuple[Placed, float] | None:
    """A new ticket for a job that waits with a worker which has to end."""
    found = one(
        connection,
        """
        UPDATE cotality_jobs SET ticket = ticket + 1
        WHERE id = :id AND ticket = :ticket AND state IN ('QUEUED', 'RETRYING')
        RETURNING id, ticket, queue, priority, due_at
        """,
        id=ticket.job,
        ticket=ticket.number,
    )
    return None if found is None else (placed_of(found), found["due_at"])


def take_over(
    connection: Connection, ticket: Ticket, now: float, most_lost: int, raised: Raised
) -> tuple[Placed, float] | None:
    """A new ticket for a job whose worker has died, and when it is due.

    A job that was running counts it as a run that is lost; with the last one that may
    be, it is a dead letter.
    """
    found = one(
        connection,
        """
        UPDATE cotality_jobs SET ticket = ticket + 1,
            lost = lost + CASE state WHEN 'RUNNING' THEN 1 ELSE 0 END,
            attempt = attempt - CASE state WHEN 'RUNNING' THEN 1 ELSE 0 END,
            due_at = CASE state WHEN 'RUNNING' THEN :now ELSE due_at END,
            state = CASE state WHEN 'RUNNING' THEN 'QUEUED' ELSE state END
        WHERE id = :id AND ticket = :ticket
            AND state IN ('QUEUED', 'RETRYING', 'RUNNING')
        RETURNING id, ticket, queue, priority, due_at, lost, run
        """,
        id=ticket.job,
        ticket=ticket.number,
        now=now,
    )
    if found is None:
        return None
    close_attempt(connection, ticket.job, found["run"], "lost", now, raised)
    if found["lost"] >= most_lost:
        execute(
            connection,
            """
            UPDATE cotality_jobs SET state = 'FAILED', ended_at = :now,
                live_key = NULL, error_type = :kind, error = :text, traceback = ''
            WHERE id = :id
            """,
            id=ticket.job,
            now=now,
            kind=raised.kind,
            text=raised.text,
        )
        return None
    return placed_of(found), found["due_at"]


def cancel(connection: Connection, job: str, now: float, *, kill: bool) -> Row | None:
    """Cancel it; the row as it was told to, or None if it was over.

    Without *kill* a job that runs is only asked to end.
    """
    found = one(
        connection,
        """
        UPDATE cotality_jobs SET cancel_asked = 1
        WHERE id = :id AND state IN ('QUEUED', 'RETRYING', 'RUNNING')
        RETURNING id, ticket, queue, priority, state, run
        """,
        id=job,
    )
    if found is None or (found["state"] == "RUNNING" and not kill):
        return found
    execute(
        connection,
        """
        UPDATE cotality_jobs SET state = 'CANCELLED', ended_at = :now,
            expires_at = :now + keep_s, live_key = NULL WHERE id = :id
        """,
        id=job,
        now=now,
    )
    close_attempt(connection, job, found["run"], "cancelled", now)
    return found


def end_cancelled(connection: Connection, begun: Begun, now: float) -> bool:
    """The body that runs has ended because it was asked to."""
    found = one(
        connection,
        f"""
        UPDATE cotality_jobs SET state = 'CANCELLED', ended_at = :now,
            expires_at = :now + keep_s, live_key = NULL
        WHERE {IS_THIS_RUN} RETURNING id
        """,
        id=begun.ticket.job,
        ticket=begun.ticket.number,
        run=begun.run,
        now=now,
    )
    return is_closed(connection, found, begun, "cancelled", now)


def who_has_key_of(connection: Connection, job: str) -> str | None:
    """The job that has the key of *job*, which is over."""
    found = one(
        connection,
        """
        SELECT other.id FROM cotality_jobs other JOIN cotality_jobs it
            ON other.live_key = it.job_key
        WHERE it.id = :id AND other.id <> it.id
        """,
        id=job,
    )
    return None if found is None else str(found["id"])


def requeue(connection: Connection, job: str, now: float) -> Placed | None:
    """Let a dead letter, or a job that was cancelled, begin anew under its old id."""
    found = one(
        connection,
        """
        UPDATE cotality_jobs SET state = 'QUEUED', ticket = ticket + 1, attempt = 0,
            lost = 0, due_at = :now, ended_at = NULL, expires_at = NULL,
            cancel_asked = 0, result = NULL, live_key = job_key
        WHERE id = :id AND state IN ('FAILED', 'CANCELLED')
        RETURNING id, ticket, queue, priority
        """,
        id=job,
        now=now,
    )
    return None if found is None else placed_of(found)


def purge(connection: Connection, jobs: list[str]) -> int:
    """Forget these, with all that is known of them, if they are over."""
    gone: list[str] = []
    for job in jobs:
        found = one(
            connection,
            "DELETE FROM cotality_jobs WHERE id = :id AND state IN "
            "('SUCCEEDED', 'FAILED', 'CANCELLED') RETURNING id",
            id=job,
        )
        if found is not None:
            gone.append(job)
    forget_more(connection, gone)
    return len(gone)


def forget_more(connection: Connection, jobs: list[str]) -> None:
    """What belongs to jobs that are gone."""
    from sqlalchemy import bindparam, text

    for table in ("cotality_attempts", "cotality_progress"):
        statement = text(f"DELETE FROM {table} WHERE job_id IN :ids").bindparams(
            bindparam("ids", expanding=True)
        )
        for begin in range(0, len(jobs), AT_ONCE):
            connection.execute(statement, {"ids": jobs[begin : begin + AT_ONCE]})
