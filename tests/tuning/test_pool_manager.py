"""One set of worker processes that many calls, threads and event loops share."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils._process.workers.handle import WorkerHandle
from cotality.core.utils.process import (
    Task,
    WorkerCrashedError,
    WorkerStartError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
)
from cotality.tuning import (
    PoolManager,
    PoolStatus,
    get_global_pool_manager,
    managed_pool,
    shutdown_global_pool_manager,
)
from tests.kit.at_once import at_once
from tests.kit.helpers import (
    Gate,
    Marks,
    echo,
    mark_and_wait,
    pid,
    run_script,
    wait_until,
)
from tests.kit.limits import LONG_S
from tests.kit.programs import Program
from tests.processes.test_faults import wait_until_gone

REQUESTS = 50
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX alone has it")


def pid_for(item: object) -> int:
    return os.getpid()


def mark_and_wait_for(given: tuple[Marks, str, Gate]) -> str:
    return mark_and_wait(*given)


def mark_pid_and_wait(given: tuple[Marks, Gate]) -> int:
    marks, gate = given
    marks.leave(os.getpid())
    gate.wait()
    return os.getpid()


@pytest.fixture
def manager() -> Iterator[PoolManager]:
    """One with two workers, which are not kept for longer than the test."""
    manager = PoolManager(2)
    yield manager
    manager.shutdown()


@pytest.fixture
def global_manager() -> Iterator[PoolManager]:
    yield get_global_pool_manager()
    shutdown_global_pool_manager()


class Held:
    """Calls in threads of their own, whose tasks wait for a gate."""

    def __init__(self, manager: PoolManager, marks: Marks, gate: Gate) -> None:
        self.manager, self.marks, self.gate = manager, marks, gate
        self.results: list[Any] = []
        self.threads: list[threading.Thread] = []

    def call(self, *names: str) -> None:
        data = [(self.marks, name, self.gate) for name in names]
        thread = threading.Thread(target=self.run, args=(data,))
        self.threads.append(thread)
        thread.start()

    def run(self, data: list[tuple[Marks, str, Gate]]) -> None:
        try:
            self.results.append(self.manager.execute(mark_and_wait_for, data))
        except Exception as error:
            self.results.append(error)

    def join(self) -> list[Any]:
        for thread in self.threads:
            thread.join(LONG_S)
        return self.results


@pytest.fixture
def held(manager: PoolManager, marks: Marks, gate: Gate) -> Held:
    return Held(manager, marks, gate)


# One set of workers.


def test_all_threads_share_the_workers(manager: PoolManager) -> None:
    """Fifty calls at once have two worker processes between them, each its answer."""
    with ThreadPoolExecutor(REQUESTS) as threads:
        calls = [
            threads.submit(manager.execute, mark_of, [number, number + 1])
            for number in range(REQUESTS)
        ]
        answers = [call.result() for call in calls]

    assert [[value for value, _ in answer] for answer in answers] == [
        [number, number + 1] for number in range(REQUESTS)
    ]
    assert len({worker for answer in answers for _, worker in answer}) <= 2


def mark_of(number: int) -> tuple[int, int]:
    return number, os.getpid()


def test_several_event_loops_share_the_workers(manager: PoolManager) -> None:
    """Coroutines of one loop and of another in a different thread."""

    async def many() -> list[list[int]]:
        calls = (manager.execute_async(pid_for, range(3)) for _ in range(10))
        return await asyncio.gather(*calls)

    with ThreadPoolExecutor(3) as threads:
        loops = [threads.submit(lambda: asyncio.run(many())) for _ in range(3)]
        answers = [answer for loop in loops for answer in loop.result()]

    assert len(answers) == 30
    assert len({worker for answer in answers for worker in answer}) <= 2


def test_calls_of_the_core_run_on_them(manager: PoolManager) -> None:
    """Inside of ``workers()``; what comes later is on workers of its own again."""
    manager.warm_up()
    workers = {*manager.status().pids}
    tasks = [Task(pid)] * 10
    with manager.workers():
        stream = execute_tasks_in_parallel_streaming(tasks, None, True)
        assert {*execute_tasks_in_parallel(tasks, 5, True)} <= workers
        assert {value for _, value in stream} <= workers
        assert {*execute_tasks_in_parallel(tasks, None, "auto", timeout=LONG_S)} <= (
            workers
        )

    assert workers.isdisjoint(execute_tasks_in_parallel(tasks, 1, True))


def test_coroutines_of_the_core_run_on_them(manager: PoolManager) -> None:
    """Only those inside of ``workers()``, though they all run at the same time."""
    manager.warm_up()
    workers = {*manager.status().pids}

    async def inside() -> list[int]:
        with manager.workers():
            return await outside()

    async def outside() -> list[int]:
        return await execute_tasks_in_parallel_async([Task(pid)] * 4, 1, True)

    async def both() -> list[list[int]]:
        return await asyncio.gather(inside(), outside())

    found_inside, found_outside = asyncio.run(both())

    assert {*found_inside} <= workers
    assert workers.isdisjoint(found_outside)


def test_options_are_those_of_the_core(manager: PoolManager) -> None:
    """A time limit is kept, and a task that fails is tried again."""
    with pytest.raises(TimeoutError):
        manager.execute(time.sleep, [LONG_S], timeout=0.05)

    with pytest.raises(ZeroDivisionError) as raised:
        manager.execute((1).__floordiv__, [0], retries=1)
    assert "Attempt 1 of 2" in str(raised.value.__notes__)
    assert manager.execute(abs, (number for number in (-1, -2))) == [1, 2]


def test_the_status_says_what_they_do(
    held: Held, manager: PoolManager, gate: Gate
) -> None:
    """How many there are, how many are busy, and what waits."""
    assert manager.status() == PoolStatus(2, (), 0, 0, 0, is_shut_down=False)

    held.call("a", "b")
    held.call("c")
    wait_until(lambda: manager.status().busy == 2 and manager.status().queued == 1)
    status = manager.status()

    assert (len(status.pids), status.calls) == (2, 2)
    assert repr(manager) == "<PoolManager, 2 of 2 workers busy, at most 2>"
    gate.open()
    assert sorted(held.join()) == [["a", "b"], ["c"]]
    wait_until(lambda: manager.status().busy == 0)
    assert manager.status().calls == 0


def test_a_small_call_need_not_wait_for_the_end_of_a_large_one(
    marks: Marks, gate: Gate, tmp_path: Path
) -> None:
    """Of a call with many tasks only a few stand in the queue at a time."""
    done = Marks(tmp_path)

    def first_waits(number: int) -> None:
        if number == 0:
            marks.leave("begun")
            gate.wait()
        done.leave(number)

    with managed_pool(1) as manager, ThreadPoolExecutor(2) as threads:
        large = threads.submit(manager.execute, first_waits, range(1000))
        marks.wait_for(1)
        small = threads.submit(manager.execute, lambda _: len(done.names()), [0])
        # The first task of the large call runs, so this is that of the small one.
        wait_until(lambda: 0 in first_tasks_queued(manager))
        gate.open()
        [done_before] = small.result()
        large.result()

    assert done_before < 100
    assert len(done.names()) == 1000


def first_tasks_queued(manager: PoolManager) -> set[int | None]:
    pool = manager._shared.pool
    assert pool is not None
    return {item.first_task for item in pool.status().waiting}


# Start and end.


def test_nothing_starts_before_it_is_needed() -> None:
    """Neither a thread nor a process comes with a manager."""
    threads = threading.active_count()
    manager = PoolManager(2)
    with manager.workers():
        assert threading.active_count() == threads
        assert manager.status().pids == ()
    manager.shutdown()


def test_warm_up_starts_all_of_them(manager: PoolManager) -> None:
    """They are ready when it returns, and a second time it finds them."""
    manager.warm_up()
    workers = manager.status().pids
    manager.warm_up()

    assert len(workers) == 2
    assert manager.status().pids == workers
    assert {*manager.execute(pid_for, range(10))} <= {*workers}


def test_warm_up_is_content_with_those_the_system_allows(
    manager: PoolManager,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A warning says so; once there is room, the next call has all of them."""
    start = WorkerHandle.start

    def start_one(*given: Any) -> WorkerHandle:
        if manager.status().pids:
            raise OSError("no room")
        return start(*given)

    with monkeypatch.context() as patched:
        patched.setattr(WorkerHandle, "start", start_one)
        manager.warm_up()
        assert len(manager.status().pids) == 1
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        caplog.clear()  # the error in it refers to what was to be a worker's

    manager.warm_up()
    assert len(manager.status().pids) == 2


