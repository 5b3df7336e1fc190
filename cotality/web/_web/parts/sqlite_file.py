"""A database that is a file, asked without SQLAlchemy.

To import that takes longer than a hundred items, in each process.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

BUSY_S = 5.0  # that a reader waits while the table is filled
QUERY = """
SELECT COUNT(*), SUM(reading) FROM cotality_measurements WHERE sensor = :sensor
"""


def file_of(url: str) -> Path | None:
    """The file of a plain SQLite URL."""
    scheme, _, name = url.partition(":///")
    is_plain = (
        scheme == "sqlite" and name and "?" not in name and ":memory:" not in name
    )
    return Path(name).absolute() if is_plain else None


class SqliteFile:
    """The file, for any number of threads; opened when somebody asks it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        # Those that nobody uses now. To put one in and to take one out is one step.
        self.free: list[sqlite3.Connection] = []

    def row(self, sensor: int) -> Any:  # Any: two numbers, the second None for none
        """How many readings there are, and their sum."""
        connection = self.taken() or opened_to_read(self.file)
        try:
            row = connection.execute(QUERY, {"sensor": sensor}).fetchone()
        except BaseException:
            connection.close()
            raise
        self.free.append(connection)
        return row

    def taken(self) -> sqlite3.Connection | None:
        try:
            return self.free.pop()
        except IndexError:
            return None

    def close(self) -> None:
        """Let go of all that is open."""
        while (connection := self.taken()) is not None:
            connection.close()


def opened_to_read(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(f'{file}')}?mode=ro",
        uri=True,
        timeout=BUSY_S,
        check_same_thread=False,
        isolation_level=None,
    )
