"""Workers that are alive: each renews its row, and is taken for dead if it does not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .moves import Row, Ticket, execute, one

if TYPE_CHECKING:
    from sqlalchemy import Connection

BEAT_S = 2.0  # between two signs of life
ALL = "*"  # every queue there is
DEAD_AFTER_S = 10.0  # without one; less than the 15 s in which its jobs are taken over


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker as others see it."""

    id: str
    slot: str
    host: str
    pid: int
    queues: dict[str, int]
    lock_file: str
    started_at: float
    beat_at: float


def join(connection: Connection, worker: WorkerRow) -> None:
    execute(
        connection,
        """
        INSERT INTO cotality_workers
            (id, slot, host, pid, queues, lock_file, started_at, beat_at)
        VALUES (:id, :slot, :host, :pid, :queues, :file, :now, :now)
        """,
        id=worker.id,
        slot=worker.slot,
        host=worker.host,
        pid=worker.pid,
        queues=json.dumps(worker.queues),
        file=worker.lock_file,
        now=worker.started_at,
    )


def beat(
    connection: Connection, worker: str, queues: dict[str, int], now: float
) -> bool:
    """A sign of life; False if the others have buried this worker."""
    found = one(
        connection,
        "UPDATE cotality_workers SET beat_at = :now, queues = :queues "
        "WHERE id = :id RETURNING id",
        id=worker,
        queues=json.dumps(queues),
        now=now,
    )
    return found is not None


def leave(connection: Connection, worker: str) -> None:
    execute(connection, "DELETE FROM cotality_workers WHERE id = :id", id=worker)


def all_workers(connection: Connection) -> list[WorkerRow]:
    found = execute(connection, "SELECT * FROM cotality_workers ORDER BY slot")
    return [worker_of(row) for row in found.mappings()]


def worker_of(row: Row) -> WorkerRow:
    return WorkerRow(
        row["id"],
        row["slot"],
        row["host"],
        row["pid"],
        json.loads(row["queues"]),
        row["lock_file"],
        row["started_at"],
        row["beat_at"],
    )


def most_slots(connection: Connection, queue: str) -> int:
    """As many of *queue* as any worker has; 0 if none serves it."""
    found = [row.queues for row in all_workers(connection)]
    return max((each.get(queue, each.get(ALL, 0)) for each in found), default=0)


def running_of(connection: Connection, worker: str) -> set[tuple[str, int, int]]:
    """The runs that it is at: of each the job, the ticket and the number."""
    found = execute(
        connection,
        "SELECT id, ticket, run FROM cotality_jobs "
        "WHERE state = 'RUNNING' AND worker = :worker",
        worker=worker,
    )
    return {(row["id"], row["ticket"], row["run"]) for row in found.mappings()}


def tickets_of(connection: Connection, worker: str) -> list[Ticket]:
    """Those by which it has begun the jobs that it runs."""
    found = execute(
        connection,
        "SELECT id, ticket FROM cotality_jobs "
        "WHERE state = 'RUNNING' AND worker = :worker",
        worker=worker,
    )
    return [Ticket(row["id"], row["ticket"]) for row in found.mappings()]
