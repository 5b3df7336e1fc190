"""The thread that watches over all workers of a pool, and alone changes their state.

It takes what callers hand over, gives it out, reads answers, starts workers, notices
their deaths and keeps time limits. It sleeps while nothing happens: on the links of the
workers, on their ends, and on a bell that callers ring.

Each item that a worker gets has a number, and so has its answer. The worker's link, its
ledger and this thread all count the same items, so an answer to anything else than what
the worker holds says that something is wrong with that worker. It is ended then, and
what it said is delivered to nobody.
"""

from __future__ import annotations

import logging
import math
import selectors
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cotality._kit.safe_text import class_and_text
from cotality.core.utils._process.channel.ledger_slots import Slot, Slots
from cotality.core.utils._process.channel.messages import Kind, Message, Output
from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.machine.standard_places import above_standard
from cotality.core.utils._process.output import relay
from cotality.core.utils._process.pickling.exceptions import unpack_exception
from cotality.core.utils._process.tasks.errors import (
    WorkerCrashedError,
    WorkerStartError,
)

from . import at_exit, death_report
from .handle import (
    EOF_LIMIT,
    MOST_AHEAD,
    READS_IN_A_ROW,
    RECALL_AFTER,
    RECALL_LATEST,
    WorkerHandle,
)
from .requests import (
    SERVERS_LOST,
    START_ATTEMPTS,
    Assemble,
    Doubt,
    EndCall,
    Halt,
    Item,
    Kill,
    Request,
    Resize,
)
from .settling import another, drop, fail, settle

if TYPE_CHECKING:
    from .pool import Pool

logger = logging.getLogger("cotality.core.utils.process")

LOOK_INTERVAL = 0.5  # s between looks at the memory of workers that are busy for long
OPEN_PAUSE = 0.05  # s between attempts to get what is needed to watch
IDLE_LIMIT = 60.0  # s that a parked pool keeps its workers


