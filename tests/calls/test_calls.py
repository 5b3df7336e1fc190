"""What the three ways to run tasks do when all is well, on either kind of worker."""

from __future__ import annotations

import functools
import itertools
import logging
import math
import operator
import os
import pickle
import threading
import time
import weakref
from collections import ChainMap, OrderedDict, UserDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
import pytest

from cotality.core.utils._process.tasks.task import plain_task
from cotality.core.utils.process import (
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    execute_tasks_in_parallel_unordered,
)
from tests.kit.helpers import (
    Failure,
    Gate,
    Marks,
    Thing,
    add,
    append_and_return,
    are_same,
    cached_add,
    echo,
    echo_slowly,
    fail_freshly,
    fail_with,
    inner_pids,
    inner_sum,
    make_thing,
    mark_and_return,
    mark_and_wait,
    run_script,
    wait_for_marks,
    wait_then,
    without_addresses,
    worker_id,
)
from tests.kit.limits import LONG_S

# They ask what calls give, whichever workers do it.
pytestmark = pytest.mark.warm

WINDOW = 8  # tasks for each worker that are out or not taken, at most, if they are long
LARGEST_WINDOW = 4 * 512  # the same for tiny ones

FUNCTIONS: list[Callable[..., Any]] = [
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_unordered,
    execute_tasks_in_parallel_streaming,
]
each_function = pytest.mark.parametrize("function", FUNCTIONS)
each_order = pytest.mark.parametrize("ordered", [True, False])

stream_of = execute_tasks_in_parallel_streaming


def echoes(count: int) -> list[Task[int]]:
    return [Task(echo, {"value": value}) for value in range(count)]


def values_of(results: Any) -> list[Any]:
    """The values that any of the three functions gave, whichever it was."""
    if isinstance(results, list):
        return results
    return [value for _, value in results]


# Order


def test_results_have_the_order_of_the_tasks(use_processes: bool, gate: Gate) -> None:
    """The first task finishes last, and its result comes first."""

    def tasks() -> Iterator[Task[str]]:
        yield Task(wait_then, {"gate": gate, "value": "slow"})
        for _ in range(20):
            yield Task(echo, {"value": "quick"})
        gate.open()

    results = execute_tasks_in_parallel(tasks(), 2, use_processes)

    assert results == ["slow", *["quick"] * 20]


def test_unordered_results_have_the_order_in_which_they_came(
    use_processes: bool, gate: Gate
) -> None:
    """A task that waits until others are back does not come first."""

    def tasks() -> Iterator[Task[str]]:
        yield Task(wait_then, {"gate": gate, "value": "slow"})
        for _ in range(20):
            yield Task(echo, {"value": "quick"})
        gate.open()  # read because there was room, so most of the 20 are back
        yield Task(echo, {"value": "quick"})

    results = execute_tasks_in_parallel_unordered(tasks(), 2, use_processes)

    assert results[0] == "quick"
    assert sorted(results) == [*["quick"] * 21, "slow"]


def test_unordered_yields_whatever_finishes_first(
    use_processes: bool, gate: Gate
) -> None:
    """A quick task is yielded before a slow one that was submitted earlier."""
    slow = Task(wait_then, {"gate": gate, "value": "slow"})
    quick = Task(echo, {"value": "quick"})
    stream = stream_of([slow, quick], 2, use_processes, ordered=False)

    assert next(stream) == (1, "quick")

    gate.open()
    assert list(stream) == [(0, "slow")]


def test_a_stream_yields_while_the_rest_still_runs(
    use_processes: bool, gate: Gate
) -> None:
    """The first result is there before the second task can finish."""
    quick = Task(echo, {"value": "quick"})
    slow = Task(wait_then, {"gate": gate, "value": "slow"})
    stream = stream_of([quick, slow], 2, use_processes)

    assert next(stream) == (0, "quick")

    gate.open()
    assert list(stream) == [(1, "slow")]


@each_order
def test_a_stream_of_many_yields_each_index_once(
    use_processes: bool, ordered: bool
) -> None:
    """Every index comes with the value of its task; in order, if so wanted."""
    pairs = list(stream_of(echoes(5000), 2, use_processes, ordered=ordered))

    assert sorted(pairs) == [(i, i) for i in range(5000)]
    if ordered:
        assert pairs == sorted(pairs)


