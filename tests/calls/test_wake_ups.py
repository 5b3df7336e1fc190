"""In whatever order things happen, an asynchronous call forgets none of them."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import pytest

from cotality.core.utils.process import (
    Rate,
    Retry,
    Task,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming_async,
    execute_tasks_in_parallel_unordered_async,
    iter_outcomes_async,
    shutdown_workers,
)
from tests.kit.helpers import Gate, echo
from tests.kit.limits import LONG_S, POLL_S
from tests.kit.made_up_loop import IDLE, HeldExecutor, MadeUpLoop, made_up_time

BUSY_S = 0.1  # that something else keeps the loop busy for
RETRY_S = 0.05
RATE = Rate(3, per=0.001)
AT_ONCE, TASKS = 14, 16  # tasks that the input has at once, and in all
FIRST = 6  # portions that come back before anything else: the next one holds more

THINGS = ("input", "portions", "retry", "rate", "busy", "end of input")
GAPS = (0, 1, 2, IDLE)  # rounds of the loop before a thing happens


class World:
    """One call, and all that may happen to it."""

    def __init__(self, loop: MadeUpLoop, executor: HeldExecutor) -> None:
        self.loop = loop
        self.executor = executor
        self.more = loop.create_future()
        self.end = loop.create_future()
        self.failed = False
        self.main: asyncio.Task[Any] | None = None

    async def rows(self) -> AsyncIterator[Task[int]]:
        for number in range(TASKS):
            if number == AT_ONCE:
                await self.more
            yield Task.of(self.work, number)
        await self.end

    def work(self, number: int) -> int:
        if number == 1 and not self.failed:
            self.failed = True
            raise ValueError(number)
        return number

    def call(self, *, stream: bool, rate: bool) -> asyncio.Task[list[int]]:
        options: dict[str, Any] = {
            "executor": self.executor,
            "chunksize": 4,
            "retries": Retry(1, backoff=RETRY_S, jitter=False),
        }
        if rate:
            options["rate"] = RATE
        self.main = self.loop.create_task(
            self.from_stream(options) if stream else self.from_call(options)
        )
        return self.main

    async def from_call(self, options: dict[str, Any]) -> list[int]:
        return await execute_tasks_in_parallel_async(self.rows(), 1, **options)

    async def from_stream(self, options: dict[str, Any]) -> list[int]:
        stream = execute_tasks_in_parallel_streaming_async(self.rows(), 1, **options)
        return [value async for _, value in stream]

    def happen(self, thing: str) -> Callable[[], object]:
        clock = self.loop.clock

        def go_by(seconds: float) -> Callable[[], object]:
            return lambda: setattr(clock, "now", clock.now + seconds)

        assert self.main is not None
        return {
            "input": lambda: self.more.done() or self.more.set_result(None),
            "end of input": lambda: self.end.done() or self.end.set_result(None),
            "portions": self.executor.let_go,
            "retry": go_by(RETRY_S),
            "rate": go_by(RATE.per),
            "busy": go_by(BUSY_S),
            "cancel": self.main.cancel,
        }[thing]


def outcome(
    things: Sequence[str], gaps: Sequence[int], *, stream: bool, rate: bool
) -> object:
    """What a call comes to when *things* happen after so many rounds each."""
    with made_up_time() as clock:
        executor = HeldExecutor(1)
        loop = MadeUpLoop(clock, executor)
        try:
            world = World(loop, executor)
            main = world.call(stream=stream, rate=rate)
            steps = [(executor.run_one, IDLE)] * FIRST
            steps += zip(map(world.happen, things), gaps, strict=True)
            try:
                found: object = loop.run(main, steps)
            except asyncio.CancelledError:
                found = "cancelled"
            loop.run_until_complete(loop.shutdown_asyncgens())
            assert not loop.complaints
            return found
        finally:
            loop.close()
            executor.shutdown()


def orders(things: Sequence[str], most: int) -> Iterator[tuple[Any, ...]]:
    """As many of the orders of *things*, with gaps between them."""
    chosen = random.Random(12)
    for order in chosen.sample(list(itertools.permutations(things)), most):
        yield order, [chosen.choice(GAPS) for _ in order]


EXPECTED = list(range(TASKS))


@pytest.mark.parametrize("rate", [False, True], ids=["", "rate"])
@pytest.mark.parametrize("stream", [False, True], ids=["call", "stream"])
def test_a_call_ends_in_whatever_order_things_happen(stream: bool, rate: bool) -> None:
    """Also when several of them happen at once."""
    for order, gaps in orders(THINGS, 400):
        found = outcome(order, gaps, stream=stream, rate=rate)

        assert found == EXPECTED, (order, gaps)


@pytest.mark.parametrize("stream", [False, True], ids=["call", "stream"])
def test_a_cancelled_call_ends_in_whatever_order_things_happen(stream: bool) -> None:
    """With what it has by then, or with CancelledError."""
    for order, gaps in orders(("cancel", *THINGS), 400):
        found = outcome(order, gaps, stream=stream, rate=True)

        assert found in (EXPECTED, "cancelled"), (order, gaps)


# What the input raises.


class Stop(BaseException):
    pass


async def rows_until(error: BaseException) -> AsyncIterator[Task[int]]:
    for number in range(3):
        yield Task.of(abs, -number)
    raise error


@pytest.mark.parametrize("error", [asyncio.CancelledError(), Stop(), GeneratorExit()])
@pytest.mark.parametrize("stream", [False, True], ids=["call", "stream"])
def test_whatever_an_input_raises_ends_the_call_with_that(
    error: BaseException, stream: bool, use_processes: bool
) -> None:
    """Not only an `Exception`: as it does from a plain generator."""

    async def main() -> object:
        if not stream:
            return await execute_tasks_in_parallel_async(
                rows_until(error), 2, use_processes
            )
        results = execute_tasks_in_parallel_streaming_async(
            rows_until(error), 2, use_processes
        )
        return [value async for _, value in results]

    with pytest.raises(type(error)):
        asyncio.run(main())


def test_an_input_that_awaits_what_is_cancelled_is_not_at_its_end() -> None:
    """The call says that there is something that it did not get."""

    async def rows(other: asyncio.Future[None]) -> AsyncIterator[Task[int]]:
        yield Task.of(abs, -1)
        await other

    async def main() -> object:
        other = asyncio.ensure_future(asyncio.sleep(LONG_S))
        asyncio.get_running_loop().call_soon(other.cancel)
        return await execute_tasks_in_parallel_async(rows(other))  # type: ignore[arg-type]

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())


# A loop that is kept busy, and one that is closed.


@pytest.mark.parametrize("use_processes", [False, True, "auto"])
def test_a_busy_loop_loses_nothing(use_processes: Any) -> None:
    """Tasks come while portions have to be looked at, and nobody has time."""

    async def rows() -> AsyncIterator[Task[int]]:
        for number in range(40):
            yield Task.of(echo, number)
        for number in range(40, 44):
            await asyncio.sleep(0.01)
            time.sleep(0.02)  # in place of anything that keeps the loop busy
            yield Task.of(echo, number)

    async def main() -> list[int]:
        async with asyncio.timeout(LONG_S):
            return await execute_tasks_in_parallel_async(rows(), 2, use_processes)

    assert asyncio.run(main()) == list(range(44))


async def consume(way: str, gate: Gate) -> None:
    tasks = [Task.of(mark_then_wait, gate, number) for number in range(4)]
    if way == "call":
        await execute_tasks_in_parallel_async(tasks, 2, True)
    elif way == "unordered":
        await execute_tasks_in_parallel_unordered_async(tasks, 2, True)
    elif way == "outcomes":
        async for _ in iter_outcomes_async(tasks, 2, True):
            pass
    else:
        async for _ in execute_tasks_in_parallel_streaming_async(tasks, 2, True):
            if way == "reader that waits":
                await asyncio.sleep(LONG_S)


WAYS = ("call", "unordered", "outcomes", "stream", "reader that waits")


def mark_then_wait(gate: Gate, number: int) -> int:
    if number:
        gate.wait()
    return number


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "stopped"])
@pytest.mark.parametrize("way", WAYS)
def test_a_call_in_a_loop_that_ended_keeps_no_workers(
    way: str, is_closed: bool, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They end when their portions do, at the latest when all is collected."""
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # of the loop itself: "destroyed"
    call = loop.create_task(consume(way, gate))
    loop.run_until_complete(asyncio.wait([call], timeout=0.5))
    if is_closed:
        loop.close()
    del call
    gate.open()
    if not is_closed:
        loop._ready.clear()  # type: ignore[attr-defined]  # as when it is collected
        gc.collect()
        loop.close()
    end = time.monotonic() + LONG_S
    while workers() and time.monotonic() < end:
        gc.collect()
        shutdown_workers()
        time.sleep(POLL_S)

    assert not workers()
    assert not complaints


def workers() -> list[threading.Thread]:
    """The threads that watch worker processes."""
    return [each for each in threading.enumerate() if "workers" in each.name]
