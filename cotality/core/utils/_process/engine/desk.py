"""Tasks in the thread of the caller, while a second thread looks after the call.

With ``use_processes="auto"`` a call begins in the thread of the caller. So whatever
belongs to this thread, such as a connection to a database or the handler of a signal,
works as in a loop. But a caller that runs a task cannot see that the task takes long,
nor begin with the others. So there is a second thread, the *deputy*. It sleeps. When a
task has been running for a while, it takes over and drives the call until the caller is
back.

Whoever drives holds the *baton*. The engine is a coroutine: where it waits for
something, one thread can leave it and the other can continue it.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Coroutine, Generator
from concurrent.futures import Future
from contextlib import aclosing
from contextvars import copy_context
from math import inf
from queue import Empty, SimpleQueue
from threading import get_ident, get_native_id
from time import monotonic
from types import coroutine
from typing import Any, TypeAlias, TypeVar

from cotality.core.utils._process.machine.run_queue import Lateness
from cotality.core.utils._process.machine.second_thread import (
    NoRoomError,
    deputy,
    is_importing,
    start,
    wait_for,
)
from cotality.core.utils._process.portions.chunk import ChunkReport, run_chunk
from cotality.core.utils._process.portions.local_chunk import LocalChunk

from .arrivals import WAIT_SLICE, Arrivals, BlockingArrivals
from .ticket import Ticket

T = TypeVar("T")
Step: TypeAlias = Coroutine[
    Any, Any, T
]  # Any: what the engine gives and takes while it waits

# How long a task has run when the deputy first looks at it, and how long the deputy
# sleeps when there is nothing to look at.
FIRST_LOOK = 0.002  # s
# A wait of the deputy is cut up, in case the baton was asked for at the wrong moment.
SLICE = 0.05  # s
# A RecursionError may have been raised by code of the caller: of a signal, for one. As
# often as this in a row it says that the caller is too deep in its own calls.
DEEP_TRIES = 4
# After this many looks without a running task, the deputy sleeps until it is called.
LOOKS_IN_VAIN = 5


class Baton:
    """Who has it drives the engine: at first the caller.

    Not a lock: an exception from a signal handler may strike the caller between two
    lines, and then nobody knows whether it has the lock. Here each step is one of C
    code, and who takes what it has, has it still.
    """

    def __init__(self) -> None:
        self.holder = {BATON: CALLER}
        self.returned: SimpleQueue[None] = SimpleQueue()

    def is_taken_by(self, who: str) -> bool:
        """Take it, if nobody else has it; whether *who* has it now."""
        return self.holder.setdefault(BATON, who) == who

    def leave(self) -> None:
        self.holder.pop(BATON, None)

    def give_back(self) -> None:
        """Leave it to the caller, who waits for it."""
        self.leave()
        self.returned.put(None)

    def wait(self, seconds: float) -> None:
        """Wait until it is given back, at most *seconds*."""
        try:
            self.returned.get(timeout=seconds)
        except Empty:
            pass  # whoever waits looks again


BATON, CALLER, DEPUTY = "baton", "caller", "deputy"


class Desk:
    """Where the caller runs a portion, and the deputy who looks after the call then.

    Attributes:
        is_busy: Whether the caller runs something.
        job: A portion that the caller is to run next.
    """

    def __init__(self) -> None:
        self.caller, self.native_id = get_ident(), get_native_id()
        self.context = copy_context()
        self.is_busy = False
        self.busy_since = 0.0  # by the monotonic clock
        self.job: tuple[LocalChunk, Ticket[ChunkReport], float] | None = None
        self.arrivals: SharedArrivals | None = None
        self.step: Step[Any] | None = None  # Any: the engine's next one, as suspended
        self.ending: Ending | None = None  # what came of it, if the deputy saw that
        self.baton = Baton()
        self.deputy: threading.Thread | None = None
        self.is_asleep = False  # for longer, since nothing was to be looked after
        self.calls: SimpleQueue[None] = SimpleQueue()  # to wake it
        self.is_closed = False
        self.lateness = Lateness()  # of who looks after the call

    def put(self, chunk: LocalChunk, time_box: float) -> Future[ChunkReport]:
        """Have the caller run *chunk*, as soon as nothing else keeps it."""
        ticket: Ticket[ChunkReport] = Ticket()
        chunk.is_in_caller = True
        self.job = chunk, ticket, time_box
        return ticket

    @property
    def has_job(self) -> bool:
        job = self.job
        if job is not None and job[1].cancelled():
            self.job = job = None
        return job is not None

    # The caller.

    def finished(self, step: Step[T]) -> T:
        """The result of *step*, which runs to its end, with the caller's part in it."""
        self.caller, self.native_id = get_ident(), get_native_id()
        self.step = step
        try:
            while True:
                step.send(None)
                # It is suspended because the caller has something to do.
                struck = self.serve()
                if self.ending is not None:
                    ended: T = self.take_ending(struck)
                    return ended
                if struck is not None:
                    step.throw(struck)
        except StopIteration as end:
            result: T = end.value
            return result
        except BaseException as error:
            self.tell(step, error)
            raise
        finally:
            self.step = None

    def tell(self, step: Step[Any], error: BaseException) -> None:  # Any: as above
        """Have *step* know that *error* has struck, if it did not come from there."""
        self.come_back()
        try:
            step.throw(error)
            while True:
                step.send(None)
        except StopIteration:
            pass  # *error* is raised whatever it has come to
        except BaseException as raised:
            is_over = isinstance(raised, RuntimeError) and "reuse" in str(raised)
            if raised is not error and not is_over:
                raise

    def serve(self) -> BaseException | None:
        """Run the portion that lies here; the exception that has struck meanwhile."""
        job, self.job = self.job, None
        struck: BaseException | None = None
        if job is None:
            return None
        try:
            self.see_to_deputy()
            self.busy_since = monotonic()
            self.is_busy = True
            if self.is_asleep:
                self.calls.put(None)
            self.baton.leave()
            self.run(*job)
        except BaseException as error:
            struck = error
        struck = self.come_back() or struck
        # So that nobody waits for it. Not before: a deputy would take what is in there
        # for not begun, and hand it out again.
        if not job[1].done():
            job[1].set_result(ChunkReport([]))
        return struck

    def rejoin(self, struck: BaseException | None = None) -> Any:  # Any: its result
        """The result of the step that the deputy has begun while the caller was away.

        Args:
            struck: An exception that has struck the caller, for the engine to see.
        """
        struck = self.come_back() or struck
        self.caller, self.native_id = get_ident(), get_native_id()
        step = self.step
        if self.ending is not None or step is None:
            return self.take_ending(struck)
        if struck is not None:
            step = thrown_into(step, struck)
        return self.finished(step)

    def come_back(self) -> BaseException | None:
        """Take the baton, as soon as the deputy can be interrupted.

        What strikes meanwhile, such as a Ctrl-C, is not raised but returned.

        Raises:
            RecursionError: So deep in the caller's calls nothing more can be called.
        """
        struck: BaseException | None = None
        refused = 0
        while True:
            try:
                self.is_busy = False
                if self.baton.is_taken_by(CALLER):
                    return struck
                if self.deputy is None or not self.deputy.is_alive():
                    return struck  # a child of `os.fork` has none
                if self.arrivals is not None:
                    self.arrivals.queue.put(None)
                self.baton.wait(SLICE)
            except RecursionError as error:
                struck = error
                if self.deputy is None:
                    return struck  # nobody else could have the baton
                refused += 1
                if refused == DEEP_TRIES:
                    raise
            except BaseException as error:
                struck = error

    def run(
        self, chunk: LocalChunk, ticket: Ticket[ChunkReport], time_box: float
    ) -> None:
        if ticket.set_running_or_notify_cancel():
            ticket.set_result(run_chunk(chunk, time_box))

    def take_ending(self, struck: BaseException | None) -> Any:  # Any: as above
        """What the step has come to, which the deputy has driven to its end."""
        ending, self.ending, self.step = self.ending, None, None
        if self.is_closed:
            self.close()
        if struck is not None:
            raise struck
        return None if ending is None else ending.outcome()

    def close(self) -> None:
        """Send the deputy home."""
        self.is_closed = True
        self.calls.put(None)
        deputy = self.deputy
        if deputy is not None and deputy is not threading.current_thread():
            wait_for(deputy)

    def see_to_deputy(self) -> None:
        """See that there is one."""
        if self.deputy is not None:
            return
        if is_importing():
            self.deputy = threading.current_thread()  # another could pack nothing
            return
        self.deputy = deputy(self.deputize, self.context)
        try:
            start(self.deputy)
            if self.deputy.native_id is not None:
                self.lateness.counts_from_birth(self.deputy.native_id)
        except NoRoomError:
            # No room for another thread. So nobody looks after the call meanwhile.
            self.deputy = threading.current_thread()

    # The deputy.

    def deputize(self) -> None:
        """What the deputy does: sleep, and look after the call now and then."""
        in_vain = 0
        while not self.is_closed:
            self.is_asleep = in_vain >= LOOKS_IN_VAIN
            is_long = self.is_asleep and not self.is_busy
            try:
                pause = self.lateness.pause(FIRST_LOOK)
                self.calls.get(timeout=None if is_long else pause)
                in_vain = 0
            except Empty:
                in_vain += 1
            if self.is_wanted() and self.baton.is_taken_by(DEPUTY):
                in_vain = 0
                try:
                    if self.is_busy:
                        self.drive()
                finally:
                    self.baton.give_back()

    def is_wanted(self) -> bool:
        """Whether the caller has been busy for a while."""
        if not self.is_busy or self.ending is not None:
            return False
        return monotonic() >= self.busy_since + FIRST_LOOK

    def drive(self) -> None:
        """Drive the engine until the caller is back, or as far as it goes."""
        step = self.step
        if step is None:
            return
        try:
            step.send(None)
        except StopIteration as end:
            self.ending = Ending(end.value)
        except BaseException as error:
            self.ending = Ending(None, error)


