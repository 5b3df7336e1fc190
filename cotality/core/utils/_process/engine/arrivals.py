"""Where finished portions arrive, and how the engine waits for them.

There is one engine, written with ``async``. A plain call waits in `BlockingArrivals`,
which never lets go of the thread. So no step of the engine is ever suspended, and
`driven` runs it as a plain generator. A coroutine waits in `arrivals_async`.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Protocol, TypeVar

from cotality.core.utils._process.portions.chunk import ChunkReport

T = TypeVar("T")

# On Windows a wait without a limit cannot be interrupted by Ctrl-C, so it is cut up.
WAIT_SLICE = 0.1 if sys.platform == "win32" else None  # s


class Arrivals(Protocol):
    """Where finished portions arrive.

    Attributes:
        woken: Whether somebody has said that there is something else to do. It stays
            true until the engine, about to look what that is, makes it false: so it
            does not matter what else comes at the same moment.
        lets_others_run: Whether other code of the caller's runs in its thread while the
            engine waits.
    """

    woken: bool
    lets_others_run: bool

    def put(self, future: Future[ChunkReport], /) -> None:
        """Announce that *future* is done; from any thread."""
        ...

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to take without waiting."""
        ...

    @property
    def is_with_deputy(self) -> bool:
        """Whether it is not the caller who drives the engine now, see `desk`.

        Then nothing may happen that has to happen in the thread of the caller.
        """
        ...

    async def next(self, until: float | None) -> Future[ChunkReport] | None:
        """The next future that is done.

        None if it is later than *until*, by the monotonic clock, or perhaps sooner; at
        once if the engine was woken.
        """
        ...

    async def give_way_to(self, wait: Callable[[], object]) -> None:
        """Go on after *wait*, which may block for a while."""
        ...

    async def breathe(self) -> None:
        """Let others do something who share the thread."""
        ...

    def check_open(self) -> None:
        """Raise if nothing more can arrive."""
        ...

    def emptied(self) -> Arrivals:
        """Another one like this, with nothing in it."""
        ...

    def is_cancellation(self, error: BaseException) -> bool:
        """Whether *error* says that nobody waits for the call any longer."""
        ...


def finished(step: Coroutine[Any, Any, T]) -> T:  # Any: it awaits nothing
    """The result of *step*, which runs to its end without being suspended."""
    try:
        step.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("a step of the engine was suspended outside of an event loop")


class BlockingArrivals:
    """For a caller whose thread has nothing else to do."""

    woken = False
    lets_others_run = False
    finished = staticmethod(finished)

    def __init__(self) -> None:
        # None wakes who waits.
        self.queue: SimpleQueue[Future[ChunkReport] | None] = SimpleQueue()

    def put(self, future: Future[ChunkReport], /) -> None:
        self.queue.put(future)

    @property
    def is_empty(self) -> bool:
        return self.queue.empty()

    @property
    def is_with_deputy(self) -> bool:
        return False

    async def next(self, until: float | None) -> Future[ChunkReport] | None:
        while True:
            limit = WAIT_SLICE if until is None else max(0.0, until - monotonic())
            try:
                return self.queue.get(timeout=limit)
            except Empty:
                if until is not None:
                    return None

    async def give_way_to(self, wait: Callable[[], object]) -> None:
        wait()

    async def breathe(self) -> None:
        """There are no others."""

    def check_open(self) -> None:
        """Something always can."""

    def emptied(self) -> Arrivals:
        return BlockingArrivals()

    def is_cancellation(self, error: BaseException) -> bool:
        return False


def driven(
    steps: AsyncGenerator[T, None], arrivals: Arrivals
) -> Generator[T, None, None]:
    """*steps* of an engine that waits in *arrivals*, as a plain generator."""
    assert isinstance(arrivals, BlockingArrivals)
    finished = arrivals.finished
    try:
        while True:
            try:
                item = finished(anext(steps))
            except StopAsyncIteration:
                return
            yield item
            del item  # or it would be kept while the next one is made
    finally:
        finished(steps.aclose())
