"""The store of ticks that tests have: a SQLite file, as an engine's may be."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path


class TickFile:
    """Ticks and the jobs that were enqueued for them; a connection for each call."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self.transaction() as database:
            database.execute("CREATE TABLE IF NOT EXISTS tick (name PRIMARY KEY, last)")
            database.execute("CREATE TABLE IF NOT EXISTS job (id, due)")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(
            sqlite3.connect(self.path, timeout=30, isolation_level=None)
        ) as database:
            database.execute("PRAGMA synchronous = OFF")  # no test pulls the plug
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.execute("COMMIT")

    def last_tick(self, name: str) -> datetime | None:
        with self.transaction() as database:
            return self.stored(database, name)

    def stored(self, database: sqlite3.Connection, name: str) -> datetime | None:
        found = database.execute("SELECT last FROM tick WHERE name = ?", [name])
        row = found.fetchone()
        return datetime.fromisoformat(row[0]) if row else None

    def set_last_tick(
        self, name: str, moment: datetime, *, expected: datetime | None
    ) -> bool:
        with self.transaction() as database:
            if self.stored(database, name) != expected:
                return False
            self.store(database, name, moment)
            return True

    def store(self, database: sqlite3.Connection, name: str, moment: datetime) -> None:
        row = [name, moment.isoformat()]
        database.execute("INSERT OR REPLACE INTO tick VALUES (?, ?)", row)

    def enqueue_tick(self, name: str, due: datetime, job_id: str) -> bool:
        with self.transaction() as database:
            last = self.stored(database, name)
            if last is not None and due <= last:
                return False
            database.execute("INSERT INTO job VALUES (?, ?)", [job_id, due.isoformat()])
            self.store(database, name, due)
            return True

    @property
    def jobs(self) -> list[str]:
        """The ids of all jobs, in the order in which they were enqueued."""
        with self.transaction() as database:
            return [row[0] for row in database.execute("SELECT id FROM job")]

    @property
    def dues(self) -> list[datetime]:
        with self.transaction() as database:
            rows = list(database.execute("SELECT due FROM job"))
        return [datetime.fromisoformat(row[0]) for row in rows]
