"""A process of ours that runs no tasks of a call, and answers only to its parent.

It may belong to another floor, which has its own messages and its own loop. It is
started and set apart like a worker, ends with its parent however that ends, and the
parent learns how it ended. The floor decides what the two say to each other over the
link.

Besides the link they share a `Board`: memory that says what the process was doing, even
once it is dead. This is the parent's side; `host` is that of the process itself.
"""

from __future__ import annotations

import os
import socket
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing import process as mp_process
from multiprocessing.process import BaseProcess
from typing import Any

from cotality._kit.standard_places import socket_pair
from cotality._kit.weak_sets import all_in
from cotality.core.utils._process.channel.ledger import Entry, Ledger
from cotality.core.utils._process.channel.ledger_slots import Slot, Slots
from cotality.core.utils._process.channel.link_end import LinkEnd
from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.machine.cpus import available_cpus
from cotality.core.utils._process.output import filters
from cotality.core.utils._process.starting import launch, loading, nesting
from cotality.core.utils._process.tasks.errors import (
    TaskTimeoutError,
    WorkerCrashedError,
)

from .death_report import Report, entry_of
from .endings import Ending
from .handle import environment_now, signal_group_of
from .host import FIRST_WORD, OWN_WORDS, Board, hosted_main
from .worker_main import Setup


class Boards:
    """Room for the boards of a number of processes at a time."""

    slots: Slots

    def __init__(self, count: int) -> None:
        self.slots = Slots(count)

    @property
    def free(self) -> int:
        """How many more may be lent."""
        return len(self.slots.free)

    def close(self) -> None:
        self.slots.close()


class Hosted:
    """A process that was started here: our end of its link, and how it ends.

    Attributes:
        link: Does not block.
        sentinel: A descriptor that becomes readable when the process has ended.
        reason: Why we ended it, if it was us; see `kill`.
    """

    board: Board

    def __init__(self, process: BaseProcess, link: socket.socket, slot: Slot) -> None:
        self.pid: int = process.pid or 0
        self.link = link
        self.sentinel: int = process.sentinel
        self.board = Board(slot.ledger)
        self.reason: str | None = None
        self._process = process
        self._slot = slot
        self._ending = Ending(process)
        self._is_closed = False

    def has_ended(self, *, is_late: bool = False) -> bool:
        """Whether it has.

        Args:
            is_late: Whether who could tell with which status has had time to.
        """
        return self._ending.look() or (is_late and self._ending.look_whether_gone())

    @property
    def exit_code(self) -> int | None:
        """Negative for a signal; None while it runs, or if nobody knows."""
        return self._ending.exit_code

    def kill(self, reason: str) -> None:
        """End it and what it has started, with a signal that it cannot refuse."""
        self.reason = self.reason or reason
        if self._ending.may_be_signalled:
            signal_group_of(self.pid, self._process)

    def failure(
        self, *, time_limit: float | None = None
    ) -> WorkerCrashedError | TaskTimeoutError:
        """The error of what it was at when it ended.

        Args:
            time_limit: What it has exceeded, in seconds, if it was ended for that.
        """
        error = self._report(time_limit).failure()
        entry_of(error)  # nobody asks for it
        return error

    def ending(self) -> str:
        """How it ended, in a sentence or two for a person."""
        report = self._report(None)
        return f"{report.ending()}{report.facts()}"

    def _report(self, time_limit: float | None) -> Report:
        return Report(
            pid=self.pid,
            exit_code=self._ending.exit_code,
            server_is_lost=self._ending.server_is_lost,
            server_is_silent=self._ending.server_is_silent,
            reason=self.reason,
            written=self._slot.take_stack(),
            peak_memory=0,
            time_limit=time_limit,
            entry=Entry(),
        )

    def close(self) -> None:
        """Let go of everything that belonged to the process, which has ended."""
        if self._is_closed:
            return
        self._is_closed = True
        hosted_here.discard(self)
        nesting.here_now.discard(self)
        self.link.close()
        if self._ending.exit_code != 0:
            signal_group_of(self.pid, None)  # what it has started and left
        self._ending.close()
        self._slot.give_back()
        # They keep the memory, and its descriptor, for as long as somebody keeps us.
        del self._slot, self.board

    def forget(self) -> None:
        """In a forked child: close our copies; the process is not ours."""
        self.link.close()
        popen = getattr(self._process, "_popen", None)
        for fd in getattr(getattr(popen, "finalizer", None), "_args", ()):
            os.close(fd)


# For forked children. What is not closed in them would keep the parent alive for those
# that watch it.
hosted_here: weakref.WeakSet[Hosted] = weakref.WeakSet()


def forget_all() -> None:
    for each in all_in(hosted_here):
        each.forget()
    hosted_here.clear()


this_process.after_fork(forget_all)


def start_hosted(
    main: Callable[..., None],
    args: tuple[Any, ...],  # Any: what *main* takes
    boards: Boards,
    *,
    name: str,
    siblings: int = 1,
) -> Hosted:
    """Start a process that calls ``main(host, *args)``, and ends with this one.

    Args:
        main: A function of a module of ours, which travels by its name.
        args: Taken by the standard pickle. A `LinkEnd` among them brings a socket.
        name: Of the process, for people.
        siblings: How many of its kind share this machine, itself included.

    Raises:
        OSError: The system has no room for it.
        RuntimeError: Called by a module while a process of ours imports it.
    """
    loading.check()
    nesting.check_level()
    nesting.check_room()
    slot = boards.slots.lend()
    wipe(slot.ledger)
    try:
        process, link = started(main, args, slot, name, siblings)
    except BaseException:
        slot.give_back()
        raise
    # Hide it from `multiprocessing.active_children()`, which would join it.
    mp_process._children.discard(process)  # type: ignore[attr-defined]
    hosted = Hosted(process, link, slot)
    nesting.here_now.add(hosted)
    hosted_here.add(hosted)
    return hosted


def wipe(ledger: Ledger) -> None:
    """Have nothing on a board of what another process has left there."""
    for word in range(FIRST_WORD, FIRST_WORD + OWN_WORDS):
        ledger.words[word] = 0
    ledger.kinds[:] = bytes(len(ledger.kinds))


def started(
    main: Callable[..., None],
    args: tuple[Any, ...],  # Any: as for `start_hosted`
    slot: Slot,
    name: str,
    siblings: int,
) -> tuple[BaseProcess, socket.socket]:
    with ExitStack() as undo, ExitStack() as after_start:
        ours, theirs = socket_pair()
        undo.callback(ours.close)
        after_start.callback(theirs.close)
        lent = slot.for_worker()
        after_start.callback(lent.close)
        setup = Setup(
            slot=lent,
            environment=environment_now() | nesting.told_to(siblings),
            threads_for_each=max(1, available_cpus() // siblings),
            initializer=None,
            max_tasks=None,
            output_rules=b"",
            niceness=0,
        )
        context: Any = launch.default_context()  # Any: as in `handle`
        process: BaseProcess = context.Process(
            target=hosted_main, args=(LinkEnd(theirs), setup, main, args), name=name
        )
        launch.start(process)
        undo.pop_all()
    ours.setblocking(False)
    return process, ours


def output_rules() -> bytes:
    """What of its logs and warnings a hosted process is to send: what holds here."""
    return filters.current().packed
