"""What the two sides of a pool share, and who may touch what of it.

On one side there are callers: any threads, and an exception may strike each of them
between any two steps (a Ctrl-C, a time limit). On the other side there is one thread of
ours, which no signal reaches: the watching thread, see `watcher`. No lock lies between
them. A caller that is struck while it holds a lock never lets go of it, and everybody
else waits for ever.

What holds instead:

* Whatever strikes a caller, it leaves the state as it was before its step or as it is
  after. So all that a caller changes, it changes in one step of C code: it appends a
  complete record to `inbox`, sets a flag that is never set back, takes something out of
  a container. What would need two steps, it asks the watching thread for: see
  `requests`.
* An item is in one place at a time: in `inbox`, then in `pending`, then in
  `WorkerHandle.held` of one worker. From `inbox` on the watching thread alone moves it,
  so no item is sent twice and none is lost. The one exception is in `loan`, which says
  how a caller may put an item into `held`.
* No request is overlooked. A caller appends it first, and then looks whether the
  watching thread sleeps or has ended. That thread says first that it is about to, and
  then looks into `inbox`. Whichever of the two is the later one sees what the other has
  done: the caller rings or answers itself, or the thread finds the request.
* Who reads what another thread may change meanwhile, reads a copy that one step of C
  code makes. It may be old when it is used, so nothing is decided by it that would be
  wrong then.

One step means: one operation of a container or an attribute that is written in C. The
interpreter runs neither a handler of a signal nor another thread in the middle of it.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from time import perf_counter
from typing import Protocol

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.channel.ledger_slots import Slots
from cotality.core.utils._process.portions.beside import Users
from cotality.core.utils._process.tasks.errors import WorkerStartError

from .handle import WorkerHandle, WorkerPlan
from .requests import Assemble, Item, Kill, Request
from .settling import fail

IDLE_LIMIT = 60.0  # s that a parked pool keeps its workers
SPARE_SLOTS = 64  # a pool may be made larger later, at no cost until it is
SHUT_DOWN = "cannot submit: this executor has been shut down"
SHUT_DOWN_MEANWHILE = "it has been shut down meanwhile"
OF_THE_PARENT = (
    "this executor belongs to the parent of this forked process; make another"
)


WATCHER = "watcher"  # the only key of `PoolState.claim`


class Watching(Protocol):
    """The watcher that has claimed a pool: see `watcher`."""

    thread: threading.Thread

    def forget(self) -> None:
        """In a forked child: let go of the parent's workers."""
        ...


