"""Which engine a store gets, by its name."""

from __future__ import annotations

from typing import Literal, TypeAlias

from cotality.jobs._jobs.store.database import Database

from .protocol import JobEngine

EngineName: TypeAlias = Literal["tables", "dbos"]

DEFAULT: EngineName = "tables"
NAMES = ("tables", "dbos")


def checked_engine(name: object) -> str:
    if name not in NAMES:
        raise ValueError(
            f"engine must be one of {', '.join(map(repr, NAMES))}, got {name!r}"
        )
    return str(name)


def engine_for(database: Database, name: str) -> JobEngine:
    """The engine of this *name* on *database*."""
    if name == "dbos":
        from .dbos_engine import DbosEngine

        return DbosEngine(database)
    from .tables_engine import TablesEngine

    return TablesEngine(database)