class Watcher:
    """Watches over the workers of *pool*; only its own thread calls it.

    Other threads may look at copies of ``workers`` and ``pending``, and borrow workers
    that are idle: see `loan`.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.thread = threading.current_thread()
        self.pending: deque[Item] = deque()  # what no worker has
        # A caller may take a worker out at any moment. It is lent from then on.
        self.idle: list[WorkerHandle] = []
        self.lent: dict[object, WorkerHandle] = {}
        self.was_answered = False  # since it last slept
        self.wakes_at = 0.0  # when something is due by itself
        # What futures are told before this thread sleeps. Later than all else, so that
        # workers have something to do first, and who waits for a future finds the
        # interpreter free.
        self.outcomes: deque[tuple[Future[Any], Message]] = deque()
        self.workers: set[WorkerHandle] = set()
        self.assembly: list[Future[None]] = []  # who waits until all workers are there
        self.failed_starts = 0  # in a row
        self.servers_lost = 0  # likewise, each with a worker that was not ready
        self.paused: set[WorkerHandle] = set()
        self.is_forgotten = False  # in a forked child, which a callback has made here
        self.slots: Slots
        self.bell: socket.socket
        self.selector: selectors.BaseSelector

    def watch(self) -> None:
        try:
            self.open()
            while True:
                self.take_requests()
                if self.is_finished():
                    self.settle_outcomes()
                    break
                self.start_a_worker_if_needed()
                self.tell_if_all_are_there()
                self.resume_if_there_is_room()
                for key, _ in self.sleep():
                    if key.data is None:
                        self.listen_to_bell()
                    else:
                        self.attend(*key.data)
                self.keep_limits()
        except BaseException as error:
            if self.is_forgotten:
                return
            # A defect of ours must not leave callers waiting for ever.
            logger.critical("the watching thread failed", exc_info=True)
            self.fail_everything(error)
        finally:
            if not self.is_forgotten:
                self.shut()

    def open(self) -> None:
        """Make what is needed to watch.

        Here and not where the pool is made, so that nothing of it is lost when an
        exception strikes a caller. What the system refuses, the first items fail with.
        """
        while not self.pool.is_closing:
            try:
                self.open_all()
                return
            except (OSError, WorkerStartError) as error:
                self.refused(error)
            while not (self.pool.inbox or self.pool.is_closing):
                time.sleep(OPEN_PAUSE)  # there is no bell yet that somebody could ring
        self.open_all()

    def open_all(self) -> None:
        with above_standard(), ExitStack() as undo:
            slots = undo.enter_context(closing(Slots(self.pool.capacity())))
            selector = undo.enter_context(selectors.DefaultSelector())
            bell, rope = socket.socketpair()
            undo.pop_all()
        self.slots, self.selector, self.bell = slots, selector, bell
        bell.setblocking(False)
        rope.setblocking(False)
        selector.register(bell, selectors.EVENT_READ, None)
        self.pool.rope = rope

    def sleep(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait until there is something to do; what has happened on links and ends."""
        self.pool.is_full = self.is_full()
        self.pool.is_asleep = True
        # Only now: what comes from here on rings, also what callbacks hand over.
        wakes_at = self.wakes_at = self.next_due()
        if self.outcomes:
            self.settle_outcomes()
        if self.pool.inbox:
            limit: float | None = 0.0
        elif wakes_at == math.inf:
            limit = None
        else:
            limit = max(0.0, wakes_at - perf_counter())
        events = self.selector.select(limit)
        self.pool.is_asleep = False
        return events

    def is_full(self) -> bool:
        """Whether no item more can be given out before something comes from a worker.

        Nobody needs to ring for an item then, which would cost more than all the rest
        of handing it over: this thread and the caller would take turns.
        """
        return not (
            self.idle or self.may_start() or any(w.room() > 0 for w in self.workers)
        )

    def listen_to_bell(self) -> None:
        try:
            self.bell.recv(4096)
        except BlockingIOError:
            pass

    # What callers ask for.

    def take_requests(self, answering: WorkerHandle | None = None) -> None:
        """Take what callers have handed over, and give out what there is to do.

        Args:
            answering: The worker that makes room; the others had none before.
        """
        inbox = self.pool.inbox
        had_pending = bool(self.pending)
        while inbox:
            request = inbox.popleft()
            if type(request) is Item:
                self.pending.append(request)
            else:
                self.answer(request)
        if self.pending:
            if answering is None or not had_pending:
                self.hand_out(self.workers)
            else:
                self.hand_out([answering])

    def answer(self, request: Request) -> None:
        if isinstance(request, Halt):
            self.halt(request)
        elif isinstance(request, Kill):
            found = self.kill(request)
            if request.answer is not None:
                request.answer.put(found)
        elif isinstance(request, EndCall):
            self.end_call(request)
        elif isinstance(request, Doubt):
            self.settle_doubt(request)
        elif isinstance(request, Resize):
            self.resize(request.max_workers)
        elif isinstance(request, Assemble):
            self.assembly.append(request.future)

    def halt(self, request: Halt) -> None:
        for worker in self.workers:
            if worker.item is not None and worker.item.future in request.futures:
                worker.slot.ledger.halt(worker.number)
        for item in self.pending:  # its worker is gone, and it waits for the next
            if item.future in request.futures:
                item.is_halted = True

    def kill(self, request: Kill) -> bool:
        """End what runs the futures, and drop those that wait; whether any did."""
        futures = request.futures
        return self.end([i for i in self.items() if i.future in futures])

    def end_call(self, request: EndCall) -> None:
        self.end([item for item in self.items() if item.owner is request.owner])

    def items(self) -> list[Item]:
        """All that is not done."""
        held = [item for worker in self.workers for item in tuple(worker.held) if item]
        return [*held, *self.pending]

    def end(self, items: list[Item]) -> bool:
        for item in items:
            item.is_unwanted = True
        for worker in self.workers:
            held = tuple(worker.held)
            if any(item is not None and item.is_unwanted for item in held):
                self.end_unwanted(worker)
        for item in items:
            if item in self.pending:
                self.pending.remove(item)
                self.drop_unwanted(item)
        return bool(items)

    def end_unwanted(self, worker: WorkerHandle) -> None:
        """End *worker* if nobody wants what it works on, and nothing waits behind it.

        What waits may have begun by now, or be about to. So it is recalled first: see
        `see_to_waiting`.
        """
        if not worker.holds_others:
            if worker.item is not None and worker.item.is_unwanted:
                worker.kill("killed")
        else:
            worker.recall(perf_counter())

    def drop_unwanted(self, item: Item) -> None:
        error = WorkerCrashedError("it was ended on request")
        error.on_request = True
        drop(item, error)

    def resize(self, max_workers: int) -> None:
        self.pool.max_workers = self.pool.start_limit = max_workers
        staying = [worker for worker in self.workers if not worker.is_leaving]
        # A worker that is only starting would be one too many as soon as it is ready.
        free = sorted((w for w in staying if not w.held), key=lambda w: w.is_ready)
        for worker in free[: max(0, len(staying) - max_workers)]:
            if self.not_idle(worker) or not worker.is_ready:
                worker.dismiss()

    def is_finished(self) -> bool:
        """Whether all is done; lets go of what a pool that closes does not need."""
        pool = self.pool
        if not pool.is_closing and not self.is_time_to_close():
            return False
        if pool.is_killed:
            for worker in self.workers:
                is_spared = pool.spares_idle and worker in self.idle
                if worker.end_reason is None and not (is_spared or worker.is_leaving):
                    worker.kill("killed")
            self.drop_pending(WorkerStartError("the executor was ended"))
        elif pool.drops_waiting:
            # What ran before its worker died, and waits to run again, is not dropped.
            begun = [item for item in self.pending if item.is_running]
            waiting = [item for item in self.pending if not item.is_running]
            self.pending = deque(begun)
            for item in waiting:
                drop(item, WorkerStartError("the executor was ended"))
        if not self.pending:
            self.idle.clear()  # first: nobody can borrow one from here on
            for worker in self.workers:
                if self.is_free(worker) and not worker.is_leaving:
                    worker.dismiss()
        return not (self.workers or self.pending or self.lent or pool.inbox)

    def is_time_to_close(self) -> bool:
        """Whether the pool was parked for so long that it closes by itself."""
        pool = self.pool
        due = [until for until in pool.parked.copy() if until <= perf_counter()]
        for until in due:
            try:
                pool.parked.remove(until)
            except ValueError:
                continue  # somebody uses the pool again
            pool.is_closing = True
        return pool.is_closing

    def drop_pending(self, error: WorkerStartError) -> None:
        dropped, self.pending = self.pending, deque()
        for item in dropped:
            drop(item, WorkerStartError(*error.args))

    # Work.

    def hand_out(self, quick: Collection[WorkerHandle] = ()) -> None:
        """Give waiting items to idle workers, and more of them to those of *quick*."""
        while self.pending and (worker := self.an_idle()):
            item = self.pending.popleft()
            if self.begin(item):
                self.give(worker, [item])
            else:
                self.idle.append(worker)
        if self.pending and len(self.workers) >= self.pool.max_workers:
            self.hand_out_ahead(quick)

    def an_idle(self) -> WorkerHandle | None:
        """Take an idle worker, unless callers have taken all of them."""
        try:
            return self.idle.pop()
        except IndexError:
            return None

    def not_idle(self, worker: WorkerHandle) -> bool:
        """Let nobody have *worker* any more; whether it was idle until now."""
        try:
            self.idle.remove(worker)
        except ValueError:
            return False
        return True

    def is_lent(self, worker: WorkerHandle) -> bool:
        return bool(self.lent) and worker in self.lent.values()

    def is_free(self, worker: WorkerHandle) -> bool:
        """Whether *worker* has nothing to do and nobody can give it anything.

        A caller may do so at this moment. So the places are looked at in the order in
        which the worker goes through them: what leaves one is seen in the next.
        """
        return not (worker in self.idle or self.is_lent(worker) or worker.held)

    def settle_doubt(self, doubt: Doubt) -> None:
        """A caller was struck while it gave an item to a worker; see `loan`."""
        worker = self.lent.pop(doubt.key, None)
        if worker is None or worker not in self.workers:
            return
        if doubt.item in tuple(worker.held):
            worker.kill("in doubt")
        elif self.is_free(worker) and not worker.is_leaving:
            self.idle.append(worker)

    def begin(self, item: Item) -> bool:
        """Whether *item* is still wanted, which a worker is about to get."""
        if not item.is_running:
            item.is_running = item.future.set_running_or_notify_cancel()
        return item.is_running

    def give(self, worker: WorkerHandle, items: Sequence[Item]) -> None:
        if items[0].is_halted:
            worker.slot.ledger.halt(worker.items_given + 1)
        worker.give(items)
        if worker.outbox:
            self.update_events(worker)  # it did not fit into the link at once

    def hand_out_ahead(self, quick: Collection[WorkerHandle]) -> None:
        """Give quick workers the items that they will want next, to each its share."""
        if self.pool.plan.max_tasks is not None:
            return  # the next worker will want them
        share = math.ceil(len(self.pending) / len(self.workers))
        for worker in quick:
            room = worker.room()
            if room <= 0 or self.is_lent(worker):  # in this order: see `loan`
                continue
            items = self.some_pending(min(room, share))
            if items:
                self.give(worker, items)

    def some_pending(self, most: int) -> list[Item]:
        """Up to *most* of the items that come next and may wait behind another.

        Only where items are on their way in and out all the time is that worth it; and
        only what nobody has to end by itself.
        """
        items: list[Item] = []
        while len(items) < most and self.pending:
            item = self.pending[0]
            if item.owner is not None or item.segments or len(item.body) >= MOST_AHEAD:
                break
            self.pending.popleft()
            if self.begin(item):
                items.append(item)
        return items

    def attend(self, worker: WorkerHandle, ended: bool) -> None:
        """Something happened on a worker's link, or the worker has ended."""
        if worker not in self.workers:
            return  # it was buried earlier in this round
        if ended:
            if worker.has_ended():
                self.bury(worker)
                return
            # It is about to, or a task has closed what would tell. Its link is left.
            self.forget_sentinel(worker)
            worker.expect_end()
        if worker.outbox:
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
        if worker.end_reason == "untrue" or not is_in_turn(worker, message):
            self.distrust(worker, message)
            return
        self.failed_starts = self.servers_lost = 0
        self.was_answered = True
        item: Item | None = None
        if message.kind is Kind.READY:
            worker.is_ready = True
        else:
            item = worker.answered(message)
        is_back = item is not None and bool(message.kind & Kind.ITEM)
        if item is not None and is_back:
            self.take_back(item)  # before others, which came later, are handed out
        if message.kind & Kind.LAST:
            worker.dismiss()
        elif worker.item is not None and worker.item.is_unwanted:
            self.end_unwanted(worker)
        elif not worker.is_leaving and not worker.held:
            self.idle.append(worker)
        self.take_requests(worker)
        self.update_events(worker)
        if item is not None and not is_back:
            self.outcomes.append((item.future, message))

    def settle_outcomes(self) -> None:
        while self.outcomes:
            settle(*self.outcomes.popleft())

    def take_back(self, item: Item) -> None:
        """A worker that had *item* has not begun with it, and never will."""
        if item.is_unwanted:
            self.drop_unwanted(item)
        else:
            self.pending.appendleft(item)

    def distrust(self, worker: WorkerHandle, message: Message) -> None:
        """The worker has answered what it was not asked: nobody gets that answer."""
        message.close_fds()
        if worker.end_reason is None:
            logger.critical(
                "worker process %d gave answer %d where %d of %d items were to be "
                "answered; it is dropped and the worker ended. Please report it.",
                worker.pid,
                message.number,
                worker.items_given - worker.items_answered,
                worker.items_given,
            )
            worker.kill("untrue")
        self.not_idle(worker)

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
        output = Output(
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

    # Workers that begin.

    def start_a_worker_if_needed(self) -> None:
        if not (self.pending or self.assembly):
            return
        starting = sum(not (w.is_ready or w.is_leaving) for w in self.workers)
        wanted = len(self.pending) > starting + len(self.idle)
        if self.assembly and not self.pool.is_closing:
            wanted = True
        if not wanted or not self.may_start():
            return
        slot = self.slots.lend()
        try:
            self.look_whether_alike()
            worker = self.started(slot)
        except Exception as error:
            slot.give_back()
            self.start_failed(error)
            return
        self.workers.add(worker)
        self.look_whether_alike()
        self.update_events(worker)
        if worker.sentinel is not None:
            watched = selectors.EVENT_READ
            self.selector.register(worker.sentinel, watched, (worker, True))
        self.pool.ring()  # there may be more to start; first see what has happened

    def may_start(self) -> bool:
        """Whether there is room for a worker more."""
        staying = sum(not w.is_leaving for w in self.workers)
        most = min(self.pool.max_workers, self.pool.start_limit)
        return staying < most and bool(self.slots.free)

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

    def start_failed(self, error: Exception) -> None:
        """The system refused to start a worker: go on with fewer, if there are any."""
        staying = sum(not w.is_leaving for w in self.workers)
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
        self.take_requests()
        self.fail_pending(failure)

    def tell_if_all_are_there(self) -> None:
        if not self.assembly:
            return
        ready = sum(w.is_ready and not w.is_leaving for w in self.workers)
        if ready < min(self.pool.max_workers, self.pool.start_limit):
            return
        told, self.assembly = self.assembly, []
        for future in told:
            future.set_result(None)

    def initializer_failed(self, worker: WorkerHandle, error: BaseException) -> None:
        failure = WorkerStartError(
            f"the initializer of a worker process failed: "
            f"{class_and_text(error)}. No worker can be used, so nothing was run."
        )
        failure.__cause__ = error
        self.pool.broken = failure
        self.pool.is_closing = True
        self.take_requests()
        self.fail_pending(failure)

    # Workers that end.

    def link_ended(self, worker: WorkerHandle) -> None:
        """The worker has hung up: it is ending, or can no longer be reached."""
        if worker.link_is_watched:
            self.set_events(worker, 0)
            worker.link_is_watched = False
            self.not_idle(worker)
            worker.leave_within(EOF_LIMIT)
            worker.expect_end()

    def bury(self, worker: WorkerHandle) -> None:
        """The worker has ended: settle what it held, and let go of all it used.

        The order matters. What it sent with its last breath comes before its ledger is
        read, because an answer that is here counts. Its ledger is read before its slot
        is given back, and its process waited for before its group is signalled, whose
        number may be another's from then on.
        """
        worker.is_leaving = True  # nothing new for it
        self.not_idle(worker)
        if self.is_lent(worker):
            # The caller has not done with it: see to it again in a moment.
            self.forget_sentinel(worker)
            worker.expect_end()
            return
        self.resume(worker)
        self.read_answers(worker, sys.maxsize)  # it has ended, so that is finite
        if worker.events:
            self.set_events(worker, 0)
        self.forget_sentinel(worker)
        entry = worker.slot.ledger.read(worker.number)
        report = death_report.Report.of(worker, entry)
        item, *waiting = worker.held or [None]
        worker.held.clear()
        self.workers.discard(worker)
        worker.release()
        for each in reversed(waiting):
            if each is not None:
                self.take_back(each)
        self.hand_out()
        if item is None:
            has_failed = worker.end_reason is None and not worker.is_dismissed
            if has_failed and not worker.is_ready:
                self.died_at_start(report)
        elif entry.begun or item.is_unwanted or self.pool.is_killed:
            fail(item.future, report.failure())
        else:
            self.hand_out_again(item, report)

    def hand_out_again(self, item: Item, report: death_report.Report) -> None:
        """The worker died before it began with *item*, which is not to blame."""
        item.deaths += 1
        item.server_deaths += report.server_is_lost
        if item.is_given_up():
            fail(item.future, report.start_failure(item.deaths))
            return
        self.pending.appendleft(item)
        self.hand_out()

    def died_at_start(self, report: death_report.Report) -> None:
        if report.server_is_lost:
            self.servers_lost += 1
        else:
            self.failed_starts += 1
        if self.failed_starts >= START_ATTEMPTS or self.servers_lost >= SERVERS_LOST:
            failure = report.start_failure(self.failed_starts + self.servers_lost)
            self.failed_starts = self.servers_lost = 0
            self.fail_pending(failure)

    def fail_pending(self, failure: WorkerStartError) -> None:
        dropped, self.pending = self.pending, deque()
        self.fail_assembly(failure)
        for item in dropped:
            if item.is_running or item.future.set_running_or_notify_cancel():
                fail(item.future, another(failure))

    def fail_assembly(self, failure: WorkerStartError) -> None:
        told, self.assembly = self.assembly, []
        for future in told:
            future.set_exception(another(failure))

    # Time.

    def next_due(self) -> float:
        """When something is due by itself, by perf_counter; infinity if nothing is."""
        now = perf_counter()
        # While answers come in, callers need not ring for items they give themselves.
        # First this, then the looks: one of the two sides sees what the other did.
        self.pool.sleeps_long = not self.was_answered
        due = [worker.next_look(now, LOOK_INTERVAL) for worker in self.workers]
        if self.was_answered:
            due.append(now + LOOK_INTERVAL)
            self.was_answered = False
        patience = self.patience
        due += [worker.recall_at(patience) for worker in self.workers]
        if self.pool.for_calls:
            # Nobody rings when the pool is parked: that would cost each call a wake-up.
            # Having slept for as long as it may stay parked, the thread looks again.
            most = min(self.pool.idle_limit, IDLE_LIMIT)
            due.append(min(self.pool.parked.copy(), default=now + most))
        return min((each for each in due if each is not None), default=math.inf)

    def keep_limits(self) -> None:
        now = perf_counter()
        if now < self.wakes_at:
            return
        if this_process.leave_closed_loops is not None:
            this_process.leave_closed_loops()
        for worker in list(self.workers):
            if len(worker.held) > 1:
                self.see_to_waiting(worker, now)
            if worker.look(now, LOOK_INTERVAL):
                self.bury(worker)

    @property
    def patience(self) -> float:
        """Seconds that items may wait behind another."""
        if self.idle or self.may_start():
            return RECALL_AFTER
        return RECALL_LATEST if len(self.workers) > 1 else math.inf

    def see_to_waiting(self, worker: WorkerHandle, now: float) -> None:
        """Let any worker have what has waited too long behind an item of this one.

        That may be one that is still to be started: another one may have died.
        """
        if now >= worker.recall_at(self.patience):
            worker.recall(now)
        items = worker.recalled(now)
        for item in reversed(items):
            self.take_back(item)
        if items:
            if worker.item is not None and worker.item.is_unwanted:
                # Until here it was not sure whom that would strike.
                self.end_unwanted(worker)
            self.hand_out()

    # The end.

    def fail_everything(self, error: BaseException) -> None:
        failure = WorkerStartError(
            f"the executor failed by a defect of its own: {error!r}. Please report it."
        )
        failure.__cause__ = error
        self.pool.broken = failure
        self.pool.is_closing = True
        self.settle_outcomes()
        workers, self.workers = self.workers, set()
        self.idle.clear()
        for worker in workers:
            worker.kill("killed")
            for item in tuple(worker.held):
                if item is not None:
                    fail(item.future, another(failure))
        self.take_requests()
        self.fail_pending(failure)

    def shut(self) -> None:
        """Give back what was used to watch; there is nobody left."""
        pool = self.pool
        pool.is_closing = True
        pool.is_over = True
        pool.turn_away()
        self.fail_assembly(WorkerStartError("it has been shut down meanwhile"))
        self.close()
        at_exit.is_over_for(pool)

    def close(self) -> None:
        """Let go of what it watches with; some of it may never have been made."""
        rope, self.pool.rope = self.pool.rope, None
        for name in ("selector", "bell", "slots"):
            thing = self.__dict__.get(name)
            if thing is not None:
                thing.close()
        if rope is not None:
            rope.close()

    def forget(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        for worker in self.workers:
            worker.forget()
        self.is_forgotten = True
        self.workers.clear()  # nothing here may end them
        self.idle.clear()
        self.lent.clear()
        self.pending.clear()
        self.close()


def is_in_turn(worker: WorkerHandle, message: Message) -> bool:
    """Whether *message* answers what the worker was to answer next."""
    if message.kind is Kind.READY:
        return not worker.is_ready
    if not worker.held or message.number != worker.number:
        return False
    return worker.item is not None or bool(message.kind & Kind.ITEM)
