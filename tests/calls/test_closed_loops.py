"""A call whose event loop was closed keeps no workers, however long its tasks take."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import psutil
import pytest

from cotality.core.utils._process.call.call import Call
from cotality.core.utils._process.call.functions_async import in_order_of_tasks
from cotality.core.utils._process.engine.event_loops import closed_loops
from cotality.core.utils._process.engine.observers import Observer
from cotality.core.utils._process.workers import pool_state
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming_async,
    execute_tasks_in_parallel_unordered_async,
    iter_outcomes_async,
    shutdown_workers,
    worker_pool,
)
from cotality.tuning import PoolManager
from tests.kit.helpers import Gate, Marks, echo, hang_but_first, wait_then, wait_until
from tests.kit.limits import LONG_S, POLL_S


async def consume(way: str, tasks: Any, options: dict[str, Any]) -> None:
    if way == "call":
        await execute_tasks_in_parallel_async(tasks, **options)
    elif way == "unordered":
        await execute_tasks_in_parallel_unordered_async(tasks, **options)
    elif way == "outcomes":
        async for _ in iter_outcomes_async(tasks, **options):
            pass
    else:
        async for _ in execute_tasks_in_parallel_streaming_async(tasks, **options):
            if way == "reader that waits":
                await asyncio.sleep(LONG_S)


WAYS = ("call", "unordered", "outcomes", "stream", "reader that waits")


class Pending:
    """A call that is not over, in a loop that can be closed.

    Attributes:
        complaints: Of the loop, about all but the task of the test itself.
    """

    def __init__(self, marks: Marks, gate: Gate) -> None:
        self.marks = marks
        self.gate = gate
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(self.complain)
        self.complaints: list[str] = []
        self.held: list[object] = []  # what the user still has of the call

    def complain(self, _: object, context: dict[str, Any]) -> None:
        task = context.get("task")
        if task is None or task.get_name() != "of the test":
            self.complaints.append(context["message"])

    def tasks(self) -> list[Task[int]]:
        return [
            Task.of(hang_but_first, self.marks, self.gate, number)
            for number in range(5)
        ]

    def begin(self, coroutine: Any, count: int = 1) -> None:
        """Run the loop until *count* tasks hang."""
        self.held.append(self.loop.create_task(coroutine, name="of the test"))
        self.run_until(lambda: len(self.marks.names()) >= count)

    def run_until(self, is_so: Callable[[], bool]) -> None:
        async def look() -> None:
            async with asyncio.timeout(LONG_S):
                while not is_so():
                    await asyncio.sleep(POLL_S)

        self.loop.run_until_complete(look())

    def pids(self) -> set[int]:
        """Those that hang."""
        return {int(name) for name in self.marks.names()}


@pytest.fixture
def pending(
    marks: Marks, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Pending]:
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    found = Pending(marks, gate)
    try:
        yield found
    finally:
        found.loop.close()
        gate.open()  # for threads
        found.held.clear()
        gc.collect()
        shutdown_workers()
    assert not found.complaints
    assert not complaints


def watching() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "cotality-workers"]


def are_there(pids: set[int]) -> set[int]:
    return {pid for pid in pids if psutil.pid_exists(pid)}


@pytest.mark.parametrize("way", WAYS)
def test_shutdown_ends_them(way: str, pending: Pending) -> None:
    """When it returns there is no process, although the coroutine is still there."""
    options = {"max_workers": 2, "use_processes": True}
    pending.begin(consume(way, pending.tasks(), options))
    pending.loop.close()

    shutdown_workers()

    assert pending.held
    assert not are_there(pending.pids())
    assert not watching()


@pytest.mark.parametrize("way", WAYS)
def test_without_shutdown_they_end_before_long(way: str, pending: Pending) -> None:
    """Whoever watches over them looks for that as well."""
    options = {"max_workers": 2, "use_processes": True}
    pending.begin(consume(way, pending.tasks(), options))
    pending.loop.close()

    wait_until(lambda: not (watching() or are_there(pending.pids())))


def test_calls_that_share_workers(pending: Pending) -> None:
    """The one in a loop that runs is not touched, and gets its results."""
    other = Pending(pending.marks, pending.gate)
    options = {"use_processes": True}
    tasks = [Task.of(wait_then, pending.gate, "other")]
    other.held.append(
        other.loop.create_task(execute_tasks_in_parallel_async(tasks, **options))
    )
    other.run_until(lambda: bool(watching()))
    pending.begin(execute_tasks_in_parallel_async(pending.tasks()[1:2], **options))
    pending.loop.close()

    shutdown_workers()
    wait_until(lambda: not are_there(pending.pids()))
    pending.gate.open()

    (call,) = other.held
    assert other.loop.run_until_complete(call) == ["other"]  # type: ignore[call-overload]
    other.loop.close()


def test_a_stopped_loop_that_is_not_closed_may_go_on(pending: Pending) -> None:
    """A call waits in it for as long as somebody may run it again."""
    call = execute_tasks_in_parallel_async(pending.tasks()[:2], 1, True)
    pending.begin(call)

    shutdown_workers()
    pending.gate.open()

    (task,) = pending.held
    assert pending.loop.run_until_complete(task) == [0, 1]  # type: ignore[call-overload]


def test_workers_of_a_pool_of_ones_own(pending: Pending) -> None:
    """What hangs is ended, and the pool goes on."""
    with worker_pool(max_workers=1):
        pending.begin(execute_tasks_in_parallel_async(pending.tasks(), 1, True))
        pending.loop.close()

        shutdown_workers()

        assert execute_tasks_in_parallel([Task.of(echo, 3)], 1, True) == [3]
        assert not are_there(pending.pids())


def test_a_pool_manager(pending: Pending) -> None:
    """The same; it shuts down without waiting for what nobody will have."""
    manager = PoolManager(max_workers=1)
    begun = manager.execute_async(
        partial(hang_but_first, pending.marks, pending.gate), range(1, 4)
    )
    pending.begin(begun)
    pending.loop.close()

    shutdown_workers()

    assert manager.execute(echo, [3]) == [3]
    assert not are_there(pending.pids())
    manager.shutdown()


def test_an_executor(pending: Pending) -> None:
    """Its shutdown does not wait for what nobody will have."""
    with IsolatedProcessPoolExecutor(1) as executor:
        tasks = pending.tasks()
        pending.begin(execute_tasks_in_parallel_async(tasks, executor=executor))
        pending.loop.close()

    assert not are_there(pending.pids())


async def one_that_hangs(first: Task[int]) -> AsyncIterator[Task[int]]:
    yield first
    await asyncio.sleep(LONG_S)


@pytest.mark.parametrize("place", [False, True, "auto"])
def test_a_call_that_has_nothing_out(place: Any, pending: Pending) -> None:
    """It waits for its input; its workers, which wait as well, are let go."""
    before = {*threading.enumerate()}
    begin_waiting_for_input(place, pending)
    pending.loop.close()

    shutdown_workers()

    wait_until(lambda: not ({*threading.enumerate()} - before))
    assert pending.held


def test_the_idle_minute_counts_for_such_a_call(
    pending: Pending, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its workers end by themselves, as they would after a call that is over."""
    monkeypatch.setattr(pool_state, "IDLE_LIMIT", 0.05)
    begin_waiting_for_input(True, pending)
    pending.loop.close()

    wait_until(lambda: not watching())
    assert pending.held