def test_idle_workers_end_and_come_back() -> None:
    """After the idle time they are gone, and the next call starts new ones."""
    manager = PoolManager(1, idle_seconds=0.05)
    [before] = manager.execute(pid_for, [0])

    assert wait_until_gone(before)
    assert manager.status().pids == ()
    [after] = manager.execute(pid_for, [0])
    assert after != before
    manager.shutdown()


def test_workers_stay_while_a_call_uses_them(
    held: Held, manager: PoolManager, gate: Gate
) -> None:
    """The idle time begins with the end of the last of several calls."""
    held.call("a")
    held.marks.wait_for(1)
    manager.execute(pid_for, [0])
    pool = manager._shared.pool
    assert pool is not None

    assert not pool.status().is_parked
    gate.open()
    held.join()
    assert pool.status().is_parked


def test_workers_may_stay_for_ever() -> None:
    """``idle_seconds=None`` sets no limit."""
    manager = PoolManager(1, idle_seconds=None)
    workers = manager.execute(pid_for, [0])

    assert manager.execute(pid_for, [0]) == workers
    manager.shutdown()
    assert wait_until_gone(workers[0])


def test_what_is_shut_down_says_so(manager: PoolManager) -> None:
    """The workers are gone, twice is no more than once, and every use is an error."""
    manager.warm_up()
    workers = manager.status().pids

    manager.shutdown()
    manager.shutdown()

    assert all(wait_until_gone(worker) for worker in workers)
    assert manager.status() == PoolStatus(2, (), 0, 0, 0, is_shut_down=True)
    assert repr(manager) == "<PoolManager, shut down>"
    for use in (
        lambda: manager.execute(abs, [1]),
        lambda: manager.execute_async(abs, [1]),
        lambda: manager.workers().__enter__(),
        manager.warm_up,
    ):
        with pytest.raises(RuntimeError, match="has been shut down"):
            use()


