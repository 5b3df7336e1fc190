"""An exception strikes the thread of an event loop while a call is awaited in it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from types import CodeType

import pytest

from cotality.core.utils.process import (
    Task,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming_async,
)
from tests.kit.helpers import Failure
from tests.kit.limits import LONG_S
from tests.kit.striking import KINDS, LateError, Strike, handlers, is_behind

# Where a coroutine was made, and struck before it was awaited.
pytestmark = [
    pytest.mark.one_python,
    pytest.mark.filterwarnings("ignore:.* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings(
        "ignore:.*never awaited:pytest.PytestUnraisableExceptionWarning"
    ),
]

ITEMS = range(3)
# From one place that is struck to the next. A loop is left by the other two at once.
STEP: dict[type[BaseException], int] = dict.fromkeys(KINDS, 5) | {LateError: 1}


async def tasks(fails: bool) -> AsyncIterator[Task[int]]:
    for item in ITEMS:
        yield Task(abs, positional=(-item,))
        await asyncio.sleep(0)
    if fails:
        raise Failure("the input")


async def outcome(fails: bool) -> object:
    """What the call returns; it is stuck if that takes very long."""
    call = asyncio.create_task(execute_tasks_in_parallel_async(tasks(fails), 2))
    done, _ = await asyncio.wait([call], timeout=LONG_S)
    assert done, "stuck"
    return await call


def is_of_reader(code: CodeType) -> bool:
    return code.co_qualname.startswith("AsyncSource.read")


def places(call: Callable[[], object]) -> list[int]:
    """Where each instruction of the reader comes for the first time."""
    with Strike(0, LateError, is_of_reader) as watched, contextlib.suppress(Failure):
        call()
    return sorted(watched.first.values())


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("error", KINDS)
def test_what_strikes_the_reading_of_an_input_ends_the_call(
    error: type[BaseException], fails: bool
) -> None:
    """It comes out, or what the input has raised; never a result, and no wait."""
    told: list[BaseException] = []

    async def call() -> object:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: told.append(context["exception"])
        )
        return await outcome(fails)

    struck = 0
    for at in places(lambda: asyncio.run(call()))[:: STEP[error]]:
        told.clear()
        raised: BaseException | None = None
        results: object = None
        try:
            with handlers(), Strike(at, error, is_of_reader) as strike:
                results = asyncio.run(call())
        except BaseException as caught:
            raised = caught
        struck += bool(strike.place)
        if raised is not None:
            assert is_behind(raised, error) or fails, (at, strike.place, raised)
        else:
            # Asyncio itself tells its handler of what strikes a callback, and goes on.
            assert not strike.place or told, (at, strike.place)
            assert results == list(ITEMS), (at, strike.place)
            assert not fails, (at, strike.place)
        del raised
    assert struck > 10


def test_a_time_limit_at_the_end_of_a_stream_is_not_lost() -> None:
    """Also if it strikes the reader of the input, which ends with the stream."""
    told: list[object] = []

    async def call() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: told.append(context)
        )
        stream = execute_tasks_in_parallel_streaming_async(tasks(False), 2)
        async with contextlib.aclosing(stream) as results:
            await anext(results)

    for at in places(lambda: asyncio.run(call())):
        told.clear()
        strike, caught = Strike(at, LateError, is_of_reader), False
        try:
            with handlers(), strike:
                asyncio.run(call())
        except LateError:
            caught = True
        assert caught or told or not strike.place, (at, strike.place)


@pytest.mark.parametrize("error", KINDS)
def test_no_reader_goes_on_in_a_loop_that_lives_on(error: type[BaseException]) -> None:
    """Whichever step of the call was struck, it is over when the loop goes on."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)
    for at in places(lambda: loop.run_until_complete(outcome(False)))[:: STEP[error]]:
        strike = Strike(at, error, is_of_reader)
        with handlers(), contextlib.suppress(error), strike:
            loop.run_until_complete(outcome(False))
        assert stuck_in(loop, error) == set(), (at, strike.place)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def stuck_in(
    loop: asyncio.AbstractEventLoop, error: type[BaseException]
) -> set[asyncio.Task[object]]:
    """What does not come to its end in *loop*."""
    while True:
        try:
            return loop.run_until_complete(end_of_others())
        except error:
            pass  # a Ctrl-C stops the loop in each task that it comes out of


async def end_of_others() -> set[asyncio.Task[object]]:
    """Those that are stuck."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if not others:
        return set()
    done, pending = await asyncio.wait(others, timeout=LONG_S)
    for each in done:
        if not each.cancelled():
            each.exception()  # it has been told
    return pending
