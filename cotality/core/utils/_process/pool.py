"""Worker processes and the items they work on, as the rest of the parent sees them.

Each worker has a link of its own, holds one item at most, and shares no lock with any
other. When one ends, its link ends, and that concerns the one item it held. Items wait
in a common queue. Whoever submits one hands it to an idle worker directly; all the rest
is done by one thread, see `watcher`.
"""

from __future__ import annotations

import math
import socket
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from . import django_databases, farewell, relay
from .failures import WorkerCrashedError, WorkerStartError
from .handle import Item, WorkerHandle, WorkerPlan
from .slots import Slots
from .watcher import IDLE_LIMIT, LOOK_INTERVAL, Watcher, fail

SPARE_SLOTS = 64  # a pool may be made larger later, at no cost until it is


@dataclass(eq=False, slots=True)
class State:
    """What pool users and the watching thread share; all of it under the lock."""

    pending: deque[Item] = field(default_factory=deque[Item])
    idle: list[WorkerHandle] = field(default_factory=list[WorkerHandle])
    workers: set[WorkerHandle] = field(default_factory=set[WorkerHandle])
    broken: WorkerStartError | None = None
    closing: bool = False
    parked_until: float | None = None
    # Who waits until all workers are there.
    assembly: list[Future[None]] = field(default_factory=list[Future[None]])


