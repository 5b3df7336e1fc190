"""Workers that begin, and what becomes of a pool that cannot start any.

Only the watching thread calls this. Rules:

* One worker is started at a time, and what has happened meanwhile is seen to before the
  next one: to start a process may take long.
* A system that refuses is no failure as long as there is a worker: the pool goes on
  with those it has. Items fail only where no worker is left to wait for.
* Whoever waits for a worker is told when none comes: `fail_pending` answers items and
  those who wait for all workers, each with an exception of its own.
* After a few workers in a row that died before they were ready, what waits fails: the
  next ones would die too. Whatever a worker answers begins the count anew.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

from cotality._kit.safe_text import class_and_text
from cotality.core.utils._process.machine.environment import LOGGER
from cotality.core.utils._process.tasks.errors import WorkerStartError
from cotality.core.utils._process.workers.handle import WorkerHandle
from cotality.core.utils._process.workers.requests import SERVERS_LOST, START_ATTEMPTS
from cotality.core.utils._process.workers.settling import another, fail

if TYPE_CHECKING:
    from cotality.core.utils._process.channel.ledger_slots import Slot
    from cotality.core.utils._process.workers.death_report import Report
    from cotality.core.utils._process.workers.pool_state import PoolState

    from .dispatch import Dispatcher
    from .links import Links

logger = logging.getLogger(LOGGER)


class Starter:
    """Starts the workers of a pool, as far as there is work for them.

    Attributes:
        failed_starts: How many workers in a row have died before they were ready.
        servers_lost: Likewise those that ended with their fork server.
    """

    def __init__(self, pool: PoolState, links: Links, dispatcher: Dispatcher) -> None:
        self.pool = pool
        self.links = links
        self.dispatcher = dispatcher
        self.failed_starts = 0
        self.servers_lost = 0

    def start_a_worker_if_needed(self) -> None:
        pool = self.pool
        if not (pool.pending or pool.assembly):
            return
        starting = sum(not (w.is_ready or w.is_leaving) for w in pool.workers)
        wanted = len(pool.pending) > starting + len(pool.idle)
        if pool.assembly and not pool.is_closing:
            wanted = True
        if not wanted or not pool.may_start():
            return
        slot = pool.slots.lend()
        try:
            # Before and after. What changes while a worker starts may have reached it
            # or not, and then nobody knows whether it is like the others.
            self.look_whether_alike()
            worker = self.started(slot)
        except Exception as error:
            slot.give_back()
            self.start_failed(error)
            return
        pool.workers.add(worker)
        self.look_whether_alike()
        self.links.add(worker)
        pool.ring()  # there may be more to start; first see what has happened

    def look_whether_alike(self) -> None:
        """Note whether a worker that is started now is another one than the others."""
        pool = self.pool
        try:
            if pool.is_as_before is not None and not pool.is_as_before():
                pool.is_mixed = True
        except OSError:  # of a directory that cannot be named
            pool.is_mixed = True

    def started(self, slot: Slot) -> WorkerHandle:
        return WorkerHandle.start(self.pool.plan, slot, self.pool.max_workers)

    def tell_if_all_are_there(self) -> None:
        pool = self.pool
        if not pool.assembly:
            return
        ready = sum(w.is_ready and not w.is_leaving for w in pool.workers)
        if ready < min(pool.max_workers, pool.start_limit):
            return
        told, pool.assembly = pool.assembly, []
        for future in told:
            future.set_result(None)

    # What goes wrong.

    def start_failed(self, error: Exception) -> None:
        """The system refused to start a worker: go on with fewer, if there are any."""
        pool = self.pool
        staying = sum(not w.is_leaving for w in pool.workers)
        pool.start_limit = staying
        if staying:
            logger.warning(
                "only %d of %d workers could be started: %s",
                staying,
                pool.max_workers,
                error,
            )
            return
        # The next items may have more luck: it is tried again for them.
        pool.start_limit = pool.max_workers
        self.refused(error)

    def refused(self, error: Exception) -> None:
        """No worker can be started now: what waits for one fails."""
        if isinstance(error, WorkerStartError):
            failure = error
        else:
            failure = WorkerStartError(
                f"no worker process could be started: {class_and_text(error)}"
            )
            failure.__cause__ = error
        self.dispatcher.take_requests()  # what has come by now fails with the others
        self.fail_pending(failure)

    def initializer_failed(self, worker: WorkerHandle, error: BaseException) -> None:
        failure = WorkerStartError(
            f"the initializer of a worker process failed: "
            f"{class_and_text(error)}. No worker can be used, so nothing was run."
        )
        failure.__cause__ = error
        # First: a caller that comes from here on is refused. Then what has come.
        self.pool.broken = failure
        self.pool.is_closing = True
        self.dispatcher.take_requests()
        self.fail_pending(failure)

    def died_at_start(self, report: Report) -> None:
        """A worker has died before it was ready, and nobody has asked for that."""
        if report.server_is_lost:
            self.servers_lost += 1
        else:
            self.failed_starts += 1
        if self.failed_starts >= START_ATTEMPTS or self.servers_lost >= SERVERS_LOST:
            failure = report.start_failure(self.failed_starts + self.servers_lost)
            self.failed_starts = self.servers_lost = 0
            self.fail_pending(failure)

    def fail_pending(self, failure: WorkerStartError) -> None:
        pool = self.pool
        dropped, pool.pending = pool.pending, deque()
        self.fail_assembly(failure)
        for item in dropped:
            if item.is_running or item.future.set_running_or_notify_cancel():
                fail(item.future, another(failure))

    def fail_assembly(self, failure: WorkerStartError) -> None:
        told, self.pool.assembly = self.pool.assembly, []
        for future in told:
            future.set_exception(another(failure))
