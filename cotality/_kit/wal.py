"""A SQLite file in which readers and a writer do not wait for each other."""

from __future__ import annotations

import sqlite3
import time

PAUSE_S = 0.02


def set_up_wal(connection: sqlite3.Connection, busy_s: float) -> None:
    """Have the file so; it is a mark in the file, which is made once.

    Two processes that both want to make it get in each other's way, and the one that
    loses is told "locked" at once, whatever its time limit is.

    Args:
        connection: To the file, in no transaction.
        busy_s: For how many seconds to wait for others.

    Raises:
        sqlite3.OperationalError: Others had it for longer, or something else.
    """
    end = time.monotonic() + busy_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(PAUSE_S)
