"""Each failure says which task it comes from: the note, and whose it is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils.dead_letters import DeadLetters
from cotality.core.utils.journal import Journal
from cotality.core.utils.process import (
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
    execute_tasks_in_parallel_unordered,
    iter_outcomes,
)
from cotality.tuning import execute, optimize_streaming
from tests.calls.test_async import run

# They ask what calls give, whichever workers do it.
pytestmark = pytest.mark.warm

PLACES: dict[str, dict[str, Any]] = {  # Any: options of every type
    "threads": {},
    "inline": {"inline": True},
    "auto": {"use_processes": "auto"},
    "processes": {"use_processes": True},
}
COUNT = 5


class CodedError(Exception):
    """Is made from something else than its arguments."""

    def __init__(self, code: int, *, where: object) -> None:
        super().__init__(f"code {code}")
        self.code, self.where = code, where


def failed(error: Exception) -> Future[int]:
    future: Future[int] = Future()
    future.set_exception(error)
    return future


def fail(number: int) -> int:
    raise CodedError(number, where="here")


def wait_for(future: Future[int], number: int) -> int:
    return future.result() + number


def tasks_that_fail() -> list[Task[int]]:
    return [Task.of(fail, number) for number in range(COUNT)]


def tasks_that_wait(error: Exception) -> list[Task[int]]:
    future = failed(error)
    return [Task.of(wait_for, future, number) for number in range(COUNT)]


def blamed(failures: Any) -> list[list[str]]:  # Any: also where results are expected
    """The tasks that each of *failures* names."""
    return [[note.split(":")[0] for note in each.__notes__] for each in failures]


EACH_ITS_OWN = [[f"Raised by task {index}"] for index in range(COUNT)]

Way = Callable[[list[Task[int]], dict[str, Any]], list[Any]]  # Any: results, options
WAYS: dict[str, Way] = {
    "list": lambda tasks, options: execute_tasks_in_parallel(
        tasks, 2, return_exceptions=True, **options
    ),
    "on_error": lambda tasks, options: execute_tasks_in_parallel(
        tasks, 2, on_error="return", **options
    ),
    "limit": lambda tasks, options: execute_tasks_in_parallel(
        tasks, 2, on_error="return", max_failures=100, **options
    ),
    "stream": lambda tasks, options: [
        value
        for _, value in execute_tasks_in_parallel_streaming(
            tasks, 2, return_exceptions=True, **options
        )
    ],
    "unordered": lambda tasks, options: sorted(
        execute_tasks_in_parallel_unordered(
            tasks, 2, return_exceptions=True, **options
        ),
        key=lambda error: str(error.__notes__),
    ),
    "outcomes": lambda tasks, options: [
        each.error for each in iter_outcomes(tasks, 2, **options)
    ],
    "retries": lambda tasks, options: [
        without_attempts(each.error)
        for each in iter_outcomes(tasks, 2, retries=1, **options)
    ],
}


def without_attempts(error: Any) -> Any:  # Any: any failure
    notes = error.__notes__
    (attempt,) = (note for note in notes if note.startswith("Attempt "))
    notes.remove(attempt)
    return error


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", WAYS)
def test_a_failure_that_is_returned_names_its_task(way: str, place: str) -> None:
    """By whatever call, wherever it ran."""
    found = WAYS[way](tasks_that_fail(), PLACES[place])
    assert blamed(found) == EACH_ITS_OWN


@pytest.mark.parametrize("place", ["threads", "inline", "auto"])
@pytest.mark.parametrize("way", WAYS)
def test_one_exception_of_several_tasks_is_each_ones_own(way: str, place: str) -> None:
    """Otherwise it is the same: class, arguments, what it holds, its cause."""
    thing = object()
    error = CodedError(7, where=thing)
    error.__cause__ = cause = OSError(5, "gone")
    error.add_note("a note")
    found = WAYS[way](tasks_that_wait(error), PLACES[place])
    expected = [["a note", *mine] for mine in EACH_ITS_OWN]
    assert blamed(found) == expected
    assert found.count(error) == 1
    for each in found:
        assert type(each) is CodedError
        assert (each.args, each.code) == (("code 7",), 7)
        assert each.where is thing
        assert each.__cause__ is cause
        assert each.__traceback__ is not None


SHARED: list[Exception] = [
    OSError(2, "no such file", "here"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no start"),
    KeyError("key"),
    StopIteration(3),
    ImportError("no module", name="numbers"),
    ExceptionGroup("all", [ValueError(1), OSError(5, "gone")]),
]


@pytest.mark.parametrize("error", SHARED, ids=lambda error: type(error).__name__)
def test_exceptions_of_many_kinds_are_copied(error: Exception) -> None:
    """They read the same."""
    found: Any = execute_tasks_in_parallel(  # Any: all of them are failures
        tasks_that_wait(error), 2, return_exceptions=True
    )
    assert [type(each) for each in found] == [type(error)] * COUNT
    assert {repr(each) for each in found} == {repr(error)}
    assert {str(each) for each in found} == {str(error)}
    assert [notes[-1:] for notes in blamed(found)] == EACH_ITS_OWN


def test_a_group_holds_each_failure_by_itself() -> None:
    """Of tasks that raise the same object."""
    with pytest.raises(ExceptionGroup) as caught:
        execute_tasks_in_parallel(tasks_that_wait(OSError()), 2, on_error="group")
    assert blamed(caught.value.exceptions) == EACH_ITS_OWN


@pytest.mark.parametrize("executor", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_executors_of_others(executor: Any) -> None:  # Any: two classes
    """A failure names its task there as well."""
    with executor(2) as theirs:
        found = execute_tasks_in_parallel(
            tasks_that_fail(), executor=theirs, return_exceptions=True
        )
    assert blamed(found) == EACH_ITS_OWN


def test_in_an_event_loop() -> None:
    """The same call, awaited."""

    async def main() -> Any:  # Any: all of them are failures
        return await execute_tasks_in_parallel_async(
            tasks_that_wait(OSError()), 2, return_exceptions=True
        )

    assert blamed(run(main())) == EACH_ITS_OWN


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_function_and_data(executor: Any) -> None:  # Any: one of some words
    """The same of `execute` and its stream."""
    found = execute(fail, range(COUNT), executor=executor, on_error="return")
    assert blamed(found) == EACH_ITS_OWN
    stream = optimize_streaming(
        fail, range(COUNT), executor=executor, on_error="return"
    )
    assert blamed(list(stream)) == EACH_ITS_OWN


def test_a_call_within_a_task_has_a_note_of_its_own() -> None:
    """First the inner one, then the outer one."""

    def inner() -> None:
        execute_tasks_in_parallel(tasks_that_fail()[3:4], inline=True)

    tasks = [Task.of(abs, 1), Task(inner)]
    _, error = execute_tasks_in_parallel(tasks, 1, return_exceptions=True)
    assert blamed([error]) == [["Raised by task 0", "Raised by task 1"]]


RAISED_BY_ALL = CodedError(7, where="here")


def raise_the_same(number: int) -> int:
    raise RAISED_BY_ALL


def test_records_name_the_task_of_this_run(tmp_path: Path) -> None:
    """A run that resumes may have other tasks before it; a letter has its own task."""
    tasks = [Task.of(raise_the_same, number) for number in range(COUNT)]
    journal = Journal(tmp_path / "journal")
    letters = DeadLetters(tmp_path / "letters")
    expected: list[list[str]] = EACH_ITS_OWN
    execute_tasks_in_parallel(
        tasks, 2, on_error="return", journal=journal, dead_letters=letters
    )
    for letter in letters.entries():
        number = letter.call.removeprefix("raise_the_same(").removesuffix(")")
        assert letter.traceback.count("Raised by ") == 1
        assert f"Raised by task {number}: " in letter.traceback

    tasks.reverse()
    found = execute_tasks_in_parallel(
        tasks, 2, on_error="return", journal=journal, resume=True
    )
    assert [notes[1:] for notes in blamed(found)] == expected
