"""With "auto", tasks run where the caller is until something else is decided."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils._process.portions.belongings import belongs_elsewhere
from cotality.core.utils.process import (
    Progress,
    RunReport,
    Task,
    TaskExitedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    worker_state,
)
from cotality.tuning import execute, optimize
from tests.kit.helpers import Failure, Gate, Marks, run_script
from tests.kit.limits import LONG_S
from tests.kit.programs import Program


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """One that no other thread may use."""
    with sqlite3.connect(":memory:") as found:
        yield found
    found.close()


def ways() -> list[Any]:
    """The ways to call a function for each item of a list."""

    def listed(function: Callable[[int], Any], items: range) -> list[Any]:
        return execute(function, items)

    def verbose(function: Callable[[int], Any], items: range) -> list[Any]:
        return list(execute(function, items, verbose=True).results)

    def of_an_iterator(function: Callable[[int], Any], items: range) -> list[Any]:
        return execute(function, iter(items))

    def tasks(function: Callable[[int], Any], items: range) -> list[Any]:
        found = [Task(function, positional=(item,)) for item in items]
        return execute_tasks_in_parallel(found, use_processes="auto")

    def streamed(function: Callable[[int], Any], items: range) -> list[Any]:
        found = (Task(function, positional=(item,)) for item in items)
        stream = execute_tasks_in_parallel_streaming(found, use_processes="auto")
        return [value for _, value in stream]

    def shown(function: Callable[[int], Any], items: range) -> list[Any]:
        return execute(function, items, progress=lambda _: None)

    return [listed, verbose, of_an_iterator, tasks, streamed, shown]


way = pytest.mark.parametrize("way", ways(), ids=lambda each: each.__name__)
quiet_way = pytest.mark.parametrize("way", ways()[:-1], ids=lambda each: each.__name__)


@quiet_way
def test_a_small_job_stays_where_the_caller_is(way: Any) -> None:
    """Each of its items, from the first one on."""

    def where(_: int) -> int:
        return threading.get_ident()

    assert set(way(where, range(3))) == {threading.get_ident()}


@way
@pytest.mark.parametrize("seconds", [0.0, 0.005])
def test_a_connection_of_the_caller_works(
    way: Any, connection: sqlite3.Connection, seconds: float
) -> None:
    """Though tasks that wait so long would go to threads."""

    def ask(number: int) -> int:
        time.sleep(seconds)
        found: int = connection.execute("select ?", (number,)).fetchone()[0]
        return found

    assert way(ask, range(30)) == list(range(30))


@way
@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no alarms there")
def test_a_time_limit_by_a_signal_works(way: Any) -> None:
    """Only the main thread may set one."""

    def limited(number: int) -> int:
        before = signal.signal(signal.SIGALRM, lambda *_: None)
        try:
            signal.alarm(int(LONG_S))
            time.sleep(0.01)
            return number
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)

    assert way(limited, range(8)) == list(range(8))


def test_what_stays_is_run_once(connection: sqlite3.Connection) -> None:
    """Only what has said that it is in the wrong thread begins once more."""
    begun, done = Counter[int](), Counter[int]()

    def ask(number: int) -> int:
        begun[number] += 1
        time.sleep(0.003)
        connection.execute("select 1").fetchone()
        done[number] += 1
        return number

    report = RunReport()
    tasks = [Task(ask, positional=(number,)) for number in range(60)]
    execute_tasks_in_parallel(tasks, use_processes="auto", report=report)

    assert set(done.values()) == {1}
    assert max(begun.values()) <= 2
    assert report.failed == 0
    if any(each.choice == "threads" for each in report.decisions):
        assert "belong to the thread that called" in report.decisions[-1].reason


def test_what_fails_in_the_thread_of_the_caller_too_has_failed() -> None:
    """A task may have threads of its own, and make the mistake itself."""
    found: list[BaseException] = []

    def wrong() -> None:
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        except ValueError as error:
            found.append(error)

    def work(number: int) -> int:
        time.sleep(0.005)
        thread = threading.Thread(target=wrong)
        thread.start()
        thread.join()
        raise found.pop()

    results = execute(work, range(8), on_error="return")

    assert [type(result) for result in results] == [ValueError] * 8


@pytest.mark.parametrize(
    ("error", "belongs"),
    [
        (sqlite3.ProgrammingError("SQLite objects created in a thread can only be "
                                  "used in that same thread."), True),
        (sqlite3.ProgrammingError("no such column"), False),
        (ValueError("signal only works in main thread of the main interpreter"), True),
        (ValueError("signal"), False),
        (RuntimeError("There is no current event loop in thread 'cotality_0'."), True),
        (KeyError("x"), False),
        (ValueError(), False),
    ],
)  # fmt: skip
def test_what_says_so(error: Exception, belongs: bool) -> None:
    """The text alone tells."""
    assert belongs_elsewhere(error) is belongs


def test_a_local_of_the_thread_says_so() -> None:
    """What the caller has put there is not in another thread."""
    local = threading.local()
    with pytest.raises(AttributeError) as caught:
        _ = local.name

    assert belongs_elsewhere(caught.value)


def test_the_versions_of_python_say_so_themselves(
    connection: sqlite3.Connection,
) -> None:
    """What is recognised is what is raised here."""
    found: list[BaseException] = []

    def attempt(function: Callable[[], object]) -> None:
        try:
            function()
        except Exception as error:
            found.append(error)

    attempts: list[Callable[[], object]] = [
        lambda: connection.execute("select 1"),
        lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        asyncio.get_event_loop,
    ]
    for each in attempts:
        thread = threading.Thread(target=attempt, args=(each,))
        thread.start()
        thread.join()

    assert [belongs_elsewhere(error) for error in found] == [True] * 3


# A task that takes long holds up no others.


def first_waits_for_another(gate: Gate) -> list[Task[int]]:
    """Fifty tasks that give their number; the first one ends when another has run."""

    def work(number: int) -> int:
        if number == 3:
            gate.open()
        if number == 0:
            gate.wait()
        return number

    return [Task(work, positional=(number,)) for number in range(50)]


def test_others_are_run_while_the_caller_runs_a_long_task(gate: Gate) -> None:
    """The first one waits here for what another one does."""
    tasks = first_waits_for_another(gate)

    assert execute_tasks_in_parallel(tasks, use_processes="auto") == list(range(50))


def test_a_stream_goes_on_too(gate: Gate) -> None:
    """In order it cannot yield anything before the first one."""
    tasks = first_waits_for_another(gate)
    stream = execute_tasks_in_parallel_streaming(tasks, use_processes="auto")

    assert list(stream) == [(number, number) for number in range(50)]


def test_an_iterator_is_read_by_the_caller_alone(gate: Gate) -> None:
    """While it runs a task nobody reads."""
    read_by, here = set[int](), threading.get_ident()

    def tasks() -> Iterator[Task[float]]:
        for _ in range(40):
            read_by.add(threading.get_ident())
            yield Task(time.sleep, positional=(0.005,))

    execute_tasks_in_parallel(tasks(), use_processes="auto")

    assert read_by == {here}


def test_a_failure_elsewhere_is_raised_when_the_caller_is_back(gate: Gate) -> None:
    """Nothing else starts meanwhile."""

    def work(number: int) -> int:
        if number == 0:
            gate.wait()
        if number == 2:
            gate.open()
            raise Failure("the third")
        return number

    tasks = [Task(work, positional=(number,)) for number in range(20)]
    with pytest.raises(Failure, match="the third") as caught:
        execute_tasks_in_parallel(tasks, use_processes="auto")

    assert caught.value.__notes__[0].startswith("Raised by task 2: ")


def test_progress_is_told_by_the_caller() -> None:
    """What shows it may belong to that thread as well."""
    told_by, here = set[int](), threading.get_ident()

    def tell(_: Progress) -> None:
        told_by.add(threading.get_ident())

    execute(time.sleep, [0.02] * 20, progress=tell)

    assert told_by == {here}


def test_a_stream_may_be_taken_by_another_thread() -> None:
    """Whoever takes the results is the caller."""
    tasks = (Task(time.sleep, positional=(0.001,)) for _ in range(50))
    stream = execute_tasks_in_parallel_streaming(tasks, use_processes="auto")
    next(stream)
    rest: list[Any] = []
    thread = threading.Thread(target=lambda: rest.extend(stream))

    thread.start()
    thread.join(LONG_S)

    assert len(rest) == 49


def test_a_stream_that_is_left_leaves_nothing() -> None:
    """Also if a deputy is there."""
    tasks = [Task(time.sleep, positional=(0.004,)) for _ in range(50)]
    stream = execute_tasks_in_parallel_streaming(tasks, use_processes="auto")

    next(stream)
    stream.close()

    assert not [each for each in threading.enumerate() if "deputy" in each.name]


class State:
    """Something that is made once for a worker."""

    made = 0

    def __init__(self) -> None:
        State.made += 1
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def test_the_caller_is_a_worker_while_it_runs_tasks() -> None:
    """What is made once for each worker is made once for it, and closed in the end."""
    seen: list[State] = []
    tasks = [Task(seen.append, positional=(worker_state(State),)) for _ in range(5)]

    State.made = 0
    execute_tasks_in_parallel(tasks, use_processes="auto")

    assert State.made == 1
    assert len(set(map(id, seen))) == 1


def test_a_plan_is_made_where_the_caller_is(connection: sqlite3.Connection) -> None:
    """Its first items are run there as well."""

    def ask(number: int) -> int:
        found: int = connection.execute("select ?", (number,)).fetchone()[0]
        return found

    items = list(range(20))
    plan = optimize(ask, items)

    assert plan.profile.items_failed == 0
    assert execute(ask, items, plan=plan) == items


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process there")
@pytest.mark.parametrize("tasks", ["[Task(work, positional=(n,)) for n in range(20)]",
                                   "[Task(work, positional=(0,))]"])  # fmt: skip
def test_ctrl_c_interrupts_what_the_caller_runs(
    tmp_path: Path, gate: Gate, marks: Marks, tasks: str
) -> None:
    """At once, as in a loop."""
    source = (
        "from cotality.core.utils.process import Task, execute_tasks_in_parallel\n"
        "def work(number):\n"
        "    if number == 0:\n"
        "        marks.leave('begun')\n"
        "        gate.wait()\n"
        "        marks.leave('ended')\n"
        f"execute_tasks_in_parallel({tasks}, use_processes='auto')\n"
    )
    with Program(source, tmp_path) as program:
        marks.wait_for(1)
        program.send(signal.SIGINT)
        assert program.exit_code() != 0
        assert "KeyboardInterrupt" in program.printed()

    assert marks.names() == {"begun"}


WAYS_IN_THE_CALLER = {
    "auto": "execute_tasks_in_parallel(tasks, use_processes='auto')",
    "inline": "execute_tasks_in_parallel(tasks, inline=True)",
    "execute": "execute(work, range(20))",
    "a loop": "execute(work, range(20), executor='sequential')",
    "all failures": "execute_tasks_in_parallel(tasks, None, 'auto', True)",
}


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM for one process there")
@pytest.mark.parametrize("way", WAYS_IN_THE_CALLER.values(), ids=WAYS_IN_THE_CALLER)
def test_a_service_that_is_told_to_stop_stops(
    tmp_path: Path, gate: Gate, marks: Marks, way: str
) -> None:
    """Its handler raises `SystemExit` within a task of the caller: no failure of it."""
    source = (
        "import signal\n"
        "from cotality.core.utils.process import Task, execute_tasks_in_parallel\n"
        "from cotality.tuning import execute\n"
        "def stop(number, frame):\n"
        "    raise SystemExit(7)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "def work(number):\n"
        "    if number == 0:\n"
        "        marks.leave('begun')\n"
        "        gate.wait()\n"
        "        marks.leave('ended')\n"
        "tasks = [Task(work, positional=(n,)) for n in range(20)]\n"
        f"{way}\n"
    )
    with Program(source, tmp_path) as program:
        marks.wait_for(1)
        program.send(signal.SIGTERM)
        assert program.exit_code() == 7

    assert marks.names() == {"begun"}


def test_a_task_that_exits_has_failed_though_there_are_handlers() -> None:
    """What it raises itself is its own."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
    try:
        results = execute_tasks_in_parallel(
            [Task(sys.exit, positional=(3,)), Task(abs, positional=(-1,))],
            use_processes="auto",
            return_exceptions=True,
        )
    finally:
        signal.signal(signal.SIGTERM, before)

    assert isinstance(results[0], TaskExitedError)
    assert results[1] == 1


def test_a_stream_that_nobody_closed_says_nothing_at_the_end(tmp_path: Path) -> None:
    """The end of the program closes it, when much of Python is gone already."""
    program = (
        "import time\n"
        "from cotality.core.utils.process import *\n"
        "def work(number):\n"  # keeps the script's names alive for longer
        "    time.sleep(0.004)\n"
        "tasks = [Task(work, positional=(item,)) for item in range(300)]\n"
        "stream = execute_tasks_in_parallel_streaming(tasks, use_processes='auto')\n"
        "for _ in range(5):\n"
        "    next(stream)\n"
    )

    assert run_script(program, tmp_path) == ""