@each_order
def test_a_long_task_among_tiny_ones_loses_nothing(
    use_processes: bool, ordered: bool
) -> None:
    """Tasks that were handed back run, also when the window shrank below what is out.

    Portions are large when the long task is met, so others run far ahead of it; when it
    is over, the window is that of long tasks.
    """
    tasks = (
        Task(echo_slowly if index == 1000 else echo, {"value": index})
        for index in range(4000)
    )

    pairs = list(stream_of(tasks, 2, use_processes, ordered=ordered))

    assert len(pairs) == 4000
    assert sorted(pairs) == [(i, i) for i in range(4000)]


@each_function
def test_one_worker_keeps_the_order(function: Any, use_processes: bool) -> None:
    """With a single worker even the unordered forms give the order of the tasks."""
    assert values_of(function(echoes(300), 1, use_processes)) == list(range(300))


# How many at a time


def test_as_many_run_at_a_time_as_there_are_workers(
    use_processes: bool, marks: Marks
) -> None:
    """Three tasks that wait for one another end when there are three workers."""
    tasks = [
        Task(wait_for_marks, {"marks": marks, "name": name, "count": 3})
        for name in "abc"
    ]

    assert execute_tasks_in_parallel(tasks, 3, use_processes) == [3, 3, 3]


def test_no_more_workers_than_asked_for(use_processes: bool) -> None:
    """A hundred tasks meet at most as many workers as there may be."""
    tasks = [Task(worker_id) for _ in range(100)]

    workers = set(execute_tasks_in_parallel(tasks, 3, use_processes))

    assert 1 <= len(workers) <= 3


@each_function
@pytest.mark.parametrize("max_workers", [3, 64, 1000])
def test_more_workers_than_tasks(
    function: Any, max_workers: int, use_processes: bool
) -> None:
    """Workers that would have nothing to do are no trouble."""
    assert sorted(values_of(function(echoes(2), max_workers, use_processes))) == [0, 1]


@each_function
def test_no_tasks(function: Any, use_processes: bool) -> None:
    """No tasks give no results, whatever kind of iterable they do not come from."""
    for nothing in ([], (), iter(()), {}, (task for task in echoes(0))):
        assert values_of(function(nothing, 2, use_processes)) == []


@each_function
def test_no_tasks_start_nothing(function: Any, use_processes: bool) -> None:
    """Neither a thread nor a process is there after a call without tasks."""
    threads, children = threading.active_count(), children_of_ours()

    values_of(function([], 2, use_processes))

    assert threading.active_count() == threads
    assert children_of_ours() == children


def children_of_ours() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def test_the_default_number_of_workers(use_processes: bool) -> None:
    """Without a number there are workers, and they do the work."""
    results = execute_tasks_in_parallel(echoes(50), use_processes=use_processes)

    assert results == list(range(50))


# Reading the input


def test_a_stream_starts_nothing_before_the_first_next(use_processes: bool) -> None:
    """Making the generator reads no task and starts no worker."""
    read: list[int] = []
    threads, children = threading.active_count(), children_of_ours()

    def tasks() -> Iterator[Task[int]]:
        for task in echoes(3):
            read.append(1)
            yield task

    stream = stream_of(tasks(), 2, use_processes)

    assert read == []
    assert threading.active_count() == threads
    assert children_of_ours() == children
    assert list(stream) == [(0, 0), (1, 1), (2, 2)]


@each_order
def test_a_stream_of_tiny_tasks_is_read_within_the_largest_window(
    use_processes: bool, ordered: bool
) -> None:
    """What is read ahead of the caller stays within what the documentation says."""
    read = 0
    furthest = 0

    def tasks() -> Iterator[Task[int]]:
        nonlocal read
        for task in echoes(20_000):
            read += 1
            yield task

    for taken, _ in enumerate(stream_of(tasks(), 2, use_processes, ordered=ordered)):
        furthest = max(furthest, read - taken)

    assert read == 20_000
    assert furthest <= 2 * LARGEST_WINDOW


def test_a_stream_of_long_tasks_is_read_within_the_window(use_processes: bool) -> None:
    """Long tasks are read at most 8 for each worker ahead of the caller."""
    read = 0
    furthest = 0

    def tasks() -> Iterator[Task[float]]:
        nonlocal read
        for _ in range(60):
            read += 1
            yield Task(time.sleep, positional=(0.03,))

    for taken, _ in enumerate(stream_of(tasks(), 2, use_processes)):
        furthest = max(furthest, read - taken)

    assert read == 60
    assert furthest <= 2 * WINDOW


