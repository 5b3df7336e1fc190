"""Worker processes and the items they work on, as callers see them.

Any thread may call a `Pool`, and an exception may strike it at any moment (Ctrl-C, a
time limit). Each method here hands over a record, see `requests`, or sets a flag, or
takes an idle worker, see `loan`. Nothing is left half done, whichever step was the
last: see `pool_state` for the rules. All the rest belongs to one thread, see `watcher`:
it sends, receives, starts and buries.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Collection
from concurrent.futures import Future
from queue import SimpleQueue
from time import perf_counter
from typing import Any

from cotality._kit.records import NamedTuple
from cotality.core.utils._process.channel.ledger import SLOT
from cotality.core.utils._process.channel.ledger_slots import check_file_size
from cotality.core.utils._process.machine.second_thread import (
    NoRoomError,
    let_go_of_imports,
    start,
    wait_for,
)
from cotality.core.utils._process.machine.this_process import notice_fork
from cotality.core.utils._process.output import relay
from cotality.core.utils._process.starting import loading, nesting
from cotality.core.utils._process.tasks.errors import (
    WorkerStartError,
    no_room_for_thread,
)

from . import at_exit
from .handle import WorkerPlan
from .loan import given_at_once
from .pool_state import OF_THE_PARENT, SHUT_DOWN, WATCHER, PoolState, Watching
from .requests import Assemble, EndCall, Halt, Item, Kill, Request, Resize
from .watching.cancellation import kill
from .watching.watcher import Watcher


class Status(NamedTuple):
    """What a pool does at the moment.

    Attributes:
        pids: Of the workers that are there to stay.
        busy: How many of them work on something.
        waiting: The items that no worker has.
        is_parked: Whether it ends by itself unless somebody uses it again.
    """

    pids: tuple[int, ...]
    busy: int
    waiting: list[Item]
    is_parked: bool


class Pool(PoolState):
    """Worker processes and the items they work on; for its arguments see the base."""

    is_closing: bool
    is_killed: bool
    most_ever: int
    start_limit: int
    plan: WorkerPlan

    # Work.

    def put(self, item: Item) -> None:
        """Have *item* done by the next worker that is free.

        Raises:
            WorkerStartError: No worker can be started, now or later.
            RuntimeError: The pool is closed.
        """
        notice_fork()
        relay.expect_nested_work()
        self.check_open()
        if not given_at_once(self, item):
            self.hand_over(item)

    def assemble(self) -> Future[None]:
        """Have all workers started; the future is done when they are ready.

        It fails with `WorkerStartError` if none can be, and is content with fewer if
        the system refuses more.

        Raises:
            WorkerStartError: No worker can be started, now or later.
            RuntimeError: The pool is closed.
        """
        self.check_open()
        future: Future[None] = Future()
        self.hand_over(Assemble(future))
        return future

    def halt(self, futures: Collection[Future[Any]]) -> None:  # Any: of any call
        """Let no further task start in the portions behind *futures*."""
        self.ask(Halt(futures))

    def kill(self, futures: Collection[Future[Any]]) -> None:  # Any: as above
        """End the workers that run *futures*, with the processes they have started."""
        self.ask(Kill(futures))

    def kill_one(self, future: Future[Any]) -> bool:  # Any: as above
        """As :meth:`kill`, and whether there was anything to end."""
        watcher = self.claim.get(WATCHER)
        if watcher is None or self.is_over:
            return False
        if watcher.thread is threading.current_thread():
            # A callback of a future: this thread would wait for its own answer.
            return kill(self, [future])
        answer: SimpleQueue[bool] = SimpleQueue()
        self.hand_over(Kill([future], answer))
        return answer.get()

    def end_call(self, owner: object) -> None:
        """Drop and end whatever *owner* has handed over."""
        self.ask(EndCall(owner))

    def ask(self, request: Request) -> None:
        """Hand over *request*, unless there is nothing that it could be about."""
        if self.claim or self.thread is not None:
            self.hand_over(request)

    def hand_over(self, request: Request) -> None:
        """Have the watching thread do what *request* says.

        The order matters, see `pool_state`. First there is a thread: who is struck
        before the next step has changed nothing. Then the request is there, in one
        step. Only then the caller looks at what the thread has said of itself: that it
        sleeps, that it is over. A caller that is struck before it rings has nobody who
        waits for the request. Whoever rings next, or lets go of the pool, wakes the
        thread for it as well.
        """
        self.see_to_watcher()
        self.inbox.append(request)
        if self.is_asleep and not (self.is_full and type(request) is Item):
            self.ring()
        if self.is_over:  # it ended just before
            self.turn_away()

    # The end.

    def close(self, *, wait: bool, cancel: bool) -> None:
        """Accept nothing more; drop what waits if *cancel*; wait for the rest."""
        notice_fork()
        # Before all else: who comes from here on is refused.
        self.is_closing = True
        if cancel:
            self.drops_waiting = True
            # Not left to the watching thread, so that it is done when this returns. An
            # item that a worker gets meanwhile is running, and cannot be cancelled.
            for item in self.status().waiting:
                if not item.is_running:
                    item.future.cancel()
        self.ring()
        if wait:
            self.join()
            relay.wait_for_output()  # what its workers have logged and printed

    def when_began(self, item: Item) -> float | None:
        """When the first task of *item* began, by perf_counter; None if not yet.

        Known of an item that has its tasks measured. From any thread: what the worker
        notes is looked at, and thrown away if it has gone on meanwhile.
        """
        for worker in self.workers.copy():
            number = worker.number
            if worker.item is item:
                began = worker.slot.ledger.first_began(number)
                # What was read is of this item only if the worker still has it.
                return began if worker.item is item else None
        return None

    def join(self) -> None:
        """Wait for the end of a pool that is closed, not for handlers of anybody."""
        watcher = self.claim.get(WATCHER)
        thread = self.thread if watcher is None else watcher.thread
        if thread is None or thread is threading.current_thread():
            return
        wait_for(thread)

    def abandon(self) -> None:
        """Nobody holds the pool any more; callable by garbage collection."""
        self.is_closing = True
        if self.for_calls:
            self.is_killed = True
        self.ring()

    def let_go(self) -> None:
        """Nobody of ours holds the pool any more, which mostly has been closed.

        Callable also while the interpreter ends, when functions of modules are gone.
        """
        if self.is_closing:
            self.ring()  # who closed it may have been struck before that
        else:
            self.abandon()

    def kill_all(self, *, but_idle: bool = False) -> None:
        """End every worker and close; does not wait for it.

        Args:
            but_idle: Whether those that have nothing to do may end in order.
        """
        if but_idle:
            self.spares_idle = True  # before the others: they are acted on at once
        self.is_closing = True
        self.is_killed = True
        self.ring()

    # Between calls.

    def park(self) -> None:
        """Close by itself unless somebody calls :meth:`unpark` within the limit."""
        # One step, which also replaces what a struck caller may have left.
        self.parked[:] = [perf_counter() + self.idle_limit]

    def unpark(self, max_workers: int) -> bool:
        """Use the parked pool again, with that number of workers; False if too late."""
        if max_workers > self.capacity():
            return False
        try:
            self.parked.pop()
        except IndexError:
            return False  # the watching thread was quicker, and closes it
        # Only now that nobody else decides about the pool: it may have been closed
        # before, or a worker may have been started in another world.
        if self.is_closing or self.is_mixed:
            return False
        if not nesting.has_enough(self.most_ever, max_workers):
            return False
        if self.thread is None:
            self.max_workers = self.most_ever = self.start_limit = max_workers
        elif not self.max_workers == self.start_limit == max_workers:
            self.hand_over(Resize(max_workers))
        return True

    # What it does.

    def status(self) -> Status:
        """What it does at this moment; waits for nobody."""
        if not self.claim or self.is_over:
            return Status((), 0, [], bool(self.parked))
        workers = [w for w in self.workers.copy() if not w.is_leaving]
        waiting = [*self.pending.copy(), *self.inbox.copy()]
        return Status(
            tuple(sorted(worker.pid for worker in workers)),
            sum(worker.item is not None for worker in workers),
            [each for each in waiting if isinstance(each, Item)],
            bool(self.parked),
        )

    def check_open(self) -> None:
        """Raise what :meth:`put` would raise."""
        loading.check()
        nesting.check_level()
        broken = self.broken
        if broken is not None:
            cause = None if isinstance(broken, str) else broken.__cause__
            raise WorkerStartError(str(broken)) from cause
        if self.is_closing:
            raise RuntimeError(SHUT_DOWN)
        if at_exit.program_ends:
            raise RuntimeError("cannot submit: the program is coming to its end")
        self.tell_of_databases()

    def tell_of_databases(self) -> None:
        """Let the workers be told of the program's databases; refuse those of others.

        Called in the thread that submits: connections of Django belong to threads.

        Raises:
            RuntimeError: They use others than the program, and one of both is for
                tests.
        """
        if "django" not in sys.modules and self.plan.databases is None:
            return
        from . import django_databases

        now = django_databases.current()
        if self.thread is None:
            told = django_databases.tell(now)
            self.plan = self.plan._replace(databases=now, told=told)
        else:
            django_databases.check(self.plan.databases, now)

    # The watching thread.

    def see_to_watcher(self) -> None:
        """Start the watching thread unless there is one.

        An exception may strike in the middle, and two callers may come at once, so
        there may be more than one start. Only one thread stays, see `watch_over`.
        """
        let_go_of_imports()  # also for one that is there: it imports what it needs
        if self.claim:
            return
        thread = self.thread
        if thread is not None and thread.is_alive():
            return  # it is about to make its claim
        # Here there was no thread, or one whose start was struck: it never ran.
        check_file_size(self.capacity() * SLOT)
        thread = threading.Thread(
            target=watch_over, args=(self,), name="cotality-workers", daemon=True
        )
        # Both before the start. A caller that is struck in the middle of it leaves a
        # thread that may run, and that has to be found at the end and joined.
        at_exit.see_to(self)
        self.thread = thread
        try:
            start(thread)
        except NoRoomError as error:
            self.thread = None
            at_exit.is_over_for(self)
            raise no_room_for_thread("that watches over worker processes") from error

    def forget(self) -> None:
        """In a forked child: the workers belong to the parent, let go of them."""
        self.broken: WorkerStartError | str | None = OF_THE_PARENT
        self.is_closing = True
        self.inbox.clear()
        watcher = self.claim.get(WATCHER)
        self.claim: dict[str, Watching] = {}
        self.thread = None
        if watcher is not None:
            watcher.forget()


# By their threads.
watchers: dict[int, Watcher] = {}


def check_that_it_can_come(future: Future[Any]) -> None:  # Any: of any call
    """See that it is not this thread that has to tell *future*, which is not done.

    A callback runs in the thread that watches over the workers, and whatever the
    garbage collector finds there does so too.

    Raises:
        RuntimeError: It is, so whoever waits here waits for ever.
    """
    watcher = watchers.get(threading.get_ident())
    if watcher is not None and not future.done() and watcher.has_to_tell(future):
        raise RuntimeError(
            "this would wait for ever: the thread that waits is the one that brings "
            "the answer. In a callback, or in what the garbage collector calls, add a "
            "callback to this future, or wait in a thread of its own"
        )


def watch_over(pool: Pool) -> None:
    """What a watching thread does: nothing, if there is another one."""
    mine = Watcher(pool)
    if pool.claim.setdefault(WATCHER, mine) is mine:
        watchers[threading.get_ident()] = mine
        try:
            mine.watch()
        finally:
            watchers.pop(threading.get_ident(), None)
            at_exit.is_over_for(pool)
