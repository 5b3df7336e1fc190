"""What workers do before their first task, and what they make once and keep."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    TaskNotPicklableError,
    WorkerCrashedError,
    WorkerStartError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    worker_pool,
    worker_state,
)
from tests.kit.fatal import exit_with
from tests.kit.helpers import Failure, Marks, echo, worker_id

local = threading.local()


def prepare(value: str) -> None:
    local.value = value


def prepared() -> str | None:
    return getattr(local, "value", None)


class Resource:
    """Says in marks when it is made and closed, and where."""

    def __init__(self, marks: Marks, name: str = "it") -> None:
        self.marks = marks
        self.name = name
        self.used = 0
        self.where = worker_id()
        marks.leave(f"made {name} {os.getpid()} {threading.get_ident()}")

    def close(self) -> None:
        where = f"{os.getpid()} {threading.get_ident()}"
        self.marks.leave(f"closed {self.name} {where}")


def use(resource: Resource, value: int) -> tuple[int, tuple[int, int]]:
    assert resource.where == worker_id()
    resource.used += 1
    return value, resource.where


def made_and_closed(marks: Marks) -> tuple[set[str], set[str]]:
    names = marks.names()
    made = {each.removeprefix("made ") for each in names if each.startswith("made ")}
    return made, {
        each.removeprefix("closed ") for each in names if each.startswith("closed ")
    }


# Initializers.


def test_an_initializer_runs_in_each_worker_before_its_first_task(
    use_processes: bool,
) -> None:
    """Every task finds what it has prepared."""
    tasks = [Task(prepared) for _ in range(50)]

    results = execute_tasks_in_parallel(
        tasks, 3, use_processes, initializer=prepare, initargs=("ready",)
    )

    assert results == ["ready"] * 50


def test_an_initializer_leaves_nothing_for_the_next_call(use_processes: bool) -> None:
    """Its workers are those of its call alone."""
    execute_tasks_in_parallel(
        [Task(prepared)], 1, use_processes, initializer=prepare, initargs=("ready",)
    )

    assert execute_tasks_in_parallel([Task(prepared)], 1, use_processes) == [None]


def test_inline_the_initializer_runs_once_in_the_caller() -> None:
    """The caller is the only worker there is."""
    prepared_in: list[tuple[int, int]] = []

    results = execute_tasks_in_parallel(
        [Task(len, positional=(prepared_in,)) for _ in range(5)],
        initializer=lambda: prepared_in.append(worker_id()),
        inline=True,
    )

    assert results == [1] * 5
    assert prepared_in == [worker_id()]


def test_an_interrupt_of_an_initializer_inline_is_the_callers_own() -> None:
    """Ctrl-C goes where it was meant to go."""
    with pytest.raises(KeyboardInterrupt):
        execute_tasks_in_parallel(
            [Task(prepared)], initializer=fail_with_interrupt, inline=True
        )


def fail_with_interrupt() -> None:
    raise KeyboardInterrupt


def refuse() -> None:
    raise Failure("no database")


@pytest.mark.parametrize("inline", [False, True], ids=["", "inline"])
def test_an_initializer_that_fails_ends_the_call(
    use_processes: bool, inline: bool
) -> None:
    """The error says what it raised, and no task has run."""
    with pytest.raises(WorkerStartError, match="Failure: no database") as caught:
        execute_tasks_in_parallel(
            [Task(echo, {"value": i}) for i in range(10)],
            2,
            use_processes,
            initializer=refuse,
            inline=inline,
        )

    assert isinstance(caught.value.__cause__, Failure)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"initializer": "x"}, TypeError, "initializer must be a function, got 'x'"),
        ({"initargs": (1,)}, ValueError, "initargs need an initializer"),
    ],
)
def test_wrong_initializers_are_errors_of_the_call(
    options: dict[str, Any], error: type[Exception], message: str, use_processes: bool
) -> None:
    """Not of the first next()."""
    with pytest.raises(error, match=message):
        execute_tasks_in_parallel_streaming([], 1, use_processes, **options)


def test_an_initializer_that_cannot_be_sent_is_an_error_of_the_call() -> None:
    """It says what keeps it."""
    lock = threading.Lock()

    with pytest.raises(TaskNotPicklableError, match="lock"):
        execute_tasks_in_parallel([], 1, True, initializer=lambda: lock)


# State.


def test_state_is_made_once_in_each_worker_and_closed_by_it(
    use_processes: bool, marks: Marks
) -> None:
    """All tasks of a worker get the same; nobody else touches it."""
    state = worker_state(Resource, marks)
    tasks = [Task(use, {"resource": state, "value": i}) for i in range(40)]

    results = execute_tasks_in_parallel(tasks, 2, use_processes)

    assert [value for value, _ in results] == list(range(40))
    made, closed = made_and_closed(marks)
    assert made == closed
    assert made == {f"it {pid} {thread}" for _, (pid, thread) in results}
    assert 1 <= len(made) <= 2


def test_marks_that_say_the_same_mean_the_same(
    use_processes: bool, marks: Marks
) -> None:
    """One may be made for each task."""
    tasks = [
        Task(use, {"resource": worker_state(Resource, marks, "a"), "value": i})
        for i in range(20)
    ]

    execute_tasks_in_parallel(tasks, 1, use_processes)

    assert len(made_and_closed(marks)[0]) == 1


def test_marks_that_differ_mean_different_things(
    use_processes: bool, marks: Marks
) -> None:
    """By their arguments, given by position or by name."""
    tasks = [
        Task.of(use, worker_state(Resource, marks, name=f"{i % 2}"), i)
        for i in range(20)
    ]

    execute_tasks_in_parallel(tasks, 1, use_processes)

    assert {each[0] for each in made_and_closed(marks)[1]} == {"0", "1"}


def connection(path: Path) -> Generator[sqlite3.Connection, None, None]:
    """Usable in the thread that made it, and there alone."""
    connection = sqlite3.connect(path)
    yield connection
    connection.execute("insert into closed values (1)")
    connection.commit()
    connection.close()


def ask(connection: sqlite3.Connection, number: int) -> int:
    (answer,) = connection.execute("select ? * 2", (number,)).fetchone()
    return int(answer)


def test_a_generator_function_yields_the_state_and_then_cleans_up(
    use_processes: bool, tmp_path: Path
) -> None:
    """What follows the yield runs in the worker, when it has no more to do."""
    path = tmp_path / "data.db"
    with sqlite3.connect(path, isolation_level=None) as database:
        database.execute("create table closed (worker)")
    state = worker_state(connection, path)
    tasks = [Task(ask, {"connection": state, "number": i}) for i in range(10)]

    assert execute_tasks_in_parallel(tasks, 1, use_processes) == [
        2 * i for i in range(10)
    ]

    (count,) = database.execute("select count(*) from closed").fetchone()
    database.close()
    assert count == 1


def fail_once(marks: Marks) -> str:
    if "tried" in marks.names():
        return "made"
    marks.leave("tried")
    raise Failure("not yet")


def test_a_factory_that_raises_fails_the_task_and_is_asked_again(
    use_processes: bool, marks: Marks
) -> None:
    """The next task of the worker may have more luck."""
    tasks = [Task(echo, {"value": worker_state(fail_once, marks)}) for _ in range(3)]

    first, *others = execute_tasks_in_parallel(
        tasks, 1, use_processes, on_error="return"
    )

    assert isinstance(first, Failure)
    assert others == ["made", "made"]


def yields_nothing() -> Iterator[int]:
    return
    yield


def test_a_generator_without_a_yield_is_an_error_that_says_so(
    use_processes: bool,
) -> None:
    """There is nothing that the task could get."""
    with pytest.raises(RuntimeError, match="yields_nothing ended without a yield"):
        execute_tasks_in_parallel(
            [Task(echo, {"value": worker_state(yields_nothing)})], 1, use_processes
        )


class CannotClose:
    def close(self) -> None:
        raise Failure("stuck")


def test_state_that_cannot_be_closed_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The results are there already, and stay."""
    with caplog.at_level(logging.ERROR):
        (result,) = execute_tasks_in_parallel(
            [Task(type, positional=(worker_state(CannotClose),))], 1
        )

    assert result is CannotClose
    assert "CannotClose could not be closed" in caplog.text
    assert "stuck" in caplog.text


