"""The tables of the store.

The first program that uses the store makes them. Their names begin alike, so that they
do not clash with other tables. The store says which engine has its tickets: with
another one, jobs would wait for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotality.jobs._jobs.errors.errors import StoreError

from .database import Database
from .moves import execute, one

if TYPE_CHECKING:
    from sqlalchemy import Connection

VERSION = 4

# What makes a store of this version of an older one. Programs of that release which are
# at work go on: the new columns may be empty.
UPGRADES = {
    3: (
        "ALTER TABLE cotality_attempts ADD COLUMN error_module TEXT",
        "ALTER TABLE cotality_attempts ADD COLUMN traceback TEXT",
    ),
}

# `ticket` counts what was handed to the engine, `run` how often the body was begun: a
# move of a job names both, so that whoever comes late changes nothing. The first ticket
# has a number that no other job has, so that it is not that of a job with the same id
# which was there before, and was purged while a body of it ran. `attempt` counts
# the runs that its retries are about, `lost` those whose worker has died.
TABLES = """
CREATE TABLE IF NOT EXISTS cotality_version (
    version INTEGER NOT NULL,
    engine TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS cotality_jobs (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    arguments TEXT NOT NULL,
    state TEXT NOT NULL,
    ticket BIGINT NOT NULL,
    run INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    live_key TEXT,
    job_key TEXT,
    keep_s DOUBLE PRECISION NOT NULL,
    enqueued_at DOUBLE PRECISION NOT NULL,
    due_at DOUBLE PRECISION NOT NULL,
    started_at DOUBLE PRECISION,
    ended_at DOUBLE PRECISION,
    expires_at DOUBLE PRECISION,
    worker TEXT,
    cancel_asked INTEGER NOT NULL,
    result TEXT,
    error_type TEXT,
    error TEXT,
    traceback TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS cotality_jobs_key
    ON cotality_jobs (live_key) WHERE live_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS cotality_jobs_state
    ON cotality_jobs (state, queue, due_at);
CREATE INDEX IF NOT EXISTS cotality_jobs_expires
    ON cotality_jobs (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS cotality_attempts (
    job_id TEXT NOT NULL,
    run INTEGER NOT NULL,
    started_at DOUBLE PRECISION NOT NULL,
    ended_at DOUBLE PRECISION,
    worker TEXT NOT NULL,
    outcome TEXT NOT NULL,
    error_type TEXT,
    error TEXT,
    error_module TEXT,
    traceback TEXT,
    PRIMARY KEY (job_id, run)
);
CREATE TABLE IF NOT EXISTS cotality_progress (
    job_id TEXT PRIMARY KEY,
    done DOUBLE PRECISION NOT NULL,
    total DOUBLE PRECISION,
    message TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL
);
CREATE TABLE IF NOT EXISTS cotality_ticks (
    name TEXT PRIMARY KEY,
    last_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS cotality_workers (
    id TEXT PRIMARY KEY,
    slot TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    queues TEXT NOT NULL,
    lock_file TEXT NOT NULL,
    started_at DOUBLE PRECISION NOT NULL,
    beat_at DOUBLE PRECISION NOT NULL
);
CREATE TABLE IF NOT EXISTS cotality_leases (
    name TEXT PRIMARY KEY,
    worker TEXT NOT NULL,
    until DOUBLE PRECISION NOT NULL,
    note TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS cotality_times (
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    count BIGINT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    seen_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (name, kind, bucket)
);
"""
ADVISORY_LOCK = 7_203_914_554_081  # any number that nobody else takes


def has_tables(database: Database, engine: str) -> bool:
    """Whether they are there, which is found out without writing.

    False as well if they are of an older release whose tables can be made new.

    Raises:
        StoreError: They are of another release, or of another engine.
    """
    statement = (
        "SELECT 1 FROM sqlite_master WHERE name = 'cotality_version'"
        if database.is_sqlite
        else "SELECT 1 WHERE to_regclass('cotality_version') IS NOT NULL"
    )
    with database.reading() as connection:
        if connection.exec_driver_sql(statement).first() is None:
            return False
        found = version_of(connection, engine)
        return found == VERSION


def make_store(database: Database, engine: str) -> None:
    """Make the store's own tables, whose tickets *engine* has, or make them new.

    Raises:
        StoreError: They are there, and of another release or another engine.
    """
    with database.writing() as connection:
        make(connection, TABLES)
        found = version_of(connection, engine)
        if found is None:
            execute(
                connection,
                "INSERT INTO cotality_version (version, engine) "
                "VALUES (:version, :engine)",
                version=VERSION,
                engine=engine,
            )
        elif found != VERSION:
            upgrade(connection, found)


def make_tables(database: Database, tables: str) -> None:
    """Make those of *tables* that are missing."""
    with database.writing() as connection:
        make(connection, tables)


def make(connection: Connection, tables: str) -> None:
    """Two that do so at once wait for each other."""
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
    for statement in tables.split(";"):
        if statement.strip():
            connection.exec_driver_sql(statement)


def upgrade(connection: Connection, version: int) -> None:
    """Make tables of *version* such of this one; all of it, or nothing."""
    for each in range(version, VERSION):
        for statement in UPGRADES[each]:
            connection.exec_driver_sql(statement)
    execute(
        connection, "UPDATE cotality_version SET version = :version", version=VERSION
    )


def version_of(connection: Connection, engine: str) -> int | None:
    """Of the tables, which this release can use or make new; None if nobody says.

    Raises:
        StoreError: It can do neither, or they are of another engine.
    """
    found = one(connection, "SELECT * FROM cotality_version")
    if found is None:
        return None
    version = int(found["version"])
    if version != VERSION and version not in UPGRADES:
        raise StoreError(
            f"the store was made by another release of cotality: its tables have "
            f"version {version}, this release knows {VERSION}. Use that "
            f"release until the store is empty, or another store"
        )
    if found["engine"] != engine:
        raise StoreError(
            f"the store was made with engine={found['engine']!r}, and these Jobs have "
            f"engine={engine!r}, which would not see what waits there: use "
            f"Jobs(..., engine={found['engine']!r}), or another store"
        )
    return version
