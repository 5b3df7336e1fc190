"""Whether DBOS works on this database: its tables, and its idea of time.

DBOS asks SQLite for the time in milliseconds in a way that versions before 3.42 do not
know (and Python 3.12 and 3.13 are often built with 3.40). The store's connections
answer it themselves. Should a release of DBOS ask in another way, this says so at the
start, and not by jobs that never come.
"""

from __future__ import annotations

import logging
import sqlite3
import time

from cotality._kit.struck import is_of_a_signal
from cotality.jobs._jobs.errors.errors import StoreError
from cotality.jobs._jobs.store.database import Database

NO_QUEUE = "cotality-probe"
MOST_OFF_S = 0.05  # that DBOS's time may be off ours; whole seconds are more


def probe(database: Database) -> None:
    """Make DBOS's tables, and write and read a row of its own.

    Raises:
        StoreError: That does not work.
    """
    from dbos import DBOS

    logging.getLogger("dbos").setLevel(logging.ERROR)
    # Of ours first: it has the settings that stay in a file.
    with database.reading():
        pass
    DBOS.migrate(database.url)
    if database.is_sqlite:
        check_clock(database)


def check_clock(database: Database) -> None:
    from .dbos_client import FORM, WORKFLOW, made_client

    client = made_client(database)
    name = f"cotality-probe:{time.time_ns()}"
    try:
        with database.engine.connect() as connection:
            before = time.time()
            client.enqueue_in_transaction(
                connection,
                {
                    "workflow_name": WORKFLOW,
                    "queue_name": NO_QUEUE,
                    "workflow_id": name,
                    "app_version": FORM,
                },
            )
            found = connection.exec_driver_sql(
                "SELECT created_at FROM workflow_status WHERE workflow_uuid = ?",
                (name,),
            ).scalar()
            after = time.time()  # on a busy machine that is much later
            connection.rollback()
    except Exception as error:
        if is_of_a_signal(error):
            raise
        cause = getattr(error, "orig", None) or error  # without all of the statement
        raise clock_error(f"it refuses a row: {cause}") from error
    finally:
        client.destroy()
    if not (
        isinstance(found, int | float)
        and before - MOST_OFF_S <= found / 1000 <= after + MOST_OFF_S
    ):
        raise clock_error(f"it takes {before:.3f} for {found!r} ms")


def clock_error(what: str) -> StoreError:
    return StoreError(
        f"this release of DBOS does not keep time on SQLite {sqlite3.sqlite_version}: "
        f"{what}. Use a Python whose SQLite is 3.42 or newer, dbos>=3.4,<3.6, or a "
        f"Postgres URL"
    )