def test_state_may_be_what_cannot_travel() -> None:
    """Only the factory does."""
    (result,) = execute_tasks_in_parallel(
        [Task(lock_type, {"lock": worker_state(threading.Lock)})], 1, True
    )

    assert result == "lock"


def lock_type(lock: Any) -> str:
    return type(lock).__name__


def test_a_factory_that_cannot_be_sent_fails_its_task_alone() -> None:
    """The message names the argument."""
    lock = threading.Lock()
    bad: Task[Any] = Task(echo, {"value": worker_state(lambda: lock)})

    results = execute_tasks_in_parallel(
        [bad, Task(echo, {"value": 1})], 1, True, on_error="return"
    )

    assert isinstance(results[0], TaskNotPicklableError)
    assert "arguments['value']" in str(results[0])
    assert results[1] == 1


def test_a_new_worker_makes_its_own_after_a_crash(marks: Marks) -> None:
    """What the dead one had is gone with it."""
    state = worker_state(Resource, marks)
    tasks: list[Task[Any]] = [
        Task(use, {"resource": state, "value": 1}),
        Task(exit_with, {"code": 3}),
        Task(use, {"resource": state, "value": 2}),
    ]

    one, crash, two = execute_tasks_in_parallel(tasks, 1, True, on_error="return")

    assert (one[0], type(crash), two[0]) == (1, WorkerCrashedError, 2)
    made, closed = made_and_closed(marks)
    assert len(made) == 2
    assert len(closed) == 1


