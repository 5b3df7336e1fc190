"""How endpoints have answered lately, in a file that all worker processes share.

A circuit breaker in the memory of one process would know a quarter of the failures, and
what a 410 has disabled would be enabled by the next restart.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from typing import Protocol

from cotality._kit.public import public_in

public = public_in("cotality.jobs.webhooks")

FAILURES = 5  # in a row, after which nothing is sent to an endpoint
PAUSE_S = 60.0  # for this long; then one message is sent as a probe
BUSY_S = 30.0  # that a writer waits for another one

TABLE = """
CREATE TABLE IF NOT EXISTS webhook_endpoint (
    id TEXT PRIMARY KEY,
    failures INTEGER NOT NULL DEFAULT 0,
    closed_until REAL NOT NULL DEFAULT 0,
    disabled TEXT
) WITHOUT ROWID
"""


@public
class EndpointStates(Protocol):
    """What is known of endpoints; `FileStates` keeps it in a file."""

    def disabled(self, endpoint_id: str) -> str | None:
        """Why nothing is sent to it any more; None if it is not disabled."""
        ...

    def pause(self, endpoint_id: str, now: float) -> float:
        """For how many seconds to leave it alone; 0 if a message may go out now.

        Who is told 0 by an endpoint that has failed is the one that tries.
        """
        ...

    def note_success(self, endpoint_id: str) -> None:
        """It has answered."""
        ...

    def note_failure(self, endpoint_id: str, now: float) -> None:
        """It has not, or with an error of its own."""
        ...

    def disable(self, endpoint_id: str, reason: str) -> None:
        """Send nothing to it any more."""
        ...

    def enable(self, endpoint_id: str) -> None:
        """Send to it again, as if nothing had been."""
        ...


@public
class FileStates:
    """States in a SQLite file, for all processes of this computer.

    Args:
        path: The file; made when it is needed.
        failures: After how many failures in a row nothing is sent to an endpoint.
        pause_s: For how many seconds nothing is sent then.
    """

    path: str

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        failures: int = FAILURES,
        pause_s: float = PAUSE_S,
    ) -> None:
        self.path = os.path.abspath(path)  # whoever changes the folder has it still
        self.failures = failures
        self.pause_s = pause_s

    @contextmanager
    def opened(self) -> Generator[sqlite3.Connection]:
        """The file, locked for others that write.

        A connection for each time: next to a request over the network it costs nothing,
        and there is none to be inherited, shared or closed.
        """
        with closing(
            sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
        ) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute(TABLE)
            yield database
            database.execute("COMMIT")

    def disabled(self, endpoint_id: str) -> str | None:
        with self.opened() as database:
            row = database.execute(
                "SELECT disabled FROM webhook_endpoint WHERE id = ?", [endpoint_id]
            ).fetchone()
        return row[0] if row else None

    def pause(self, endpoint_id: str, now: float) -> float:
        with self.opened() as database:
            row = database.execute(
                "SELECT closed_until FROM webhook_endpoint "
                "WHERE id = ? AND failures >= ?",
                [endpoint_id, self.failures],
            ).fetchone()
            if row is None:
                return 0.0
            # A clock that was set back must not close it for longer than that.
            left = min(float(row[0]) - now, self.pause_s)
            if left > 0:
                return left
            database.execute(
                "UPDATE webhook_endpoint SET closed_until = ? WHERE id = ?",
                [now + self.pause_s, endpoint_id],
            )
        return 0.0

    def note_success(self, endpoint_id: str) -> None:
        with self.opened() as database:
            database.execute(
                # Mostly there is nothing to change, and then nothing is written.
                "UPDATE webhook_endpoint SET failures = 0 "
                "WHERE id = ? AND failures > 0",
                [endpoint_id],
            )

    def note_failure(self, endpoint_id: str, now: float) -> None:
        with self.opened() as database:
            database.execute(
                "INSERT INTO webhook_endpoint (id, failures, closed_until) "
                "VALUES (?, 1, ?) ON CONFLICT (id) DO UPDATE SET "
                "failures = failures + 1, closed_until = excluded.closed_until",
                [endpoint_id, now + self.pause_s],
            )

    def disable(self, endpoint_id: str, reason: str) -> None:
        with self.opened() as database:
            database.execute(
                "INSERT INTO webhook_endpoint (id, disabled) VALUES (?, ?) "
                "ON CONFLICT (id) DO UPDATE SET disabled = excluded.disabled",
                [endpoint_id, reason],
            )

    def enable(self, endpoint_id: str) -> None:
        with self.opened() as database:
            database.execute("DELETE FROM webhook_endpoint WHERE id = ?", [endpoint_id])
