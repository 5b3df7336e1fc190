"""The parent's side of worker processes: one thread that watches over all of them.

Each worker has a link of its own, holds one item at most, and shares no lock with any
other. When one ends, its link ends, and that concerns the one item it held. Items wait
in a common queue; whoever submits one hands it to an idle worker directly, and the
watching thread does all the rest: it reads answers, starts workers, notices deaths and
keeps time limits. It sleeps while nothing happens.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import selectors
import socket
import sys
import threading
import weakref
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from . import crash, unsendable
from .exception_transport import unpack_exception
from .failures import WorkerCrashedError, WorkerStartError
from .handle import EOF_LIMIT, Item, WorkerHandle, WorkerPlan
from .messages import Kind, Message
from .segments import Segment, received_with
from .slots import Slots
from .wire import decode

logger = logging.getLogger("cotality.core.utils.process")

START_ATTEMPTS = 3  # workers in a row that may die before they are of any use
LOOK_INTERVAL = 0.5  # s between looks at the memory of workers that are busy for long
ORDER_PAUSE = 0.002  # s between an order to a worker and a look at what it did
IDLE_LIMIT = 60.0  # s that a parked pool keeps its workers
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


class Pool:
    """Worker processes and the items they work on.

    Args:
        max_workers: How many processes at most.
        plan: How they are started.
        for_calls: Whether only our own calls use it. What such a pool still runs when
            the program ends has nobody left to take it, and is ended.
    """

    def __init__(
        self, max_workers: int, plan: WorkerPlan, *, for_calls: bool = False
    ) -> None:
        self.max_workers = max_workers
        self.plan = plan
        self.for_calls = for_calls
        self.lock = threading.Lock()
        self.state = State()
        self.abandoned = False  # set without the lock: by garbage collection
        self.failed_starts = 0
        self.start_limit = max_workers  # lower once the system refuses more
        self.thread: threading.Thread | None = None
        self.selector: selectors.BaseSelector
        self.slots: Slots
        self.bell: socket.socket
        self.rope: socket.socket
        self.wakes_at = math.inf  # when the watching thread wakes at the latest
        self.last_look = 0.0
        self.used_since_look = False

    # What users of the pool call, from any thread.

    def put(self, item: Item) -> None:
        """Queue *item*, or hand it to an idle worker at once.

        Raises:
            WorkerStartError: No worker can be started, now or later.
            RuntimeError: The pool is closed.
        """
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
            for item in waiting:  # its worker died before it could begin
                self.state.pending.remove(item)
        for item in waiting:
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
        """Close by itself unless somebody calls :meth:`unpark` in the next minute."""
        with self.lock:
            self.state.parked_until = perf_counter() + IDLE_LIMIT

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
        if program_ends:
            raise RuntimeError("cannot submit: the program is coming to its end")

    # With the lock held.

    def worker_of(self, future: Future[Any]) -> WorkerHandle | None:  # Any: as above
        for worker in self.state.workers:
            if worker.item is not None and worker.item.future is future:
                return worker
        return None

    def open(self) -> None:
        self.slots = Slots(self.capacity())
        self.selector = selectors.DefaultSelector()
        self.bell, self.rope = socket.socketpair()
        self.bell.setblocking(False)
        self.rope.setblocking(False)
        self.selector.register(self.bell, selectors.EVENT_READ, None)
        self.thread = threading.Thread(
            target=self.watch, name="cotality-workers", daemon=True
        )
        open_pools.add(self)
        close_pools_at_exit()
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

    # The watching thread.

    def watch(self) -> None:
        try:
            while not self.is_finished():
                self.start_a_worker_if_needed()
                self.watch_for_room()
                for key, _ in self.selector.select(self.pause()):
                    if key.data is None:
                        self.listen_to_bell()
                    else:
                        self.attend(*key.data)
                self.keep_limits()
        except BaseException as error:
            # A defect of ours must not leave callers waiting for ever.
            logger.critical("the watching thread failed", exc_info=True)
            self.fail_everything(error)
        finally:
            self.shut()

    def is_finished(self) -> bool:
        """Whether all is done; tells idle workers to go when the pool closes."""
        with self.lock:
            state = self.state
            if self.abandoned:
                state.closing = True
            if state.parked_until is not None and perf_counter() >= state.parked_until:
                state.closing = True
            if not state.closing:
                return False
            if not state.pending:
                for worker in state.workers:
                    if worker.item is None and not worker.is_leaving:
                        worker.dismiss()
                state.idle.clear()
            return not state.workers and not state.pending

    def start_a_worker_if_needed(self) -> None:
        with self.lock:
            state = self.state
            starting = sum(not w.is_ready for w in state.workers)
            staying = sum(not w.is_leaving for w in state.workers)
            wanted = len(state.pending) > starting + len(state.idle)
            if not wanted or staying >= min(self.max_workers, self.start_limit):
                return
            if not self.slots.free:
                return
            slot = self.slots.lend()
        try:
            worker = WorkerHandle.start(self.plan, slot, self.max_workers)
        except Exception as error:
            slot.give_back()
            self.start_failed(error)
            return
        with self.lock:
            self.state.workers.add(worker)
            watched = selectors.EVENT_READ
            self.selector.register(worker.link, watched, (worker, False))
            if worker.sentinel is not None:
                self.selector.register(worker.sentinel, watched, (worker, True))
        self.ring()  # there may be more to start; first see what has happened

    def start_failed(self, error: Exception) -> None:
        """The system refused to start a worker: go on with fewer, if there are any."""
        with self.lock:
            staying = sum(not w.is_leaving for w in self.state.workers)
            self.start_limit = staying
        if staying:
            logger.warning(
                "only %d of %d workers could be started: %s",
                staying,
                self.max_workers,
                error,
            )
            return
        self.start_limit = self.max_workers
        failure = WorkerStartError(
            f"no worker process could be started: {type(error).__name__}: {error}"
        )
        failure.__cause__ = error
        self.fail_pending(failure)

    def listen_to_bell(self) -> None:
        try:
            while self.bell.recv(4096):
                pass
        except BlockingIOError:
            pass

    def attend(self, worker: WorkerHandle, ended: bool) -> None:
        """Something happened on a worker's link, or the worker has ended."""
        if worker not in self.state.workers:
            return  # it was buried earlier in this round
        if ended and worker.has_ended():
            self.bury(worker)
            return
        if worker.outbox:
            with self.lock:
                worker.push()
                self.update_events(worker)
        self.read_answers(worker)

    def read_answers(self, worker: WorkerHandle) -> None:
        """Take what the worker has sent."""
        try:
            for message in worker.messages():
                self.answered(worker, message)
        except (EOFError, OSError):
            self.link_ended(worker)

    def answered(self, worker: WorkerHandle, message: Message) -> None:
        if message.kind is Kind.UNFIT:
            self.initializer_failed(worker, unpack_exception(message.body))
            return
        worker.is_ready = True
        self.failed_starts = 0
        self.used_since_look = True
        item = worker.item
        with self.lock:
            worker.item = None
            if message.kind & Kind.LAST:
                worker.dismiss()
            elif not worker.is_leaving:
                self.state.idle.append(worker)
                self.hand_out()
            self.update_events(worker)
        if item is not None:
            settle(item.future, message)

    def watch_for_room(self) -> None:
        """See to items that did not fit into the link of an idle worker at once."""
        for worker in self.state.workers:
            if worker.outbox:
                self.update_events(worker)

    def update_events(self, worker: WorkerHandle) -> None:
        """Watch for room to write only while there is something to write."""
        if worker.link_is_watched:
            events = selectors.EVENT_READ
            if worker.outbox:
                events |= selectors.EVENT_WRITE
            if self.selector.get_key(worker.link).events != events:
                self.selector.modify(worker.link, events, (worker, False))

    def initializer_failed(self, worker: WorkerHandle, error: BaseException) -> None:
        failure = WorkerStartError(
            f"the initializer of a worker process failed: {type(error).__name__}: "
            f"{error}. No worker can be used, so nothing was run."
        )
        failure.__cause__ = error
        with self.lock:
            self.state.broken = failure
            self.state.closing = True
        self.fail_pending(failure)

    def link_ended(self, worker: WorkerHandle) -> None:
        """The worker has hung up: it is ending, or can no longer be reached."""
        if worker.link_is_watched:
            self.selector.unregister(worker.link)
            worker.link_is_watched = False
            with self.lock:
                if worker in self.state.idle:
                    self.state.idle.remove(worker)
            worker.leave_within(EOF_LIMIT)

    def bury(self, worker: WorkerHandle) -> None:
        """The worker has ended: settle what it held, and let go of all it used."""
        worker.is_leaving = True  # nothing new for it
        self.read_answers(worker)  # it may have sent one with its last breath
        if worker.link_is_watched:
            self.selector.unregister(worker.link)
        if worker.sentinel is not None:
            self.selector.unregister(worker.sentinel)
        entry = worker.slot.ledger.read(worker.items_given)
        report = crash.Report.of(worker, entry)
        item = worker.item
        with self.lock:
            self.state.workers.discard(worker)
            if worker in self.state.idle:
                self.state.idle.remove(worker)
            # In one step, so that who wants to kill the item finds it here or there.
            is_to_blame = entry.begun or worker.end_reason == "killed"
            if item is not None and not is_to_blame:
                self.hand_out_again(item)
            # This thread may refer to the worker until something else happens.
            worker.item = None
        worker.release()
        if item is not None:
            if is_to_blame:
                fail(item.future, report.failure())
            elif item.deaths >= START_ATTEMPTS:
                fail(item.future, report.start_failure(item.deaths))
        elif not worker.is_ready and worker.end_reason is None:
            self.died_at_start(report)

    def hand_out_again(self, item: Item) -> None:
        """The worker died before it began with *item*, which is not to blame.

        With the lock held.
        """
        item.deaths += 1
        if item.deaths < START_ATTEMPTS:
            self.state.pending.appendleft(item)
            self.hand_out()

    def died_at_start(self, report: crash.Report) -> None:
        self.failed_starts += 1
        if self.failed_starts >= START_ATTEMPTS:
            failure = report.start_failure(self.failed_starts)
            self.failed_starts = 0
            self.fail_pending(failure)

    def fail_pending(self, failure: WorkerStartError) -> None:
        with self.lock:
            dropped = list(self.state.pending)
            self.state.pending.clear()
        for item in dropped:
            if item.is_running or item.future.set_running_or_notify_cancel():
                again = WorkerStartError(*failure.args)  # one for each: never shared
                again.__cause__ = failure.__cause__
                fail(item.future, again)

    # Time: how long to sleep, and what is due.

    def pause(self) -> float | None:
        """Seconds until something is due by itself; None if nothing is."""
        # With the lock, so that whoever gives an item to an idle worker either comes
        # before, and is seen here, or knows how long this thread is going to sleep.
        with self.lock:
            now = perf_counter()
            due = [w.next_look(now, LOOK_INTERVAL) for w in self.state.workers]
            if self.used_since_look:
                # Idle at the moment, but mostly not for long: with a look planned
                # anyway, the next items need not ring.
                due.append(self.last_look + LOOK_INTERVAL)
            if self.for_calls:
                # Nobody rings when the pool is parked, for the same reason: having
                # slept for as long as it may stay parked, the thread looks again.
                due.append(self.state.parked_until or now + IDLE_LIMIT)
            self.wakes_at = min(
                (each for each in due if each is not None), default=math.inf
            )
            return None if self.wakes_at == math.inf else max(0.0, self.wakes_at - now)

    def keep_limits(self) -> None:
        now = perf_counter()
        if now >= self.last_look + LOOK_INTERVAL:
            self.last_look = now
            self.used_since_look = False
        for worker in list(self.state.workers):
            if worker.look(now, LOOK_INTERVAL, ORDER_PAUSE):
                self.bury(worker)

    # The end.

    def fail_everything(self, error: BaseException) -> None:
        failure = WorkerStartError(
            f"the executor failed by a defect of its own: {error!r}. Please report it."
        )
        failure.__cause__ = error
        with self.lock:
            self.state.closing = True
            self.state.broken = failure
            workers = list(self.state.workers)
            self.state.workers.clear()
            self.state.idle.clear()
        for worker in workers:
            worker.kill("killed")
            if worker.item is not None:
                fail(worker.item.future, WorkerStartError(*failure.args))
        self.fail_pending(failure)

    def shut(self) -> None:
        """Give back what the pool itself used; its workers are gone."""
        with self.lock:
            self.state.closing = True
            self.selector.close()
            self.bell.close()
            self.rope.close()
            self.slots.close()
            open_pools.discard(self)

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
        self.selector.close()
        self.bell.close()
        self.rope.close()
        self.slots.close()
        self.thread = None


