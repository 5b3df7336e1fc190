"""A query to a real database: the readings of one sensor, counted and added up.

The table is made by us where it is missing, and its rows are the same everywhere. Each
worker has connections of its own, which may only read where the database knows that.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

from .sqlite_file import QUERY, SqliteFile, file_of

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, TextClause

SENSORS = 1000
CONNECT_S = 5  # after which a server that does not answer counts as gone


class Asked(Protocol):
    """Whoever can be asked for the readings of a sensor, by any number of threads."""

    def row(self, sensor: int) -> Any:  # Any: two numbers, the second None for none
        """How many there are, and their sum."""
        ...

    def close(self) -> None: ...


class Measurements:
    """The table; connected when somebody asks it.

    Args:
        url: Of the database, as SQLAlchemy knows it.
    """

    is_file: bool

    def __init__(self, url: str) -> None:
        file = file_of(url)
        # A query to a file computes here, and waits for nobody.
        self.is_file = file is not None
        self.asked: Asked = Server(url) if file is None else SqliteFile(file)

    def total(self, index: int) -> int:
        """The readings of the sensor of this item, added up.

        Raises:
            LookupError: It has none.
            Exception: What the database raises that cannot be asked.
        """
        sensor = index % SENSORS
        count, total = self.asked.row(sensor)
        if not count:
            raise LookupError(f"sensor {sensor} has no measurement")
        return int(total)

    def close(self) -> None:
        """Let go of all that is open. It is opened again when somebody asks."""
        self.asked.close()


class Server:
    """A database that is no file."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.lock = threading.Lock()  # held while the engine is made
        self.made: Engine | None = None
        self.statement: TextClause | None = None
        # Those that nobody uses now. To put one in and to take one out is one step.
        self.free: list[Connection] = []

    def row(self, sensor: int) -> Any:  # Any: see above
        from sqlalchemy.exc import DBAPIError

        kept = self.taken()
        if kept is not None:
            try:
                return self.asked(kept, sensor)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                # It had ended while nobody used it: a new one may do.
        return self.asked(self.connected(), sensor)

    def asked(self, connection: Connection, sensor: int) -> Any:  # Any: likewise
        assert self.statement is not None
        try:
            row = connection.execute(self.statement, {"sensor": sensor}).one()
        except BaseException:
            connection.close()
            raise
        self.free.append(connection)
        return row

    def taken(self) -> Connection | None:
        try:
            return self.free.pop()
        except IndexError:
            return None

    def connected(self) -> Connection:
        return self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    @property
    def engine(self) -> Engine:
        with self.lock:
            if self.made is None:
                from sqlalchemy import text

                self.statement = text(QUERY)
                self.made = reading_engine(self.url)
            return self.made

    def close(self) -> None:
        while (connection := self.taken()) is not None:
            connection.close()
        with self.lock:
            if self.made is not None:
                self.made.dispose()
            self.made = None


def reading_engine(url: str) -> Engine:
    """An engine whose connections only read, as far as that can be said to them."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    given = connect_args(url)
    if is_psycopg(url):
        given["options"] = "-c default_transaction_read_only=on"
    return create_engine(url, connect_args=given, poolclass=NullPool)


def connect_args(url: str) -> dict[str, Any]:  # Any: what a driver takes
    """What is said to a driver, unless the URL says it."""
    if is_psycopg(url) and "connect_timeout" not in url:
        return {"connect_timeout": CONNECT_S}
    return {}


def is_psycopg(url: str) -> bool:
    return url.startswith("postgresql+psycopg:")