def test_a_long_head_lets_the_others_run_ahead_to_the_window(
    use_processes: bool, marks: Marks
) -> None:
    """In order, tasks behind a long one run, 8 for each worker, and then wait."""
    read = 0

    def tasks() -> Iterator[Task[Any]]:
        nonlocal read
        head = {"marks": marks, "name": "head", "count": 2 * WINDOW}
        yield Task(wait_for_marks, head)
        for value in range(1, 100):
            read += 1
            yield Task(mark_after_a_while, {"marks": marks, "value": value})

    stream = stream_of(tasks(), 2, use_processes)

    assert next(stream) == (0, 2 * WINDOW)
    assert read == 2 * WINDOW - 1
    stream.close()


def mark_after_a_while(marks: Marks, value: int) -> int:
    time.sleep(0.03)  # long, for the rules of the schedule
    return mark_and_return(marks, value)


def test_a_suspended_stream_reads_nothing(use_processes: bool) -> None:
    """Between two calls of next() the input is left alone."""
    read: list[int] = []

    def tasks() -> Iterator[Task[int]]:
        for task in echoes(1000):
            read.append(1)
            yield task

    stream = stream_of(tasks(), 2, use_processes)
    next(stream)
    before = len(read)
    # What is out finishes meanwhile, which would make room for more.
    assert execute_tasks_in_parallel(echoes(100), 2, use_processes)

    assert len(read) == before
    stream.close()


def test_the_input_is_read_in_the_calling_thread(use_processes: bool) -> None:
    """A generator may use what belongs to the thread that made it."""
    threads: set[int] = set()

    def tasks() -> Iterator[Task[int]]:
        for task in echoes(100):
            threads.add(threading.get_ident())
            yield task

    execute_tasks_in_parallel(tasks(), 2, use_processes)

    assert threads == {threading.get_ident()}


def test_streams_can_feed_one_another(use_processes: bool) -> None:
    """The results of one stream become the tasks of the next, as they come."""
    first = stream_of(echoes(200), 2, use_processes)
    second = (Task(add, {"a": value, "b": 1}) for _, value in first)

    pairs = list(stream_of(second, 2, use_processes))

    assert pairs == [(i, i + 1) for i in range(200)]


class InputError(Exception):
    """The input has no more to give, and not because it is at its end."""


@each_function
def test_an_input_that_raises_lets_what_was_read_finish(
    function: Any, use_processes: bool, marks: Marks
) -> None:
    """Tasks from before the input raised run; then the caller gets its exception."""
    with pytest.raises(InputError, match="half-way") as raised:
        values_of(function(broken_input(marks, 10), 2, use_processes))

    assert marks.names() == {str(value) for value in range(10)}
    assert "broken_input" in {entry.name for entry in raised.traceback}


@each_order
def test_an_input_that_raises_lets_a_stream_yield_first(
    use_processes: bool, ordered: bool, marks: Marks
) -> None:
    """Results of tasks from before the input raised are all yielded."""
    stream = stream_of(broken_input(marks, 10), 2, use_processes, ordered=ordered)

    pairs = list(itertools.islice(stream, 10))

    assert sorted(pairs) == [(i, i) for i in range(10)]
    with pytest.raises(InputError):
        next(stream)


def broken_input(marks: Marks, count: int) -> Iterator[Task[int]]:
    for value in range(count):
        yield Task(mark_and_return, {"marks": marks, "value": value})
    raise InputError("half-way")


@each_function
def test_an_input_that_cannot_be_iterated_raises_its_error(
    function: Any, use_processes: bool
) -> None:
    """What `iter()` of the input raises arrives as it is."""

    class Broken:
        def __iter__(self) -> Iterator[Task[int]]:
            raise InputError("at once")

    with pytest.raises(InputError, match="at once"):
        values_of(function(Broken(), 2, use_processes))


@each_function
def test_a_generator_that_yields_something_else(
    function: Any, use_processes: bool, marks: Marks
) -> None:
    """The tasks before it run; the message names its place and what to write."""

    def tasks() -> Iterator[Any]:
        yield from (
            Task(mark_and_return, {"marks": marks, "value": value})
            for value in range(3)
        )
        yield add
        yield Task(mark_and_return, {"marks": marks, "value": "after"})

    with pytest.raises(TypeError, match=r"tasks\[3\] must be a Task, .*Task\.of"):
        values_of(function(tasks(), 2, use_processes))

    assert marks.names() == {"0", "1", "2"}


