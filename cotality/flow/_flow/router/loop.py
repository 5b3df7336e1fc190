"""What the router looks at: sockets, pipes and the clock.

It is a loop of its own and not that of asyncio: descriptors come along with frames, all
that came in one turn is dealt with before anything is written, and each callback of
asyncio would cost what a whole frame costs here.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable
from time import perf_counter
from typing import Final, Protocol

from .timers import Timers

READ: Final = selectors.EVENT_READ
WRITE: Final = selectors.EVENT_WRITE
LONGEST = 1.0  # s of one look


class HasFd(Protocol):
    """What can be looked at."""

    def fileno(self) -> int: ...


Call = Callable[[int], None]


class Loop:
    """The selector and the timers."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.timers = Timers()
        self.resting: dict[int, Call] = {}  # what nothing is looked for with

    def watch(self, thing: HasFd | int, call: Call, events: int = READ) -> None:
        """Have *call* called with what is possible with *thing*."""
        fd = thing if isinstance(thing, int) else thing.fileno()
        self.selector.register(fd, events, call)

    def change(self, thing: HasFd | int, events: int) -> None:
        """Look for *events* with *thing* from now on; it may be none."""
        fd = thing if isinstance(thing, int) else thing.fileno()
        if fd in self.resting:
            if events:
                self.selector.register(fd, events, self.resting.pop(fd))
            return
        key = self.selector.get_key(fd)
        if not events:
            self.resting[fd] = key.data
            self.selector.unregister(fd)
        elif key.events != events:
            self.selector.modify(fd, events, key.data)

    def unwatch(self, thing: HasFd | int) -> None:
        fd = thing if isinstance(thing, int) else thing.fileno()
        self.resting.pop(fd, None)
        try:
            self.selector.unregister(fd)
        except (KeyError, ValueError):
            pass  # it was not looked at, or is not any more

    def look(self) -> None:
        """Wait until something is possible or due, and call all that it concerns."""
        wait = min(max(self.timers.next() - perf_counter(), 0.0), LONGEST)
        for key, events in self.selector.select(wait):
            key.data(events)
        self.timers.ring(perf_counter())
