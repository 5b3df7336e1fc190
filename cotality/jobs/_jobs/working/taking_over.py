"""Jobs of workers that have died go to those that live.

The engine knows which tickets a dead worker had, and the store which of its jobs had
begun. Each job gets a new ticket in the transaction that also changes its row. So if
two workers do this at once, it is done once, and if one dies meanwhile, the next worker
does it.
"""

from __future__ import annotations

import logging

from cotality.jobs._jobs.api.base import Base
from cotality.jobs._jobs.errors.errors import LostWorkerError
from cotality.jobs._jobs.store import moves, workers
from cotality.jobs._jobs.store.moves import Raised, Ticket
from cotality.jobs._jobs.store.slots import has_ended, this_machine
from cotality.jobs._jobs.store.workers import DEAD_AFTER_S, WorkerRow

logger = logging.getLogger("cotality.jobs")

# After this many deaths of its workers, the job itself is taken to be the reason.
MOST_LOST = 3


def bury_the_dead(base: Base, me: str, *, thorough: bool) -> None:
    """Take over what the dead had.

    Args:
        base: The store and the engine.
        me: The worker that does this.
        thorough: Also look for tickets of workers that nobody knows any more.
    """
    dead = dead_workers(base, me)
    if dead or thorough:
        take_over(base, dead)


def dead_workers(base: Base, me: str) -> list[WorkerRow]:
    with base.database.reading() as connection:
        rows = workers.all_workers(connection)
        now = base.database.now(connection)
    return [row for row in rows if row.id != me and is_dead(row, now)]


def is_dead(worker: WorkerRow, now: float) -> bool:
    is_here = worker.host == this_machine()
    ended = has_ended(worker.lock_file, worker.id) if is_here else None
    return worker.beat_at < now - DEAD_AFTER_S if ended is None else ended


def take_over(base: Base, dead: list[WorkerRow]) -> None:
    names = {worker.id for worker in dead}
    # A worker has its row before it takes a ticket. So tickets are read first: whoever
    # has one of these and no row is no more.
    held = base.engine.held_by_others([])
    with base.database.reading() as connection:
        alive = {row.id for row in workers.all_workers(connection)} - names
        begun = {worker: workers.tickets_of(connection, worker) for worker in names}
    for name, tickets in held.items():
        if name not in alive:
            begun.setdefault(name, []).extend(tickets)
    for name, tickets in begun.items():
        for ticket in tickets:
            take_one(base, name, ticket)
        base.engine.drop(tickets)
    for worker in dead:
        logger.warning(
            "worker %s (slot %s, pid %d) has died; %d of its jobs were taken over",
            *(worker.id, worker.slot, worker.pid, len(begun[worker.id])),
        )
        with base.database.writing() as connection:
            workers.leave(connection, worker.id)


def take_one(base: Base, worker: str, ticket: Ticket) -> None:
    raised = Raised(
        LostWorkerError.__qualname__,
        f"its worker {worker} ended while it ran the job; a job of which "
        f"{MOST_LOST} workers have died is not tried again",
        module=LostWorkerError.__module__,
    )
    with base.database.writing() as connection:
        now = base.database.now(connection)
        found = moves.take_over(connection, ticket, now, MOST_LOST, raised)
        if found is not None:
            placed, due = found
            wait = due - now - base.engine.lead_s
            base.engine.hand_over(connection, placed, max(0.0, wait))
