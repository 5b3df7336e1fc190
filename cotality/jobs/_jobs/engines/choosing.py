"""Which engine a store gets, by its URL."""

from __future__ import annotations

from cotality.jobs._jobs.store.database import Database

from .dbos_engine import DbosEngine
from .protocol import JobEngine


def engine_for(database: Database) -> JobEngine:
    """The engine on *database*: one on DBOS, for SQLite as for Postgres."""
    return DbosEngine(database)
