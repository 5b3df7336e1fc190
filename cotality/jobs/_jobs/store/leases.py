"""What one worker does for all: it has a lease, and leaves a note for the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .moves import one

if TYPE_CHECKING:
    from sqlalchemy import Connection


def take(
    connection: Connection, name: str, worker: str, now: float, seconds: float
) -> str | None:
    """The last note, if *worker* has the lease *name* now; else None.

    It keeps the lease for a limited time, or until it dies. The first note is empty.
    """
    found = one(
        connection,
        """
        INSERT INTO cotality_leases (name, worker, until, note)
        VALUES (:name, :worker, :until, '')
        ON CONFLICT (name) DO UPDATE
        SET worker = excluded.worker, until = excluded.until
        WHERE cotality_leases.worker = excluded.worker
            OR cotality_leases.until < :now
            OR cotality_leases.worker NOT IN (SELECT id FROM cotality_workers)
        RETURNING note
        """,
        name=name,
        worker=worker,
        until=now + seconds,
        now=now,
    )
    return None if found is None else str(found["note"])


def leave_note(connection: Connection, name: str, worker: str, note: str) -> bool:
    """Write it for whoever is next; False if somebody else has the lease by now."""
    found = one(
        connection,
        "UPDATE cotality_leases SET note = :note "
        "WHERE name = :name AND worker = :worker RETURNING name",
        name=name,
        worker=worker,
        note=note,
    )
    return found is not None