# Wrong arguments, told by the call itself


@each_function
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"max_workers": 0}, ValueError, "max_workers must be at least 1, got 0"),
        ({"max_workers": "2"}, TypeError, "max_workers must be an integer .* got '2'"),
        ({"max_workers": 2.0}, TypeError, "max_workers must be an integer"),
        ({"max_workers": True}, TypeError, "max_workers must be an integer"),
        ({"tasks": None}, TypeError, "tasks must be an iterable of Task, got None"),
        ({"tasks": 3}, TypeError, "tasks must be an iterable of Task, got 3"),
        ({"tasks": Task(pow)}, TypeError, "got a single Task. Put it in a list"),
        ({"tasks": [Task(pow), add]}, TypeError, r"tasks\[1\] must be a Task"),
        ({"tasks": (Task(pow), None)}, TypeError, r"tasks\[1\] must be a Task"),
        ({"timeot": 3}, TypeError, "no option 'timeot'. Did you mean 'timeout'"),
        ({"zzz": 3}, TypeError, "no option 'zzz'. The options are: max_work"),
        ({"grace": -1}, ValueError, "grace must be at least 0 seconds, got -1"),
        ({"grace": "5"}, TypeError, "grace must be a number of seconds or None"),
        ({"grace": float("nan")}, ValueError, "grace must be at least 0 seconds"),
    ],
    ids=without_addresses,
)
def test_a_wrong_argument_is_an_error_of_the_call(
    function: Any,
    given: dict[str, Any],
    error: type[Exception],
    message: str,
    use_processes: bool,
) -> None:
    """It is not left to the first next(), and the message says what to do."""
    arguments = {"tasks": echoes(2), "use_processes": use_processes, **given}

    with pytest.raises(error, match=message):
        function(**arguments)


@each_function
@pytest.mark.parametrize("name", ["timeout", "max_tasks_per_worker"])
def test_an_option_for_processes_is_an_error_on_threads(
    function: Any, name: str
) -> None:
    """The message says why, and what to write instead."""
    with pytest.raises(ValueError, match=rf"{name}=3.* needs .*use_processes=True"):
        function(echoes(2), 2, **{name: 3})

    assert values_of(function(echoes(2), 2, **{name: None})) == [0, 1]


@each_function
@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"timeout": 0}, ValueError),
        ({"timeout": -1}, ValueError),
        ({"timeout": "1"}, TypeError),
        ({"timeout": True}, TypeError),
        ({"max_tasks_per_worker": 0}, ValueError),
        ({"max_tasks_per_worker": 1.5}, TypeError),
        ({"max_tasks_per_worker": True}, TypeError),
    ],
    ids=without_addresses,
)
def test_a_wrong_option_for_processes_is_an_error_of_the_call(
    function: Any, given: dict[str, Any], error: type[Exception]
) -> None:
    """The options of processes are checked like all others."""
    with pytest.raises(error, match=next(iter(given))):
        function(echoes(2), 2, use_processes=True, **given)


def test_options_are_given_by_keyword_only() -> None:
    """Only the four old parameters, and `ordered`, may be given by position."""
    wrong: Any = execute_tasks_in_parallel
    with pytest.raises(TypeError):
        wrong(echoes(2), 2, False, False, 1.0)

    assert list(stream_of(echoes(2), 2, False, False, False))


def test_a_wrong_argument_starts_nothing(use_processes: bool, marks: Marks) -> None:
    """No task of a list runs when one of its elements is not a task."""
    tasks: list[Any] = [Task(mark_and_return, {"marks": marks, "value": 1}), None]

    with pytest.raises(TypeError):
        execute_tasks_in_parallel(tasks, 2, use_processes)

    assert marks.names() == set()


@pytest.mark.parametrize("function", [None, 3, "add"])
def test_a_task_needs_a_function(function: Any) -> None:
    """What cannot be called is refused when the task is made."""
    with pytest.raises(TypeError, match="a task needs a function to call, got"):
        Task(function)


@pytest.mark.parametrize("arguments", [None, 3, [1, 2], ("a", 1), "ab", {1, 2}])
def test_a_task_needs_a_mapping(arguments: Any) -> None:
    """Arguments that are not a mapping are refused, with a hint at `Task.of`."""
    with pytest.raises(TypeError, match=r"mapping of keyword arguments.*Task\.of"):
        Task(add, arguments)


