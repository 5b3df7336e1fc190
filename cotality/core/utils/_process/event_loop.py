"""What the engine waits in, and reads from, when an event loop drives it.

Imported with the first asynchronous call: `asyncio` takes longer to import than all of
this package.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Callable
from concurrent.futures import Future
from time import monotonic
from typing import Any

from .arrivals import Arrivals
from .chunk import ChunkReport
from .source import Source
from .task import Task


def running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "the functions whose names end in _async need an event loop of asyncio "
            "that runs in this thread. With trio run the plain one in a thread: await "
            "trio.to_thread.run_sync(execute_tasks_in_parallel, tasks)."
        ) from None


class LoopArrivals:
    """Finished portions, for a coroutine of *loop*."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.done: deque[Future[ChunkReport]] = deque()
        self.bell = asyncio.Event()

    def put(self, future: Future[ChunkReport]) -> None:
        self.done.append(future)
        self.wake()

    def wake(self) -> None:
        """Let who waits look again; from any thread."""
        try:
            self.loop.call_soon_threadsafe(self.bell.set)
        except RuntimeError:
            pass  # the loop is closed, so nobody waits

    @property
    def is_empty(self) -> bool:
        return not self.done

    async def next(self, until: float | None) -> Future[ChunkReport] | None:
        if self.done:
            # Others want to run too, also while portions come faster than this thread
            # can take them.
            await self.breathe()
            return self.done.popleft()
        self.bell.clear()
        if not self.done:  # it may have come just before the bell was cleared
            limit = None if until is None else max(0.0, until - monotonic())
            try:
                async with asyncio.timeout(limit):
                    await self.bell.wait()
            except TimeoutError:
                return None
        return self.done.popleft() if self.done else None

    async def give_way_to(self, wait: Callable[[], object]) -> None:
        await asyncio.to_thread(wait)

    async def breathe(self) -> None:
        await asyncio.sleep(0)

    def emptied(self) -> Arrivals:
        return LoopArrivals(self.loop)

    def is_cancellation(self, error: BaseException) -> bool:
        return isinstance(error, asyncio.CancelledError)


class AsyncSource(Source):
    """Tasks from an asynchronous iterable.

    They are read by a task of the event loop, so that results are delivered while the
    input keeps everybody waiting; no more of them than the next portion has room for.

    Args:
        tasks: What to read.
        wake: Called when there is something new: a task, or the end of the input.
    """

    def __init__(
        self,
        tasks: AsyncIterable[Task[Any]],  # Any: tasks of every result type
        wake: Callable[[], None],
    ) -> None:
        super().__init__()
        self.iterator = aiter(tasks)
        self.wake = wake
        self.ready: deque[Task[Any]] = deque()  # Any: as above
        self.wanted = 0
        self.room = asyncio.Event()
        self.has_ended = False
        self.reader: asyncio.Task[None] | None = None

    def read(self, size: int) -> list[Task[Any]]:
        tasks = [self.ready.popleft() for _ in range(min(size, len(self.ready)))]
        self.wanted = size
        self.room.set()
        if self.reader is None:
            self.reader = asyncio.create_task(self.read_ahead())
        self.keep_good_ones(tasks, 0)
        if self.has_ended and not self.ready:
            self.is_empty = True
        return tasks

    async def read_ahead(self) -> None:
        try:
            async for task in self.iterator:
                self.ready.append(task)
                self.wake()
                while len(self.ready) >= self.wanted:
                    self.room.clear()
                    await self.room.wait()
        except Exception as error:
            self.error = error
        finally:
            self.has_ended = True
            self.wake()

    async def close(self) -> None:
        if self.reader is not None:
            self.reader.cancel()
            await asyncio.wait([self.reader])
        close: Callable[[], Any] | None = getattr(self.iterator, "aclose", None)
        if close is not None and not self.is_empty:
            await close()
