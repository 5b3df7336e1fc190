"""What the watching thread waits for: links of workers, their ends, and the bell.

Only the watching thread calls this, but for `close`, which a forked child calls too.
Rules:

* A link is watched for what can happen on it, and for nothing else: for room to write
  while there is something to write, for messages unless the worker is paused. A link
  that is ready all the time and never served would keep the thread from sleeping.
* A descriptor is taken out of the selector before it is closed. The system gives the
  number to the next thing that is opened, and that would be watched instead.
* A worker that logs faster than handlers can follow is paused: it is not read, so it
  waits as for a pipe that nobody empties. Its time limits are kept all the same, its
  end is seen, and then what is left in its link is read in any case.
"""

from __future__ import annotations

import selectors
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from cotality._kit.standard_places import FIRST_FREE, fill, socket_pair
from cotality.core.utils._process.channel.messages import Output
from cotality.core.utils._process.output import relay

if TYPE_CHECKING:
    from cotality.core.utils._process.workers.handle import WorkerHandle
    from cotality.core.utils._process.workers.pool_state import PoolState


def new_selector() -> selectors.BaseSelector:
    """One whose descriptor, if it has any, lies in no standard place."""
    fill()
    selector = selectors.DefaultSelector()
    while has_low_number(selector):
        # Closed once the next one is there: until then it holds the place.
        selector, low = selectors.DefaultSelector(), selector
        low.close()
        fill()
    return selector


def has_low_number(selector: selectors.BaseSelector) -> bool:
    number: Callable[[], int] | None = getattr(selector, "fileno", None)
    return number is not None and number() < FIRST_FREE and sys.platform != "win32"


class Links:
    """The selector of one watching thread, and what is in it."""

    bell: socket.socket  # both are there once it is open
    selector: selectors.BaseSelector

    def __init__(self, pool: PoolState) -> None:
        self.pool = pool
        self.paused: set[WorkerHandle] = set()

    def open(self) -> socket.socket:
        """Make what is needed to wait; gives the other end of the bell.

        Raises:
            OSError: The system has no descriptors left; then nothing is made.
        """
        with ExitStack() as undo:
            selector = undo.enter_context(new_selector())
            bell, rope = socket_pair()
            undo.pop_all()
        self.selector, self.bell = selector, bell
        bell.setblocking(False)
        rope.setblocking(False)
        selector.register(bell, selectors.EVENT_READ, None)
        return rope

    def listen_to_bell(self) -> None:
        try:
            self.bell.recv(4096)  # however often it was rung: once is enough
        except BlockingIOError:
            pass

    # Links and ends of workers.

    def add(self, worker: WorkerHandle) -> None:
        """Watch a worker that has just been started."""
        self.update(worker)
        if worker.sentinel is not None:
            watched = selectors.EVENT_READ
            self.selector.register(worker.sentinel, watched, (worker, True))

    def update(self, worker: WorkerHandle) -> None:
        """Watch the link for what can happen on it now."""
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

    def forget_link(self, worker: WorkerHandle) -> None:
        if worker.events:
            self.set_events(worker, 0)

    def forget_sentinel(self, worker: WorkerHandle) -> None:
        if worker.sentinel is not None and worker.sentinel_is_watched:
            worker.sentinel_is_watched = False
            self.selector.unregister(worker.sentinel)

    # What workers log and print.

    def pass_on(self, worker: WorkerHandle, body: bytes | bytearray) -> None:
        """Have handled what *worker* has logged; read no more of it if that takes long.

        Only its link waits, nobody else's.
        """
        item = worker.item
        output = Output(
            body,
            worker.pid,
            item.first_task if item is not None else None,
            item.context if item is not None else None,
        )
        if not relay.show_output(output, self.pool.ring) and not worker.is_leaving:
            worker.is_paused = True
            self.paused.add(worker)
            self.update(worker)

    def resume_if_there_is_room(self) -> None:
        for worker in list(self.paused):
            # What one that is to end still sends is little, and its end comes last.
            if worker.is_leaving or relay.output_has_room():
                self.resume(worker)

    def resume(self, worker: WorkerHandle) -> None:
        worker.is_paused = False
        self.paused.discard(worker)
        self.update(worker)

    def close(self) -> None:
        """Let go of what it watches with; some of it may never have been made."""
        for name in ("selector", "bell"):
            thing = self.__dict__.get(name)
            if thing is not None:
                thing.close()
