"""How far a job is: one row a job, however often its body says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .moves import Row, execute, one

if TYPE_CHECKING:
    from sqlalchemy import Connection


def say(
    connection: Connection,
    job: str,
    ticket: int,
    run: int,
    done: float,
    total: float | None,
    message: str,
    at: float,
) -> None:
    """Write it down, as long as it is this run that counts."""
    execute(
        connection,
        """
        INSERT INTO cotality_progress (job_id, done, total, message, at)
        SELECT :id, :done, :total, :message, :at FROM cotality_jobs
        WHERE id = :id AND ticket = :ticket AND run = :run AND state = 'RUNNING'
        ON CONFLICT (job_id) DO UPDATE SET done = excluded.done,
            total = excluded.total, message = excluded.message, at = excluded.at
        """,
        id=job,
        ticket=ticket,
        run=run,
        done=done,
        total=total,
        message=message,
        at=at,
    )


def said(connection: Connection, job: str) -> Row | None:
    return one(connection, "SELECT * FROM cotality_progress WHERE job_id = :id", id=job)
