"""A connection to the store, by its URL.

All of SQLite's settings are made here. Writers wait for each other instead of failing,
and readers wait for nobody (WAL). With ``synchronous=NORMAL`` a commit survives the end
of any process; when the power fails, the last commits before it may be gone.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from cotality._kit.struck import is_of_a_signal
from cotality._kit.wal import set_up_wal
from cotality.jobs._jobs.errors.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

BUSY_S = 30  # that a writer waits for another one
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.0002, 0.01  # until it looks again

# Another one writes; or it has died, and somebody just clears up after it.
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY)

Todo: TypeAlias = "list[Callable[[], None]]"


class Database:
    """What a URL names; connected when somebody needs it, and anew after a fork."""

    url: str
    lock: threading.Lock
    pid: int

    def __init__(self, url: str) -> None:
        self.url = checked_url(url)
        self.lock = threading.Lock()
        self.pid = os.getpid()
        self.made: Engine | None = None
        # What to do once a transaction of `writing` is committed, by its connection.
        self.afterwards: dict[Connection, Todo] = {}
        self.has_dbos = False  # which has to be told the time

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    @property
    def file(self) -> Path | None:
        """The file of SQLite."""
        if not self.is_sqlite:
            return None
        return Path(self.url.partition(":///")[2]).absolute()

    @property
    def engine(self) -> Engine:
        self.notice_fork()
        with self.lock:
            if self.made is None:
                self.made = made_engine(self.url, has_dbos=self.has_dbos)
            return self.made

    def notice_fork(self) -> None:
        """Leave alone what belongs to a parent, of which this process was forked.

        The lock as well: a thread that was not forked may have held it.
        """
        if self.pid != os.getpid():
            if self.made is not None:
                self.made.dispose(close=False)
            self.made, self.lock, self.pid = None, threading.Lock(), os.getpid()

    @contextmanager
    def writing(self) -> Generator[Connection]:
        """A transaction that has the right to write from its start."""
        engine = self.engine
        from sqlalchemy.exc import DBAPIError, TimeoutError

        afterwards: Todo = []
        try:
            with engine.begin() as connection:
                if self.is_sqlite:
                    self.begin(connection)
                self.afterwards[connection] = afterwards
                try:
                    yield connection
                finally:
                    del self.afterwards[connection]
        except (DBAPIError, TimeoutError) as error:
            raise store_error(self.url, error) from error
        for do in afterwards:
            do()

    def begin(self, connection: Connection) -> None:
        """Begin a transaction of SQLite with the right to write.

        SQLite itself would look again after 1 ms, then after 2, 5, 10 and more. A
        transaction of ours takes less than half a millisecond, so whoever enqueues
        while workers write would sleep for most of its time.
        """
        driver: Any = connection.connection.driver_connection  # Any: by the database
        until, pause = time.monotonic() + BUSY_S, FIRST_PAUSE_S
        driver.execute("PRAGMA busy_timeout=0")
        try:
            while not self.has_begun(driver, until):
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
        finally:
            driver.execute(f"PRAGMA busy_timeout={int(BUSY_S * 1000)}")

    def has_begun(self, driver: sqlite3.Connection, until: float) -> bool:
        try:
            driver.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None)
            if code not in BUSY or time.monotonic() > until:
                raise store_error(self.url, error) from error
            return False
        return True

    def after_commit(self, connection: Connection) -> Todo | None:
        """Where to add what is to be done once this transaction is committed.

        None for a transaction of somebody else: nobody tells when that is.
        """
        return self.afterwards.get(connection)

    @contextmanager
    def reading(self) -> Generator[Connection]:
        engine = self.engine
        from sqlalchemy.exc import DBAPIError, TimeoutError

        try:
            with engine.connect() as connection:
                yield connection
        except (DBAPIError, TimeoutError) as error:
            raise store_error(self.url, error, "Nothing was read") from error

    def now(self, connection: Connection) -> float:
        """The time, in seconds: by one clock, however many machines there are."""
        if self.is_sqlite:
            return time.time()
        found: Any = connection.exec_driver_sql(  # Any: a number
            "SELECT EXTRACT(EPOCH FROM clock_timestamp())"
        ).scalar()
        return float(found)

    def close(self) -> None:
        self.notice_fork()
        with self.lock:
            if self.made is not None:
                self.made.dispose()
            self.made = None


def store_error(
    url: str, error: Exception, so: str = "Nothing of this call was stored"
) -> StoreError:
    cause = getattr(error, "orig", None) or error
    return StoreError(
        f"the store {shown_url(url)} refused: {type(cause).__name__}: {cause}. {so}"
    )


def shown_url(url: str) -> str:
    """*url* without a password."""
    if url.startswith("sqlite"):
        return url
    try:
        from sqlalchemy.engine import make_url
    except ModuleNotFoundError:
        return f"{url.partition('://')[0]}://..."
    return make_url(url).render_as_string(hide_password=True)


def checked_url(url: object) -> str:
    """*url* if it names a store that there is an engine for."""
    if not isinstance(url, str):
        raise TypeError(f"a store is named by a URL, got {url!r}")
    scheme, colon, _ = url.partition("://")
    base = scheme.partition("+")[0]
    if scheme == "sqlite":
        name = url.partition(":///")[2]
        if not name or ":memory:" in name or "?" in name:
            raise ValueError(
                f"jobs outlive processes, so they need a file: sqlite:///jobs.db, "
                f"got {url!r}"
            )
        # Whoever changes the folder later goes on with the same file.
        return f"{scheme}:///{Path(name).absolute().as_posix()}"
    if base in ("postgresql", "postgres"):
        driver = scheme.partition("+")[2] or "psycopg"
        if driver != "psycopg":
            raise ValueError(
                f"jobs speak to Postgres by psycopg, not by {driver}: use "
                f"postgresql://user@host/name, with cotality[jobs-postgres]"
            )
        return checked_parts(f"postgresql+{driver}{colon}{url.partition('://')[2]}")
    if base in ("amqp", "amqps"):
        raise ValueError(
            "a broker is not a store: Jobs('postgresql://user@host/name', "
            "engine='rabbitmq', broker='amqp://user:password@host/vhost')"
        )
    raise ValueError(
        f"no engine for {scheme or url!r}: use sqlite:///jobs.db, or "
        f"postgresql://user@host/name with cotality[jobs-postgres]"
    )


def checked_parts(url: str) -> str:
    """*url*, if all parts of it can be read."""
    try:
        from sqlalchemy.engine import make_url

        make_url(url)
    except ModuleNotFoundError:
        return url  # which the first use tells
    except Exception as error:
        if is_of_a_signal(error):
            raise
        # Neither what it is nor why it cannot be read: that may have a password in it.
        raise ValueError(
            f"the URL of the store cannot be read, {url.partition('://')[0]}://...: is "
            f"its port a number? In a name or a password, / is written %2F, : is %3A, "
            f"@ is %40 and % is %25"
        ) from None
    return url


def made_engine(
    url: str, *, has_dbos: bool = False, locks_first: bool = False
) -> Engine:
    """An engine on the database at *url*.

    Args:
        url: A checked one.
        has_dbos: Whether DBOS is there as well, which asks SQLite for the time.
        locks_first: Whether every transaction on SQLite begins with the right to write,
            for code that reads, decides and writes as if that were so.
    """
    try:
        import sqlalchemy
    except ModuleNotFoundError as error:
        raise StoreError(
            "jobs are kept with SQLAlchemy: pip install 'cotality[jobs]'"
        ) from error
    if url.startswith("sqlite"):
        engine = sqlalchemy.create_engine(
            url,
            connect_args={"timeout": BUSY_S, "check_same_thread": False},
            pool_size=16,
            max_overflow=-1,  # each thread has its own, and they wait at the file
        )
        from sqlalchemy import event

        event.listen(engine, "connect", set_up_sqlite)
        if has_dbos:
            event.listen(engine, "connect", set_up_clock)
        if locks_first:
            event.listen(engine, "connect", begin_by_hand)
            event.listen(engine, "begin", begin_with_lock)
        return engine
    try:
        return sqlalchemy.create_engine(
            url, pool_size=16, max_overflow=64, pool_pre_ping=True
        )
    except ModuleNotFoundError as error:
        raise StoreError(
            f"{error.name} is missing, which speaks to Postgres: "
            f"pip install 'cotality[jobs-postgres]'"
        ) from error


def set_up_sqlite(connection: sqlite3.Connection, record: object) -> None:
    # DBOS writes in transactions that it begins by writing: those take the lock first
    # and read then, so that none of them fails because of another.
    connection.isolation_level = "IMMEDIATE"
    connection.execute(f"PRAGMA busy_timeout={BUSY_S * 1000}")
    connection.execute("PRAGMA foreign_keys=ON")
    set_up_wal(connection, BUSY_S)
    connection.execute("PRAGMA synchronous=NORMAL")


def begin_by_hand(connection: sqlite3.Connection, record: object) -> None:
    connection.isolation_level = None


def begin_with_lock(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


# DBOS asks SQLite for the time in milliseconds by a function that is there from SQLite
# 3.42 on, and on Python 3.11 in whole seconds, by which its rate limits go wrong.
# Without DBOS nobody's functions are touched: a schema that has `strftime` in an index
# could not even be read with one that is not SQLite's own.
def set_up_clock(connection: sqlite3.Connection, record: object = None) -> None:
    """Give *connection* the functions of time that DBOS calls, to the millisecond."""
    connection.create_function("unixepoch", 1, unix_time)
    connection.create_function("strftime", 2, formatted_time)


def unix_time(what: object) -> Any:  # Any: what SQL knows
    return time.time() if what in ("subsec", "now") else asked("unixepoch(?)", what)


def formatted_time(form: object, what: object) -> Any:  # Any: likewise
    if (form, what) == ("%s", "now"):
        return time.time()
    return asked("strftime(?, ?)", form, what)


def asked(call: str, *given: Any) -> Any:  # Any: likewise
    """What SQLite itself says, for the SQL of whoever shares the connection."""
    plain = sqlite3.connect(":memory:")
    try:
        return plain.execute(f"SELECT {call}", given).fetchone()[0]
    finally:
        plain.close()