def test_calls_inside_of_a_manager_that_was_shut_down_say_so(
    manager: PoolManager,
) -> None:
    """They do not fall back on other workers."""
    with manager.workers():
        manager.shutdown()
        with pytest.raises(RuntimeError, match="has been shut down"):
            execute_tasks_in_parallel([Task(pid)], 1, True)


def test_a_coroutine_that_begins_after_the_end_says_so(manager: PoolManager) -> None:
    """It was made before, and nothing warns of one that was never awaited."""

    async def late() -> None:
        call = manager.execute_async(abs, [1])
        manager.shutdown()
        await call

    with pytest.raises(RuntimeError, match="has been shut down"):
        asyncio.run(late())


def test_shutdown_waits_for_calls(held: Held, manager: PoolManager, gate: Gate) -> None:
    """All of their tasks still run, and they get their results."""
    held.call("a", "b", "c", "d", "e")
    held.marks.wait_for(2)
    ending = threading.Thread(target=manager.shutdown, kwargs={"grace": None})
    ending.start()
    wait_until(lambda: manager.status().is_shut_down)

    gate.open()
    ending.join(LONG_S)

    assert not ending.is_alive()
    assert held.join() == [["a", "b", "c", "d", "e"]]


def test_shutdown_ends_calls_that_take_too_long(
    held: Held, manager: PoolManager
) -> None:
    """Their workers are killed, and the calls fail."""
    held.call("a", "b", "c")
    held.marks.wait_for(2)
    workers = manager.status().pids

    manager.shutdown(grace=0)

    assert all(wait_until_gone(worker) for worker in workers)
    [error] = held.join()
    assert isinstance(error, WorkerCrashedError | RuntimeError)


# The one for the whole process.


def test_all_get_the_same_global_manager(global_manager: PoolManager) -> None:
    """Also those who ask at the same time, from several threads."""
    shutdown_global_pool_manager()

    managers = {*at_once(*[get_global_pool_manager] * 10)}

    assert managers == {get_global_pool_manager()}
    assert global_manager not in managers


def test_there_is_a_new_global_manager_after_a_shutdown(
    global_manager: PoolManager,
) -> None:
    """Whichever way the first was shut down; without one there is nothing to do."""
    shutdown_global_pool_manager()
    shutdown_global_pool_manager()
    second = get_global_pool_manager()
    second.shutdown()
    third = get_global_pool_manager()

    assert len({global_manager, second, third}) == 3
    assert third.execute(abs, [-1]) == [1]


