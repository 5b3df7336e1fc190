"""Tiny tasks in worker processes: they travel together, and are apart all the same."""

from __future__ import annotations

import itertools
import math
import os
import pickle
import threading
from collections import OrderedDict, UserDict
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

import pytest

from cotality.core.utils._process.channel import ledger
from cotality.core.utils._process.channel.ledger import MOST_TASKS
from cotality.core.utils._process.pickling.encode import encode
from cotality.core.utils._process.portions.chunk import run_chunk
from cotality.core.utils._process.portions.packed_chunk import Apart, PackedChunk
from cotality.core.utils.process import (
    Task,
    TaskNotPicklableError,
    WorkerCrashedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    iter_outcomes,
)
from tests.kit.fatal import ExitsWhenUnpickled, return_what_exits_when_pickled
from tests.kit.given import given, settings, st
from tests.kit.helpers import add, append_and_return, are_same, echo, fail_with

# It is about portions, and takes its time.
pytestmark = [pytest.mark.one_python, pytest.mark.warm]

# So many that most of them travel in portions of more than a hundred: portions start
# at one task and triple while tasks prove short.
MANY = 700
ODD_ONE = 555  # the index of the task that differs from the others


class Colour(IntEnum):
    RED = 1


class Name(str):
    __slots__ = ()


class Metres(float):
    pass


class Raw(bytes):
    pass


POWERS = [sign * 2**bits for bits in (31, 63, 64) for sign in (1, -1)]
EDGES: list[Any] = [
    *(power + one for power in POWERS for one in (-1, 0, 1)),
    *(0, 1, -1, True, False, None, 10**100),
    *(0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, 5e-324),
    *(1j, complex(math.nan, -0.0)),
    *("", "a", "\ud800", "__main__", b"", b"\0", b"__main__"),
]
LIKE_EDGES = [Colour.RED, Name("a"), Metres(1.5), Raw(b"a"), (), (1, "a"), ..., int]

atoms = (
    st.sampled_from(EDGES)
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.complex_numbers()
    | st.text(max_size=20)
    | st.binary(max_size=20)
)
some = settings(max_examples=40, deadline=None, database=None)


def exact(value: object) -> tuple[type, bytes]:
    """Tells apart what is equal, such as 0.0 and -0.0; and here nan equals itself."""
    return type(value), pickle.dumps(value)


def all_exact(values: list[Any]) -> list[tuple[type, bytes]]:
    return [exact(value) for value in values]


def run(tasks: list[Task[Any]]) -> list[Any]:
    return execute_tasks_in_parallel(tasks, 2, True, True)


def echo_exact(value: object) -> tuple[type, bytes]:
    """What a task was given, as seen by the task."""
    return exact(value)


@some
@given(values=st.lists(atoms | st.sampled_from(LIKE_EDGES), min_size=1, max_size=30))
def test_arguments_and_results_are_what_they_were(values: list[Any]) -> None:
    """Values of any kind arrive with their very type and bits, there and back."""
    values = (values * MANY)[:MANY]

    seen = run([Task(echo_exact, {"value": value}) for value in values])
    by_position = run([Task.of(echo_exact, value) for value in values])
    back = run([Task(echo, {"value": value}) for value in values])

    assert seen == by_position == all_exact(values) == all_exact(back)


@some
@given(values=st.lists(atoms, min_size=1, max_size=30))
def test_streams_and_limits_change_nothing(values: list[Any]) -> None:
    """The same for a stream, and where each task has a time limit."""
    values = (values * MANY)[:MANY]
    tasks = [Task(echo, {"value": value}) for value in values]

    stream = execute_tasks_in_parallel_streaming((task for task in tasks), 2, True)
    limited = execute_tasks_in_parallel(tasks, 2, True, timeout=60.0)

    assert all_exact([value for _, value in stream]) == all_exact(values)
    assert all_exact(limited) == all_exact(values)


def test_a_long_text_among_short_ones() -> None:
    """Large texts and numbers go their own way, and arrive in the same place."""
    values: list[Any] = [*range(MANY)]
    for index, size in enumerate([10**5, 10**6, 3 * 10**6]):
        values[300 + index] = "ä" * size
        values[400 + index] = b"b" * size
        values[500 + index] = 1 << size

    assert run([Task(echo, {"value": value}) for value in values]) == values


# Calls of unusual form.


def with_other_names(given: dict[str, Any]) -> dict[str, Any]:
    return {Name(key): value for key, value in given.items()}


@pytest.mark.parametrize("make", [OrderedDict, UserDict, with_other_names])
def test_arguments_in_unusual_mappings(
    make: Callable[[dict[str, Any]], Mapping[str, Any]],
) -> None:
    """Any mapping will do, and so will any text as a name."""
    tasks = [Task(add, {"a": i, "b": 1}) for i in range(MANY)]
    tasks[ODD_ONE] = Task(add, make({"a": 1, "b": 2}))

    assert run(tasks) == [*range(1, ODD_ONE + 1), 3, *range(ODD_ONE + 2, MANY + 1)]


