"""The store and the engine of a `Jobs`, made ready when somebody needs them."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager

from cotality.jobs._jobs.engines.choosing import DEFAULT, checked_engine, engine_for
from cotality.jobs._jobs.engines.protocol import JobEngine
from cotality.jobs._jobs.errors.errors import StoreError
from cotality.jobs._jobs.store.database import Database
from cotality.jobs._jobs.store.schema import has_tables, make_store


class Base:
    """Where jobs are kept, and who hands them out."""

    def __init__(
        self, url: str, engine: str = DEFAULT, broker: str | None = None
    ) -> None:
        self.database = Database(url)
        self.engine_name = checked_engine(engine, broker)
        self.broker = broker
        self.engine: JobEngine = engine_for(self.database, engine, broker)
        self.lock = threading.Lock()
        self.holds = threading.local()
        self.is_ready = False
        self.pid = os.getpid()

    def ready(self, queues: Iterable[str] = (), *, may_write: bool = True) -> None:
        """Make what is missing in the store.

        Args:
            queues: Those that are needed.
            may_write: Whether nobody in this thread holds a transaction open, which
                would be waited for in vain.
        """
        with self.lock:
            self.after_fork()
            if not self.is_ready:
                self.check(may_write)
                self.is_ready = True
            self.engine.know_queues(queues, may_write=may_write)

    @contextmanager
    def is_in_transaction(self) -> Generator[None]:
        """Meanwhile this thread holds a transaction of the store."""
        self.holds.any = True
        try:
            yield
        finally:
            self.holds.any = False

    def check_free(self) -> None:
        """See that this thread does not wait for itself.

        Raises:
            StoreError: It holds a transaction, and is about to begin another one.
        """
        if self.database.is_sqlite and getattr(self.holds, "any", False):
            raise StoreError(
                "this thread is in jobs.transaction(), which another transaction would "
                "wait for in vain: enqueue in it, by job.using(connection=connection)"
            )

    def check(self, may_write: bool) -> None:
        if has_tables(self.database, self.engine_name):
            return
        if not may_write:
            raise StoreError(
                "the store has no tables yet, and the transaction that is open here "
                "keeps them from being made: call jobs.prepare() before it"
            )
        # Ours are made last: where they are, everything is.
        self.engine.prepare()
        make_store(self.database, self.engine_name)

    def after_fork(self) -> None:
        """What a parent has open is not for its child."""
        if self.pid != os.getpid():
            self.engine = engine_for(self.database, self.engine_name, self.broker)
            self.pid = os.getpid()

    def close(self) -> None:
        with self.lock:
            self.engine.close()
            self.database.close()
            self.is_ready = False
