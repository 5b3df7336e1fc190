"""A function and data: `execute` and its kin give what a loop would give."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils.process import (
    DeadLetters,
    IsolatedProcessPoolExecutor,
    Retry,
    RunReport,
    TaskExitedError,
    TaskTimeoutError,
)
from cotality.tuning import (
    CircuitBreaker,
    ExecutionResult,
    Plan,
    Rate,
    execute,
    execute_async,
    optimize_streaming,
    process_in_batches,
)
from cotality.tuning._tuning.work.calling import call_for
from cotality.tuning._tuning.work.work import Work
from tests.kit.given import given, settings, st
from tests.kit.helpers import Failure, Gate, echo, pid

# They ask what calls give, whichever workers do it.
pytestmark = pytest.mark.warm

EXECUTORS = ("sequential", "threads", "processes", "auto")


@pytest.fixture(params=EXECUTORS)
def executor(request: pytest.FixtureRequest) -> Any:
    return request.param


def fail_at(number: int, bad: int) -> int:
    if number == bad:
        raise Failure(f"item {number}")
    return number


def power(base: int, exponent: int = 2) -> int:
    return base**exponent


# Results.


def test_results_are_those_of_a_loop(executor: Any) -> None:
    """In the order of the data, wherever they were computed."""
    assert execute(power, range(300), executor=executor) == [n * n for n in range(300)]


@settings(deadline=None)
@given(st.lists(st.integers(), max_size=200), st.integers(1, 50), st.integers(1, 4))
def test_chunks_and_workers_change_nothing(
    data: list[int], chunksize: int, n_jobs: int
) -> None:
    """However the work is cut up, the results are the same."""
    found = execute(power, data, executor="threads", n_jobs=n_jobs, chunksize=chunksize)

    assert found == [n * n for n in data]


MAKERS: dict[str, Callable[[], Any]] = {
    "tuple": tuple,
    "range": lambda: range(5),
    "set": lambda: {1, 2, 3},
    "dict": lambda: {"a": 1, "b": 2},
    "text": lambda: "text",
    "view": {"a": 1}.values,
    "generator": lambda: (n for n in range(7)),
    "iterator": lambda: iter([1, 2]),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_data_may_be_anything_to_loop_over(
    make: Callable[[], Any], executor: Any
) -> None:
    """Collections, views, generators; each item is one argument."""
    assert execute(echo, make(), executor=executor) == list(make())


def test_items_may_be_several_arguments(executor: Any) -> None:
    """With unpack=True: by position, by keyword, or both by turns."""
    items: list[Any] = [(2, 3), {"base": 3}, [4], {"exponent": 3, "base": 2}]

    assert execute(power, items, executor=executor, unpack=True) == [8, 9, 16, 8]


def test_an_item_that_cannot_be_unpacked_is_named(executor: Any) -> None:
    """And the message says what to do."""
    with pytest.raises(TypeError, match=r"item 1 is 5\. Without unpack=True"):
        execute(power, [(1, 2), 5], executor=executor, unpack=True)


def test_lambdas_and_closures_work(executor: Any) -> None:
    """Also in worker processes."""
    factor = 3

    assert execute(lambda n: n * factor, [1, 2], executor=executor) == [3, 6]


def test_where_items_run_can_be_said(gate: Gate) -> None:
    """In this thread, in others, in other processes, or on an executor."""
    here, this_process = threading.get_ident(), os.getpid()

    def where(_: int) -> int:
        return threading.get_ident()

    assert execute(where, [0], n_jobs=1) == [here]
    assert execute(where, [0], executor="sequential") == [here]
    assert execute(where, [0], executor="threads") != [here]
    assert execute(lambda _: pid(), [0], executor="processes") != [this_process]
    with ThreadPoolExecutor(1, "given") as given_one:
        names = execute(
            lambda _: threading.current_thread().name, [0], executor=given_one
        )
        assert names[0].startswith("given")
    with IsolatedProcessPoolExecutor(1) as ours:
        assert execute(lambda _: pid(), [0], executor=ours) != [this_process]


def test_so_many_run_at_a_time() -> None:
    """n_jobs counts back from all CPUs if it is negative; max_workers is a limit."""
    most = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    reports = [RunReport() for _ in range(4)]
    data = [1, 2, 3]

    execute(echo, data, executor="threads", n_jobs=3, report=reports[0])
    execute(echo, data, executor="threads", n_jobs=5, max_workers=2, report=reports[1])
    execute(echo, data, executor="threads", max_workers=7, report=reports[2])
    execute(echo, data, executor="threads", n_jobs=-1, report=reports[3])

    assert [each.workers for each in reports[:3]] == [3, 2, 7]
    assert most is None or reports[3].workers <= most


def test_so_many_travel_together() -> None:
    """At most chunksize of them, from the first portion on."""
    report = RunReport()

    execute(echo, range(1000), executor="threads", chunksize=20, report=report)

    assert report.largest_portion == 20
    assert report.portions >= 50


# Failures.


def test_the_first_failure_is_raised_and_names_its_item(executor: Any) -> None:
    """As a loop would, with a note."""
    with pytest.raises(Failure, match="item 7") as caught:
        execute(fail_at, [(n, 7) for n in range(50)], executor=executor, unpack=True)

    assert caught.value.__notes__ == ["Raised by task 7: fail_at(7, 7)"]


def test_failures_may_stay_in_place(executor: Any) -> None:
    """Nineteen results and one clear error."""
    items = [(n, 7) for n in range(20)]

    results = execute(
        fail_at, items, executor=executor, unpack=True, return_exceptions=True
    )
    same = execute(fail_at, items, executor=executor, unpack=True, on_error="return")

    for found in (results, same):
        assert [each for each in found if isinstance(each, int)] == [
            n for n in range(20) if n != 7
        ]
        assert isinstance(found[7], Failure)


def test_an_exit_is_the_failure_of_its_item(executor: Any) -> None:
    """Code that calls sys.exit ends no program."""
    with pytest.raises(TaskExitedError):
        execute(exit, [3], executor=executor)


def test_an_exception_keeps_its_context_in_a_plain_loop() -> None:
    """What was handled when it was raised can still be seen."""

    def fail(_: int) -> None:
        try:
            raise KeyError("inner")
        except KeyError:
            raise Failure("outer")  # noqa: B904  # the context is what this is about

    with pytest.raises(Failure) as caught:
        execute(fail, [1], n_jobs=1)

    assert isinstance(caught.value.__context__, KeyError)
    assert not caught.value.__suppress_context__


def test_a_failure_ends_a_long_run_soon(executor: Any) -> None:
    """What has not started is dropped: the last items never run."""
    done: list[int] = []

    def work(number: int) -> None:
        if number == 7:
            raise Failure("seven")
        done.append(number)

    with pytest.raises(Failure):
        execute(work, range(200_000), executor=executor)

    assert len(done) < 199_000


# Options of the core.


def test_options_of_the_core_are_taken(tmp_path: Path, executor: Any) -> None:
    """Retries, dead letters, a rate, a breaker, a report: all at once."""
    letters, report = DeadLetters(tmp_path / "letters"), RunReport()

    results = execute(
        fail_at,
        [(n, 3) for n in range(6)],
        executor=executor,
        unpack=True,
        on_error="return",
        retries=Retry(1, backoff=0),
        dead_letters=letters,
        rate=Rate(1000),
        circuit_breaker=CircuitBreaker(100),
        report=report,
    )

    assert [each for each in results if isinstance(each, int)] == [0, 1, 2, 4, 5]
    assert [letter.attempts for letter in letters.entries()] == [2]
    assert (report.done, report.failed, report.retries) == (5, 1, 1)


def test_a_time_limit_moves_work_to_processes(gate: Gate) -> None:
    """Where nothing was said, and where a plain loop was asked for."""
    choices: list[Any] = [{}, {"executor": "sequential"}, {"n_jobs": 1}]
    for options in choices:
        (found,) = execute(
            Gate.wait, [gate], timeout=0.1, return_exceptions=True, **options
        )
        assert isinstance(found, TaskTimeoutError)


def test_an_option_that_does_not_exist_is_refused() -> None:
    """By its name, with those there are."""
    for call in (execute, optimize_streaming, process_in_batches):
        given: Any = call
        more = {"batch_size": 1} if call is process_in_batches else {}
        with pytest.raises(
            TypeError, match=r"no option 'retires'\. Did you mean 'retr"
        ):
            given(echo, [1], retires=3, **more)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_jobs": 0}, ValueError, "n_jobs must not be 0: 1 is a plain loop"),
        ({"n_jobs": 1.5}, TypeError, "n_jobs must be an integer or None, got 1.5"),
        ({"chunksize": 0}, ValueError, "chunksize must be at least 1, got 0"),
        ({"max_workers": -1}, ValueError, "max_workers must be at least 1, got -1"),
        ({"executor": "fibers"}, ValueError, "one of 'auto', .*, got 'fibers'"),
        ({"executor": 3}, TypeError, "an executor of concurrent.futures, got 3"),
        ({"executor": ThreadPoolExecutor}, TypeError, "got <class"),
        ({"unpack": "yes"}, TypeError, "unpack must be True or False, got 'yes'"),
        ({"verbose": 1}, TypeError, "verbose must be True or False, got 1"),
        ({"plan": {}}, TypeError, "plan must be a Plan, such as optimize"),
        ({"on_error": "ignore"}, ValueError, "on_error must be one of"),
    ],
)
def test_arguments_are_checked_by_the_call(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    """Before anything runs."""
    ran: list[int] = []

    with pytest.raises(error, match=message):
        execute(ran.append, [1], **options)

    assert ran == []


def test_function_and_data_are_checked() -> None:
    """What is wrong is shown."""
    with pytest.raises(TypeError, match="func must be a function to call, got 'work'"):
        execute("work", [1])  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="data must be an iterable, got 5"):
        execute(echo, 5)  # type: ignore[call-overload]


def test_grace_without_end_is_not_the_usual_one() -> None:
    """None says something there."""
    work = Work.checked(
        abs,
        [1],
        plan=None,
        executor="processes",
        n_jobs=None,
        max_workers=None,
        chunksize=None,
        unpack=False,
        on_error=None,
        options={"grace": None},
        face="execute",
    )

    assert call_for(work).call.options.grace is None


class Wrapped:
    """Has a length only as long as what it wraps has one, as a bar of tqdm."""

    def __len__(self) -> int:
        raise TypeError("what is wrapped has no length")

    def __iter__(self) -> Iterator[int]:
        yield from (1, 2, 3)


class OldFashioned:
    """Can be looped over for its items alone."""

    def __getitem__(self, place: int) -> int:
        if place == 3:
            raise IndexError
        return place + 1


@pytest.mark.parametrize("make", [Wrapped, OldFashioned, lambda: deque([1, 2, 3])])
def test_data_of_odd_kinds(make: Callable[[], Any], executor: Any) -> None:
    """What a loop takes is taken."""
    assert execute(abs, make(), executor=executor) == [1, 2, 3]
    run = execute(abs, make(), executor=executor, verbose=True)
    assert run.results == [1, 2, 3]


count_so_far: ContextVar[int] = ContextVar("count_so_far", default=0)


def count_on(_: int) -> int:
    count_so_far.set(count_so_far.get() + 1)
    return count_so_far.get()


def test_each_item_sees_the_context_of_the_caller(executor: Any) -> None:
    """What one sets is gone with it, also in a plain loop."""
    assert execute(count_on, [1, 2, 3], executor=executor) == [1, 1, 1]
    assert count_so_far.get() == 0


# The environment.


@pytest.mark.parametrize(
    ("variable", "value", "look"),
    [
        ("COTALITY_N_JOBS", "3", lambda report: report.workers == 3),
        ("COTALITY_CHUNKSIZE", "9", lambda report: report.largest_portion == 9),
        ("COTALITY_EXECUTOR", "processes", lambda report: report.kind == "processes"),
        ("COTALITY_MAX_WORKERS", "1", lambda report: report.workers == 1),
    ],
)
def test_the_environment_says_what_no_argument_says(
    variable: str,
    value: str,
    look: Callable[[RunReport], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An argument comes before it."""
    if variable != "COTALITY_EXECUTOR":
        monkeypatch.setenv("COTALITY_EXECUTOR", "threads")
    monkeypatch.setenv(variable, value)
    by_environment, by_argument = RunReport(), RunReport()

    execute(echo, range(100), report=by_environment)
    execute(
        echo,
        range(100),
        n_jobs=2,
        chunksize=4,
        executor="threads",
        report=by_argument,
    )

    assert look(by_environment)
    assert (by_argument.workers, by_argument.kind) == (2, "threads")
    assert by_argument.largest_portion == 4


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("COTALITY_N_JOBS", "many"),
        ("COTALITY_CHUNKSIZE", "0"),
        ("COTALITY_EXECUTOR", "fibers"),
    ],
)
def test_a_variable_that_makes_no_sense_is_refused(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names it, its value and the way out."""
    monkeypatch.setenv(variable, value)

    with pytest.raises(
        ValueError, match=rf"{variable} must be .* got '{value}'\. Corr"
    ):
        execute(echo, [1])


# More than results.


def test_a_verbose_run_says_what_it_was_like(executor: Any) -> None:
    """Results, a plan with the figures of the run, and a report."""
    run = execute(power, list(range(50)), executor=executor, verbose=True)

    assert isinstance(run, ExecutionResult)
    assert run.results == [n * n for n in range(50)]
    assert run.report.done == run.plan.total == run.plan.profile.items_seen == 50
    assert isinstance(run.plan, Plan)
    assert executor in ("auto", run.plan.executor)
    assert run.estimated_speedup == run.plan.estimated_speedup > 0
    assert execute(power, [1, 2], plan=run.plan) == [1, 4]


def test_a_verbose_run_of_nothing_says_so(executor: Any) -> None:
    """No item, no gain and no loss."""
    run = execute(power, [], executor=executor, verbose=True)

    assert (run.results, run.plan.total, run.estimated_speedup) == ([], 0, 1.0)


# Streams and batches.


def test_a_stream_yields_in_order_or_as_items_finish(executor: Any) -> None:
    """Values alone: the order is that of the data."""
    data = range(200)

    assert list(optimize_streaming(echo, data, executor=executor)) == list(data)
    found = optimize_streaming(echo, data, executor=executor, ordered=False)
    assert sorted(found) == list(data)


def test_a_stream_of_endless_data_can_be_left(executor: Any) -> None:
    """It is read only as far as there is room."""
    read: list[int] = []

    def endless() -> Iterator[int]:
        number = 0
        while True:
            read.append(number)
            yield number
            number += 1

    stream = optimize_streaming(echo, endless(), executor=executor)
    found = [next(stream) for _ in range(10)]
    stream.close()

    assert found == list(range(10))
    assert len(read) < 20_000


def test_batches_have_the_size_that_was_asked_for(executor: Any) -> None:
    """By number, or by memory."""
    by_number = process_in_batches(echo, range(10), batch_size=4, executor=executor)
    assert list(by_number) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]

    by_memory = process_in_batches(
        bytes, [100_000] * 20, max_memory_mb=1, executor=executor
    )
    sizes = [len(batch) for batch in by_memory]
    assert sum(sizes) == 20
    assert max(sizes) <= 10
    with pytest.raises(ValueError, match="say how large a batch is"):
        process_in_batches(echo, [1])


# In an event loop.


def test_a_coroutine_gets_the_same(executor: Any) -> None:
    """And the event loop goes on meanwhile: nothing runs in its thread."""
    main = threading.get_ident()

    with pytest.raises(ValueError, match="n_jobs must not be 0"):
        execute_async(abs, [1], n_jobs=0)  # also when nobody awaits it

    async def run() -> list[Any]:
        threads = await execute_async(
            lambda _: threading.get_ident(), range(20), executor=executor
        )
        assert main not in threads or executor == "processes"
        with pytest.raises(Failure):
            await execute_async(fail_at, [(1, 1)], unpack=True, executor=executor)
        return await execute_async(power, range(50), executor=executor)

    assert asyncio.run(run()) == [n * n for n in range(50)]
