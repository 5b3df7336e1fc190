"""The tables of the web floor, beside those of the jobs, in the same database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cotality.jobs import Jobs

# `changed_at` is of the clock of the store, as the times of the jobs are. `runs` counts
# how often the task was begun, `deaths` the processes that have died at its items.
TABLES = (
    """
    CREATE TABLE IF NOT EXISTS cotality_web_tasks (
        task_id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        kind TEXT NOT NULL,
        method TEXT,
        config TEXT NOT NULL,
        total INTEGER NOT NULL,
        done INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        deaths INTEGER NOT NULL,
        runs INTEGER NOT NULL,
        checksum TEXT NOT NULL,
        message TEXT NOT NULL,
        outcome TEXT,
        created_at DOUBLE PRECISION NOT NULL,
        started_at DOUBLE PRECISION,
        changed_at DOUBLE PRECISION NOT NULL
    )
    """,
    """
    CREATE INDEX IF NOT EXISTS cotality_web_tasks_created
        ON cotality_web_tasks (created_at)
    """,
    """
    CREATE TABLE IF NOT EXISTS cotality_web_portions (
        task_id TEXT NOT NULL,
        first INTEGER NOT NULL,
        many INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (task_id, first)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS cotality_web_figures (
        machine TEXT PRIMARY KEY,
        body TEXT NOT NULL,
        measured_at DOUBLE PRECISION NOT NULL
    )
    """,
)
ADVISORY_LOCK = 7_203_914_554_082  # any number that nobody else takes


def make_tables(jobs: Jobs) -> None:
    """Make those that are missing.

    Raises:
        StoreError: The store cannot be used.
    """
    with jobs.transaction() as connection:
        lock(connection)
        for table in TABLES:
            connection.execute(text(table))


def lock(connection: Connection) -> None:
    """Wait until nobody else is in a transaction that has called this."""
    # On SQLite a transaction that writes is the only one from its start.
    if connection.dialect.name != "sqlite":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))


def now_of(connection: Connection) -> float:
    """The time, in seconds, by the clock by which jobs have their times."""
    if connection.dialect.name == "sqlite":
        return time.time()
    asked = text("SELECT EXTRACT(EPOCH FROM clock_timestamp())")
    return float(connection.execute(asked).scalar_one())