# Leaving early


@each_order
def test_closing_a_stream_drops_what_has_not_started(
    use_processes: bool, ordered: bool, marks: Marks, gate: Gate
) -> None:
    """What runs is finished, the rest never starts, and nothing runs afterwards."""
    tasks: list[Task[Any]] = [
        Task(wait_for_marks, {"marks": marks, "name": "0", "count": 2}),
        *(
            Task(mark_and_wait, {"marks": marks, "name": f"{i}", "gate": gate})
            for i in range(1, 100)
        ),
    ]
    stream = stream_of(tasks, 2, use_processes, ordered=ordered)
    assert next(stream) == (0, 2)  # so the next one is running

    gate.open()
    stream.close()

    # Four portions of one task, at most, were handed out for the first next().
    assert marks.names() <= {"0", "1", "2", "3"}
    assert list(stream) == []


def test_leaving_the_loop_early_closes_the_stream(
    use_processes: bool, marks: Marks
) -> None:
    """A `break` ends the call as closing does."""
    tasks = (
        Task(mark_and_return, {"marks": marks, "value": value})
        for value in itertools.count()
    )

    for index, _ in stream_of(tasks, 2, use_processes):
        if index == 5:
            break

    assert len(marks.names()) < LARGEST_WINDOW


def test_an_exception_of_the_consumer_closes_the_stream(use_processes: bool) -> None:
    """What the body of the loop raises is what the caller gets."""

    def consume() -> None:
        for index, _ in stream_of(echoes(1000), 2, use_processes):
            if index == 3:
                raise LookupError("of the consumer")

    with pytest.raises(LookupError, match="of the consumer"):
        consume()


def test_closing_a_stream_that_has_not_begun(use_processes: bool) -> None:
    """It is as if it had never been made."""
    stream = stream_of(echoes(3), 2, use_processes)

    stream.close()

    assert list(stream) == []


def test_processes_get_no_more_than_their_grace(marks: Marks, gate: Gate) -> None:
    """Closing with no grace ends a task that would run for a long time."""
    tasks: list[Task[Any]] = [
        Task(wait_for_marks, {"marks": marks, "name": "0", "count": 2}),
        Task(mark_and_wait, {"marks": marks, "name": "stuck", "gate": gate}),
    ]
    stream = stream_of(tasks, 2, True, grace=0)
    assert next(stream) == (0, 2)

    began = time.monotonic()
    stream.close()  # the gate stays shut

    assert time.monotonic() - began < LONG_S


# Memory


@each_order
def test_a_suspended_stream_holds_no_result_it_has_yielded(
    use_processes: bool, ordered: bool
) -> None:
    """The caller has the only reference to each result."""
    stream = stream_of([Task(make_thing)] * 50, 2, use_processes, ordered=ordered)

    for _ in range(50):
        _, thing = next(stream)
        alive = weakref.ref(thing)
        del thing
        assert alive() is None


@each_order
def test_a_suspended_stream_holds_no_failure_it_has_yielded(
    use_processes: bool, ordered: bool
) -> None:
    """The same is true of failures, with all that their frames know."""
    stream = stream_of(
        [Task(fail_freshly)] * 20,
        2,
        use_processes,
        return_exceptions=True,
        ordered=ordered,
    )

    for _ in range(20):
        _, error = next(stream)
        assert type(error) is Failure
        alive = weakref.ref(error)
        del error
        assert alive() is None


def test_a_call_keeps_nothing_when_it_is_over(use_processes: bool) -> None:
    """Arguments and functions are free again, and so are the results."""
    thing = Thing()
    function = functools.partial(echo)
    alive = [weakref.ref(thing), weakref.ref(function)]

    execute_tasks_in_parallel([Task(function, {"value": thing})], 2, use_processes)
    del thing, function

    assert [ref() for ref in alive] == [None, None]


# What can be a task


class Adder:
    """Adds what it was made with."""

    def __init__(self, more: int) -> None:
        self.more = more

    def __call__(self, value: int) -> int:
        return value + self.more

    def method(self, value: int) -> int:
        return value + self.more

    @classmethod
    def of_class(cls, value: int) -> tuple[str, int]:
        return cls.__name__, value

    @staticmethod
    def static(value: int) -> int:
        return -value


