"""A job in the caller's own transaction: both are there, or neither."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from cotality._kit.imported import imported
from cotality.jobs._jobs.store.database import Database, set_up_clock

if TYPE_CHECKING:
    from sqlalchemy import Connection


LOCAL = ("", "localhost", "127.0.0.1", "::1")


def connection_of(given: Any, database: Database) -> Connection:  # Any: checked here
    """The connection that *given* is, or that a session has.

    Raises:
        TypeError: It is neither.
        ValueError: It goes to another database, or has no transaction.
    """
    from sqlalchemy import Connection
    from sqlalchemy.engine import make_url

    connection = given
    # Nobody has a session who has not imported this. We do not: while it is imported,
    # other threads cannot use what is there of SQLAlchemy.
    orm = imported("sqlalchemy.orm")
    if not isinstance(given, Connection) and orm is not None:
        connection = given.connection() if isinstance(given, orm.Session) else given
    if not isinstance(connection, Connection):
        raise TypeError(
            f"connection must be a Connection or a Session of SQLAlchemy, got "
            f"{type(given).__name__}"
        )
    theirs, ours = connection.engine.url, make_url(database.url)
    if place_of(theirs) != place_of(ours):
        raise ValueError(
            f"one transaction has one database: the connection goes to "
            f"{theirs.render_as_string()}, the jobs are in {ours.render_as_string()}"
        )
    if commits_by_itself(connection, database):
        raise ValueError(
            "the connection commits each statement by itself (AUTOCOMMIT), so a job "
            "could be there by half: give one with a transaction, or none"
        )
    if database.is_sqlite and database.has_dbos:
        set_up_clock(cast("Any", connection.connection.driver_connection))
    return connection


def commits_by_itself(connection: Connection, database: Database) -> bool:
    driver: Any = connection.connection.driver_connection  # Any: by the database
    if not database.is_sqlite:
        return bool(driver.autocommit)
    if driver.isolation_level is not None:
        return False
    # Then either nobody begins a transaction, or who made the engine does so by hand,
    # which SQLAlchemy has done by its first statement.
    connection.exec_driver_sql("SELECT 1")
    return not driver.in_transaction


def place_of(url: Any) -> tuple[object, ...]:  # Any: a URL
    from pathlib import Path

    base = url.get_backend_name()
    if base == "sqlite":
        return base, Path(url.database or "").absolute()
    host = url.host or ""
    # What this machine calls itself; a name that means more is not asked for.
    return base, "localhost" if host in LOCAL else host, url.port or 5432, url.database
