"""The thread that watches over all workers of a pool.

It reads answers, starts workers, notices their deaths and keeps time limits. It sleeps
while nothing happens: on the links of the workers, on their ends, and on a bell that
is rung when there is something to do for it.
"""

from __future__ import annotations

import logging
import math
import selectors
import socket
import sys
from concurrent.futures import Future
from time import perf_counter
from typing import TYPE_CHECKING, Any

from . import crash, relay, unsendable
from .exception_transport import unpack_exception
from .failures import WorkerStartError
from .handle import (
    EOF_LIMIT,
    READS_IN_A_ROW,
    SERVERS_LOST,
    START_ATTEMPTS,
    Item,
    WorkerHandle,
)
from .messages import Kind, Message
from .segments import decoded
from .texts import class_and_text

if TYPE_CHECKING:
    from .pool import Pool

logger = logging.getLogger("cotality.core.utils.process")

LOOK_INTERVAL = 0.5  # s between looks at the memory of workers that are busy for long
ORDER_PAUSE = 0.002  # s between an order to a worker and a look at what it did
IDLE_LIMIT = 60.0  # s that a parked pool keeps its workers


class Watcher:
    """Watches over the workers of *pool*; only its own thread calls it."""

    def __init__(self, pool: Pool, bell: socket.socket) -> None:
        self.pool = pool
        self.bell = bell
        self.selector = selectors.DefaultSelector()
        self.selector.register(bell, selectors.EVENT_READ, None)
        self.failed_starts = 0  # in a row
        self.servers_lost = 0  # likewise, each with a worker that was not ready
        self.last_look = 0.0
        self.used_since_look = False
        self.paused: set[WorkerHandle] = set()

    def watch(self) -> None:
        try:
            while not self.is_finished():
                self.start_a_worker_if_needed()
                self.tell_if_all_are_there()
                self.watch_for_room()
                self.resume_if_there_is_room()
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
        with self.pool.lock:
            state = self.pool.state
            if self.pool.abandoned:
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
        with self.pool.lock:
            state = self.pool.state
            starting = sum(not w.is_ready for w in state.workers)
            staying = sum(not w.is_leaving for w in state.workers)
            wanted = len(state.pending) > starting + len(state.idle)
            if state.assembly and not state.closing:
                wanted = True
            most = min(self.pool.max_workers, self.pool.start_limit)
            if not wanted or staying >= most:
                return
            if not self.pool.slots.free:
                return
            slot = self.pool.slots.lend()
        try:
            worker = WorkerHandle.start(self.pool.plan, slot, self.pool.max_workers)
        except Exception as error:
            slot.give_back()
            self.start_failed(error)
            return
        with self.pool.lock:
            self.pool.state.workers.add(worker)
            self.update_events(worker)
            if worker.sentinel is not None:
                watched = selectors.EVENT_READ
                self.selector.register(worker.sentinel, watched, (worker, True))
        self.pool.ring()  # there may be more to start; first see what has happened

    def tell_if_all_are_there(self) -> None:
        with self.pool.lock:
            state = self.pool.state
            if not state.assembly:
                return
            ready = sum(w.is_ready and not w.is_leaving for w in state.workers)
            if ready < min(self.pool.max_workers, self.pool.start_limit):
                return
            told, state.assembly = state.assembly, []
        for future in told:
            future.set_result(None)

    def start_failed(self, error: Exception) -> None:
        """The system refused to start a worker: go on with fewer, if there are any."""
        with self.pool.lock:
            staying = sum(not w.is_leaving for w in self.pool.state.workers)
            self.pool.start_limit = staying
        if staying:
            logger.warning(
                "only %d of %d workers could be started: %s",
                staying,
                self.pool.max_workers,
                error,
            )
            return
        self.pool.start_limit = self.pool.max_workers
        failure = WorkerStartError(
            f"no worker process could be started: {class_and_text(error)}"
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
        if worker not in self.pool.state.workers:
            return  # it was buried earlier in this round
        if ended:
            if worker.has_ended():
                self.bury(worker)
                return
            # It is about to, or a task has closed what would tell. Its link is left.
            self.forget_sentinel(worker)
            worker.expect_end()
        if worker.outbox:
            with self.pool.lock:
                worker.push()
                self.update_events(worker)
        self.read_answers(worker)

    def forget_sentinel(self, worker: WorkerHandle) -> None:
        if worker.sentinel is not None and worker.sentinel_is_watched:
            worker.sentinel_is_watched = False
            self.selector.unregister(worker.sentinel)

    def read_answers(self, worker: WorkerHandle, reads: int = READS_IN_A_ROW) -> None:
        """Take what the worker has sent."""
        try:
            for message in worker.messages(reads):
                self.answered(worker, message)
        except (EOFError, OSError):
            self.link_ended(worker)

    def answered(self, worker: WorkerHandle, message: Message) -> None:
        if message.kind is Kind.OUTPUT:
            self.pass_on(worker, message.body)
            return
        if message.kind is Kind.UNFIT:
            self.initializer_failed(worker, unpack_exception(message.body))
            return
        worker.is_ready = True
        self.failed_starts = self.servers_lost = 0
        self.used_since_look = True
        item = worker.item
        with self.pool.lock:
            worker.item = None
            if message.kind & Kind.LAST:
                worker.dismiss()
            elif not worker.is_leaving:
                self.pool.state.idle.append(worker)
                self.pool.hand_out()
            self.update_events(worker)
        if item is not None:
            settle(item.future, message)

    def watch_for_room(self) -> None:
        """See to items that did not fit into the link of an idle worker at once."""
        for worker in self.pool.state.workers:
            if worker.outbox:
                self.update_events(worker)

    def update_events(self, worker: WorkerHandle) -> None:
        """Watch for room to write only while there is something to write, and so on."""
        if not worker.link_is_watched:
            return
        events = 0 if worker.is_paused else selectors.EVENT_READ
        if worker.outbox:
            events |= selectors.EVENT_WRITE
        if events != worker.events:
            self.set_events(worker, events)

    def set_events(self, worker: WorkerHandle, events: int) -> None:
        if not worker.events:
            self.selector.register(worker.link, events, (worker, False))
        elif not events:  # no selector takes that for an answer
            self.selector.unregister(worker.link)
        else:
            self.selector.modify(worker.link, events, (worker, False))
        worker.events = events

    # What workers log and print.

    def pass_on(self, worker: WorkerHandle, body: bytes | bytearray) -> None:
        """Have handled what *worker* has logged; read no more of it if that takes long.

        Only its link waits. Its limits are kept, its end is seen, and then what is left
        in the link is read in any case.
        """
        item = worker.item
        output = relay.Output(
            body,
            worker.pid,
            item.first_task if item is not None else None,
            item.context if item is not None else None,
        )
        if not relay.put(output, self.pool.ring) and not worker.is_leaving:
            worker.is_paused = True
            self.paused.add(worker)
            self.update_events(worker)

    def resume_if_there_is_room(self) -> None:
        for worker in list(self.paused):
            # What one that is to end still sends is little, and its end comes last.
            if worker.is_leaving or relay.has_room():
                self.resume(worker)

    def resume(self, worker: WorkerHandle) -> None:
        worker.is_paused = False
        self.paused.discard(worker)
        self.update_events(worker)

    def initializer_failed(self, worker: WorkerHandle, error: BaseException) -> None:
        failure = WorkerStartError(
            f"the initializer of a worker process failed: "
            f"{class_and_text(error)}. No worker can be used, so nothing was run."
        )
        failure.__cause__ = error
        with self.pool.lock:
            self.pool.state.broken = failure
            self.pool.state.closing = True
        self.fail_pending(failure)

    def link_ended(self, worker: WorkerHandle) -> None:
        """The worker has hung up: it is ending, or can no longer be reached."""
        if worker.link_is_watched:
            self.set_events(worker, 0)
            worker.link_is_watched = False
            with self.pool.lock:
                if worker in self.pool.state.idle:
                    self.pool.state.idle.remove(worker)
            worker.leave_within(EOF_LIMIT)
            worker.expect_end()

    def bury(self, worker: WorkerHandle) -> None:
        """The worker has ended: settle what it held, and let go of all it used."""
        worker.is_leaving = True  # nothing new for it
        self.resume(worker)
        # It may have sent something with its last breath. That is finite.
        self.read_answers(worker, sys.maxsize)
        if worker.events:
            self.set_events(worker, 0)
        self.forget_sentinel(worker)
        entry = worker.slot.ledger.read(worker.items_given)
        report = crash.Report.of(worker, entry)
        item = worker.item
        with self.pool.lock:
            self.pool.state.workers.discard(worker)
            if worker in self.pool.state.idle:
                self.pool.state.idle.remove(worker)
            # In one step, so that who wants to kill the item finds it here or there.
            is_to_blame = entry.begun or worker.end_reason == "killed"
            if item is not None and not is_to_blame:
                self.hand_out_again(item, report)
            # This thread may refer to the worker until something else happens.
            worker.item = None
        worker.release()
        if item is not None:
            if is_to_blame:
                fail(item.future, report.failure())
            elif item.is_given_up():
                fail(item.future, report.start_failure(item.deaths))
        elif not worker.is_ready and worker.end_reason is None:
            self.died_at_start(report)

    def hand_out_again(self, item: Item, report: crash.Report) -> None:
        """The worker died before it began with *item*, which is not to blame.

        With the lock held.
        """
        item.deaths += 1
        item.server_deaths += report.server_is_lost
        if not item.is_given_up():
            self.pool.state.pending.appendleft(item)
            self.pool.hand_out()

    def died_at_start(self, report: crash.Report) -> None:
        if report.server_is_lost:
            self.servers_lost += 1
        else:
            self.failed_starts += 1
        if self.failed_starts >= START_ATTEMPTS or self.servers_lost >= SERVERS_LOST:
            failure = report.start_failure(self.failed_starts + self.servers_lost)
            self.failed_starts = self.servers_lost = 0
            self.fail_pending(failure)

    def fail_pending(self, failure: WorkerStartError) -> None:
        with self.pool.lock:
            dropped = list(self.pool.state.pending)
            self.pool.state.pending.clear()
            told, self.pool.state.assembly = self.pool.state.assembly, []
        for future in told:
            again = WorkerStartError(*failure.args)
            again.__cause__ = failure.__cause__
            future.set_exception(again)
        for item in dropped:
            if item.is_running or item.future.set_running_or_notify_cancel():
                again = WorkerStartError(*failure.args)  # one for each: never shared
                again.__cause__ = failure.__cause__
                fail(item.future, again)

    def pause(self) -> float | None:
        """Seconds until something is due by itself; None if nothing is."""
        # With the lock, so that whoever gives an item to an idle worker either comes
        # before, and is seen here, or knows how long this thread is going to sleep.
        with self.pool.lock:
            now = perf_counter()
            due = [w.next_look(now, LOOK_INTERVAL) for w in self.pool.state.workers]
            if self.used_since_look:
                # Idle at the moment, but mostly not for long: with a look planned
                # anyway, the next items need not ring.
                due.append(self.last_look + LOOK_INTERVAL)
            if self.pool.for_calls:
                # Nobody rings when the pool is parked, for the same reason: having
                # slept for as long as it may stay parked, the thread looks again.
                limit = self.pool.idle_limit or IDLE_LIMIT
                due.append(self.pool.state.parked_until or now + limit)
            wakes_at = min((each for each in due if each is not None), default=math.inf)
            self.pool.wakes_at = wakes_at
        return None if wakes_at == math.inf else max(0.0, wakes_at - now)

    def keep_limits(self) -> None:
        now = perf_counter()
        if now >= self.last_look + LOOK_INTERVAL:
            self.last_look = now
            self.used_since_look = False
        for worker in list(self.pool.state.workers):
            if worker.look(now, LOOK_INTERVAL, ORDER_PAUSE):
                self.bury(worker)

    # The end.

    def fail_everything(self, error: BaseException) -> None:
        failure = WorkerStartError(
            f"the executor failed by a defect of its own: {error!r}. Please report it."
        )
        failure.__cause__ = error
        with self.pool.lock:
            self.pool.state.closing = True
            self.pool.state.broken = failure
            workers = list(self.pool.state.workers)
            self.pool.state.workers.clear()
            self.pool.state.idle.clear()
        for worker in workers:
            worker.kill("killed")
            if worker.item is not None:
                fail(worker.item.future, WorkerStartError(*failure.args))
        self.fail_pending(failure)

    def shut(self) -> None:
        """Give back what was used to watch; there is nobody left."""
        with self.pool.lock:
            self.pool.state.closing = True
            told, self.pool.state.assembly = self.pool.state.assembly, []
            self.close()
            self.pool.shut()
        for future in told:
            future.set_exception(WorkerStartError("it has been shut down meanwhile"))

    def close(self) -> None:
        self.selector.close()
        self.bell.close()


def settle(future: Future[Any], message: Message) -> None:  # Any: see Item
    if message.kind & Kind.FAILURE:
        fail(future, unpack_exception(message.body))
        return
    try:
        value = decoded(message.body, message.fds)
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