def closure(more: int) -> Callable[[int], int]:
    def add_more(value: int) -> int:
        return value + more

    return add_more


CALLS: list[tuple[str, Task[Any], object]] = [
    ("function", Task(add, {"a": 1, "b": 2}), 3),
    ("no arguments", Task(dict), {}),
    ("lambda", Task(lambda value: value * 2, {"value": 4}), 8),
    ("closure", Task(closure(5), {"value": 4}), 9),
    ("callable object", Task(Adder(5), {"value": 4}), 9),
    ("bound method", Task(Adder(6).method, {"value": 4}), 10),
    ("class method", Task(Adder.of_class, {"value": 4}), ("Adder", 4)),
    ("static method", Task(Adder.static, {"value": 4}), -4),
    ("partial", Task(functools.partial(add, 7), {"b": 4}), 11),
    ("partial of a lambda", Task(functools.partial(lambda a, b: a - b, 7, b=4)), 3),
    ("builtin", Task.of(len, "four"), 4),
    (
        "builtin with keywords",
        Task(sorted, {"key": abs}, positional=([-3, 1],)),
        [1, -3],
    ),
    ("positional only", Task.of(math.sqrt, 16.0), 4.0),
    ("positional and keyword", Task.of(add, 1, b=2), 3),
    ("method of a built-in", Task.of("a-b".split, "-"), ["a", "b"]),
    ("operator", Task.of(operator.itemgetter(1), "xyz"), "y"),
    ("class", Task(complex, {"real": 1, "imag": 2}), 1 + 2j),
    (
        "keyword named self",
        Task(lambda **k: k, {"self": 1, "function": 2}),
        {"self": 1, "function": 2},
    ),
    ("cached", Task(cached_add, {"a": 1, "b": 2}), 3),
]


@pytest.mark.parametrize(
    ("label", "kind"), [("", ValueError), (3, TypeError), (b"x", TypeError)]
)
def test_a_label_is_a_text(label: Any, kind: type[Exception]) -> None:
    """Anything else, and a text of no characters, is refused when it is made."""
    with pytest.raises(kind, match="label"):
        Task(echo, {"value": 1}, label=label)


def test_a_failure_names_the_label_of_its_task(use_processes: bool) -> None:
    """The note has the index, the label and the call."""
    task = Task(fail_with, {"error": ValueError("no")}, label="users.csv")

    with pytest.raises(ValueError, match="no") as raised:
        execute_tasks_in_parallel([task], 1, use_processes)

    (note,) = raised.value.__notes__
    assert note.startswith("Raised by task 0 'users.csv': fail_with(error=")


@pytest.mark.parametrize(
    ("task", "expected"),
    [pytest.param(task, expected, id=name) for name, task, expected in CALLS],
)
def test_whatever_can_be_called_can_be_a_task(
    task: Task[Any], expected: object, use_processes: bool
) -> None:
    """A task gives what the call it stands for gives."""
    assert execute_tasks_in_parallel([task, task], 2, use_processes) == [expected] * 2


MAPPINGS: list[Mapping[str, Any]] = [
    MappingProxyType({"a": 1, "b": 2}),
    UserDict({"a": 1, "b": 2}),
    ChainMap({"a": 1}, {"b": 2}),
    OrderedDict(a=1, b=2),
    defaultdict(list, a=1, b=2),
]


@pytest.mark.parametrize("arguments", MAPPINGS, ids=lambda m: type(m).__name__)
def test_arguments_may_be_any_mapping(
    arguments: Mapping[str, Any], use_processes: bool
) -> None:
    """Not only a dict: anything that maps names to values."""
    tasks = [
        Task(add, arguments),
        Task(functools.partial(add), arguments),
        Task(lambda *_, **named: sum(named.values()), arguments, positional=(9,)),
    ]

    assert execute_tasks_in_parallel(tasks, 2, use_processes) == [3, 3, 3]


def test_a_class_made_in_a_function_keeps_its_identity(use_processes: bool) -> None:
    """An object of a local class goes to a worker and comes back of the same class."""

    class Local:
        def __init__(self, value: int) -> None:
            self.value = value

        def doubled(self) -> Local:
            return Local(self.value * 2)

    results = execute_tasks_in_parallel(
        [Task(Local(i).doubled) for i in range(10)], 2, use_processes
    )

    assert [type(result) for result in results] == [Local] * 10
    assert [result.value for result in results] == list(range(0, 20, 2))