def test_a_name_that_is_no_text_is_the_failure_of_its_task() -> None:
    """What is wrong with the call of one task harms no other."""
    wrong: Any = {1: 2}
    tasks = [Task(echo, {"value": i}) for i in range(MANY)]
    tasks[ODD_ONE] = Task(echo, wrong)

    results = run(tasks)

    assert isinstance(results.pop(ODD_ONE), TypeError)
    assert results == [i for i in range(MANY) if i != ODD_ONE]


def test_some_arguments_by_position() -> None:
    """Calls of all forms may follow one another."""
    forms = [
        Task.of(add, 1, 2),
        Task.of(add, 1, b=2),
        Task(add, {"a": 1, "b": 2}),
        Task.of(add, *[1, 2]),
    ]

    assert run((forms * MANY)[:MANY]) == [3] * MANY
    assert run([Task.of(pow, 2, 5)] * MANY) == [32] * MANY
    assert run([Task(dict)] * MANY) == [{}] * MANY


def test_several_functions() -> None:
    """Each task calls its own function, however many there are."""

    def adder(number: int) -> Callable[[int], int]:
        return lambda value: value + number

    for count in (2, 5, 30):
        adders = [adder(number) for number in range(count)]
        tasks = [Task(adders[i % count], {"value": i}) for i in range(MANY)]

        assert run(tasks) == [i + i % count for i in range(MANY)]


def test_a_function_that_cannot_be_sent() -> None:
    """It fails its own task alone, and the others still run."""
    lock = threading.Lock()
    tasks: list[Task[Any]] = [Task(echo, {"value": i}) for i in range(MANY)]
    tasks[ODD_ONE] = Task(lambda value: lock.locked(), {"value": 1})

    results = run(tasks)

    assert isinstance(results.pop(ODD_ONE), TaskNotPicklableError)
    assert results == [i for i in range(MANY) if i != ODD_ONE]


class FailsWhenUnpickled:
    """A function that the worker cannot load."""

    def __call__(self, value: int) -> int:
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        return fail_with, (ImportError("not here"),)


class Closure(ExitsWhenUnpickled):
    """A function that ends the worker which loads it."""

    def __call__(self, value: int) -> int:
        return value


@pytest.mark.parametrize(
    ("function", "failure"),
    [(FailsWhenUnpickled(), ImportError), (Closure(), WorkerCrashedError)],
)
def test_a_function_that_cannot_be_loaded(
    function: Callable[..., int], failure: type[Exception]
) -> None:
    """To load a function is part of the task that calls it."""
    tasks = [Task(echo, {"value": i}) for i in range(MANY)]
    for index in (ODD_ONE, ODD_ONE + 1):
        tasks[index] = Task(function, {"value": 1})

    results = run(tasks)

    assert [type(each) for each in results[ODD_ONE : ODD_ONE + 2]] == [failure] * 2
    del results[ODD_ONE : ODD_ONE + 2]
    assert results == [i for i in range(MANY) if i not in (ODD_ONE, ODD_ONE + 1)]


# What tasks must not see of one another.


def test_tiny_tasks_do_not_share_what_can_change() -> None:
    """Each gets a list of its own, also among tasks that only have numbers."""
    items = [0]
    tasks: list[Task[Any]] = [Task(echo, {"value": i}) for i in range(MANY)]
    for index in range(400, MANY, 3):
        tasks[index] = Task(append_and_return, {"items": items, "item": index})

    results = run(tasks)

    expected = [[0, i] if i >= 400 and i % 3 == 1 else i for i in range(MANY)]
    assert results == expected
    assert items == [0]


def test_the_same_object_twice_in_a_task_is_the_same() -> None:
    """Within one task what was one object is one object."""
    text, items = "text"[:3], [1]
    tasks = [Task(are_same, {"a": text, "b": text}) for _ in range(MANY)]
    tasks[ODD_ONE] = Task(are_same, {"a": items, "b": items})

    assert run(tasks) == [True] * MANY


def test_arguments_are_read_when_a_task_is_handed_out() -> None:
    """What the caller changes before that is seen, and after that is not."""
    arguments = {"value": 0}

    def tasks() -> Any:
        for number in range(MANY):
            arguments["value"] = number
            yield Task(echo, {**arguments})
        arguments["value"] = -1

    assert run(list(tasks())) == list(range(MANY))


# Failures in the middle of a portion.


def meet(value: object, fate: str) -> object:
    if fate == "die":
        os._exit(3)
    if fate == "raise":
        raise ValueError(value)
    return value


