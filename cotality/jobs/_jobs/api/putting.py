"""Jobs go into the store: each with its ticket, all in one transaction."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from cotality.jobs._jobs.errors.errors import StoreError
from cotality.jobs._jobs.store import moves
from cotality.jobs._jobs.store.moves import NewJob, Placed, Ticket

from .base import Base
from .outbox import connection_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

FIRST_BITS = 48  # of the number of a job's first ticket
TRIES = 5  # of a key that somebody else lets go of at the same time


def put(base: Base, jobs: Sequence[NewJob], connection: Any) -> list[str]:
    """Write them down; their ids, or those of the jobs that were there before.

    Args:
        base: Where to.
        jobs: What to write.
        connection: The transaction to write in, which its owner ends; None for one of
            our own.
    """
    if connection is None:
        base.check_free()
    base.ready({job.queue for job in jobs}, may_write=connection is None)
    scope: AbstractContextManager[Connection] = (
        base.writing()
        if connection is None
        else nullcontext(connection_of(connection, base.database))
    )
    with scope as given:
        if connection is None and sum(job.key is not None for job in jobs) > 1:
            moves.lock_keys(given)
        now = base.database.now(given)
        return [put_one(base, given, job, now) for job in jobs]


def put_one(base: Base, connection: Connection, job: NewJob, now: float) -> str:
    for _ in range(TRIES):
        number = secrets.randbits(FIRST_BITS) + 1
        if moves.add(connection, job, now, number):
            due = job.due_at if job.due_at is not None else now + job.delay
            placed = Placed(Ticket(job.id, number), job.queue, job.priority)
            wait = due - now - base.engine.lead_s
            base.engine.hand_over(connection, placed, max(0.0, wait))
            return job.id
        known = known_id(connection, job)
        if known is not None:
            return known
    raise StoreError(f"key {job.key!r} is taken and let go of again and again")


def known_id(connection: Connection, job: NewJob) -> str | None:
    """The id of the job that is there in place of *job*."""
    name = moves.name_of(connection, job.id)
    if name is None:
        return None if job.key is None else moves.id_of_key(connection, job.key)
    if name != job.name:
        raise ValueError(
            f"job_id {job.id!r} was given to a job {name!r}, this one is {job.name!r}"
        )
    return job.id


def new_id() -> str:
    return uuid.uuid4().hex
