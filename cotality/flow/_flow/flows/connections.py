"""The connections of one flow in this program: one a loop, and some for threads.

A fork of the program makes its own: two processes that read from the same connection
would take each other's answers.
"""

from __future__ import annotations

import asyncio
import weakref
from time import perf_counter

from cotality._kit.weak_sets import all_in
from cotality.core.hosting import Arena
from cotality.core.machine import after_fork
from cotality.flow._flow.clients.blocking import BlockingConnections
from cotality.flow._flow.clients.entrance import Entrance
from cotality.flow._flow.clients.in_loop import LoopConnection
from cotality.flow._flow.clients.packing import late, not_sent

OPENINGS = 3  # of a connection that ends at once, for one call


def look_at(task: asyncio.Task[None]) -> None:
    """Perhaps nobody waits for it any more; then its failure is nobody's."""
    if not task.cancelled():
        task.exception()


class Connections:
    """All of them."""

    def __init__(self, entrance: Entrance) -> None:
        self.entrance = entrance
        self.arena = Arena()
        self.for_threads = BlockingConnections(entrance)
        self.of_loops: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, LoopConnection
        ] = weakref.WeakKeyDictionary()
        self.opening: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, asyncio.Task[None]
        ] = weakref.WeakKeyDictionary()
        self.latest: LoopConnection | None = None
        all_connections.add(self)

    def of_this_loop(self) -> LoopConnection | None:
        """That of the running loop, if there is one that can be used."""
        loop = asyncio.get_running_loop()
        latest = self.latest
        if latest is not None and latest.loop() is loop and not latest.is_lost:
            return latest
        connection = self.of_loops.get(loop)
        if connection is None or connection.is_lost:
            return None
        self.latest = connection
        return connection

    async def open(self, timeout: float | None) -> LoopConnection:
        """The same; a new one if there is none.

        Raises:
            ConnectionLostError: Nobody serves the flow.
            DeadlineError: It took longer than *timeout* seconds.
        """
        connection = self.of_this_loop()
        end = None if timeout is None else perf_counter() + timeout
        for _ in range(OPENINGS):
            if connection is not None:
                return connection
            if not await self.has_opened(end):
                raise late(timeout or 0.0)
            connection = self.of_this_loop()  # it may be lost by now
        if connection is None:
            raise not_sent(self.entrance.describe())
        return connection

    async def has_opened(self, until: float | None) -> bool:
        """Have a new one; whether that was possible until then."""
        loop = asyncio.get_running_loop()
        self.sweep()
        task = self.opening.get(loop)
        if task is None or task.done():
            # Of all calls that wait for it; one that is cancelled leaves it alone.
            task = loop.create_task(self.connect(), name="cotality-flow-connect")
            task.add_done_callback(look_at)
            self.opening[loop] = task
        left = None if until is None else until - perf_counter()
        done, _ = await asyncio.wait([task], timeout=left)
        if not done:
            return False
        if self.opening.get(loop) is task:
            del self.opening[loop]
        if task.cancelled():
            raise not_sent(self.entrance.describe())  # closed meanwhile
        task.result()
        return True

    async def connect(self) -> None:
        """Make one, for all calls of this loop.

        It is there when this ends, and not only when who waits for it has the next
        turn: a call that comes in between would make another one.
        """
        connection = await LoopConnection.open(self.entrance, None)
        self.of_loops[asyncio.get_running_loop()] = self.latest = connection

    def sweep(self) -> None:
        """Hang up for loops that were closed while calls were on their way.

        These calls refer to their loop, so it would be kept for ever.
        """
        for loop in list(self.of_loops):
            if loop.is_closed():
                connection = self.of_loops.pop(loop, None)
                if connection is not None:
                    connection.close()
                    connection.calls.clear()
                if self.latest is connection:
                    self.latest = None

    async def close_of_this_loop(self) -> None:
        loop = asyncio.get_running_loop()
        task = self.opening.pop(loop, None)
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])
        connection = self.of_loops.pop(loop, None)
        if connection is not None:
            connection.lose()
        self.latest = None

    def close(self) -> None:
        """Close all but those of loops that run in other threads."""
        self.for_threads.close()
        self.arena.close()
        self.latest = None
        self.sweep()

    def forget(self) -> None:
        """In a forked child."""
        self.for_threads.forget()
        self.latest = None
        for connection in list(self.of_loops.values()):
            connection.is_lost = True
            connection.pipe.close()
        self.of_loops = weakref.WeakKeyDictionary()
        self.opening = weakref.WeakKeyDictionary()


def check_priority(priority: object, levels: int) -> None:
    """See that a call may have *priority*.

    Raises:
        TypeError: It is no whole number.
        ValueError: There is none such.
    """
    if not isinstance(priority, int):
        raise TypeError(f"priority must be a whole number, got {priority!r}")
    if not 0 <= priority < levels:
        raise ValueError(
            f"priority must be from 0 to {levels - 1}, got {priority!r}. A flow has as "
            f"many as it was made with: Flow(..., priorities=3)"
        )


all_connections: weakref.WeakSet[Connections] = weakref.WeakSet()


def forget_all() -> None:
    for connections in all_in(all_connections):
        connections.forget()


after_fork(forget_all)
