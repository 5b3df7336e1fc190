"""How the engine waits, and reads its input, when an event loop drives it.

The first asynchronous call imports this module, because `asyncio` takes longer to
import than all of this package.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from concurrent.futures import Future
from time import monotonic
from typing import Any, Generic, TypeVar

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.engine.arrivals import Arrivals
from cotality.core.utils._process.engine.interrupted import leave_frames_of_others
from cotality.core.utils._process.engine.source import Source
from cotality.core.utils._process.portions.chunk import ChunkReport
from cotality.core.utils._process.tasks.task import Task

from .closed_loops import Waiting, leave_dropped

G = TypeVar("G", bound=AsyncGenerator[Any, None])  # Any: of anything


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
    """Finished portions, for a coroutine that waits in an event loop."""

    lets_others_run = True

    def __init__(self, waiting: Waiting) -> None:
        self.waiting = waiting
        self.done: deque[Future[ChunkReport]] = deque()
        self.bell = asyncio.Event()
        self.woken = False

    @property
    def is_with_deputy(self) -> bool:
        return False

    def put(self, future: Future[ChunkReport]) -> None:
        self.done.append(future)
        self.ring()

    def wake(self) -> None:
        """Let the engine look what there is to do; from any thread."""
        self.woken = True
        self.ring()

    def ring(self) -> None:
        try:
            self.waiting.loop.call_soon_threadsafe(self.bell.set)
        except RuntimeError:  # the loop is closed, so nobody waits
            run = None if self.waiting.run is None else self.waiting.run()
            if run is not None and run.is_on:
                leave_dropped(run)

    @property
    def is_empty(self) -> bool:
        return not self.done

    async def next(self, until: float | None) -> Future[ChunkReport] | None:
        if self.done:
            # Others want to run too, also while portions come faster than this thread
            # can take them.
            await self.breathe()
            return self.done.popleft()
        self.check_open()
        self.bell.clear()
        # Either may have come just before the bell was cleared.
        if not self.done and not self.woken:
            # Not `asyncio.timeout`: it ends by a cancellation of its own, and takes one
            # for it that a Ctrl-C has asked for just before.
            alarm = None
            if until is not None:
                limit = max(0.0, until - monotonic())
                alarm = self.waiting.loop.call_later(limit, self.bell.set)
            try:
                with self.waiting.noting_drops():
                    await self.bell.wait()
            finally:
                if alarm is not None:
                    alarm.cancel()
        return self.done.popleft() if self.done else None

    async def give_way_to(self, wait: Callable[[], object]) -> None:
        if not self.waiting.is_dropped:
            with self.waiting.noting_drops():
                await asyncio.to_thread(wait)

    async def breathe(self) -> None:
        self.check_open()
        with self.waiting.noting_drops():
            await asyncio.sleep(0)

    def check_open(self) -> None:
        self.waiting.check_open()

    def emptied(self) -> Arrivals:
        return LoopArrivals(self.waiting)

    def is_cancellation(self, error: BaseException) -> bool:
        waiting = self.waiting
        if waiting.is_dropped or waiting.loop.is_closed():
            return True
        return isinstance(error, asyncio.CancelledError)


class Closing(Generic[G]):
    """Closes *steps* after they were used.

    An event loop makes a cancellation of a Ctrl-C, and Python prints both. So a
    cancellation shows no frame of the engine either.
    """

    def __init__(self, steps: G) -> None:
        self.steps = steps

    async def __aenter__(self) -> G:
        return self.steps

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        await self.steps.aclose()
        if isinstance(error, asyncio.CancelledError):
            leave_frames_of_others(error)


class Undropped(Closing[G]):
    """Closes *steps* after a coroutine has used them, unless that was closed itself.

    Then it can wait for nothing, and *steps* are only told so from Python 3.13 on.
    """

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if kind is not GeneratorExit:
            await super().__aexit__(kind, error, _)


class AsyncSource(Source):
    """Tasks from an asynchronous iterable.

    They are read by a task of the event loop, so that results are delivered while the
    input keeps everybody waiting; no more of them than the next portion has room for.

    Args:
        tasks: What to read.
        arrivals: Is woken when there is something new: a task, or the end of the input.
    """

    def __init__(
        self,
        tasks: AsyncIterable[Task[Any]],  # Any: tasks of every result type
        arrivals: LoopArrivals,
    ) -> None:
        super().__init__()
        self.iterator = aiter(tasks)
        self.wake = arrivals.wake
        self.waiting = arrivals.waiting
        self.ready: deque[Task[Any]] = deque()  # Any: as above
        self.wanted = 0
        self.room = asyncio.Event()
        self.has_ended = False
        self.interruption: BaseException | None = None
        self.is_closing = False
        self.reader: asyncio.Task[None] | None = None

    def read(self, size: int) -> list[Task[Any]]:
        """As many as there are, up to *size*.

        Raises:
            BaseException: What the input raised, if it is no `Exception` or a signal's:
                as a plain iterable would raise it here, it ends the call.
        """
        interruption = self.interruption or self.interruption_at_the_end
        self.interruption = None
        if interruption is not None:
            self.is_empty = True
            raise interruption
        tasks = [self.ready.popleft() for _ in range(min(size, len(self.ready)))]
        self.wanted = size
        self.room.set()
        if self.reader is None:
            self.reader = reader = asyncio.create_task(self.read_ahead())
            reader.add_done_callback(self.reader_ended)
            # It ends with the call. Should that be collected where it waits, nobody has
            # to be told that this one was "destroyed" as well.
            reader._log_destroy_pending = False  # type: ignore[attr-defined]  # not public
        self.keep_good_ones(tasks, 0)
        if self.has_ended and not self.ready:
            self.is_empty = True
        return tasks

    async def read_ahead(self) -> None:
        if self.reader is not asyncio.current_task():
            return  # an exception struck who has just started it, and ended the call
        try:
            async for task in self.iterator:
                self.ready.append(task)
                self.wake()
                while len(self.ready) >= self.wanted:
                    self.room.clear()
                    await self.room.wait()
        except Exception as error:
            if is_of_a_signal(error):
                self.interruption = error
            else:
                self.error = error
        except BaseException as error:
            if self.is_closing:
                raise
            # The input's own, such as the cancellation of something that it awaits.
            self.interruption = error
        finally:
            self.has_ended = True
            self.wake()

    # A signal may strike the last steps of the reader, or those of who is told of its
    # end, but not both. Who waits would else wait for ever, or miss what was raised.

    def reader_ended(self, reader: asyncio.Task[None]) -> None:
        self.has_ended = True
        self.wake()

    @property
    def interruption_at_the_end(self) -> BaseException | None:
        reader = self.reader
        if reader is None or not reader.done() or reader.cancelled():
            return None
        return reader.exception()

    async def close(self) -> None:
        self.is_closing = True
        if self.waiting.is_dropped:
            if self.reader is not None and not self.waiting.loop.is_closed():
                self.reader.cancel()
            return
        if self.reader is not None:
            self.reader.cancel()
            await asyncio.wait([self.reader])
        close: Callable[[], Any] | None = getattr(self.iterator, "aclose", None)
        if close is not None and not self.is_empty:
            await close()
        self.raise_what_has_struck()

    def raise_what_has_struck(self) -> None:
        """A signal may strike the reader, or its end, also while the call ends."""
        struck = self.interruption or self.interruption_at_the_end
        self.interruption = self.reader = None  # once; the call may be closed once more
        if struck is not None and is_of_a_signal(struck):
            raise struck