def begin_waiting_for_input(place: Any, pending: Pending) -> None:
    done: list[int] = []

    async def read() -> None:
        tasks = one_that_hangs(Task.of(echo, 1))
        stream = execute_tasks_in_parallel_streaming_async(tasks, 1, place)
        async for _, value in stream:
            done.append(value)

    pending.held.append(pending.loop.create_task(read(), name="of the test"))
    pending.run_until(lambda: bool(done))


def test_threads_run_to_their_end(pending: Pending) -> None:
    """Nothing can end them; nobody waits for them either."""
    before = threading.enumerate()
    pending.begin(execute_tasks_in_parallel_async(pending.tasks(), 1))
    pending.loop.close()

    shutdown_workers()
    assert {*threading.enumerate()} - {*before}
    pending.gate.open()

    wait_until(lambda: not ({*threading.enumerate()} - {*before}))


@pytest.mark.parametrize("is_left", [True, False])
@pytest.mark.parametrize("use_processes", [False, True])
def test_a_stream_that_is_read_in_another_loop(
    is_left: bool, use_processes: bool, pending: Pending
) -> None:
    """It says why nothing more comes, and ends."""
    tasks = pending.tasks()[:1] * 3
    tasks[1:] = [Task.of(wait_then, pending.gate, 1)]
    stream = execute_tasks_in_parallel_streaming_async(tasks, 1, use_processes)
    assert pending.loop.run_until_complete(anext(stream)) == (0, 0)  # type: ignore[arg-type]
    pending.loop.close()
    if is_left:
        shutdown_workers()
    pending.gate.open()

    async def rest() -> list[object]:
        return [each async for each in stream]

    with pytest.raises(RuntimeError, match="event loop in which this call began"):
        asyncio.run(rest())
    wait_until(lambda: not watching())


def test_such_a_stream_can_be_closed(pending: Pending) -> None:
    """In another loop as well, without waiting for its tasks."""
    stream = execute_tasks_in_parallel_streaming_async(pending.tasks(), 2, True)
    assert pending.loop.run_until_complete(anext(stream)) == (0, 0)  # type: ignore[arg-type]
    pending.run_until(lambda: bool(pending.pids()))
    pending.loop.close()

    async def close() -> None:
        await stream.aclose()

    asyncio.run(close())
    wait_until(lambda: not are_there(pending.pids()))


class Ends(Observer):
    """Counts how often it is told of the end."""

    def __init__(self) -> None:
        self.errors: list[BaseException | None] = []

    def ended(self, error: BaseException | None) -> None:
        self.errors.append(error)


def test_who_watches_is_told_once(pending: Pending) -> None:
    """Of the end, also when the call is collected later on."""
    ends = Ends()
    call = Call.checked(
        pending.tasks(), {}, max_workers=1, use_processes=True, may_be_async=True
    )
    pending.begin(in_order_of_tasks(call.watched_by(ends)))
    pending.loop.close()

    shutdown_workers()
    wait_until(lambda: bool(ends.errors))
    pending.held.clear()
    gc.collect()
    shutdown_workers()

    (error,) = ends.errors
    assert isinstance(error, asyncio.CancelledError)


def test_the_thread_that_leaves_a_call_is_forgotten() -> None:
    """Also where somebody has asked for it, as a log record does."""
    asked: list[threading.Thread] = []
    closed_loops.start_bare(lambda: asked.append(threading.current_thread()))

    wait_until(lambda: bool(asked) and not {*asked} & {*threading.enumerate()})