def test_workers_of_a_pool_keep_what_they_made(marks: Marks) -> None:
    """Until the pool ends, which is when they close it."""
    state = worker_state(Resource, marks)
    with worker_pool(max_workers=1):
        for _ in range(3):
            execute_tasks_in_parallel(
                [Task(use, {"resource": state, "value": 1})], 1, use_processes=True
            )
        assert [len(each) for each in made_and_closed(marks)] == [1, 0]

    made, closed = made_and_closed(marks)
    assert len(made) == 1
    assert made == closed


def test_an_executor_of_ours_is_such_a_pool(marks: Marks) -> None:
    """Calls may share its workers, each as if they were its own."""
    state = worker_state(Resource, marks)
    with IsolatedProcessPoolExecutor(1) as executor:
        for _ in range(2):
            execute_tasks_in_parallel(
                [Task(use, {"resource": state, "value": 1})], executor=executor
            )
        assert executor.submit(os.getpid).result() != os.getpid()

    made, closed = made_and_closed(marks)
    assert len(made) == 1
    assert made == closed


def test_a_stream_that_is_left_early_closes_what_was_made(
    use_processes: bool, marks: Marks
) -> None:
    """As one that was read to its end."""
    state = worker_state(Resource, marks)
    tasks = (Task(use, {"resource": state, "value": i}) for i in range(10_000))
    stream = execute_tasks_in_parallel_streaming(tasks, 2, use_processes)

    next(stream)
    stream.close()

    made, closed = made_and_closed(marks)
    assert len(made) >= 1
    assert made == closed


def test_inline_the_caller_is_the_worker(marks: Marks) -> None:
    """It makes the state once and closes it."""
    state = worker_state(Resource, marks)
    tasks = [Task(use, {"resource": state, "value": i}) for i in range(5)]

    results = execute_tasks_in_parallel(tasks, inline=True)

    assert {where for _, where in results} == {worker_id()}
    made, closed = made_and_closed(marks)
    assert len(made) == 1
    assert made == closed


def test_worker_state_wants_a_function() -> None:
    """A model is not one, and the message says so."""
    with pytest.raises(TypeError, match="worker_state needs a function to call, got 3"):
        worker_state(3)  # type: ignore[call-overload]
