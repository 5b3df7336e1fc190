"""An event loop whose clock, and the order of what happens, is up to a script.

Nothing in it waits. Whenever the loop would look for something new, the script may let
the next thing happen: at once, or after so many rounds of the loop, or when the loop
has nothing else to do. When the script is over, portions run and time goes by until
all is done; if there is nothing left that could happen, the loop is `StuckError`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

MODULES = (
    "cotality.core.utils._process.engine.run",
    "cotality.core.utils._process.engine.event_loops.arrivals_async",
    "cotality.core.utils._process.portions.local_chunk",
    "cotality.core.utils._process.engine.waiting_retries",
    "cotality.core.utils._process.engine.limits.rate",
)
IDLE = -1  # rounds: as many as it takes until there is nothing else to do
MOST_ROUNDS = 10_000

Step = tuple[Callable[[], object], int]  # what happens, after so many rounds


class StuckError(Exception):
    """The call has not ended, and nothing can happen any more."""


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now


class HeldExecutor(ThreadPoolExecutor):
    """Runs what it was given when it is told to, in the thread that tells it."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self.held: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self.is_held = True

    def submit(  # type: ignore[override]  # like the real one, without its types
        self, function: Any, /, *positional: Any, **named: Any
    ) -> Future[Any]:
        future: Future[Any] = Future()
        self.held.append((future, lambda: function(*positional, **named)))
        return future

    def run_one(self) -> bool:
        """Run what was given first; whether there was anything."""
        while self.held:
            future, run = self.held.popleft()
            if future.set_running_or_notify_cancel():
                future.set_result(run())
                return True
        return False

    def let_go(self) -> None:
        """Hold nothing back any more: what is given runs when the loop is idle."""
        self.is_held = False


class MadeUpLoop(asyncio.BaseEventLoop):
    """Runs one coroutine while *steps* happen.

    Attributes:
        complaints: What it was told of errors that nobody handled.
    """

    def __init__(self, clock: Clock, executor: HeldExecutor) -> None:
        super().__init__()
        self.clock = clock
        self.executor = executor
        self.steps: deque[Step] = deque()
        self.rounds = 0  # since the last step
        self.all_rounds = 0
        self.complaints: list[str] = []
        self._selector = self
        self.set_exception_handler(
            lambda _, context: self.complaints.append(str(context))
        )

    def time(self) -> float:
        return self.clock.now

    def run(self, main: asyncio.Task[T], steps: Sequence[Step]) -> T:
        self.steps = deque(steps)
        return self.run_until_complete(main)

    # What its base calls.

    def select(self, timeout: float | None) -> list[Any]:
        self.all_rounds += 1
        if self.all_rounds > MOST_ROUNDS:
            raise StuckError("it goes round and round")
        is_free = not self.steps or not self.executor.is_held
        if timeout != 0 and is_free and self.executor.run_one():
            return []
        if self.steps:
            self.take_steps(is_idle=timeout != 0)
        elif timeout != 0:
            if timeout is None:
                raise StuckError
            self.clock.now += timeout
        return []

    def take_steps(self, *, is_idle: bool) -> None:
        while self.steps:
            happen, after = self.steps[0]
            if not (is_idle if after == IDLE else self.rounds >= after):
                break
            self.steps.popleft()
            self.rounds = 0
            happen()
            is_idle = False
        self.rounds += 1

    def _process_events(self, events: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps who would have to be woken."""


@contextmanager
def made_up_time() -> Iterator[Clock]:
    """All parts of the package that wait for a time look at this clock."""
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        for module in MODULES:
            patch.setattr(f"{module}.monotonic", clock.time)
        yield clock
