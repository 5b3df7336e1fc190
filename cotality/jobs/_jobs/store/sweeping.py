"""Old jobs are deleted, few enough at a time that nobody waits long for the lock.

Only what has succeeded or was cancelled has a time at which it goes: dead letters stay
until somebody has looked at them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .moves import execute, forget_more

if TYPE_CHECKING:
    from sqlalchemy import Connection

AT_A_TIME = 500


def sweep_some(connection: Connection, now: float) -> list[str]:
    """The ids of those that went; none of them if nothing was due."""
    found = execute(
        connection,
        """
        DELETE FROM cotality_jobs WHERE id IN (
            SELECT id FROM cotality_jobs WHERE expires_at <= :now
            AND state IN ('SUCCEEDED', 'CANCELLED') ORDER BY expires_at LIMIT :most
        ) RETURNING id
        """,
        now=now,
        most=AT_A_TIME,
    )
    gone = [row["id"] for row in found.mappings()]
    forget_more(connection, gone)
    return gone
