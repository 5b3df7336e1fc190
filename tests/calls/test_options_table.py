"""The tables of options in the documents say what is true.

Every cell is tried: an option is given to a call in that place, and the call either
refuses it, or can be seen to do what the option says, or cannot.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import multiprocessing
import os
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from cotality.core.utils import process as front_door
from cotality.core.utils._process.call.options.checked import checked_options
from cotality.core.utils.process import (
    DeadLetters,
    IsolatedProcessPoolExecutor,
    Journal,
    Options,
    Progress,
    Rate,
    Retry,
    RunReport,
    Task,
    TaskTimeoutError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
    execute_tasks_in_parallel_streaming_async,
)
from cotality.tuning import CircuitBreaker, CircuitOpenError
from tests.kit.helpers import Failure, Marks, echo, fail_with, pid

# What the table says is the same on every Python.
pytestmark = [pytest.mark.one_python, pytest.mark.warm]

PAGE = Path(__file__).parents[2] / "docs" / "look-up" / "options.md"
WORDS = {"yes", "no", "idle"}
WORKERS = 4  # of each executor

LISTS = ("execute_tasks_in_parallel", "execute_tasks_in_parallel_unordered")
STREAM = "execute_tasks_in_parallel_streaming"
OUTCOMES = "iter_outcomes"


@dataclass(frozen=True)
class Row:
    """What the page says of one option."""

    option: str
    default: str
    places: dict[str, str]  # the word in the cell of each place


def read_page() -> dict[str, Row]:
    """Both tables of the page, which have to have the same rows."""
    first, second = tables_of(PAGE.read_text("utf-8"))
    assert list(first) == list(second)
    return {
        option: Row(option, first[option]["default"].strip("`"), second[option])
        for option in first
    }


def tables_of(text: str) -> Iterator[dict[str, dict[str, str]]]:
    """What stands in each column, for each option."""
    for lines in re.findall(r"^\| option \|.*(?:\n\|.*)+", text, re.MULTILINE):
        heads, _, *rows = map(cells_of, lines.splitlines())
        named = {row[0].strip("`"): row[1:] for row in rows}
        assert len(named) == len(rows), "an option has two rows"
        yield {
            option: dict(zip(heads[1:], cells, strict=True))
            for option, cells in named.items()
        }


def test_what_an_option_says_is_seen_on_a_phone() -> None:
    """Of a wide table a narrow screen shows the first two columns."""
    heads = cells_of(
        PAGE.read_text("utf-8").partition("\n| option |")[2].splitlines()[0]
    )
    assert heads[0] == "what it says"


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


TABLE = read_page()
CELLS = [
    pytest.param(option, place, word, id=f"{option}-{place}")
    for option, row in TABLE.items()
    for place, word in row.places.items()
]


# The rows.


def parameters(name: str) -> dict[str, inspect.Parameter]:
    """What the call *name* takes besides tasks and `Options`."""
    function = getattr(front_door, name)
    found = dict(inspect.signature(function, follow_wrapped=False).parameters)
    del found["tasks"], found["options"]
    return found


def test_the_table_has_every_option_and_no_other() -> None:
    """What any of the calls takes has a row, and nothing else has."""
    names = set(Options.__annotations__)
    for call in (*LISTS, STREAM, OUTCOMES):
        names |= set(parameters(call))
        assert set(parameters(call)) == set(parameters(f"{call}_async"))

    assert set(TABLE) == names


def test_not_every_call_takes_every_option() -> None:
    """The exceptions are those that the page names."""
    usual = ["max_workers", "use_processes"]  # by position, too
    by_failures = ["return_exceptions", "on_error"]

    for call in LISTS:
        assert set(parameters(call)) == {*usual, *by_failures}
    assert set(parameters(STREAM)) == {*usual, *by_failures, "ordered"}
    assert set(parameters(OUTCOMES)) == {*usual, "ordered"}


@pytest.mark.parametrize("option", TABLE)
def test_to_give_the_default_changes_nothing(option: str) -> None:
    """The value in the column of defaults is the one that holds without it."""
    default = ast.literal_eval(TABLE[option].default)

    if option in Options.__annotations__:
        given = checked_options({option: default}, use_processes=True)
        assert given == checked_options({}, use_processes=True)
    else:
        assert parameters(STREAM)[option].default == default


def test_every_cell_is_one_of_three_words() -> None:
    """Anything else would be a cell that nothing checks."""
    assert {word for row in TABLE.values() for word in row.places.values()} == WORDS


# The cells: an option is given to a call, and it can be seen whether that does it.

variable: ContextVar[str] = ContextVar("variable", default="unset")


def value_of_variable() -> str:
    return variable.get()


class Calls(Protocol):
    """The plain calls or their twins, in one place."""

    def all(self, tasks: list[Task[Any]], **options: Any) -> list[Any]: ...

    def stream(self, tasks: list[Task[Any]], **options: Any) -> list[Any]: ...


@dataclass(frozen=True)
class Plain:
    place: dict[str, Any]

    def all(self, tasks: list[Task[Any]], **options: Any) -> list[Any]:
        return execute_tasks_in_parallel(tasks, **{**self.place, **options})

    def stream(self, tasks: list[Task[Any]], **options: Any) -> list[Any]:
        given = {**self.place, **options}
        return list(execute_tasks_in_parallel_streaming(tasks, **given))


@dataclass(frozen=True)
class Twins:
    place: dict[str, Any]

    def all(self, tasks: list[Task[Any]], **options: Any) -> list[Any]:
        async def main() -> list[Any]:
            given = {**self.place, **options}
            return await execute_tasks_in_parallel_async(tasks, **given)

        return asyncio.run(main())

    def stream(self, tasks: list[Task[Any]], **options: Any) -> list[Any]:
        async def main() -> list[Any]:
            given = {**self.place, **options}
            stream: AsyncGenerator[tuple[int, Any], None]
            stream = execute_tasks_in_parallel_streaming_async(tasks, **given)
            return [pair async for pair in stream]

        return asyncio.run(main())


def echoes(count: int) -> list[Task[Any]]:
    return [Task(echo, {"value": i}) for i in range(count)]


def failing() -> Task[Any]:
    return Task(fail_with, {"error": Failure("on purpose")})


def fail_first(marks: Marks, value: int) -> int:
    if f"{value}" not in marks.names():
        marks.leave(value)
        raise Failure("not yet")
    return value


def fail_after(marks: Marks, count: int) -> None:
    marks.wait_for(count)
    raise Failure("on purpose")


def take_a_second(marks: Marks) -> None:
    marks.leave("begun")
    time.sleep(1)
    marks.leave("ended")


def at_once() -> Retry:
    return Retry(1, backoff=0.01, jitter=False)


def see_max_workers(calls: Calls, marks: Marks) -> bool:
    report = RunReport()
    calls.all(echoes(2), max_workers=WORKERS - 1, report=report)
    return report.workers == WORKERS - 1


def see_use_processes(calls: Calls, marks: Marks) -> bool:
    report = RunReport()
    calls.all(echoes(2), use_processes=True, report=report)
    return report.kind == "processes"


def see_workers(calls: Calls, marks: Marks) -> bool:
    report = RunReport()
    calls.all(echoes(2), workers=WORKERS - 1, report=report)
    return report.workers == WORKERS - 1


def see_n_jobs(calls: Calls, marks: Marks) -> bool:
    report = RunReport()
    calls.all(echoes(2), n_jobs=WORKERS - 1, report=report)
    return report.workers == WORKERS - 1


def see_processes(calls: Calls, marks: Marks) -> bool:
    report = RunReport()
    calls.all(echoes(2), processes=True, report=report)
    return report.kind == "processes"


def see_return_exceptions(calls: Calls, marks: Marks) -> bool:
    failure, one = calls.all([failing(), *echoes(1)], return_exceptions=True)
    return isinstance(failure, Failure) and one == 0


def see_on_error(calls: Calls, marks: Marks) -> bool:
    with pytest.raises(ExceptionGroup) as caught:
        calls.all([failing(), *echoes(3), failing()], on_error="group")
    return len(caught.value.exceptions) == 2


def see_ordered(calls: Calls, marks: Marks) -> bool:
    """A task that has to wait for its second attempt is overtaken."""
    first: Task[Any] = Task(fail_first, {"marks": marks, "value": 0})
    later = Retry(1, backoff=0.3, jitter=False)
    pairs = calls.stream([first, *echoes(1)], retries=later, ordered=False)
    return [index for index, _ in pairs] == [1, 0]


def see_max_failures(calls: Calls, marks: Marks) -> bool:
    with pytest.raises(ExceptionGroup, match="which is the limit") as caught:
        calls.all([failing()] * 50, on_error="return", max_failures=2)
    return len(caught.value.exceptions) >= 2


def see_retries(calls: Calls, marks: Marks) -> bool:
    tasks = [Task(fail_first, {"marks": marks, "value": i}) for i in range(3)]
    return calls.all([*tasks], retries=at_once()) == [0, 1, 2]


def see_timeout(calls: Calls, marks: Marks) -> bool:
    (result,) = calls.all(
        [Task(take_a_second, {"marks": marks})], timeout=0.05, return_exceptions=True
    )
    return isinstance(result, TaskTimeoutError)


def see_grace(calls: Calls, marks: Marks) -> bool:
    long: Task[Any] = Task(take_a_second, {"marks": marks})
    with pytest.raises(Failure):
        calls.all(
            [long, Task(fail_after, {"marks": marks, "count": 1})],
            max_workers=2,
            grace=0,
        )
    return "ended" not in marks.names()


def see_max_tasks_per_worker(calls: Calls, marks: Marks) -> bool:
    pids = calls.all([Task(pid)] * 3, max_workers=1, max_tasks_per_worker=1)
    return len(set(pids)) == 3


def see_progress(calls: Calls, marks: Marks) -> bool:
    seen: list[Progress] = []
    calls.all(echoes(5), progress=seen.append)
    return (seen[-1].done, seen[-1].finished) == (5, True)


def see_unit(calls: Calls, marks: Marks) -> bool:
    seen: list[Progress] = []
    calls.all(echoes(5), progress=seen.append, unit="file")
    return seen[-1].unit == "file"


def see_report(calls: Calls, marks: Marks) -> bool:
    report = RunReport()
    calls.all(echoes(5), report=report)
    return (report.done, report.runs) == (5, 5)


def see_journal(calls: Calls, marks: Marks) -> bool:
    journal = Journal(marks.folder / "run.jsonl")
    calls.all(echoes(3), journal=journal)
    return journal.path.read_text().count('"event":"finished"') == 3


def see_resume(calls: Calls, marks: Marks) -> bool:
    """The results of an earlier run are those of this one."""
    journal = Journal(marks.folder / "run.jsonl")
    tasks = [Task(time.perf_counter_ns, label=f"{number}") for number in range(3)]
    return calls.all(tasks, journal=journal) == calls.all(
        tasks, journal=journal, resume=True
    )


def see_retry_failed(calls: Calls, marks: Marks) -> bool:
    tasks = [Task(fail_first, {"marks": marks, "value": 0})]
    journal = Journal(marks.folder / "run.jsonl")
    calls.all([*tasks], on_error="return", journal=journal)
    again = calls.all([*tasks], journal=journal, resume=True, retry_failed=True)
    return again == [0]


def see_dead_letters(calls: Calls, marks: Marks) -> bool:
    letters = DeadLetters(marks.folder / "failed.jsonl")
    calls.all([failing(), *echoes(2)], on_error="return", dead_letters=letters)
    return [letter.error for letter in letters.entries()] == ["Failure"]


def see_chunksize(calls: Calls, marks: Marks) -> bool:
    report = RunReport()
    calls.all(echoes(200), chunksize=7, max_workers=2, report=report)
    return report.largest_portion == 7


def see_memory_limit(calls: Calls, marks: Marks) -> bool:
    """A text with a unit means the same as so many megabytes."""
    report = RunReport()
    calls.all(
        [Task(bytes, positional=(100_000,))] * 60,
        max_workers=2,
        chunksize=20,
        memory_limit="1 MB",
        report=report,
    )
    return 1 < report.largest_portion <= 10


def see_memory_limit_mb(calls: Calls, marks: Marks) -> bool:
    """Tiny tasks do not travel together if their results are large."""
    report = RunReport()
    calls.all(
        [Task(bytes, positional=(100_000,))] * 60,
        max_workers=2,
        chunksize=20,
        memory_limit_mb=1,
        report=report,
    )
    return 1 < report.largest_portion <= 10


def see_rate(calls: Calls, marks: Marks) -> bool:
    began = time.monotonic()
    starts = calls.all([Task(time.monotonic)] * 4, rate=Rate(3, per=0.05))
    return max(starts) - began >= 0.05


def see_circuit_breaker(calls: Calls, marks: Marks) -> bool:
    """Somewhere after the first failure tasks are not run any more."""
    failures = calls.all(
        [failing()] * 50, on_error="return", circuit_breaker=CircuitBreaker(1)
    )
    kinds = {type(each) for each in failures}
    return kinds == {Failure, CircuitOpenError}


def see_initializer(calls: Calls, marks: Marks) -> bool:
    calls.all(echoes(1), max_workers=1, initializer=lambda: marks.leave("ready"))
    return marks.names() == {"ready"}


def see_initargs(calls: Calls, marks: Marks) -> bool:
    calls.all(echoes(1), max_workers=1, initializer=marks.leave, initargs=("ready",))
    return marks.names() == {"ready"}


def see_executor(calls: Calls, marks: Marks) -> bool:
    report = RunReport()
    with ThreadPoolExecutor(1) as executor:
        calls.all(echoes(2), executor=executor, report=report)
    return report.kind == "ThreadPoolExecutor"


def see_inline(calls: Calls, marks: Marks) -> bool:
    report = RunReport()
    pids = calls.all([Task(pid)] * 2, inline=True, report=report)
    return pids == [os.getpid()] * 2 and report.kind == "inline"


def see_context(calls: Calls, marks: Marks) -> bool:
    """Only with the option do the tasks see what the caller has set."""

    def ask(**options: Any) -> list[str]:
        variable.set("set")
        return calls.all([Task(value_of_variable)], **options)

    return copy_context().run(ask, context=[variable]) != copy_context().run(ask)


CHECKS: dict[str, Callable[[Calls, Marks], bool]] = {
    name.removeprefix("see_"): check
    for name, check in globals().items()
    if name.startswith("see_")
}


@pytest.fixture
def place_of() -> Iterator[Callable[[str], dict[str, Any]]]:
    """What brings a call to the place of a column."""
    with ExitStack() as stack:

        def place_of(name: str) -> dict[str, Any]:
            match name:
                case "processes":
                    return {"use_processes": True}
                case "inline":
                    return {"inline": True}
                case "other executor":
                    spawn = multiprocessing.get_context("spawn")
                    executor = ProcessPoolExecutor(WORKERS, mp_context=spawn)
                    return {"executor": stack.enter_context(executor)}
                case "our executor":
                    ours = IsolatedProcessPoolExecutor(WORKERS)
                    return {"executor": stack.enter_context(ours)}
                case _:
                    return {}

        yield place_of


def check(option: str, word: str, calls: Calls, marks: Marks) -> None:
    """Fail unless *word* is what can be said of *option* there."""
    see = CHECKS[option]
    if word != "no":
        assert see(calls, marks) == (word == "yes")
        return
    with pytest.raises(ValueError, match=option.replace("initargs", "initializer")):
        see(calls, marks)
    assert marks.names() == set()


@pytest.mark.parametrize(("option", "place", "word"), CELLS)
def test_a_cell_says_what_an_option_does_there(
    option: str,
    place: str,
    word: str,
    marks: Marks,
    place_of: Callable[[str], dict[str, Any]],
) -> None:
    """It is refused where it says no, seen to work for yes, and accepted for idle."""
    if place == "async":
        row = TABLE[option].places
        first = next(name for name, there in row.items() if there == "yes")
        check(option, word, Twins(place_of(first)), marks)
    else:
        check(option, word, Plain(place_of(place)), marks)


@pytest.mark.parametrize("option", ["timeout", "max_tasks_per_worker"])
def test_twins_refuse_what_plain_calls_refuse(option: str, marks: Marks) -> None:
    """Where a cell of the place says no."""
    check(option, TABLE[option].places["threads"], Twins({}), marks)


@pytest.mark.parametrize("option", TABLE)
def test_threads_of_others_take_what_the_column_says(option: str, marks: Marks) -> None:
    """The column of other executors holds for them as well, but for `context`."""
    word = TABLE[option].places["other executor"]
    if option == "context":
        word = "idle"  # the tasks are in the caller's own process
    with ThreadPoolExecutor(WORKERS) as executor:
        check(option, word, Plain({"executor": executor}), marks)
