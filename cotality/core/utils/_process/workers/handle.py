"""The parent's handle on one worker process.

What it guarantees:

* Nothing here waits for the worker. A stopped one (SIGSTOP) would hold up all others.
  So the link takes what it has room for, an end is asked for and looked for later, and
  a limit is kept by looking at the clock.
* An item stays in `held` until its answer is here, until it is certain that the worker
  has not begun with it and never will, or until the worker is dead.
* Worker, ledger and handle count items from 1, each for itself. So what the ledger says
  of one item is never taken for what it says of the next.
* A process that is known to have ended is not signalled: the system may have given its
  number to another one. Its group is, once, at the burial.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from multiprocessing import process as mp_process
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cotality._kit.records import NamedTuple
from cotality._kit.standard_places import socket_pair
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.channel.ledger_slots import Slot
from cotality.core.utils._process.channel.link_end import LinkEnd
from cotality.core.utils._process.channel.messages import (
    Inbox,
    Kind,
    Message,
    framed,
    send_some,
)
from cotality.core.utils._process.machine.cpus import available_cpus
from cotality.core.utils._process.output import filters
from cotality.core.utils._process.starting import launch, nesting

from .endings import Ending
from .requests import Item
from .worker_main import Initializer, Setup, fixed_threads, worker_main

if TYPE_CHECKING:
    from .django_databases import Databases, Told

EXIT_LIMIT = 1.0  # s that a worker gets to end by itself after it was told to
STATE_EXIT_LIMIT = 30.0  # s, if it has to close objects of `worker_state`
EOF_LIMIT = 0.5  # s that a worker gets to end after its link has ended
END_PAUSE = 0.002  # s between two looks whether it has ended
# Reads of one link before others have their turn: a task may print without end.
READS_IN_A_ROW = 16
# Seconds between an order to a worker, in its ledger, and a look at what it did. Each
# side first writes and then looks, and one of them has to see what the other wrote. A
# processor may hold a store back for a moment, but not for as long as this.
ORDER_PAUSE = 0.002
# How many items a worker may hold, by how long (us) its last items took: the quicker
# they are, the larger the part of its time that it would wait for the next. Half go out
# at a time.
ROOM = ((200, 8), (1000, 2))
SLOW = 2**32  # us, for a worker about which nothing is known
# Items wait behind another one for this long (s). Then any idle worker may have them,
# and after the longer time also a busy worker, to which items that came later would go.
RECALL_AFTER = 0.005
RECALL_LATEST = 0.05
MOST_AHEAD = 16 * 1024  # bytes of an item that may wait behind another


class WorkerPlan(NamedTuple):
    """What every worker of a pool is started with."""

    context: BaseContext
    initializer: Initializer | None = None
    max_tasks: int | None = None
    niceness: int = 0  # how much less urgent than the parent
    databases: Databases | None = None  # of a Django program, when the pool was opened
    told: Told | None = None  # what the workers are told about these databases
    puts_back: bool = False  # whether workers undo what tasks set: see `process_state`
    numeric_threads: int | None = None  # of each; None shares out the CPUs


class WorkerHandle:
    """One worker: its process, the link to it, and the item it holds.

    Only the watching thread calls it or changes it, with two exceptions. A caller that
    has borrowed the worker adds an item to `held`, and sends it: see `loan`. Any thread
    may look at `item` and `number`, which may belong to another item a step later.
    """

    rules: filters.OutputRules
    pace: tuple[int, int]
    ending: Ending
    inbox: Inbox
    items_given: int
    items_answered: int
    recalled_to: int
    is_leaving: bool
    is_dismissed: bool
    exit_limit: float
    peak_memory: int
    looked_at: float
    began_at: float

    def __init__(
        self,
        process: BaseProcess,
        link: socket.socket,
        slot: Slot,
        rules: filters.OutputRules,
    ) -> None:
        self.process = process
        self.rules = rules  # the latest that were sent to it
        self.pid: int = process.pid or 0
        self.ending = Ending(process)
        self.ends_by: float | None = None  # when it must have ended: its link has
        self.link = link
        self.slot = slot
        # On Windows the end of the link is enough: a socket has no second holder there.
        self.sentinel: int | None = process.sentinel
        if sys.platform == "win32":
            self.sentinel = None
        self.sentinel_is_watched = True
        self.inbox = Inbox()
        # Bytes that the link did not take at once. As long as there are some, nothing
        # else is sent, because it would land in the middle of a message.
        self.outbox: memoryview | None = None
        self.fds_out: list[int] = []  # to be sent with the first of these bytes
        # The items that it has not answered; it works on the first. None stands for an
        # item that was recalled: the worker sends it back in its turn. A caller that
        # has borrowed the worker appends here, so other threads look at copies.
        self.held: deque[Item | None] = deque()
        self.items_given = 0
        self.items_answered = 0
        # How long (us) the last two items took. One of them may have waited for a CPU.
        self.pace = (SLOW, SLOW)
        self.recalled_at: float | None = None  # when the items that wait were recalled
        self.recalled_to = 0  # the number of the last item that may come back
        self.link_is_watched = True
        self.events = 0  # the events for which the link is watched
        self.is_paused = False  # not read until its logs have been handled
        self.is_ready = False
        self.is_leaving = False
        self.is_dismissed = False  # told to end by us, while it had nothing to do
        self.leave_by: float | None = None
        self.exit_limit = EXIT_LIMIT
        self.end_reason: str | None = None
        self.ordered_at: float | None = None
        self.peak_memory = 0
        self.looked_at = 0.0
        self.began_at = 0.0  # with the item it works on

    @classmethod
    def start(cls, plan: WorkerPlan, slot: Slot, workers: int) -> WorkerHandle:
        """Start a process that will say it is ready, or die.

        Raises:
            OSError: The system has no room for it.
        """
        nesting.check_room()
        with ExitStack() as undo, ExitStack() as after_start:
            ours, theirs = socket_pair()
            undo.callback(ours.close)
            # Ours is closed if the start fails, theirs in any case: as long as anybody
            # here holds that end, the end of the worker is not the end of the link.
            after_start.callback(theirs.close)
            lent = slot.for_worker()
            after_start.callback(lent.close)
            rules = filters.current()
            setup = Setup(
                slot=lent,
                environment=environment_now()
                | nesting.told_to(workers)
                | fixed_threads(plan.numeric_threads),
                threads_for_each=max(1, available_cpus() // workers),
                initializer=plan.initializer,
                max_tasks=plan.max_tasks,
                output_rules=rules.packed,
                niceness=plan.niceness,
                databases=plan.told,
                puts_back=plan.puts_back,
            )
            context: Any = plan.context  # Any: typeshed's base class has no Process
            process: BaseProcess = context.Process(
                target=worker_main,
                args=(LinkEnd(theirs), setup),
                name="cotality-worker",
            )
            launch.start(process)
            undo.pop_all()
        # Hide it from `multiprocessing.active_children()`, which would join it.
        mp_process._children.discard(process)  # type: ignore[attr-defined]
        ours.setblocking(False)
        worker = cls(process, ours, slot, rules)
        nesting.here_now.add(worker)
        return worker

    def give(self, items: Sequence[Item]) -> None:
        """Send *items*; what the link does not take at once stays in the outbox.

        Only the first of them may have segments. All of them are in `held` before the
        first byte is sent: whatever becomes of the worker then, they are found there.
        """
        if not self.held:
            self.began_at = self.looked_at = perf_counter()
        self.fds_out = [segment.fd for segment in items[0].segments]
        messages = [self.entered(item) for item in items]
        self.outbox = memoryview(b"".join(messages) if messages[1:] else messages[0])
        self.push()

    def knows_rules(self) -> bool:
        """Whether it was told the latest rules for what it logs and prints."""
        return filters.current() is self.rules

    def give_at_once(self, item: Item) -> bool:
        """As `give`, by whoever has borrowed this worker, which is idle; see `loan`.

        False if the link has not taken all of it. The rest is not kept: an exception
        may strike the caller at any step, so it leaves the worker in doubt, and the
        watching thread ends that.
        """
        self.began_at = self.looked_at = perf_counter()
        message = self.entered(item)
        try:
            return self.link.send(message) == len(message)
        except BlockingIOError:
            return False
        except OSError as raised:
            if is_of_a_signal(raised):
                raise
            return True  # the worker is gone: as in `push`

    def entered(self, item: Item) -> bytes:
        """The message for *item*, which the worker holds from now on."""
        self.held.append(item)
        self.items_given += 1
        if item.leaves_state:
            self.exit_limit = STATE_EXIT_LIMIT
        kind, body = Kind.ITEM, item.body
        rules = filters.current()
        if rules is not self.rules:
            self.rules = rules
            kind, body = Kind.ITEM | Kind.RULES, rules.before(body)
        return framed(kind, body, bool(item.segments), self.items_given)

    @property
    def item(self) -> Item | None:
        """What it works on."""
        held = tuple(self.held)  # a caller may change it meanwhile
        return held[0] if held else None

    @property
    def number(self) -> int:
        """The number of what it works on."""
        return self.items_answered + 1

    def room(self) -> int:
        """How many items may wait for this worker, besides those that it holds.

        So a worker that is quick need not wait for this process between two items, and
        each write takes several. None as long as half of them are still there: an item
        that waits here cannot go to a worker that becomes free.
        """
        pace = min(self.pace)
        room = next((room for limit, room in ROOM if pace < limit), 1)
        if (
            not self.held
            or len(self.held) > room // 2
            or self.outbox
            or self.is_leaving
            # Not behind one that comes back: all behind it would come back too.
            or self.items_answered < self.recalled_to
            # Or the end that is meant for a late task could strike the next item.
            or (self.item is not None and self.item.time_limit is not None)
        ):
            return 0
        return room - len(self.held)

    def answered(self, message: Message) -> Item | None:
        """Note that what it worked on is over, and give it, unless it was recalled."""
        item = self.held.popleft()
        self.items_answered += 1
        # A recall holds for all that was given by then. Only when the last of that is
        # answered or back may items be given again that are to be run.
        if self.recalled_to == self.items_answered:
            self.slot.ledger.withdraw_recall()
            self.recalled_at, self.recalled_to = None, 0
        self.pace = (self.pace[1], message.microseconds)
        self.began_at = self.looked_at = perf_counter()
        return item

    @property
    def holds_others(self) -> bool:
        """Whether somebody waits for an item behind the first."""
        return any(item is not None for item in tuple(self.held)[1:])

    def recall(self, now: float) -> None:
        """Ask for the items back that wait behind the first."""
        if len(self.held) > 1 and self.items_answered >= self.recalled_to:
            # What it works on is long after all: nothing is put behind it for now.
            self.pace = (SLOW, SLOW)
            self.recalled_at, self.recalled_to = now, self.items_given
            self.slot.ledger.recall(self.number + 1)

    def recall_at(self, patience: float) -> float:
        """When to recall what waits here, if it may wait for *patience* seconds."""
        wants_it = len(self.held) > 1 and self.items_answered >= self.recalled_to
        return self.began_at + patience if wants_it else math.inf

    def recalled(self, now: float) -> list[Item]:
        """The items that waited here, once they are sure not to run here.

        The worker sends the others back itself, or has answered them. It notes in its
        ledger that it takes an item, and then looks whether that was recalled. So what
        it has not noted `ORDER_PAUSE` after the recall, it will send back untouched.
        """
        if self.recalled_at is None or now < self.recalled_at + ORDER_PAUSE:
            return []
        self.recalled_at = None
        items: list[Item] = []
        # What comes back keeps its place, as None: the next answers are counted by it.
        first_free = self.slot.ledger.taken() + 1 - self.number
        for index in range(max(1, first_free), len(self.held)):
            item, self.held[index] = self.held[index], None
            if item is not None:
                items.append(item)
        return items

    def push(self) -> None:
        """Write what the link takes now; never waits for the worker."""
        try:
            while self.outbox:
                sent = send_some(self.link, self.outbox, self.fds_out)
                self.fds_out = []
                self.outbox = self.outbox[sent:]
        except BlockingIOError:
            return
        except OSError as raised:
            if is_of_a_signal(raised):
                raise
            # The worker is gone. Its end will be noticed, and the item handed on.
        self.outbox = None

    def messages(self, reads: int = READS_IN_A_ROW) -> Iterator[Message]:
        """The messages that are complete now, after a bounded number of reads.

        Raises:
            EOFError: The worker hung up.
            OSError: The link broke.
        """
        for _ in range(reads):
            if self.is_paused or not self.link_is_watched:
                return
            try:
                yield from self.inbox.read(self.link)
            except BlockingIOError:
                return
            if self.inbox.is_drained and reads <= READS_IN_A_ROW:
                return  # if there is more after all, the selector says so

    def dismiss(self) -> None:
        """Tell the worker to end once it has answered; it has a limit for that."""
        self.is_leaving = self.is_dismissed = True
        try:
            self.link.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has hung up already, which is what we want
        self.leave_within(self.exit_limit)

    def leave_within(self, seconds: float) -> None:
        self.is_leaving = True
        if self.leave_by is None:
            self.leave_by = perf_counter() + seconds

    def kill(self, reason: str) -> None:
        """End the process and those it has started, with a signal it cannot refuse.

        The first reason stays: it is the one that the error of a task names.
        """
        self.end_reason = self.end_reason or reason
        self.is_leaving = True
        self.signal_group()

    def signal_group(self) -> None:
        if self.ending.may_be_signalled:
            signal_group_of(self.pid, self.process)

    def has_ended(self) -> bool:
        if self.sentinel is None and self.link_is_watched:  # Windows
            return False
        return self.ending.look()

    def expect_end(self) -> None:
        """Look out for its end: it has closed its link, or what tells its end."""
        self.ends_by = perf_counter() + EOF_LIMIT

    def next_look(self, now: float, interval: float) -> float | None:
        """When :meth:`look` has something to do next, or None."""
        due: list[float] = []
        if self.ends_by is not None:
            due.append(now + END_PAUSE)
        if self.leave_by is not None:
            due.append(self.leave_by)
        if self.item is not None:
            due.append(self.looked_at + interval)
            if self.recalled_at is not None:
                due.append(self.recalled_at + ORDER_PAUSE)
            limit = self.item.time_limit
            if limit is not None:
                running = self.slot.ledger.running_since(self.number)
                started = running[1] if running else now
                due.append((now if math.isinf(started) else started) + limit)
                if self.ordered_at is not None:
                    due.append(now + ORDER_PAUSE)
        return min(due) if due else None

    def look(self, now: float, interval: float) -> bool:
        """Do what is due: end a worker that is late, keep a limit, note its memory.

        Returns whether the worker was found ended. Mostly its sentinel says so first,
        but a process that a task has started may keep that open, and the link too.
        """
        if self.ends_by is not None:
            if self.has_ended():
                return True
            if now >= self.ends_by:
                self.ends_by = None
        if self.leave_by is not None and now >= self.leave_by:
            self.leave_by = now + interval
            # Its end may be known by now, and its pid another's. Or it will never be:
            # who could tell has had time to. So look once more before the signal.
            if self.has_ended() or self.ending.look_whether_gone():
                return True
            self.signal_group()
            return self.has_ended()
        if self.item is None:
            return False
        if self.item.time_limit is not None:
            self.keep_time_limit(now, self.item.time_limit)
        if now < self.looked_at + interval:
            return False
        self.looked_at = now
        self.peak_memory = max(self.peak_memory, high_water_mark(self.pid))
        return self.has_ended()

    def keep_time_limit(self, now: float, limit: float) -> None:
        """End the worker if its task is late, and no other task can suffer for it.

        A task may end at its very limit, and the next one begin before the signal
        comes. So there are three steps, see `Ledger.await_orders`: first an order to
        start nothing more, then a look whether the late task is still the one announced
        last, and only then the end. If it was in time, the order is withdrawn.
        """
        ledger = self.slot.ledger
        running = ledger.running_since(self.number)
        late = running is not None and now >= running[1] + limit
        if not late or running is None:
            if self.ordered_at is not None:
                self.ordered_at = None
                ledger.withdraw_order()
            return
        if self.ordered_at is None:
            self.ordered_at = now
            ledger.order_stop()
        elif now >= self.ordered_at + ORDER_PAUSE and ledger.order_stop() == running[0]:
            self.kill("timeout")

    def release(self) -> None:
        """Let go of everything that belonged to the ended process.

        The slot comes last: from then on the next worker may have it. So what tasks
        have left running is ended before: a fork of the worker has that memory too.
        """
        nesting.here_now.discard(self)
        self.inbox.close()
        self.link.close()
        self.signal_leftovers()
        self.ending.close()
        self.slot.give_back()

    def signal_leftovers(self) -> None:
        """End what a task of a worker that died by force has left running."""
        clean = self.ending.exit_code == 0 and self.end_reason is None
        if not clean and sys.platform != "win32":
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass  # nobody is left in its group

    def forget(self) -> None:
        """In a forked child: close our copies; the worker is not ours."""
        self.link.close()
        popen = getattr(self.process, "_popen", None)
        for fd in getattr(getattr(popen, "finalizer", None), "_args", ()):
            os.close(fd)


def signal_group_of(pid: int, process: BaseProcess | None) -> None:
    """End process *pid* and those it has started.

    Args:
        process: The same one; None if it has ended and only others may be left.
    """
    if sys.platform == "win32":
        if process is not None:
            process.kill()
        return
    for send_signal in (os.killpg, os.kill) if process else (os.killpg,):
        try:
            send_signal(pid, signal.SIGKILL)
            return
        except ProcessLookupError:
            continue  # no group of its own yet; or gone
        except PermissionError:
            continue  # macOS says this of a group of zombies


def environment_now() -> dict[str, str]:
    """A copy of it, also if another thread takes something out meanwhile."""
    while True:
        try:
            return dict(os.environ)
        except KeyError:
            continue  # what is gone now was there when this began


def high_water_mark(pid: int) -> int:
    """The most memory process *pid* has had, in bytes; 0 where nobody says."""
    try:
        with open(f"/proc/{pid}/status", "rb") as status:
            for line in status:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass  # no such platform, or the process has just ended
    return 0
