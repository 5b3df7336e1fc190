"""Calls that name no number of workers are bounded together, however many there are."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from cotality.core.utils._process.call import open_backend
from cotality.core.utils._process.machine import cpus
from cotality.core.utils._process.tasks.task import marks as made_marks
from cotality.core.utils._process.workers.lending import leases
from cotality.core.utils.process import (
    Task,
    WorkerCrashedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
    share,
    shutdown_workers,
    worker_state,
)
from cotality.tuning import (
    execute,
    get_global_pool_manager,
    shutdown_global_pool_manager,
)
from tests.kit.helpers import Gate, Marks, echo
from tests.kit.limits import LONG_S

# Real servers and many threads: how many there are is counted.
pytestmark = pytest.mark.one_python

CPUS = 2  # as many as the tests say there are
REQUESTS = 50


@pytest.fixture(autouse=True)
def two_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTALITY_MAX_WORKERS", f"{CPUS}")


def pid_after_work(number: int) -> int:
    sum(i * i for i in range(2_000))
    return os.getpid()


TASKS = [Task(pid_after_work, {"number": number}) for number in range(20)]


def with_execute(_: int) -> list[int]:
    return execute(pid_after_work, range(20), executor="processes")


def with_a_list(_: int) -> list[int]:
    return execute_tasks_in_parallel(TASKS, use_processes=True)


def with_a_stream(_: int) -> list[int]:
    return [
        pid for _, pid in execute_tasks_in_parallel_streaming(TASKS, use_processes=True)
    ]


@pytest.mark.parametrize("call", [with_execute, with_a_list, with_a_stream])
def test_processes_are_as_many_as_cpus(call: Callable[[int], list[int]]) -> None:
    """Fifty requests at once do not have fifty times as many."""
    most = MostChildren()
    with ThreadPoolExecutor(REQUESTS) as server, most:
        answers = list(server.map(call, range(REQUESTS)))

    assert all(len(answer) == 20 for answer in answers)
    assert len({pid for answer in answers for pid in answer}) <= CPUS
    assert most.seen <= CPUS


class MostChildren:
    """Counts the worker processes there are, again and again."""

    def __enter__(self) -> MostChildren:
        shutdown_workers()
        self.seen = 0
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def look(self) -> None:
        here = psutil.Process()
        while not self.ends.wait(0.01):
            # Workers are children of the fork server, and lead groups of their own.
            below = [each.pid for each in here.children(recursive=True)]
            self.seen = max(self.seen, sum(map(leads_a_group, below)))

    def __exit__(self, *_: object) -> None:
        self.ends.set()
        self.thread.join()


def leads_a_group(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid
    except OSError:
        return False


def test_calls_of_an_event_loop_share_them_too() -> None:
    async def requests() -> list[list[int]]:
        calls = [
            execute_tasks_in_parallel_async(TASKS, use_processes=True)
            for _ in range(REQUESTS)
        ]
        return await asyncio.gather(*calls)

    answers = asyncio.run(requests())

    assert len({pid for answer in answers for pid in answer}) <= CPUS


def test_what_they_shared_is_warm_for_the_next() -> None:
    with ThreadPoolExecutor(10) as server:
        first = {pid for answer in server.map(with_a_list, range(10)) for pid in answer}

    assert set(with_a_list(0)) <= first


def test_a_number_that_is_named_holds(marks: Marks) -> None:
    """For that call, beside others that name none."""
    stream = execute_tasks_in_parallel_streaming(TASKS, use_processes=True)
    next(stream)
    tasks = [
        Task(pid_after, {"marks": marks, "name": f"{n}", "count": 3}) for n in range(3)
    ]

    pids = execute_tasks_in_parallel(tasks, 3, use_processes=True)

    assert len(set(pids)) == 3
    assert len(list(stream)) == 19


def pid_after(marks: Marks, name: str, count: int) -> int:
    marks.leave(name)
    marks.wait_for(count)
    return os.getpid()


def test_a_stream_that_is_not_read_on_keeps_nobody_waiting() -> None:
    stream = execute_tasks_in_parallel_streaming(
        (Task(echo, {"value": n}) for n in range(10_000)), use_processes=True
    )
    assert next(stream) == (0, 0)

    assert len(with_a_list(0)) == 20

    stream.close()
    assert len(with_a_list(0)) == 20


def test_calls_inside_of_tasks_on_threads_come_to_an_end() -> None:
    """None of them waits for a share of what those around it have."""
    outer = [Task(with_a_list, {"_": n}) for n in range(30)]

    answers = execute_tasks_in_parallel(outer, 30)

    assert len({pid for answer in answers for pid in answer}) <= CPUS


def test_what_fails_in_one_call_spoils_no_other() -> None:
    """Its own tasks are ended; those of others that share the workers run on."""
    with ThreadPoolExecutor(8) as server:
        good = [server.submit(with_a_list, n) for n in range(6)]
        bad = [server.submit(crash) for _ in range(2)]

    assert all(len(future.result()) == 20 for future in good)
    assert all(isinstance(each.exception(), WorkerCrashedError) for each in bad)


def crash() -> None:
    execute_tasks_in_parallel([Task(os._exit, positional=(3,))] * 4, use_processes=True)


def test_a_stream_that_is_left_ends_its_own_tasks_alone(gate: Gate) -> None:
    """Those of another call, which wait for the same workers, are done."""
    stream = execute_tasks_in_parallel_streaming(
        [Task(echo, {"value": 1}), *[Task(time.sleep, positional=(LONG_S,))] * 2],
        use_processes=True,
        grace=0,
    )
    assert next(stream) == (0, 1)
    with ThreadPoolExecutor(1) as server:
        other = server.submit(with_a_list, 0)
        stream.close()

        assert len(other.result(LONG_S)) == 20


def things_made(_: Path) -> Iterator[list[int]]:
    yield []


def append(things: list[int], number: int) -> int:
    things.append(number)
    return len(things)


def test_what_one_call_makes_in_workers_no_other_finds(tmp_path: Path) -> None:
    """Calls with a `worker_state` have workers of their own."""
    things = worker_state(things_made, tmp_path)
    tasks = [Task(append, {"things": things, "number": n}) for n in range(3)]

    with ThreadPoolExecutor(4) as server:
        calls = [
            server.submit(execute_tasks_in_parallel, tasks, use_processes=True)
            for _ in range(4)
        ]
    assert all(max(each.result()) <= 3 for each in calls)


def test_nor_if_its_tasks_are_the_first_to_ask_for_any(
    monkeypatch: pytest.MonkeyPatch, marks: Marks, gate: Gate
) -> None:
    """It has begun among others then. What it makes is closed with it."""
    monkeypatch.setattr(made_marks, "state_was_used", False)
    other = execute_tasks_in_parallel_streaming(
        [Task(echo, {"value": 1}), Task(gate.wait)], use_processes=True
    )
    assert next(other) == (0, 1)

    def tasks() -> Iterator[Task[int]]:
        yield Task(append, {"things": [], "number": 0})
        things = worker_state(things_closed, marks)
        for number in range(6):
            yield Task(append, {"things": things, "number": number})

    for turn in range(1, 3):
        monkeypatch.setattr(made_marks, "state_was_used", False)
        answers = execute_tasks_in_parallel(tasks(), use_processes=True, chunksize=1)
        assert max(answers) <= 6
        made, closed = ({n for n in marks.names() if n[0] == c} for c in "mc")
        assert len(made) == len(closed) >= turn
    gate.open()
    assert next(other)[0] == 1
    other.close()


def things_closed(marks: Marks) -> Iterator[list[int]]:
    marks.leave(f"made by {os.getpid()}")
    yield []
    marks.leave(f"closed by {os.getpid()}")


class Loads:
    """Leaves a mark wherever it is loaded."""

    def __init__(self, marks: Marks, name: str) -> None:
        self.marks, self.name = marks, name

    def __setstate__(self, state: dict[str, Any]) -> None:  # Any: as in `__init__`
        vars(self).update(state)
        self.marks.leave(f"{self.name} in {os.getpid()}: {time.monotonic_ns()}")


def test_what_is_shared_is_loaded_once_although_calls_take_turns(
    marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each worker, for each call."""
    monkeypatch.setenv("COTALITY_MAX_WORKERS", "1")

    def work(name: str) -> None:
        loads = share(Loads(marks, name))
        stream = execute_tasks_in_parallel_streaming(
            (Task(echo_first, {"value": n, "loads": loads}) for n in range(10)),
            use_processes=True,
            chunksize=1,
        )
        streams.append(stream)

    streams: list[Iterator[tuple[int, int]]] = []
    work("one")
    work("other")
    found = [next(stream) for _ in range(10) for stream in streams]

    assert found == [(n, n) for n in range(10) for _ in streams]
    assert len(marks.names()) == 2


