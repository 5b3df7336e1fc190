"""The parent's handle on one worker process."""

from __future__ import annotations

import math
import os
import signal
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from multiprocessing import process as mp_process
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from time import perf_counter
from typing import TYPE_CHECKING, Any

from . import output_rules
from .cpus import available_cpus
from .messages import Inbox, Kind, Message, packed, send_some
from .segments import Segment
from .slots import Slot
from .worker import Initializer, Setup, worker_main

if TYPE_CHECKING:
    from .django_databases import Databases, Told

EXIT_LIMIT = 1.0  # s that a worker gets to end by itself once it was told to
STATE_EXIT_LIMIT = 30.0  # s, if it has to close what its tasks made for all of them
EOF_LIMIT = 0.5  # s that a worker gets to end once its link has ended
# Reads of one link before others have their turn: a task may print without end.
READS_IN_A_ROW = 16


@dataclass(eq=False, slots=True)
class Item:
    """One submitted call."""

    future: Future[Any]  # Any: what the call returns
    body: bytes
    segments: list[Segment] = field(default_factory=list[Segment])  # sent along
    time_limit: float | None = None  # s that one task of it may run
    leaves_state: bool = False  # something that the worker has to close at its end
    first_task: int | None = None  # the index of the first task of a portion
    is_running: bool = False
    deaths: int = 0  # workers that died before they began with it
    context: Context = field(default_factory=copy_context)  # the submitter's


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What every worker of a pool is started with."""

    context: BaseContext
    initializer: Initializer | None = None
    max_tasks: int | None = None
    niceness: int = 0  # how much less urgent than the parent
    databases: Databases | None = None  # of a Django program, when the pool was opened
    told: Told | None = None  # what its workers are told of them


class WorkerHandle:
    """One worker: its process, the link to it, and the item it holds.

    The pool's lock is held while ``item``, ``outbox`` or ``is_leaving`` change.
    """

    def __init__(
        self,
        process: BaseProcess,
        link: socket.socket,
        slot: Slot,
        rules: output_rules.OutputRules,
    ) -> None:
        self.process = process
        self.rules = rules  # the last ones it was told
        self.pid: int = process.pid or 0
        self.link = link
        self.slot = slot
        # On Windows the end of the link tells; a socket has no second holder there.
        self.sentinel: int | None = process.sentinel
        if sys.platform == "win32":
            self.sentinel = None
        self.inbox = Inbox()
        self.outbox: memoryview | None = None
        self.fds_out: list[int] = []  # to be sent with the first byte of it
        self.item: Item | None = None
        self.items_given = 0
        self.link_is_watched = True
        self.events = 0  # what the link is watched for
        self.is_paused = False  # not read: what it has logged has to be handled first
        self.is_ready = False
        self.is_leaving = False
        self.leave_by: float | None = None
        self.exit_limit = EXIT_LIMIT
        self.end_reason: str | None = None
        self.ordered_at: float | None = None
        self.peak_memory = 0
        self.looked_at = 0.0

    @classmethod
    def start(cls, plan: WorkerPlan, slot: Slot, workers: int) -> WorkerHandle:
        """Start a process that will say it is ready, or die.

        Raises:
            OSError: The system has no room for it.
        """
        with ExitStack() as undo, ExitStack() as after_start:
            ours, theirs = socket.socketpair()
            undo.callback(ours.close)
            after_start.callback(theirs.close)
            lent = slot.for_worker()
            after_start.callback(lent.close)
            rules = output_rules.current()
            setup = Setup(
                slot=lent,
                environment=dict(os.environ),
                threads_for_each=max(1, available_cpus() // workers),
                initializer=plan.initializer,
                max_tasks=plan.max_tasks,
                output_rules=rules.packed,
                niceness=plan.niceness,
                databases=plan.told,
            )
            context: Any = plan.context  # Any: typeshed's base class has no Process
            process: BaseProcess = context.Process(
                target=worker_main, args=(theirs, setup), name="cotality-worker"
            )
            process.start()
            undo.pop_all()
        # It is ours alone: nobody who lists or joins all children should meet it.
        mp_process._children.discard(process)  # type: ignore[attr-defined]
        ours.setblocking(False)
        return cls(process, ours, slot, rules)

    def give(self, item: Item) -> None:
        """Send *item*; what the link does not take at once stays in the outbox."""
        self.item = item
        self.items_given += 1
        if item.leaves_state:
            self.exit_limit = STATE_EXIT_LIMIT
        self.looked_at = perf_counter()
        kind, body = Kind.ITEM, item.body
        rules = output_rules.current()
        if rules is not self.rules:
            self.rules = rules
            kind, body = Kind.ITEM | Kind.RULES, rules.before(body)
        self.fds_out = [segment.fd for segment in item.segments]
        self.outbox = memoryview(packed(kind, body, self.fds_out))
        self.push()

    def push(self) -> None:
        """Write what the link takes now; never waits for the worker."""
        try:
            while self.outbox:
                sent = send_some(self.link, self.outbox, self.fds_out)
                self.fds_out = []
                self.outbox = self.outbox[sent:]
        except BlockingIOError:
            return
        except OSError:
            # The worker is gone. Its end will be noticed, and the item handed on.
            pass
        self.outbox = None

    def messages(self, reads: int = READS_IN_A_ROW) -> Iterator[Message]:
        """The messages that are complete now, after so many reads at most.

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

    def dismiss(self) -> None:
        """Tell the worker to end once it has answered; it has a limit for that."""
        self.is_leaving = True
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
        """End the process and those it has started, with a signal it cannot refuse."""
        self.end_reason = self.end_reason or reason
        self.is_leaving = True
        self.signal_group()

    def signal_group(self) -> None:
        if sys.platform == "win32":
            self.process.kill()
            return
        for send_signal in (os.killpg, os.kill):
            try:
                send_signal(self.pid, signal.SIGKILL)
                return
            except ProcessLookupError:
                continue  # no group of its own yet; or gone
            except PermissionError:
                continue  # macOS says this of a group of zombies

    def has_ended(self) -> bool:
        if self.sentinel is None:  # Windows
            return not self.link_is_watched and self.process.exitcode is not None
        return self.process.exitcode is not None

    def next_look(self, now: float, interval: float) -> float | None:
        """When :meth:`look` has something to do next, or None."""
        due: list[float] = []
        if self.leave_by is not None:
            due.append(self.leave_by)
        if self.item is not None:
            due.append(self.looked_at + interval)
            limit = self.item.time_limit
            if limit is not None:
                running = self.slot.ledger.running_since(self.items_given)
                started = running[1] if running else now
                due.append((now if math.isinf(started) else started) + limit)
                if self.ordered_at is not None:
                    due.append(now + 0.002)
        return min(due) if due else None

    def look(self, now: float, interval: float, order_pause: float) -> bool:
        """Do what is due: end a worker that is late, keep a limit, note its memory.

        Returns whether the worker was found ended. Mostly its sentinel says so first,
        but a process that a task has started may keep that open, and the link too.
        """
        if self.leave_by is not None and now >= self.leave_by:
            self.leave_by = now + interval
            self.signal_group()
            return self.has_ended()
        if self.item is None:
            return False
        if self.item.time_limit is not None:
            self.keep_time_limit(now, self.item.time_limit, order_pause)
        if now < self.looked_at + interval:
            return False
        self.looked_at = now
        self.peak_memory = max(self.peak_memory, high_water_mark(self.pid))
        return self.has_ended()

    def keep_time_limit(self, now: float, limit: float, order_pause: float) -> None:
        """End the worker if its task is late, and no other task can suffer for it.

        See `Ledger.await_orders`: first an order to start nothing more, then a look
        whether the late task is still the one announced last, and only then the end.
        """
        ledger = self.slot.ledger
        running = ledger.running_since(self.items_given)
        late = running is not None and now >= running[1] + limit
        if not late or running is None:
            if self.ordered_at is not None:
                self.ordered_at = None
                ledger.withdraw_order()
            return
        if self.ordered_at is None:
            self.ordered_at = now
            ledger.order_stop()
        elif now >= self.ordered_at + order_pause and ledger.order_stop() == running[0]:
            self.kill("timeout")

    def release(self) -> None:
        """Let go of everything that belonged to the ended process."""
        self.inbox.close()
        self.link.close()
        self.signal_leftovers()
        self.process.close()
        self.slot.give_back()

    def signal_leftovers(self) -> None:
        """End what a task of a worker that died by force has left running."""
        clean = self.process.exitcode == 0 and self.end_reason is None
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
