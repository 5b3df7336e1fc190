"""What failures mean for a call: raised at once, left in place, or raised together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cotality.core.utils.process import (
    Task,
    WorkerCrashedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    execute_tasks_in_parallel_unordered,
    iter_outcomes,
)
from tests.kit.fatal import exit_with
from tests.kit.given import given, settings, st
from tests.kit.helpers import Failure, Marks, echo, fail_with, mark_and_fail

# They ask what calls give, whichever workers do it.
pytestmark = pytest.mark.warm

LISTS: list[Callable[..., Any]] = [
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_unordered,
]
EVERY_CALL = [*LISTS, execute_tasks_in_parallel_streaming, iter_outcomes]


def tasks_failing_at(*failing: int, count: int = 20) -> list[Task[Any]]:
    return [
        Task(fail_with, {"error": Failure(index)})
        if index in failing
        else Task(echo, {"value": index})
        for index in range(count)
    ]


def consumed(call: Callable[..., Any], *args: Any, **options: Any) -> list[Any]:
    return list(call(*args, **options))


@pytest.mark.parametrize("call", LISTS)
def test_a_group_holds_every_failure_in_the_order_of_the_tasks(
    call: Callable[..., Any], use_processes: bool
) -> None:
    """Everything runs, and each failure has a note that names its task."""
    tasks = tasks_failing_at(3, 17, 5)

    with pytest.raises(ExceptionGroup) as caught:
        call(tasks, 2, use_processes, on_error="group")

    assert str(caught.value) == "3 of 20 tasks failed (3 sub-exceptions)"
    errors = caught.value.exceptions
    assert [error.args for error in errors] == [(3,), (5,), (17,)]
    assert [type(error) for error in errors] == [Failure] * 3
    assert [error.__notes__[0].split(":")[0] for error in errors] == [
        "Raised by task 3",
        "Raised by task 5",
        "Raised by task 17",
    ]


def test_without_a_failure_a_group_is_the_plain_list(use_processes: bool) -> None:
    """Nothing to raise gives what there is to give."""
    assert execute_tasks_in_parallel(
        tasks_failing_at(), 2, use_processes, on_error="group"
    ) == list(range(20))


def test_a_stream_yields_what_succeeded_before_it_raises_the_group(
    use_processes: bool,
) -> None:
    """All results come, in order, and the failures after the last one."""
    stream = execute_tasks_in_parallel_streaming(
        tasks_failing_at(0, 7), 2, use_processes, on_error="group"
    )
    results: list[tuple[int, Any]] = []

    with pytest.raises(ExceptionGroup, match="2 of 20 tasks failed"):
        results.extend(stream)

    assert results == [(i, i) for i in range(20) if i not in (0, 7)]


def test_a_dead_worker_is_one_failure_among_others(use_processes: bool) -> None:
    """What the processes do to themselves is in the group as well."""
    if not use_processes:
        pytest.skip("a thread cannot die alone")
    tasks = [*tasks_failing_at(2, count=5), Task(exit_with, {"code": 3})]

    with pytest.raises(ExceptionGroup) as caught:
        execute_tasks_in_parallel(tasks, 2, True, on_error="group")

    assert [type(each) for each in caught.value.exceptions] == [
        Failure,
        WorkerCrashedError,
    ]


def endless(marks: Marks) -> Iterator[Task[None]]:
    """Tasks without end, all of which fail."""
    number = 0
    while True:
        yield Task(mark_and_fail, {"marks": marks, "name": f"{number}"})
        number += 1


@pytest.mark.parametrize("on_error", ["group", "return"])
@pytest.mark.parametrize("call", EVERY_CALL)
def test_so_many_failures_end_the_call(
    call: Callable[..., Any], on_error: str, use_processes: bool, marks: Marks
) -> None:
    """An endless input ends with the failure that is one too many."""
    policy = {} if call is iter_outcomes else {"on_error": on_error}

    with pytest.raises(ExceptionGroup, match=r"the limit \(max_failures=3\)") as caught:
        consumed(call, endless(marks), 2, use_processes, max_failures=3, **policy)

    assert len(caught.value.exceptions) >= 3
    assert {type(each) for each in caught.value.exceptions} == {ValueError}


def test_fewer_failures_than_the_limit_are_left_in_place(use_processes: bool) -> None:
    """The limit is on the number that is one too many, not on failing."""
    results = execute_tasks_in_parallel(
        tasks_failing_at(1, 2), 2, use_processes, on_error="return", max_failures=3
    )

    assert [type(each) for each in results[:4]] == [int, Failure, Failure, int]


def test_on_error_says_the_same_as_return_exceptions(use_processes: bool) -> None:
    """The old word and the new one mean the same."""
    for options in ({"return_exceptions": True}, {"on_error": "return"}):
        results = execute_tasks_in_parallel(
            tasks_failing_at(4), 2, use_processes=use_processes, **options
        )
        assert repr(results[4]) == "Failure(4)"
        assert results[5:] == list(range(5, 20))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"on_error": "ignore"}, ValueError, "one of 'raise', 'return', 'group', got"),
        ({"on_error": 3}, ValueError, "one of 'raise', 'return', 'group', got 3"),
        (
            {"on_error": "group", "return_exceptions": True},
            ValueError,
            "leave out one of the two",
        ),
        ({"max_failures": 2}, ValueError, "needs on_error='group' or 'return'"),
        ({"on_error": "group", "max_failures": 0}, ValueError, "at least 1, got 0"),
        ({"on_error": "group", "max_failures": 1.5}, TypeError, "integer or None"),
        ({"return_exceptions": "yes"}, TypeError, "True or False, got 'yes'"),
    ],
)
def test_a_policy_that_makes_no_sense_is_an_error_of_the_call(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    """Not of the first next(), and it says what would make sense."""
    with pytest.raises(error, match=message):
        execute_tasks_in_parallel_streaming([Task(echo, {"value": 1})], **options)


@settings(max_examples=30, deadline=None)
@given(
    failing=st.sets(st.integers(0, 30)),
    count=st.integers(0, 31),
    limit=st.none() | st.integers(1, 5),
    ordered=st.booleans(),
)
def test_a_policy_equals_the_plain_loop(
    failing: set[int], count: int, limit: int | None, ordered: bool
) -> None:
    """What comes and what is raised is what a loop over the tasks would collect."""
    failures = sorted(failing & set(range(count)))
    stream = execute_tasks_in_parallel_streaming(
        tasks_failing_at(*failing, count=count),
        3,
        ordered=ordered,
        on_error="group",
        max_failures=limit,
    )
    results: list[tuple[int, Any]] = []
    raised: list[int] = []

    try:
        results.extend(stream)
    except ExceptionGroup as group:
        raised = [error.args[0] for error in group.exceptions]

    assert set(raised) <= set(failures)
    assert len(raised) >= min(limit or len(failures), len(failures))
    good = [(index, index) for index in range(count) if index not in failing]
    if limit is None or len(failures) < limit:
        assert raised == failures
        assert sorted(results) == good
        assert not ordered or results == good
    else:
        assert set(results) <= set(good)