def test_the_environment_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """``COTALITY_MAX_WORKERS`` holds for a manager as for a call."""
    monkeypatch.setenv("COTALITY_MAX_WORKERS", "3")
    assert PoolManager().max_workers == 3
    assert PoolManager(1).max_workers == 1

    monkeypatch.setenv("COTALITY_MAX_WORKERS", "many")
    with pytest.raises(ValueError, match="COTALITY_MAX_WORKERS"):
        PoolManager()


# One of its own.


def test_a_managed_pool_serves_calls_inside_and_ends() -> None:
    """Those of the manager, and those of the core in the same thread."""
    with managed_pool(1) as manager:
        [worker] = manager.execute(pid_for, [0])
        assert execute_tasks_in_parallel([Task(pid)], 1, True) == [worker]

    assert manager.status().is_shut_down
    assert wait_until_gone(worker)
    assert execute_tasks_in_parallel([Task(pid)], 1, True) != [worker]


def test_a_managed_pool_may_end_in_another_context() -> None:
    """As in a generator whose second half somebody else runs."""

    def both_halves() -> Iterator[PoolManager]:
        with managed_pool(1) as manager:
            yield manager

    async def first(generator: Iterator[PoolManager]) -> PoolManager:
        return next(generator)

    generator = both_halves()
    manager = asyncio.run(first(generator))
    assert list(generator) == []
    assert manager.status().is_shut_down


@posix
def test_workers_may_give_way_to_others() -> None:
    """*niceness* is added to that of this process."""
    nice = min(19, os.nice(0) + 3)
    with managed_pool(1, niceness=3) as manager:
        assert manager.execute(os.nice, [0]) == [nice]


AUTOGROUP = Path("/proc/self/autogroup")


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="only some Linux systems have it")
def test_workers_give_way_as_sessions_too() -> None:
    """Or else their own niceness would count for nothing on Linux."""

    def is_nice(path: Path) -> bool:
        wait_until(lambda: path.read_text().endswith(f" nice {nice}\n"))
        return True

    nice = min(19, os.nice(0) + 3)
    with managed_pool(2, niceness=3) as manager:
        manager.warm_up()
        paths = [Path(f"/proc/{pid}/autogroup") for pid in manager.status().pids]
        assert all(map(is_nice, paths))


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"max_workers": 0}, ValueError, "max_workers must be at least 1"),
    ({"max_workers": "2"}, TypeError, "max_workers must be an integer"),
    ({"idle_seconds": 0}, ValueError, "idle_seconds must be more than 0"),
    ({"niceness": -1}, ValueError, "niceness must be from 0 to 19"),
    ({"niceness": 20}, ValueError, "niceness must be from 0 to 19"),
    ({"niceness": 0.5}, TypeError, "niceness must be an integer"),
    ({"initializer": 1}, TypeError, "initializer must be a function"),
    ({"initargs": (1,)}, ValueError, "initargs need an initializer"),
]


@pytest.mark.parametrize(("given", "kind", "message"), WRONG, ids=str)
def test_a_wrong_argument_is_an_error_of_the_call(
    given: dict[str, Any], kind: type[Exception], message: str
) -> None:
    """Before anything is started."""
    with pytest.raises(kind, match=message):
        PoolManager(**given)


@pytest.mark.parametrize(
    "option", [{"initializer": pid}, {"max_tasks_per_worker": 1}], ids=list
)
def test_a_call_starts_no_workers_of_its_own(
    manager: PoolManager, option: dict[str, Any]
) -> None:
    """Options that need them are refused."""
    for call in (manager.execute, manager.execute_async):
        with pytest.raises(ValueError, match="for this call alone"):
            call(abs, [1], **option)


# Faults.


@posix
def test_a_worker_that_is_killed_costs_one_task(
    held: Held, manager: PoolManager, marks: Marks, gate: Gate, tmp_path: Path
) -> None:
    """The call it worked for fails, the others do not, and it is replaced."""
    held.call("a")
    marks.wait_for(1)
    victims = tmp_path / "victims"
    victims.mkdir()
    doomed = ThreadPoolExecutor(1)
    call = doomed.submit(manager.execute, mark_pid_and_wait, [(Marks(victims), gate)])
    Marks(victims).wait_for(1)
    held.call("b")
    [victim] = map(int, Marks(victims).names())

    os.kill(victim, signal.SIGKILL)

    with pytest.raises(WorkerCrashedError, match="SIGKILL"):
        call.result(LONG_S)
    doomed.shutdown()
    gate.open()
    assert sorted(held.join()) == [["a"], ["b"]]
    assert victim not in manager.status().pids
    assert len(manager.status().pids) == 2


