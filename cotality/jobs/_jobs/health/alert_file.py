"""Which alerts have been told, in a file that all processes share."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Protocol

from cotality._kit.public import public_in

public = public_in("cotality.jobs.health")

BUSY_S = 30.0  # that a writer waits for another one
TABLE = "CREATE TABLE IF NOT EXISTS cotality_alert (key TEXT PRIMARY KEY) WITHOUT ROWID"


@public
class AlertMemory(Protocol):
    """Which alerts have begun and are not over."""

    def begin(self, key: str) -> bool:
        """Note that *key* has begun; whether nobody had."""
        ...

    def end(self, key: str) -> bool:
        """Note that *key* is over; whether it had begun, and nobody had noted that."""
        ...


@public
class AlertFile:
    """Remembers alerts in the SQLite file *path*, for all processes and restarts."""

    path: str

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(path)  # whoever changes the folder has it still

    def begin(self, key: str) -> bool:
        return self.has_changed("INSERT OR IGNORE INTO cotality_alert VALUES (?)", key)

    def end(self, key: str) -> bool:
        return self.has_changed("DELETE FROM cotality_alert WHERE key = ?", key)

    def has_changed(self, statement: str, key: str) -> bool:
        with closing(
            sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
        ) as database:
            database.execute(TABLE)
            return database.execute(statement, [key]).rowcount == 1


class OwnMemory:
    """Keeps them for one who looks."""

    keys: set[str]

    def __init__(self) -> None:
        self.keys = set[str]()

    def begin(self, key: str) -> bool:
        is_new = key not in self.keys
        self.keys.add(key)
        return is_new

    def end(self, key: str) -> bool:
        was_there = key in self.keys
        self.keys.discard(key)
        return was_there
