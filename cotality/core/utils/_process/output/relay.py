"""The parent's side of what workers log, print and warn of.

The threads that watch over workers put it here. One thread, for the whole program,
hands it to the handlers and streams of this process, in the order in which it came.
That thread starts when there is something to do and ends soon after there is nothing
more. Handlers belong to the user and may be slow. So a worker that sends too much is
not read until there is room: it waits, as it would for a pipe that nobody empties.

What is guaranteed, whatever a handler does and whatever strikes whoever waits:

* A watching thread never waits here for a handler. It puts and goes on; `wake` tells it
  when there is room.
* One thread at a time handles output, in the order in which it was put. When that
  thread finds the queue empty, it says under the lock that it ends; whoever puts
  something looks under the same lock. So nothing is left in a queue without a thread.
  If no thread can be started, whoever waits does its work.
* Whoever waits is woken by the count of handled items, not by an empty queue, which
  others may fill for ever.
* Nobody waits, or calls a handler, while holding the lock.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING

from cotality.core.utils._process.machine.environment import LOGGER
from cotality.core.utils._process.machine.this_process import after_fork

if TYPE_CHECKING:
    from cotality.core.utils._process.channel.messages import Output

logger = logging.getLogger(LOGGER)

MOST_WAITING = 1024 * 1024  # bytes that may wait before workers have to
IDLE_LIMIT = 0.1  # s that the thread waits for more before it ends
STUCK_LIMIT = 60.0  # s that a caller waits for a handler that comes to no end
WAIT_SLICE = 0.1  # s; on Windows a longer wait could not be interrupted by Ctrl-C


class Relay:
    """A queue and the thread that empties it; see the functions below."""

    def __init__(self) -> None:
        # A signal handler may come back here in the middle of anything.
        self.lock = threading.RLock()
        self.came = threading.Condition(self.lock)
        self.queue: deque[Output] = deque()
        self.size = 0  # bytes of what is not handled
        self.put_count = 0
        self.done_count = 0
        # Who waits for which done_count. A caller adds itself in one step: an exception
        # may strike it, and then it must not hold the lock.
        self.waiting: list[tuple[int, SimpleQueue[None]]] = []
        self.thread: threading.Thread | None = None
        self.to_wake: set[Callable[[], None]] = set()
        self.unlimited = False

    # What the threads that watch over workers call.

    def put(self, output: Output, wake: Callable[[], None]) -> bool:
        """Have *output* handled. If not true, *wake* is called when there is room."""
        with self.lock:
            self.queue.append(output)
            self.put_count += 1
            self.size += len(output.body)
            # Under the lock: a thread that is about to end has said so, or sees this.
            if self.thread is None:
                self.start()
            else:
                self.came.notify()
            if self.size <= MOST_WAITING or self.unlimited:
                return True
            self.to_wake.add(wake)
            return False

    def has_room(self) -> bool:
        # Half of it: else each output that is handled would wake somebody for one more.
        return self.size <= MOST_WAITING // 2 or self.unlimited

    def start(self) -> None:
        thread = threading.Thread(target=self.run, name="cotality-relay", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # No more threads, or the program is at its end. See `stand_in`.
            return
        self.thread = thread

    # The thread.

    def run(self, idle_limit: float = IDLE_LIMIT) -> None:
        while (output := self.next(idle_limit)) is not None:
            self.handle(output)

    def next(self, idle_limit: float) -> Output | None:
        """What has come, or None after a while without anything."""
        with self.lock:
            while not self.queue:
                # The wait may time out just as something comes, so look once more. The
                # lock is held from there to the return.
                if not self.came.wait(idle_limit) and not self.queue:
                    self.thread = None
                    return None
            return self.queue.popleft()

    def handle(self, output: Output) -> None:
        from . import show  # only workers send something

        is_last = not self.queue
        if output.context is None:
            show.show(output, is_last)
        else:
            # Filters and streams find there whose request or which cell this is.
            output.context.run(show.show, output, is_last)
        self.count(output)

    def count(self, output: Output) -> None:
        with self.lock:
            # The handler that had the limit lifted has returned: see `lift_limit`.
            self.unlimited = False
            self.done_count += 1
            self.size -= len(output.body)
            for waiter in self.waiting.copy():
                goal, bell = waiter
                if self.done_count >= goal:
                    self.waiting.remove(waiter)
                    bell.put(None)
            if self.to_wake and self.has_room():
                self.wake_all()

    def wake_all(self) -> None:
        for wake in self.to_wake:
            wake()
        self.to_wake.clear()

    # What callers call.

    def wait(self, limit: float) -> bool:
        self.stand_in()
        # First it is among those that are woken, then it looks at the count. What is
        # handled in between is seen by one of the two.
        goal, bell = self.put_count, SimpleQueue[None]()
        self.waiting.append((goal, bell))
        done, until = self.done_count, monotonic() + limit
        while self.done_count < goal:
            if self.done_count > done:
                # A handler that is slow is not stuck: its time begins anew.
                done, until = self.done_count, monotonic() + limit
            elif monotonic() >= until:
                return False
            try:
                bell.get(timeout=WAIT_SLICE)
            except Empty:
                pass
        return True

    def stand_in(self) -> None:
        """Do the work of the thread in this one, if no other could be started."""
        with self.lock:
            if self.thread is not None or not self.queue:
                return
            self.thread = threading.current_thread()
        try:
            self.run(0.0)  # not under the lock: handlers are anybody's
        finally:
            # A Ctrl-C may have ended it. Else `next` has said already that there is no
            # thread, and a new one may have been started since.
            with self.lock:
                if self.thread is threading.current_thread():
                    self.thread = None

    def lift_limit(self) -> None:
        with self.lock:
            self.unlimited = True
            self.wake_all()


relay = Relay()


def show_output(output: Output, wake: Callable[[], None]) -> bool:
    """Have *output* handled, soon and in order; never waits.

    Returns:
        Whether there is room for more. If not, the sender should not be read until
        *wake* is called, from any thread, and :func:`output_has_room` says so.
    """
    return relay.put(output, wake)


def output_has_room() -> bool:
    return relay.has_room()


def is_behind() -> bool:
    """Whether something has come that is not handled yet."""
    return relay.done_count != relay.put_count


def wait_for_output(limit: float = STUCK_LIMIT) -> bool:
    """Return when all that has come so far is handled; at once if it is.

    Args:
        limit: Seconds after which to give up when nothing at all has been handled:
            a handler is stuck, perhaps on what the caller itself holds.

    Returns:
        False if it was given up. True also if the caller is a handler itself, which
        cannot wait for its own end.
    """
    if not is_behind() or is_own_thread():
        return True
    if relay.wait(limit):
        return True
    logger.debug("went on although a handler of what workers log has been stuck")
    return False


def is_own_thread() -> bool:
    """Whether it is a handler of ours that calls."""
    return relay.thread is threading.current_thread()


def expect_nested_work() -> None:
    """Called with each item that is submitted.

    A handler that waits for tasks of its own cannot make room meanwhile. So that the
    workers of these tasks need not wait for it, there is no limit until it returns.
    """
    if relay.thread is not None and is_own_thread():
        relay.lift_limit()


def forget() -> None:
    """In a forked child: the parent handles what has come.

    A new one, since another thread of the parent may have held the lock. That is why
    the functions above look `relay` up each time, and nobody should import the object.
    """
    global relay
    relay = Relay()


after_fork(forget)