def test_a_broken_pool_is_replaced(tmp_path: Path) -> None:
    """What an initializer needs may be there the next time."""
    there = tmp_path / "there"

    def load(path: Path) -> None:
        path.read_text()

    with managed_pool(1, initializer=load, initargs=(there,)) as manager:
        with pytest.raises(WorkerStartError, match="initializer"):
            manager.execute(abs, [-1])
        with pytest.raises(WorkerStartError, match="initializer"):
            manager.warm_up()
        there.touch()
        assert manager.execute(abs, [-1]) == [1]


def test_workers_that_cannot_be_started_are_an_error_of_that_call_alone(
    manager: PoolManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system has no room now; the next call finds some."""

    def refuse(*given: Any) -> WorkerHandle:
        raise OSError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(WorkerHandle, "start", refuse)
        with pytest.raises(WorkerStartError, match="no room"):
            manager.warm_up()
        with pytest.raises(WorkerStartError, match="no room"):
            manager.execute(abs, [-1])

    assert manager.execute(abs, [-1]) == [1]


def test_a_cancelled_coroutine_costs_others_nothing(
    held: Held, manager: PoolManager, marks: Marks, gate: Gate
) -> None:
    """Its worker is ended, that of another call works on."""
    held.call("a")
    marks.wait_for(1)

    async def cancelled() -> None:
        call = manager.execute_async(mark_and_wait_for, [(marks, "b", gate)])
        task = asyncio.ensure_future(call)
        await asyncio.to_thread(marks.wait_for, 2)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    gate.open()
    assert held.join() == [["a"]]
    assert manager.status().calls == 0


@posix
def test_a_forked_child_has_workers_of_its_own(tmp_path: Path) -> None:
    """So it goes with servers that fork after they have loaded the application."""
    source = """
import os, warnings
from cotality.tuning import get_global_pool_manager, managed_pool

warnings.simplefilter("ignore", DeprecationWarning)  # of forking

manager = get_global_pool_manager()

def pids():
    return {*manager.execute(lambda _: os.getpid(), range(20))}

manager.warm_up()
before = pids()
with manager.workers(), managed_pool(1) as own:
    own.warm_up()
    child = os.fork()
    if child == 0:
        assert manager.status().pids == own.status().pids == (), manager.status()
        assert pids().isdisjoint(before)
        assert own.execute(abs, [-1]) == [1]
        assert get_global_pool_manager() is manager
        manager.shutdown()
        os._exit(7)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print(pids() <= {*manager.status().pids}, own.execute(abs, [-1]))
"""
    assert run_script(source, tmp_path) == "7\nTrue [1]\n"


@posix
@pytest.mark.parametrize(
    "way",
    [
        "get_global_pool_manager().execute(mark_and_hold_the_lock, [marks] * 2)",
        "with managed_pool(2) as manager: manager.execute(mark_and_sleep, [marks] * 2)",
    ],
    ids=["global", "managed"],
)
def test_ctrl_c_leaves_nothing(way: str, tmp_path: Path, marks: Marks) -> None:
    """It is raised at once, and the workers are gone with the program."""
    source = "from cotality.tuning import *\nos.environ['COTALITY_MAX_WORKERS'] = '2'\n"
    with Program(source + way, tmp_path) as program:
        marks.wait_for(2)
        program.look()
        program.note({int(name) for name in marks.names()})

        program.press_ctrl_c()

        assert program.exit_code() == -signal.SIGINT
        assert program.left_over() == []
        assert program.printed().rstrip().endswith("KeyboardInterrupt")


def test_the_end_of_the_program_ends_the_workers(tmp_path: Path) -> None:
    """Nobody has to shut the manager down."""
    source = (
        "from cotality.tuning import get_global_pool_manager\n"
        "manager = get_global_pool_manager()\n"
        "manager.warm_up()\n"
        "print(*manager.status().pids)\n"
    )
    pids = run_script(source, tmp_path).split()

    assert pids
    assert all(wait_until_gone(int(each)) for each in pids)


def test_an_executor_is_not_a_pool(manager: PoolManager) -> None:
    """What says where tasks run is the manager itself."""
    with (
        ThreadPoolExecutor(1) as threads,
        pytest.raises(TypeError, match="there is no option 'executor'"),
    ):
        manager.execute(echo, [1], executor=threads)  # type: ignore[call-overload]
