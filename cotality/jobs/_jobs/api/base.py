"""The store and the engine of a `Jobs`, made ready when somebody needs them."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from cotality.jobs._jobs.engines.choosing import DEFAULT, checked_engine, engine_for
from cotality.jobs._jobs.engines.protocol import JobEngine
from cotality.jobs._jobs.errors.errors import StoreError
from cotality.jobs._jobs.store.database import Database
from cotality.jobs._jobs.store.schema import has_tables, make_store

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Holding:
    """A transaction that is open; whoever was begun meanwhile sees when it ends."""

    is_open = True


class Base:
    """Where jobs are kept, and who hands them out."""

    database: Database
    engine_name: str
    broker: str | None
    lock: threading.Lock
    holds: threading.local
    is_ready: bool
    pid: int

    def __init__(
        self, url: str, engine: str = DEFAULT, broker: str | None = None
    ) -> None:
        self.database = Database(url)
        self.engine_name = checked_engine(engine, broker)
        self.broker = broker
        self.engine: JobEngine = engine_for(self.database, engine, broker)
        self.lock = threading.Lock()
        self.holds = threading.local()  # whether this thread has a transaction open
        # And whether this task of an event loop has, whose calls go to other threads.
        self.holding: ContextVar[Holding | None] = ContextVar("holding", default=None)
        self.is_ready = False
        self.pid = os.getpid()

    def ready(self, queues: Iterable[str] = (), *, may_write: bool = True) -> None:
        """Make what is missing in the store.

        Args:
            queues: Those that are needed.
            may_write: Whether nobody in this thread holds a transaction open, which
                would be waited for in vain.
        """
        self.notice_fork()
        with self.lock:
            if not self.is_ready:
                self.check(may_write)
                self.is_ready = True
            self.engine.know_queues(queues, may_write=may_write)

    @contextmanager
    def writing(self) -> Generator[Connection]:
        """A transaction of the store, of one who has none open.

        Raises:
            StoreError: This thread, or task, has one, and would wait for itself.
        """
        self.check_free()
        with self.database.writing() as connection:
            yield connection

    @contextmanager
    def is_in_transaction(self) -> Generator[None]:
        """Meanwhile this thread holds a transaction of the store."""
        holding = Holding()
        self.holding.set(holding)
        self.holds.any = True
        try:
            yield
        finally:
            holding.is_open = self.holds.any = False

    def is_held(self) -> bool:
        """Whether this thread, or task, has the file to itself, so that others wait."""
        holding = self.holding.get()
        is_held = holding is not None and holding.is_open
        return self.database.is_sqlite and (
            is_held or bool(getattr(self.holds, "any", False))
        )

    def check_free(self) -> None:
        if self.is_held():
            raise StoreError(
                "this thread is in jobs.transaction(), which another transaction would "
                "wait for in vain: enqueue in it, by job.using(connection=connection), "
                "and do everything else before or after it"
            )

    def check(self, may_write: bool) -> None:
        if has_tables(self.database, self.engine_name):
            return
        if not may_write:
            raise StoreError(
                "the store has no tables yet, or those of an older release, and the "
                "transaction that is open here "
                "keeps them from being made: call jobs.prepare() before it"
            )
        # Ours are made last: where they are, everything is.
        self.engine.prepare()
        make_store(self.database, self.engine_name)

    def notice_fork(self) -> None:
        """What a parent has open, or has locked, is not for its child."""
        if self.pid != os.getpid():
            self.engine = engine_for(self.database, self.engine_name, self.broker)
            self.lock, self.pid = threading.Lock(), os.getpid()

    def close(self) -> None:
        self.notice_fork()
        with self.lock:
            self.engine.close()
            self.database.close()
            self.is_ready = False
