"""The ticket that a job has now, as an engine knows it."""

from __future__ import annotations

from cotality.jobs._jobs.api.base import Base
from cotality.jobs._jobs.store.moves import Ticket, one


def ticket_of(base: Base, job: str) -> Ticket:
    with base.database.reading() as connection:
        row = one(connection, "SELECT ticket FROM cotality_jobs WHERE id = :id", id=job)
    assert row is not None
    return Ticket(job, row["ticket"])