def settle(future: Future[Any], message: Message) -> None:  # Any: see Item
    if message.kind & Kind.FAILURE:
        fail(future, unpack_exception(message.body))
        return
    try:
        with received_with(message.fds):
            value = decode(message.body)
        if isinstance(value, Segment):
            value = value.load()
    except BaseException as error:
        # User code runs in here, in a thread that must live on.
        fail(future, unsendable.unreadable_result(error))
        return
    try:
        future.set_result(value)
    except BaseException:
        log_callback(future)


def fail(future: Future[Any], error: BaseException) -> None:  # Any: see Item
    try:
        future.set_exception(error)
    except BaseException:
        log_callback(future)


def log_callback(future: Future[Any]) -> None:  # Any: see Item
    """Go on after a done callback that raised `SystemExit` or the like.

    The future itself has caught and logged every other exception of a callback.
    """
    logger.critical("a callback of %r failed", future, exc_info=True)


# The pools with a thread, for the end of the program and for forked children.
open_pools: weakref.WeakSet[Pool] = weakref.WeakSet()
registered_at_exit = False
program_ends = False


def close_pools_at_exit() -> None:
    """See to it that what was submitted is done before the program ends.

    Registered late, so that it runs before multiprocessing's own handler, which would
    wait for ever for processes that nobody has told to go.
    """
    global registered_at_exit
    if not registered_at_exit:
        registered_at_exit = True
        atexit.register(close_open_pools)


def close_open_pools() -> None:
    global program_ends
    program_ends = True
    pools = list(open_pools)
    for pool in pools:
        if pool.for_calls:
            pool.kill_all()
        else:
            pool.close(wait=False, cancel=False)
    for pool in pools:
        pool.close(wait=True, cancel=False)


def forget_pools() -> None:
    for pool in list(open_pools):
        pool.forget()
    open_pools.clear()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=forget_pools)
