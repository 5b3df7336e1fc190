"""A flow that this program runs for itself."""

from __future__ import annotations

import os
import threading
from copy import copy
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from cotality._kit.public import public_in
from cotality.core.hosting import LinkEnd
from cotality.core.machine import after_fork, at_exit, notice_fork
from cotality.flow._flow.clients.entrance import ByIntake
from cotality.flow._flow.errors.errors import FlowStoppedError
from cotality.flow._flow.keeping.keeper import Keeper
from cotality.flow._flow.router.hall import Doors
from cotality.flow._flow.steps.plan import QUEUE_BYTES, FlowPlan, plan_of
from cotality.flow._flow.steps.step import Step, check_count, check_seconds

from .calling import Calls
from .connections import Connections
from .in_thread import in_thread

if TYPE_CHECKING:
    from typing import Self

In = TypeVar("In")
Out = TypeVar("Out")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")

MOST_STEPS = 64
MOST_LEVELS = 100
MOST_WAITING = 1_000_000
MOST_QUEUE_BYTES = 2**50
GRACE = 5.0  # s
EXIT_GRACE = 1.0  # s that a flow gets when the program ends

public = public_in("cotality.flow")


@public
class Flow(Calls[In, Out]):
    """Steps that items pass, each run by worker processes of its own.

    ::

        async with Flow(Step(Decode), Step(Label, batch_size=32)) as flow:
            label = await flow(photo)

    Its workers are started once, and all callers share them. An item that fails fails
    alone, and a worker that dies is replaced.

    Args:
        steps: The steps, up to 64. A type checker follows the types through up to six.
        queue_size: How many items may wait in all; with more, calls fail at once.
        queue_bytes: How many bytes all waiting items may have when packed, together
            with the large ones that are being handled; 512 MB by default. As long as
            there are less, one more item is accepted, whatever its size.
        priorities: How many priorities there are; calls may have any from 0 to one
            less.
        age_after: After each period of this many seconds, a waiting item moves up by
            one priority, so that none waits for ever.

    Raises:
        TypeError: A step is no `Step`, or an option has the wrong type.
        ValueError: A number is out of range, or no step is given.
    """

    steps: tuple[Step[Any, Any], ...]
    age_after: float

    @overload
    def __init__(
        self,
        first: Step[In, Out],
        /,
        *,
        queue_size: int = ...,
        queue_bytes: int = ...,
        priorities: int = ...,
        age_after: float = ...,
    ) -> None: ...
    @overload
    def __init__(
        self,
        first: Step[In, B],
        second: Step[B, Out],
        /,
        *,
        queue_size: int = ...,
        queue_bytes: int = ...,
        priorities: int = ...,
        age_after: float = ...,
    ) -> None: ...
    @overload
    def __init__(
        self,
        first: Step[In, B],
        second: Step[B, C],
        third: Step[C, Out],
        /,
        *,
        queue_size: int = ...,
        queue_bytes: int = ...,
        priorities: int = ...,
        age_after: float = ...,
    ) -> None: ...
    @overload
    def __init__(
        self,
        first: Step[In, B],
        second: Step[B, C],
        third: Step[C, D],
        fourth: Step[D, Out],
        /,
        *,
        queue_size: int = ...,
        queue_bytes: int = ...,
        priorities: int = ...,
        age_after: float = ...,
    ) -> None: ...
    @overload
    def __init__(
        self,
        first: Step[In, B],
        second: Step[B, C],
        third: Step[C, D],
        fourth: Step[D, E],
        fifth: Step[E, Out],
        /,
        *,
        queue_size: int = ...,
        queue_bytes: int = ...,
        priorities: int = ...,
        age_after: float = ...,
    ) -> None: ...
    @overload
    def __init__(
        self,
        first: Step[In, B],
        second: Step[B, C],
        third: Step[C, D],
        fourth: Step[D, E],
        fifth: Step[E, F],
        sixth: Step[F, Out],
        /,
        *,
        queue_size: int = ...,
        queue_bytes: int = ...,
        priorities: int = ...,
        age_after: float = ...,
    ) -> None: ...

    def __init__(
        self,
        *steps: Step[Any, Any],  # Any: their types are joined above
        queue_size: int = 1024,
        queue_bytes: int = QUEUE_BYTES,
        priorities: int = 1,
        age_after: float = 1.0,
    ) -> None:
        for step in steps:
            if not isinstance(step, Step):
                raise TypeError(f"a flow is made of steps, got {step!r}")
        if not 1 <= len(steps) <= MOST_STEPS:
            raise ValueError(
                f"a flow has from 1 to {MOST_STEPS} steps, got {len(steps)}"
            )
        check_count("queue_size", queue_size, MOST_WAITING)
        check_count("queue_bytes", queue_bytes, MOST_QUEUE_BYTES)
        check_count("priorities", priorities, MOST_LEVELS)
        check_seconds("age_after", age_after)
        self.steps = named_apart(steps)
        self.queue_size = queue_size
        self.queue_bytes = queue_bytes
        self.priorities = priorities
        self.age_after = float(age_after)
        self._run: Run | None = None

    def __repr__(self) -> str:
        names = " -> ".join(step.name for step in self.steps)
        return f"<Flow {names}>"

    def plan(self) -> FlowPlan:
        """The flow as plain data, for whoever runs it.

        Raises:
            TaskNotPicklableError: A handler cannot be sent to a process.
        """
        return plan_of(
            self.steps,
            self.queue_size,
            self.priorities,
            self.age_after,
            self.queue_bytes,
        )

    def _connections(self) -> Connections:
        notice_fork()
        run = self._run
        if run is None:
            raise FlowStoppedError(
                "the flow is not running: start it with 'async with flow:', 'with "
                "flow:' or flow.start()"
            )
        return run.connections

    # Start and stop.

    def start(self, timeout: float | None = None) -> None:
        """Start the workers, and return once every step has one that is ready.

        It does nothing if the flow runs already. If another thread is just starting it,
        it waits for that. In a coroutine, use ``async with`` or `start_async`, which do
        not block the loop.

        Args:
            timeout: How many seconds the start may take; None sets no limit.

        Raises:
            WorkerStartError: The handler of a step could not start; its error is the
                cause.
            TimeoutError: The start took too long.
            TaskNotPicklableError: A handler cannot be sent to a process.
        """
        self._start(timeout, Start())

    async def start_async(self, timeout: float | None = None) -> None:
        """The same from a coroutine."""
        start = Start()
        try:
            await in_thread(self._start, timeout, start)
        except BaseException:
            with starting:  # cancelled: the thread goes on, and comes to its end
                start.is_given_up = True
                run = start.run
                if run is not None and self._run is run:
                    self._run = None
            if run is not None:
                run.keeper.stop(0.0)
            raise

    def _start(self, timeout: float | None, start: Start) -> None:
        notice_fork()
        plan = None if self._run is not None else self.plan()
        with starting:
            if start.is_given_up:
                return
            run = ended = self._run
            if run is None or run.has_ended:
                run = self._run = start.run = Run(plan or self.plan())
        if ended is not None and ended is not run:
            ended.stop(0.0)
        try:
            run.wait_until_up(timeout)
        except BaseException:
            if start.run is not None:  # else it is not ours to stop
                with starting:
                    if self._run is run:
                        self._run = None
                run.stop(0.0)
            raise

    def close(self, grace: float = GRACE) -> None:
        """Stop it: the same as `stop`, from a thread or a script."""
        run = self._taken_run()
        if run is not None:
            run.stop(grace)

    async def stop(self, grace: float = GRACE) -> None:
        """Stop it.

        Items that wait fail with `FlowStoppedError`. Those that are being handled get
        *grace* seconds, and so do the ``stop`` methods of handlers.
        """
        run = self._taken_run()
        if run is not None:
            await in_thread(run.stop, grace)
            await run.connections.close_of_this_loop()

    async def drain(self, grace: float = GRACE) -> None:
        """Accept no more items, finish those that are there, and then stop.

        Items that are not finished after *grace* seconds fail with `FlowStoppedError`.
        """
        run = self._taken_run(keep=True)
        if run is not None:
            await in_thread(run.drain, grace)
            await run.connections.close_of_this_loop()
            if self._run is run:
                self._run = None

    def _taken_run(self, *, keep: bool = False) -> Run | None:
        notice_fork()
        run = self._run
        if run is not None and run.pid != os.getpid():
            raise FlowStoppedError(
                "the flow was started by the process that this one was forked from, "
                "and only that one can stop it"
            )
        if not keep:
            self._run = None
        return run

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        if not self._is_of_parent():
            self.close(grace_after(error))

    async def __aenter__(self) -> Self:
        await self.start_async()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        if not self._is_of_parent():
            await self.stop(grace_after(error))

    def _is_of_parent(self) -> bool:
        """Whether this is a fork of the program that has started it."""
        return self._run is not None and self._run.pid != os.getpid()