class PoolState:
    """The state of a pool: see `pool` for callers, `watcher` for the other side.

    Args:
        max_workers: The most processes.
        plan: How to start them.
        for_calls: Whether only our own calls use the pool. When the program ends,
            nobody is left to take what such a pool still runs, so it is ended.
        idle_limit: Seconds that the pool keeps its workers while it is parked; None
            takes the default.
    """

    users: Users
    idle_limit: float
    longest_sleep: float
    is_closing: bool

    slots: Slots  # made and closed by the watching thread, and used by it alone

    def __init__(
        self,
        max_workers: int,
        plan: WorkerPlan,
        *,
        for_calls: bool = False,
        idle_limit: float | None = None,
    ) -> None:
        self.for_calls = for_calls
        self.users = Users()  # the calls that use it at the moment
        self.idle_limit = idle_limit or IDLE_LIMIT
        # Nobody rings when the pool is parked, because that would cost each call a
        # wake-up. So the watching thread looks by itself after it has slept for this
        # long.
        self.longest_sleep = min(self.idle_limit, IDLE_LIMIT)

        # Two callers may start a watching thread at once. The one that puts itself in
        # here first stays; any other ends without having touched anything.
        self.claim: dict[str, Watching] = {}
        self.thread: threading.Thread | None = None  # the one that was started last

        # A caller may change these until it starts the watching thread. After that,
        # only that thread changes them, and callers ask it to (`Resize`).
        self.max_workers = max_workers
        self.most_ever = max_workers  # each worker was told its share as one of these
        self.start_limit = max_workers  # lower once the system refuses more
        self.plan = plan
        # Whether a worker that is started now is like the others; None: not important.
        self.is_as_before: Callable[[], bool] | None = None

        # Callers append. The watching thread takes requests out; once it has ended, any
        # thread that looks does so. Whoever takes a request out answers it.
        self.inbox: deque[Request] = deque()

        # The watching thread alone changes these; callers look at copies.
        self.pending: deque[Item] = deque()  # items that no worker has
        self.workers: set[WorkerHandle] = set()
        self.assembly: list[Future[None]] = []  # to resolve once all workers are ready
        # Workers with nothing to do. Any caller may take one out at any moment, so
        # finding a worker here proves nothing a step later. From here it goes to
        # `lent`.
        self.idle: list[WorkerHandle] = []
        # A caller puts a worker in here under a key of its own, and takes it out: see
        # `loan`. The watching thread takes one out only for a caller that was struck.
        self.lent: dict[object, WorkerHandle] = {}

        # The watching thread sets these, and callers read them. A caller rings if that
        # thread sleeps, or is about to. So a burst of items costs one wake-up.
        self.rope: socket.socket | None = None  # with which callers ring
        self.is_asleep = False
        self.is_full = False  # while it sleeps: one more item would change nothing
        self.sleeps_long = True  # it would not wake up to look at a busy worker

        # When the pool closes by itself; empty while somebody uses it. A caller takes
        # the time out to use the pool again, the watching thread takes it out to close
        # the pool. Only one of them can have it, and that decides.
        self.parked: list[float] = []

        # The flags below are never reset. So looking too early is never wrong, and
        # setting one twice does no harm.
        self.is_mixed = False  # not all of its workers are alike
        self.broken: WorkerStartError | str | None = None  # or what that would say
        self.is_closing = False  # accepts nothing more
        self.drops_waiting = False  # items that no worker has are cancelled
        self.is_killed = False  # every worker is ended
        self.spares_idle = False  # except those that have nothing to do
        self.is_over = False  # the watching thread has ended

    def capacity(self) -> int:
        """How many workers it may ever have: the number of its slots."""
        return max(self.max_workers, SPARE_SLOTS)

    # The bell. From any thread, also from a handler of a signal or garbage collection.

    def ring(self) -> None:
        """Wake the watching thread."""
        rope = self.rope
        if rope is None:
            return  # it does not sleep yet, and will look before it does
        try:
            rope.send(b"\0")
        except OSError as raised:
            if is_of_a_signal(raised):
                raise
            # Full: it is going to wake anyway. Closed: there is nobody to wake.

    def turn_away(self) -> None:
        """Answer requests that came too late. Whoever takes a request out answers it.

        A caller that finds the pool over and the thread that ends may be here at the
        same time. `popleft` gives each request to one of them.
        """
        while self.inbox:
            try:
                request = self.inbox.popleft()
            except IndexError:
                return
            if isinstance(request, Item):
                if request.future.set_running_or_notify_cancel():
                    fail(request.future, RuntimeError(SHUT_DOWN))
            elif isinstance(request, Assemble):
                request.future.set_exception(WorkerStartError(SHUT_DOWN_MEANWHILE))
            elif isinstance(request, Kill) and request.answer is not None:
                request.answer.put(False)

    # Workers. For the watching thread alone.

    def may_start(self) -> bool:
        """Whether there is room for a worker more."""
        staying = sum(not worker.is_leaving for worker in self.workers)
        most = min(self.max_workers, self.start_limit)
        return staying < most and bool(self.slots.free)

    def take_idle(self) -> WorkerHandle | None:
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
            return False  # it was busy, or a caller has just taken it
        return True

    def is_lent(self, worker: WorkerHandle) -> bool:
        return bool(self.lent) and worker in self.lent.values()

    def is_free(self, worker: WorkerHandle) -> bool:
        """Whether *worker* has nothing to do and nobody can give it anything.

        A caller may do so at this moment. So the places are looked at in the order in
        which the worker goes through them: what leaves one is seen in the next.
        """
        return not (worker in self.idle or self.is_lent(worker) or worker.held)

    def items(self) -> list[Item]:
        """All that is not done."""
        held = [item for worker in self.workers for item in tuple(worker.held) if item]
        return [*held, *self.pending]

    def is_time_to_close(self) -> bool:
        """Whether it was parked for so long that it closes by itself, from now on."""
        now = perf_counter()
        for until in [until for until in self.parked.copy() if until <= now]:
            try:
                self.parked.remove(until)
            except ValueError:
                continue  # somebody uses the pool again
            self.is_closing = True
        return self.is_closing