@settings(max_examples=15, deadline=None, database=None)
@given(
    values=st.lists(atoms | st.lists(atoms, max_size=3), min_size=1, max_size=30),
    deadly=st.sets(st.integers(0, MANY - 1), max_size=3),
    failing=st.sets(st.integers(0, MANY - 1), max_size=20),
    timeout=st.none() | st.just(60.0),
)
def test_a_crash_costs_its_own_task_whatever_the_others_return(
    values: list[Any], deadly: set[int], failing: set[int], timeout: float | None
) -> None:
    """Results and failures of the same portion survive, with their types and bits."""
    values = (values * MANY)[:MANY]
    fates = ["fine"] * MANY
    for index in failing:
        fates[index] = "raise"
    for index in deadly:
        fates[index] = "die"
    tasks = [
        Task(meet, {"value": value, "fate": fate})
        for value, fate in zip(values, fates, strict=True)
    ]

    outcomes = execute_tasks_in_parallel(tasks, 2, True, True, timeout=timeout)

    for value, fate, outcome in zip(values, fates, outcomes, strict=True):
        if fate == "die":
            assert isinstance(outcome, WorkerCrashedError)
            assert outcome.exit_code == 3
        elif fate == "raise":
            assert isinstance(outcome, ValueError)
            assert all_exact([*outcome.args]) == [exact(value)]
        else:
            assert exact(outcome) == exact(value)


def test_a_result_that_ends_its_worker_when_pickled() -> None:
    """To pack a result is part of its task; plain results around it are kept."""
    tasks: list[Task[Any]] = [Task(echo, {"value": i}) for i in range(MANY)]
    tasks[ODD_ONE] = Task(return_what_exits_when_pickled)

    results = run(tasks)

    assert isinstance(results.pop(ODD_ONE), WorkerCrashedError)
    assert results == [i for i in range(MANY) if i != ODD_ONE]


def test_a_result_that_cannot_be_pickled_or_unpickled() -> None:
    """One bad result spoils only itself."""

    def bad(kind: str) -> object:
        return threading.Lock() if kind == "there" else FailsWhenUnpickled()

    tasks: list[Task[Any]] = [Task(echo, {"value": i}) for i in range(MANY)]
    tasks[ODD_ONE] = Task(bad, {"kind": "there"})
    tasks[ODD_ONE + 1] = Task(bad, {"kind": "back"})

    results = run(tasks)

    failures = results[ODD_ONE : ODD_ONE + 2]
    assert all(isinstance(each, TaskNotPicklableError) for each in failures)
    del results[ODD_ONE : ODD_ONE + 2]
    assert results == [i for i in range(MANY) if i not in (ODD_ONE, ODD_ONE + 1)]


def test_a_fork_in_the_middle_of_a_portion_settles_nothing() -> None:
    """A task that forks and returns in both processes has one result."""

    def fork_once(number: int) -> int:
        if number == ODD_ONE and os.fork() == 0:
            return -1
        return number

    tasks = [Task(fork_once, {"number": i}) for i in range(MANY)]

    assert run(tasks) == list(range(MANY))


# A portion by itself, as any worker may run it.


def portion(tasks: int, **flags: bool) -> PackedChunk:
    """As many tasks that return their number, and fail with it from 100 on."""

    def work(number: int) -> int:
        if number >= 100 and flags:
            raise ValueError(number)
        return number

    calls: list[Any] = [(1, encode({"number": i})) for i in range(tasks)]
    call = f"call {next(numbers)}"
    return PackedChunk(call, {1: encode(work)}, Apart(calls), **flags)


numbers = itertools.count()


def test_a_portion_needs_no_ledger() -> None:
    """Anybody may run a portion; what is too much for one is handed back."""
    report = run_chunk(portion(MOST_TASKS + 10), 60.0)

    assert report.values == list(range(MOST_TASKS))
    assert not report.errors


def test_nothing_starts_after_a_failure_that_ends_the_call() -> None:
    """The tasks behind it are handed back."""
    report = run_chunk(portion(200, until_failure=True), 60.0)

    assert report.values == [*range(100), None]
    assert list(report.errors) == [100]


def test_a_portion_ends_with_its_time_box() -> None:
    """The task that is running then is the last one, however short they all are."""
    report = run_chunk(portion(200), 0.0)

    assert report.values == [0]


# What is known of a task while it runs, and after its worker has died.


def position() -> int | None:
    return ledger.current().running_position()


def test_a_worker_knows_which_task_it_runs() -> None:
    """By the position in its portion, whether or not there is a time limit."""
    tasks = [Task(position) for _ in range(MANY)]

    plain = execute_tasks_in_parallel(tasks, 1, True)
    limited = execute_tasks_in_parallel(tasks, 1, True, timeout=60.0)

    for found in (plain, limited):
        assert found[0] == 0
        # In each portion positions count up from 0.
        for before, after in itertools.pairwise(found):
            assert after in (0, (before or 0) + 1)
    assert position() is None


def test_times_survive_the_death_of_the_worker() -> None:
    """Tasks of the same portion were measured; what never began has no times."""
    tasks: list[Task[Any]] = [Task(echo, {"value": i}) for i in range(MANY)]
    tasks[ODD_ONE] = Task(os._exit, {"status": 3})
    tasks[ODD_ONE - 1] = Task(echo, {"value": ExitsWhenUnpickled()})

    outcomes = list(iter_outcomes(tasks, 1, True))

    for outcome in outcomes:
        assert outcome.ok == (outcome.index not in (ODD_ONE, ODD_ONE - 1))
        assert bool(outcome.seconds) == (outcome.index != ODD_ONE - 1)