def echo_first(value: int, loads: Loads) -> int:
    return value


def test_of_a_call_that_is_over_workers_keep_nothing(
    marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although another one goes on, and has had the same worker at the same time."""
    monkeypatch.setenv("COTALITY_MAX_WORKERS", "1")
    endless = (Task(echo, {"value": n}) for n in itertools.count())
    long = execute_tasks_in_parallel_streaming(endless, use_processes=True, chunksize=1)
    next(long)
    loads = share(Tells(marks, "one"))
    tasks = [Task(echo_first, {"value": 1, "loads": loads})] * 5
    assert execute_tasks_in_parallel(tasks, use_processes=True, chunksize=1) == [1] * 5
    end = time.monotonic() + LONG_S
    while not marks.names():
        next(long)
        assert time.monotonic() < end
    long.close()


class Tells(Loads):
    """Leaves a mark where a worker lets go of it."""

    def __setstate__(self, state: dict[str, Any]) -> None:  # Any: as above
        vars(self).update(state)
        weakref.finalize(self, self.marks.leave, "gone").atexit = False


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_child_has_all_for_itself(marks: Marks, gate: Gate) -> None:
    """What calls of its parent have is none of its business."""
    stream = execute_tasks_in_parallel_streaming(
        [Task(echo, {"value": 1}), Task(gate.wait)],
        use_processes=True,
        initializer=int,
    )
    assert next(stream) == (0, 1)
    child = os.fork()
    if child == 0:
        left = leases.what_is_left(CPUS)
        os._exit(left)
    _, status = os.waitpid(child, 0)
    gate.open()
    stream.close()

    assert os.waitstatus_to_exitcode(status) == CPUS


# Threads.


@pytest.fixture
def few_threads(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(cpus, "MOST_THREADS_FOUND_OUT", 8)
    monkeypatch.setenv("COTALITY_MAX_WORKERS", "6")
    monkeypatch.setattr(open_backend, "default_threads", lambda: 6)
    return 8


class Gauge:
    """How many are inside at the same time, at most."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = 0

    def __call__(self, number: int = 0) -> int:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.005)
        with self.lock:
            self.now -= 1
        return number