def grace_after(error: BaseException | None) -> float:
    """How long a flow has to end; whoever is interrupted does not want to wait."""
    return GRACE if error is None or isinstance(error, Exception) else 0.0


# Held while it is decided who starts a flow, and who stops it.
starting = threading.RLock()


class Start:
    """One wish to have a flow started.

    Attributes:
        is_given_up: Whether it is too late for it.
        run: What it has begun; None if somebody else has.
    """

    def __init__(self) -> None:
        self.is_given_up = False
        self.run: Run | None = None


class Run:
    """A flow that runs: its router's keeper, and the way there."""

    def __init__(self, plan: FlowPlan) -> None:
        self.pid = os.getpid()
        self.entrance = ByIntake()
        self.connections = Connections(self.entrance)
        doors = Doors(None, LinkEnd(self.entrance.theirs), (os.getuid(),))
        self.keeper = Keeper(plan, doors)
        self.thread = threading.Thread(
            target=self.keeper.run, name="cotality-flow", daemon=True
        )
        self.is_closed = False
        self.thread.start()
        running.add(self)
        at_exit(stop_all)

    @property
    def has_ended(self) -> bool:
        """Whether it has come to its end by itself."""
        return self.pid == os.getpid() and self.keeper.has_ended.is_set()

    def wait_until_up(self, timeout: float | None) -> None:
        if self.pid == os.getpid():
            self.keeper.wait_until_up(timeout)

    def drain(self, grace: float) -> None:
        self.stop(grace, is_drain=True)

    def stop(self, grace: float, *, is_drain: bool = False) -> None:
        self.keeper.stop(grace, is_drain=is_drain)
        self.keeper.wait_until_ended()
        self.thread.join()
        with starting:
            if self.is_closed:
                return  # by another one that has stopped it as well
            self.is_closed = True
        running.discard(self)
        self.keeper.close()
        self.connections.close()
        self.entrance.close()

    def forget(self) -> None:
        """In a forked child."""
        self.entrance.forget()
        self.keeper.forget()


# Until they are stopped, also if nobody has a reference to their flow any more.
running: set[Run] = set()


def stop_all() -> None:
    """At the end of the program."""
    for run in list(running):
        if run.pid == os.getpid():
            run.stop(EXIT_GRACE)


def forget_all() -> None:
    global starting
    starting = threading.RLock()
    for run in list(running):
        run.forget()
    running.clear()


after_fork(forget_all)


def named_apart(
    steps: tuple[Step[Any, Any], ...],  # Any: of any type
) -> tuple[Step[Any, Any], ...]:
    """*steps*, each with a name of its own."""
    seen: set[str] = set()
    named: list[Step[Any, Any]] = []
    for step in steps:
        name, number = step.name, 1
        while name in seen:
            number += 1
            name = f"{step.name} {number}"
        seen.add(name)
        if name != step.name:
            step = copy(step)
            step.name = name
        named.append(step)
    return tuple(named)