def test_a_thousand_functions_that_differ(use_processes: bool) -> None:
    """Functions are told apart, however many there are and however alike they look."""
    tasks = [Task(eval(f"lambda: {number}")) for number in range(1000)]

    assert execute_tasks_in_parallel(tasks, 2, use_processes) == list(range(1000))


def test_functions_made_and_dropped_as_they_are_read(use_processes: bool) -> None:
    """No function is taken for another that had its place in memory before."""
    tasks = (Task(lambda number=number: number) for number in range(1000))

    assert execute_tasks_in_parallel(tasks, 2, use_processes) == list(range(1000))


def test_a_function_is_read_anew_in_each_call(use_processes: bool) -> None:
    """A closure that has changed since the last call does what it says now."""
    factor = 1

    def times() -> int:
        return 10 * factor

    assert execute_tasks_in_parallel([Task(times)], 1, use_processes) == [10]
    factor = 2
    assert execute_tasks_in_parallel([Task(times)], 1, use_processes) == [20]


@each_function
@pytest.mark.parametrize("return_exceptions", [False, True])
def test_a_task_may_return_an_exception(
    function: Any, return_exceptions: bool, use_processes: bool
) -> None:
    """An exception that is returned, not raised, is a result like any other."""
    task = Task(echo, {"value": KeyError("a value")})

    (value,) = values_of(
        function([task], 2, use_processes, return_exceptions=return_exceptions)
    )

    assert isinstance(value, KeyError)
    assert value.args == ("a value",)
    assert not hasattr(value, "__notes__")


@each_function
def test_a_task_may_return_none(function: Any, use_processes: bool) -> None:
    """None is a result, not the lack of one."""
    tasks = [Task(echo, {"value": None})] * 30

    assert values_of(function(tasks, 2, use_processes)) == [None] * 30


@pytest.mark.parametrize("size", [0, 1000, 100_000, 5_000_000])
def test_results_and_arguments_of_any_size(size: int, use_processes: bool) -> None:
    """Large ones arrive as whole as small ones, also next to one another."""
    values = [os.urandom(size), b"small", os.urandom(size)]
    tasks = [Task(echo, {"value": value}) for value in values]

    assert execute_tasks_in_parallel(tasks, 2, use_processes) == values
    # Once more, with workers that are there and wait.
    assert execute_tasks_in_parallel(tasks, 2, use_processes) == values


# What tasks share


def test_no_task_sees_what_another_did_to_an_argument() -> None:
    """On processes each task has its own copy, also of an object that all share."""
    shared = ["start"]
    tasks = [Task(append_and_return, {"items": shared, "item": i}) for i in range(500)]

    results = execute_tasks_in_parallel(tasks, 2, use_processes=True)

    assert results == [["start", i] for i in range(500)]
    assert shared == ["start"]


def test_one_object_given_twice_is_one_object_for_the_task(use_processes: bool) -> None:
    """Arguments of a task that are the same object are the same object there."""
    thing = Thing()
    tasks = [
        Task(are_same, {"a": thing, "b": thing}),
        Task.of(are_same, thing, b=thing),
        Task(are_same, {"a": Thing(), "b": Thing()}),
    ]

    assert execute_tasks_in_parallel(tasks, 2, use_processes) == [True, True, False]


def test_threads_share_what_they_are_given() -> None:
    """On threads arguments and results are the caller's own objects."""
    thing = Thing()

    (result,) = execute_tasks_in_parallel([Task(echo, {"value": thing})], 2)

    assert result is thing


# Where calls can be made


@pytest.mark.parametrize("outer", [False, True], ids=["threads", "processes"])
@pytest.mark.parametrize("inner", [False, True], ids=["threads", "processes"])
def test_a_task_may_make_calls_of_its_own(outer: bool, inner: bool) -> None:
    """Threads in threads, threads in processes, and so on: all of it works."""
    tasks = [Task(inner_sum, {"count": n, "use_processes": inner}) for n in (3, 4, 5)]

    assert execute_tasks_in_parallel(tasks, 2, outer) == [3, 6, 10]


def test_processes_do_not_multiply() -> None:
    """Inside a worker process a call has one worker unless it asks for more."""
    by_default, two = execute_tasks_in_parallel(
        [
            Task(inner_pids, {"max_workers": None}),
            Task(inner_pids, {"max_workers": 2}),
        ],
        2,
        use_processes=True,
    )

    assert len(by_default) == 1
    assert len(two) == 2