class Pool:
    """Worker processes and the items they work on.

    Args:
        max_workers: How many processes at most.
        plan: How they are started.
        for_calls: Whether only our own calls use it. What such a pool still runs when
            the program ends has nobody left to take it, and is ended.
        idle_limit: Seconds that it keeps its workers while it is parked; None takes
            the default.
    """

    def __init__(
        self,
        max_workers: int,
        plan: WorkerPlan,
        *,
        for_calls: bool = False,
        idle_limit: float | None = None,
    ) -> None:
        self.max_workers = max_workers
        self.plan = plan
        self.for_calls = for_calls
        self.idle_limit = idle_limit
        self.lock = threading.Lock()
        self.state = State()
        self.abandoned = False  # set without the lock: by garbage collection
        self.start_limit = max_workers  # lower once the system refuses more
        self.thread: threading.Thread | None = None
        self.watcher: Watcher
        self.slots: Slots
        self.rope: socket.socket  # rings the watcher's bell
        self.wakes_at = math.inf  # when the watching thread wakes at the latest

    # What users of the pool call, from any thread.

    def put(self, item: Item) -> None:
        """Queue *item*, or hand it to an idle worker at once.

        Raises:
            WorkerStartError: No worker can be started, now or later.
            RuntimeError: The pool is closed.
        """
        relay.expect_nested_work()
        with self.lock:
            self.check_open()
            state = self.state
            if self.thread is None:
                self.open()
            state.pending.append(item)
            self.hand_out()
            look_by = perf_counter() + min(LOOK_INTERVAL, item.time_limit or math.inf)
            needs_help = (
                bool(state.pending)
                or self.wakes_at > look_by
                or any(w.outbox for w in state.workers)
            )
        if needs_help:
            self.ring()

    def assemble(self) -> Future[None]:
        """Have all workers started; the future is done when they are ready.

        It fails with `WorkerStartError` if none can be, and is content with fewer if
        the system refuses more.

        Raises:
            WorkerStartError: No worker can be started, now or later.
            RuntimeError: The pool is closed.
        """
        future: Future[None] = Future()
        with self.lock:
            self.check_open()
            if self.thread is None:
                self.open()
            self.state.assembly.append(future)
        self.ring()
        return future

    def close(self, *, wait: bool, cancel: bool) -> None:
        """Accept nothing more; drop what waits if *cancel*; wait for the rest."""
        with self.lock:
            self.state.closing = True
            dropped = list(self.state.pending) if cancel else []
            for item in dropped:
                if not item.is_running:
                    self.state.pending.remove(item)
            thread = self.thread
        for item in dropped:
            if not item.is_running:
                item.future.cancel()
                item.future.set_running_or_notify_cancel()
        self.ring()
        if wait and thread is not None and thread is not threading.current_thread():
            thread.join()
            relay.wait_until_handled()  # what its workers have logged and printed

    def join(self) -> None:
        """Wait for the end of a pool that is closed, not for handlers of anybody."""
        if self.thread is not None:
            self.thread.join()

    def abandon(self) -> None:
        """The executor is gone. Called by garbage collection, so it takes no lock."""
        self.abandoned = True
        self.ring()

    def kill(self, future: Future[Any]) -> bool:  # Any: the future of any call
        """End the worker that runs *future*, with the processes it has started."""
        with self.lock:
            worker = self.worker_of(future)
            if worker is not None:
                worker.kill("killed")
                return True
            waiting = [each for each in self.state.pending if each.future is future]
            for item in waiting:
                self.state.pending.remove(item)
        for item in waiting:
            if not item.future.cancel():  # its worker died before it could begin
                fail(item.future, WorkerCrashedError("it was ended on request"))
        return bool(waiting)

    def halt(self, future: Future[Any]) -> None:  # Any: the future of any call
        """Let no further task of the portion behind *future* start."""
        with self.lock:
            worker = self.worker_of(future)
            if worker is not None:
                worker.slot.ledger.halt(worker.items_given)

    def kill_all(self) -> None:
        """End every worker now and close."""
        with self.lock:
            self.state.closing = True
            dropped = list(self.state.pending)
            self.state.pending.clear()
            for worker in self.state.workers:
                worker.kill("killed")
        for item in dropped:
            if not item.future.cancel():  # its worker died before it could begin
                fail(item.future, WorkerStartError("the executor was ended"))
        self.ring()

    def park(self) -> None:
        """Close by itself unless somebody calls :meth:`unpark` within the limit."""
        with self.lock:
            self.state.parked_until = perf_counter() + (self.idle_limit or IDLE_LIMIT)

    def unpark(self, max_workers: int) -> bool:
        """Use the pool again, with so many workers; False if it is too late."""
        with self.lock:
            if self.state.closing or max_workers > self.capacity():
                return False
            self.state.parked_until = None
            self.max_workers = self.start_limit = max_workers
            surplus = self.state.idle[max_workers:]
            del self.state.idle[max_workers:]
            for worker in surplus:
                worker.dismiss()
        return True

    def capacity(self) -> int:
        return max(self.max_workers, SPARE_SLOTS)

    def worker_pids(self) -> list[int]:
        """The process ids of the workers that are there now."""
        with self.lock:
            return [w.pid for w in self.state.workers]

    def check_open(self) -> None:
        """Raise what :meth:`put` would raise."""
        broken = self.state.broken
        if broken is not None:
            raise WorkerStartError(str(broken)) from broken.__cause__
        if self.state.closing or self.abandoned:
            raise RuntimeError("cannot submit: this executor has been shut down")
        if farewell.program_ends:
            raise RuntimeError("cannot submit: the program is coming to its end")
        django_databases.check(self)

    # With the lock held.

    def worker_of(self, future: Future[Any]) -> WorkerHandle | None:  # Any: as above
        for worker in self.state.workers:
            if worker.item is not None and worker.item.future is future:
                return worker
        return None

    def open(self) -> None:
        self.slots = Slots(self.capacity())
        bell, self.rope = socket.socketpair()
        bell.setblocking(False)
        self.rope.setblocking(False)
        self.watcher = Watcher(self, bell)
        self.thread = threading.Thread(
            target=self.watcher.watch, name="cotality-workers", daemon=True
        )
        farewell.see_to(self)
        self.thread.start()

    def hand_out(self) -> None:
        """Give waiting items to idle workers."""
        state = self.state
        while state.pending and state.idle:
            item = state.pending.popleft()
            if not item.is_running:
                if not item.future.set_running_or_notify_cancel():
                    continue
                item.is_running = True
            state.idle.pop().give(item)

    def ring(self) -> None:
        """Wake the watching thread; callable without the lock."""
        if self.thread is None:
            return
        try:
            self.rope.send(b"\0")
        except OSError:
            # Full: it is going to wake anyway. Closed: there is nobody to wake.
            pass

    def shut(self) -> None:
        """Give back what the pool itself used; its workers are gone."""
        self.rope.close()
        self.slots.close()
        farewell.is_over_for(self)

    def forget(self) -> None:
        """In a forked child: the workers belong to the parent, let go of them."""
        self.lock = threading.Lock()
        workers = self.state.workers
        self.state = State(closing=True)
        self.state.broken = WorkerStartError(
            "this executor belongs to the parent of this forked process; make another"
        )
        for worker in workers:
            worker.forget()
        self.watcher.close()
        self.shut()
        self.thread = None