def thrown_into(step: Step[T], struck: BaseException) -> Step[T]:
    """*step*, in which *struck* is raised next, when it is sent something."""

    async def struck_step() -> T:
        return await raising(step, struck)

    return struck_step()


@coroutine
def raising(step: Step[T], struck: BaseException) -> Generator[None, None, T]:
    try:
        step.throw(struck)
        while True:
            yield
            step.send(None)
    except StopIteration as end:
        result: T = end.value
        return result


class Ending:
    """What a step of the engine has come to."""

    def __init__(self, value: object, error: BaseException | None = None) -> None:
        self.value = value
        self.error = error

    def outcome(self) -> object:
        error, self.error = self.error, None
        if error is None:
            return self.value
        try:
            raise error
        finally:
            del error


class SharedArrivals(BlockingArrivals):
    """For a call that is driven by its caller, or by the deputy of that."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        desk.arrivals = self

    @property
    def is_with_deputy(self) -> bool:
        return get_ident() != self.desk.caller

    async def next(self, until: float | None) -> Future[ChunkReport] | None:
        desk = self.desk
        while True:
            if self.is_with_deputy:
                if not desk.is_busy:
                    await left()  # the caller is back
                    # It may do what was not for the deputy, such as to read the input.
                    self.woken = True
                    return None
            elif self.is_empty and desk.has_job:
                await left()
            # Short waits only while the two may have to meet.
            limit = SLICE if desk.is_busy else WAIT_SLICE
            if until is not None:
                limit = min(limit or inf, max(0.0, until - monotonic()))
            try:
                future = self.queue.get(timeout=limit)
            except Empty:
                if until is not None and monotonic() >= until:
                    return None
                continue
            if future is not None:
                return future

    def emptied(self) -> Arrivals:
        # The same: the caller may just be about to ask here for the baton. What
        # arrives twice counts once.
        return self

    def finished(self, step: Step[T]) -> T:
        return self.desk.finished(step)


@coroutine
def left() -> Generator[None, None, None]:
    """Leave the engine where it is, for somebody else to go on."""
    yield


async def all_of(portions: AsyncGenerator[T, None]) -> list[T]:
    """*portions* as one step, which a deputy can drive further than to the first."""
    async with aclosing(portions):
        return [portion async for portion in portions]
