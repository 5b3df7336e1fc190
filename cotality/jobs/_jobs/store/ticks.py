"""Until when each schedule has been handled, by whoever did it last."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .moves import one

if TYPE_CHECKING:
    from sqlalchemy import Connection


def text_of(moment: datetime) -> str:
    """*moment*, so that the order of such texts is that of time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def last_tick(connection: Connection, name: str) -> datetime | None:
    found = one(
        connection, "SELECT last_at FROM cotality_ticks WHERE name = :name", name=name
    )
    return None if found is None else datetime.fromisoformat(found["last_at"])


def set_last_tick(
    connection: Connection, name: str, moment: datetime, expected: datetime | None
) -> bool:
    """Store *moment* in place of *expected*; False if something else is there."""
    if expected is None:
        statement = """
            INSERT INTO cotality_ticks (name, last_at) VALUES (:name, :at)
            ON CONFLICT DO NOTHING RETURNING name
        """
        found = one(connection, statement, name=name, at=text_of(moment))
    else:
        statement = """
            UPDATE cotality_ticks SET last_at = :at
            WHERE name = :name AND last_at = :expected RETURNING name
        """
        found = one(
            connection,
            statement,
            name=name,
            at=text_of(moment),
            expected=text_of(expected),
        )
    return found is not None


def advance(connection: Connection, name: str, due: datetime) -> bool:
    """Store *due*; False if it, or something later, is there already."""
    found = one(
        connection,
        """
        INSERT INTO cotality_ticks (name, last_at) VALUES (:name, :due)
        ON CONFLICT (name) DO UPDATE SET last_at = excluded.last_at
        WHERE cotality_ticks.last_at < excluded.last_at RETURNING name
        """,
        name=name,
        due=text_of(due),
    )
    return found is not None