def test_calls_from_fifty_threads_at_once(use_processes: bool) -> None:
    """Calls do not disturb one another."""
    all_at_once = threading.Barrier(50)
    results: dict[int, list[int]] = {}

    def call(number: int) -> None:
        all_at_once.wait(LONG_S)
        tasks = [Task(add, {"a": number, "b": i}) for i in range(20)]
        results[number] = execute_tasks_in_parallel(tasks, 1, use_processes)

    threads = [threading.Thread(target=call, args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)

    assert results == {n: [n + i for i in range(20)] for n in range(50)}


def test_a_call_from_a_daemon_thread(use_processes: bool) -> None:
    """A daemon thread may call like any other."""
    results: list[list[int]] = []

    def call() -> None:
        results.append(execute_tasks_in_parallel(echoes(20), 2, use_processes))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(LONG_S)

    assert results == [list(range(20))]


FORKING = """
import os, sys, warnings
from cotality.core.utils.process import *
from math import sqrt

warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
use_processes = {use_processes}
tasks = [Task.of(sqrt, float(n)) for n in range(100)]
before = execute_tasks_in_parallel(tasks, 2, use_processes)
stream = execute_tasks_in_parallel_streaming(tasks, 2, use_processes)
next(stream)  # a call is under way
child = os.fork()
if child == 0:
    same = execute_tasks_in_parallel(tasks, 2, use_processes) == before
    shutdown_workers()
    os._exit(0 if same else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(len(list(stream)), execute_tasks_in_parallel(tasks, 2, use_processes) == before)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_call_after_a_fork(use_processes: bool, tmp_path: Path) -> None:
    """A forked child starts anew, and the parent's workers stay the parent's."""
    script = FORKING.format(use_processes=use_processes)

    assert run_script(script, tmp_path).split() == ["0", "99", "True"]


# What is said in the log


def test_a_call_logs_its_start_and_its_end(
    use_processes: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Both at DEBUG, in a logger of ours."""
    with caplog.at_level(logging.DEBUG):
        execute_tasks_in_parallel(echoes(3), 2, use_processes)

    ours = [r for r in caplog.records if r.name.startswith("cotality")]
    assert [record.levelname for record in ours] == ["DEBUG", "DEBUG"]
    assert ours[0].getMessage() == "starting: 3 tasks on up to 2 workers"
    assert ours[1].getMessage() == "ended: 3 tasks settled"


def test_failures_are_logged_as_warnings_at_most(
    use_processes: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets the exception, so the log need not alarm anybody."""
    tasks = [Task(fail_freshly)] * 3
    with caplog.at_level(logging.DEBUG):
        execute_tasks_in_parallel(tasks, 2, use_processes, return_exceptions=True)
        with pytest.raises(Failure, match="in a task"):
            execute_tasks_in_parallel(tasks, 2, use_processes)

    assert all(record.levelno <= logging.WARNING for record in caplog.records)


# What an import does, and what a call on threads needs


IMPORTING = """
import logging, os, sys, threading
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
environment, affinity = dict(os.environ), []
os.sched_getaffinity = affinity.append
import psutil
from cotality.core.utils.process import Task, execute_tasks_in_parallel
print(threading.active_count(), psutil.Process().children(), affinity)
print(environment == dict(os.environ))
late = {"cloudpickle", "tblib", "numpy", "multiprocessing.forkserver", "asyncio"}
print(sorted(late & set(sys.modules)))
logging.disable()
print(execute_tasks_in_parallel([Task.of(abs, -1)], 2), sorted(late & set(sys.modules)))
"""


def test_an_import_does_nothing(tmp_path: Path) -> None:
    """No thread, no process, no log record, no look at the machine, nothing heavy."""
    lines = run_script(IMPORTING, tmp_path).splitlines()

    assert lines == ["1 [] []", "True", "[]", "[1] []"]


def test_a_task_that_we_make_of_an_item_is_like_one_that_users_make() -> None:
    """Whatever fields a task has: none may be missing where it is made in haste."""
    made, usual = plain_task(abs, (-1,)), Task(abs, positional=(-1,))

    assert made == usual
    assert repr(made) == repr(usual)
    assert pickle.loads(pickle.dumps(made)) == usual
    names = [each.name for each in fields(Task)]
    assert [getattr(made, name) for name in names] == [
        getattr(usual, name) for name in names
    ]
