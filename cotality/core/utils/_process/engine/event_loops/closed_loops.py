"""Calls in event loops that were closed before the calls were over.

Nobody drives such a call any more, and nothing can ever await it. It may never be
collected either, because the program holds the coroutine. So others have to give back
what it uses: whoever has one of its portions and cannot tell the loop, the thread that
watches over worker processes, now and then, and `shutdown_workers`.
"""

from __future__ import annotations

import _thread
import asyncio
import logging
import threading
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, ParamSpec, Protocol

from cotality._kit.struck import is_of_a_signal
from cotality._kit.weak_sets import all_in
from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.machine.environment import LOGGER
from cotality.core.utils._process.machine.this_process import after_fork

logger = logging.getLogger(LOGGER)
P = ParamSpec("P")


class Leavable(Protocol):
    """A run, as those see it who leave it when its loop was closed."""

    is_on: bool

    @property
    def has_to_be_left(self) -> bool:
        """Whether it has something that can be given back without waiting."""
        ...

    def let_go(self) -> None:
        """Give back all that it has, without waiting."""

    def tell_of_the_end(self, error: BaseException) -> None:
        """Tell those who watch it, once."""


class Waiting:
    """The waiting of one call, of which somebody may let go.

    Attributes:
        run: The call, for as long as somebody else refers to it.
        is_dropped: Whether the coroutine was closed, or collected, where it waits; such
            as when its loop was closed. From then on it must not wait for anything.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.run: weakref.ref[Leavable] | None = None
        self.is_dropped = False
        calls.add(self)

    @contextmanager
    def noting_drops(self) -> Generator[None, None, None]:
        try:
            yield
        except GeneratorExit:
            self.is_dropped = True
            raise

    def check_open(self) -> None:
        """Raise unless there is a loop to wait in.

        Raises:
            RuntimeError: A generator that began in a loop that was closed is asked for
                more in another one.
        """
        if self.loop.is_closed() and not self.is_dropped:
            self.is_dropped = True
            raise RuntimeError(
                "the event loop in which this call began was closed, and its workers "
                "were let go: nothing more comes of it. Make the call again, in the "
                "loop that reads its results."
            )

    @property
    def left(self) -> Leavable | None:
        """The call, if its loop was closed and it has to be left."""
        run = None if self.run is None else self.run()
        if run is None or not (self.loop.is_closed() and run.has_to_be_left):
            return None
        return run


# Those that began in an event loop and are still there.
calls: weakref.WeakSet[Waiting] = weakref.WeakSet()

after_fork(calls.clear)  # the parent's calls are none of the child's


def leave_all(*, wait: bool = False) -> None:
    """Leave the calls whose loop was closed; no other one is touched.

    Args:
        wait: Whether they have let go of their workers when this returns.
    """
    found = [each for each in all_in(calls) if each.left is not None]
    if not found:
        return
    done: SimpleQueue[None] = SimpleQueue()
    try:
        start_bare(leave_each, found, done)
    except RuntimeError:
        if not wait:
            return  # there is no room for a thread now; the next look finds them
        leave_each(found, done)
    if wait:
        done.get()


def leave_each(found: list[Waiting], done: SimpleQueue[None]) -> None:
    runs = [run for each in found if (run := each.left) is not None]
    for run in runs:
        let_go(run)
    done.put(None)
    for run in runs:
        tell(run)
    for each in found:
        calls.discard(each)  # also one that could not be left: once is enough


def leave_dropped(run: Leavable) -> None:
    """Leave *run*, whose loop was closed, in a thread of its own.

    That is found out by whoever has a portion of it, or collects it: in any thread, at
    any point, also where it has a lock which is needed for this. To start such a thread
    takes no lock.
    """
    try:
        start_bare(leave, run)
    except RuntimeError:
        pass  # the program ends, and with it its workers


def start_bare(function: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Run *function* in a thread that is started without a lock.

    Raises:
        RuntimeError: There is no room for one.
    """

    def run() -> None:
        try:
            function(*args, **kwargs)
        finally:
            forget_this_thread()

    _thread.start_new_thread(run, ())


def forget_this_thread() -> None:
    """Have `threading` forget the thread that runs here, which it has not started.

    Whoever asks for the current thread, as a log record does, gets it a stand-in. Up to
    Python 3.12 that stays in `threading.enumerate()` for good.
    """
    lock: Any = getattr(threading, "_active_limbo_lock", None)  # Any: private
    active: Any = getattr(threading, "_active", None)
    if lock is not None and active is not None:
        with lock:
            active.pop(_thread.get_ident(), None)


def leave(run: Leavable) -> None:
    let_go(run)
    tell(run)


def let_go(run: Leavable) -> None:
    try:
        run.let_go()
    except BaseException as error:
        if is_of_a_signal(error):
            raise  # there was no room for a thread of its own
        logger.exception("a call whose event loop was closed could not be ended")


def tell(run: Leavable) -> None:
    try:
        run.tell_of_the_end(asyncio.CancelledError())
    except BaseException as error:
        if is_of_a_signal(error):
            raise
        logger.exception("the end of a call whose event loop was closed was not told")


this_process.leave_closed_loops = leave_all
