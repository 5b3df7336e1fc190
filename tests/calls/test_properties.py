"""Running in parallel gives what the plain loop gives, whatever the tasks are."""

from __future__ import annotations

from typing import Any

import pytest

from cotality.core.utils.process import (
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    execute_tasks_in_parallel_unordered,
)
from tests.kit.given import HealthCheck, given, settings, st
from tests.kit.helpers import add, append_and_return, echo, fail_with

# They ask what calls give, whichever workers do it.
pytestmark = pytest.mark.warm

# The workers stay warm between the examples of a test, so one takes a few milliseconds.
some = settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=5,
)
errors = st.builds(
    lambda kind, argument: kind(argument),
    st.sampled_from([ValueError, KeyError, OSError, ZeroDivisionError]),
    st.integers(),
)


@st.composite
def calls(draw: st.DrawFn, failing: bool) -> Task[Any]:
    """A task of any kind that tasks come in."""
    kind = draw(st.sampled_from(["echo", "lambda", "positional", "change", "fail"]))
    if kind == "fail" and failing:
        return Task(fail_with, {"error": draw(errors)})
    if kind == "change":
        return Task(append_and_return, {"items": [0], "item": draw(values)})
    if kind == "positional":
        return Task.of(add, draw(st.integers()), b=draw(st.integers()))
    value = draw(values)
    if kind == "lambda":
        return Task(lambda: value)
    return Task(echo, {"value": value})


class Tasks(list[Task[Any]]):
    """Tasks that are shown by their number: there may be hundreds."""

    def __repr__(self) -> str:
        return f"<{len(self)} tasks>"


def many(failing: bool) -> st.SearchStrategy[Tasks]:
    """Short lists of different tasks, and long ones in which few tasks differ."""
    few = st.lists(calls(failing), max_size=12)
    times = st.just(1) | st.integers(1, 60)
    return st.builds(lambda some, times: Tasks(some * times), few, times)


workers = st.integers(1, 3)


def loop(tasks: list[Task[Any]]) -> list[Any]:
    """What the tasks give, one after the other, in this thread."""
    results: list[Any] = []
    for task in tasks:
        named = {**task.arguments}
        if "items" in named:
            named["items"] = [*named["items"]]
        try:
            results.append(task.callback_function(*task.positional, **named))
        except Exception as error:
            results.append(error)
    return results


def fresh(tasks: list[Task[Any]]) -> list[Task[Any]]:
    """The same tasks with lists of their own, which threads may change."""
    return [
        Task(append_and_return, {**task.arguments, "items": [*task.arguments["items"]]})
        if "items" in task.arguments
        else task
        for task in tasks
    ]


def comparable(result: object) -> object:
    """*result* in a form in which exceptions are equal when they look the same."""
    if isinstance(result, BaseException):
        return type(result).__name__, result.args
    return "value", result


def all_comparable(results: list[Any]) -> list[object]:
    return [comparable(result) for result in results]


@some
@given(tasks=many(failing=True), workers=workers, lazy=st.booleans())
def test_ordered_is_the_plain_loop(
    use_processes: bool, tasks: list[Task[Any]], workers: int, lazy: bool
) -> None:
    """Values and failures are those of the loop, each in its place."""
    given_tasks = iter(fresh(tasks)) if lazy else fresh(tasks)

    results = execute_tasks_in_parallel(given_tasks, workers, use_processes, True)

    assert all_comparable(results) == all_comparable(loop(tasks))


@some
@given(tasks=many(failing=True), workers=workers, lazy=st.booleans())
def test_unordered_is_a_permutation_of_the_plain_loop(
    use_processes: bool, tasks: list[Task[Any]], workers: int, lazy: bool
) -> None:
    """The same values and failures, each as often."""
    given_tasks = iter(fresh(tasks)) if lazy else fresh(tasks)

    results = execute_tasks_in_parallel_unordered(
        given_tasks, workers, use_processes, True
    )

    expected = sorted(map(repr, all_comparable(loop(tasks))))
    assert sorted(map(repr, all_comparable(results))) == expected


@some
@given(
    tasks=many(failing=True), workers=workers, ordered=st.booleans(), lazy=st.booleans()
)
def test_a_stream_is_the_plain_loop_with_its_indices(
    use_processes: bool,
    tasks: list[Task[Any]],
    workers: int,
    ordered: bool,
    lazy: bool,
) -> None:
    """Each index comes once, with the outcome of its task; in order, if so wanted."""
    given_tasks = iter(fresh(tasks)) if lazy else fresh(tasks)

    pairs = list(
        execute_tasks_in_parallel_streaming(
            given_tasks, workers, use_processes, True, ordered
        )
    )

    if not ordered:
        pairs.sort(key=lambda pair: pair[0])
    assert [index for index, _ in pairs] == list(range(len(tasks)))
    results = [result for _, result in pairs]
    assert all_comparable(results) == all_comparable(loop(tasks))


@some
@given(tasks=many(failing=True), workers=workers)
def test_a_call_fails_if_and_only_if_the_plain_loop_does(
    use_processes: bool, tasks: list[Task[Any]], workers: int
) -> None:
    """What is raised is one of the failures of the loop; with one worker, the first."""
    failures = [result for result in loop(tasks) if isinstance(result, Exception)]
    try:
        results = execute_tasks_in_parallel(fresh(tasks), workers, use_processes)
    except Exception as error:
        assert failures
        expected = failures[:1] if workers == 1 else failures
        assert comparable(error) in all_comparable(expected)  # noqa: PT017
    else:
        assert not failures
        assert all_comparable(results) == all_comparable(loop(tasks))


@some
@given(
    tasks=many(failing=False),
    workers=workers,
    taken=st.integers(0, 20),
    ordered=st.booleans(),
)
def test_a_stream_may_be_left_at_any_point(
    use_processes: bool,
    tasks: list[Task[Any]],
    workers: int,
    taken: int,
    ordered: bool,
) -> None:
    """What was taken until then is right, and leaving harms no later call."""
    expected = loop(tasks)
    stream = execute_tasks_in_parallel_streaming(
        fresh(tasks), workers, use_processes, False, ordered
    )

    for _, (index, result) in zip(range(taken), stream, strict=False):
        assert comparable(result) == comparable(expected[index])
    stream.close()

    assert list(stream) == []