def test_threads_are_bounded_together(few_threads: int) -> None:
    """One for each call in any case, and beyond these so many for all of them."""
    gauge = Gauge()
    tasks = [Task(gauge, {"number": n}) for n in range(12)]
    with ThreadPoolExecutor(20) as server:
        calls = [server.submit(execute_tasks_in_parallel, tasks) for _ in range(20)]

    assert all(each.result() == list(range(12)) for each in calls)
    assert gauge.most <= few_threads + 20


def test_threads_that_make_calls_come_to_an_end(few_threads: int) -> None:
    """Each call has a thread, whatever those around it have."""

    def nested(depth: int) -> int:
        if depth == 0:
            return 1
        return sum(execute_tasks_in_parallel([Task(nested, {"depth": depth - 1})] * 4))

    assert nested(3) == 4**3


def test_threads_that_are_named_are_there(few_threads: int) -> None:
    meeting = threading.Barrier(20)

    places = execute_tasks_in_parallel(
        [Task(meeting.wait, {"timeout": LONG_S})] * 20, 20
    )

    assert sorted(places) == list(range(20))


# With a global manager.


@pytest.fixture
def manager() -> Iterator[None]:
    get_global_pool_manager()
    yield
    shutdown_global_pool_manager()


def test_execute_uses_the_workers_of_the_global_manager(manager: None) -> None:
    """Twenty requests at once have no more than it has."""
    with ThreadPoolExecutor(20) as server:
        answers = list(server.map(with_execute, range(20)))
    pids = {pid for answer in answers for pid in answer}

    assert pids <= {*get_global_pool_manager().status().pids}
    assert len(pids) <= CPUS


def test_a_manager_that_is_shut_down_is_none(manager: None) -> None:
    get_global_pool_manager().shutdown()

    assert len(with_execute(0)) == 20
