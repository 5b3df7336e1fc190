"""With `verbose=True` a call says what it does, and gives more than its results."""

from __future__ import annotations

import asyncio
import json
import pickle
import re
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from cotality.core.utils.process import Retry
from cotality.tuning import (
    ExecutionResult,
    execute,
    execute_async,
    optimize,
    optimize_streaming,
    process_in_batches,
    validate_optimization,
)


def half(number: int) -> float:
    return number / 2


def one_over(number: int) -> float:
    return 1 / number


def awaited(*args: Any, **options: Any) -> Any:
    return asyncio.run(execute_async(*args, **options))  # type: ignore[call-overload]


@pytest.fixture(params=[execute, awaited], ids=["execute", "execute_async"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    function: Callable[..., Any] = request.param
    return function


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was written to standard error; nothing goes to standard output."""
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_the_result_is_a_sequence_of_the_results(run: Callable[..., Any]) -> None:
    """It goes wherever a list of them does, and has the rest as attributes."""
    results = run(half, range(4), verbose=True)

    assert isinstance(results, Sequence)
    assert len(results) == 4
    assert list(results) == [0.0, 0.5, 1.0, 1.5] == results.results
    assert (results[1], results[-1], results[1:3]) == (0.5, 1.5, [0.5, 1.0])
    assert 0.5 in results
    assert json.dumps({"results": results}) == '{"results": [0.0, 0.5, 1.0, 1.5]}'
    assert results.report.done == 4
    assert results.plan.total == 4
    assert results.estimated_speedup == results.plan.estimated_speedup


def test_what_a_plan_has_promised_is_not_what_was_measured() -> None:
    """A run by a plan says how fast it was; the plan keeps what it expected."""
    plan = replace(optimize(half, range(50)), estimated_speedup=40.0)

    results = execute(half, range(50), plan=plan, verbose=True)

    assert results.plan.estimated_speedup == 40.0
    assert results.report.gain is not None
    assert results.estimated_speedup == results.report.gain.speed_up < 2.0


def test_without_it_the_result_is_a_list(run: Callable[..., Any]) -> None:
    """A plain one, with nothing else, as ever."""
    assert type(run(half, range(4))) is list


def test_it_is_equal_to_a_list_of_the_same_results() -> None:
    """However those were found out."""
    results = execute(half, range(3), verbose=True)

    assert results == [0.0, 0.5, 1.0]
    assert results == execute(half, range(3), n_jobs=2, verbose=True)
    assert results != [0.0, 0.5]
    assert execute(half, [], verbose=True) == []
    assert not execute(half, [], verbose=True)


def test_its_repr_is_short() -> None:
    """It says how many there are, not what they are."""
    shown = repr(execute(half, range(1000), verbose=True))

    assert shown.startswith("<ExecutionResult: 1,000 results, 1000 done, 0 failed")
    assert len(shown) < 100


def test_it_can_be_pickled() -> None:
    """With all it has."""
    results = execute(half, range(5), verbose=True)

    copy = pickle.loads(pickle.dumps(results))

    assert type(copy) is ExecutionResult
    assert copy == results
    assert copy.plan.reason == results.plan.reason
    assert copy.report.done == 5


def test_failures_stand_in_their_places(run: Callable[..., Any]) -> None:
    """As in the list."""
    results = run(one_over, range(2), verbose=True, on_error="return")

    assert isinstance(results[0], ZeroDivisionError)
    assert results[1] == 1.0
    assert results.report.failed == 1


def test_it_says_what_it_does(
    run: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line before and one after, on standard error."""
    run(half, range(10), verbose=True)

    before, after = lines(capsys)
    assert before == (
        "cotality: half, 10 items: where they run is decided by what the first ones "
        "take"
    )
    assert after.startswith("cotality: 10 items on one thread (auto), because ")
    assert re.search(r": [\d.]+ [mµ]?s, 10 done; about [\d.]+ [mµ]?s slower", after)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"executor": "sequential"}, "in a plain loop, as asked for"),
        ({"n_jobs": 1}, "in a plain loop, as asked for"),
        ({"executor": "threads", "n_jobs": 2}, "on up to 2 threads, as asked for"),
        ({"executor": "processes"}, "on processes, as asked for"),
        ({"inline": True}, "in the calling thread, as asked for"),
        ({"inline": True, "timeout": 9}, "in the calling thread, as asked for"),
        ({"timeout": 9}, "on processes, because timeout needs them"),
        ({"executor": "processes", "timeout": 9}, "on processes, as asked for"),
        (
            {"executor": "sequential", "max_tasks_per_worker": 9},
            "one after the other in a process, because max_tasks_per_worker needs one",
        ),
    ],
)
def test_it_says_where_before_anything_runs(
    options: dict[str, Any], where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As far as that is known."""
    execute(half, range(3), verbose=True, **options)

    assert lines(capsys)[0] == f"cotality: half, 3 items: {where}"


def test_a_time_limit_is_why_it_ran_in_processes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nobody has asked for them."""
    results = execute(half, range(3), timeout=9, verbose=True)

    _, after = lines(capsys)
    assert ", because timeout needs worker processes: " in after
    assert results.plan.reason == "timeout needs worker processes"


def test_it_names_an_executor_of_others(capsys: pytest.CaptureFixture[str]) -> None:
    """By its class."""
    with ThreadPoolExecutor(2) as executor:
        execute(half, iter([1]), executor=executor, verbose=True)

    before, after = lines(capsys)
    assert before == (
        "cotality: half, any number of items: on a ThreadPoolExecutor, as asked for"
    )
    assert after.startswith("cotality: 1 item on ThreadPoolExecutor, ")
    assert "a loop" not in after  # nobody can tell


def test_it_says_what_a_plan_says(capsys: pytest.CaptureFixture[str]) -> None:
    """That it was followed, and why."""
    numbers = list(range(10))
    plan = optimize(half, numbers)

    execute(half, numbers, plan=plan, verbose=True)

    assert lines(capsys)[0] == (
        f"cotality: half, 10 items: in a plain loop, as planned, because {plan.reason}"
    )


def test_it_says_how_a_run_has_failed(
    run: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """The line after comes in any case, and the error as ever."""
    with pytest.raises(ZeroDivisionError):
        run(one_over, [2, 1, 0], executor="threads", n_jobs=1, verbose=True)

    _, after = lines(capsys)
    assert "2 done, 1 failed (1 ZeroDivisionError); ended by ZeroDivision" in after


def test_what_it_says_has_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever an error says, and nothing in it is obeyed by a terminal."""

    def fail(item: object) -> None:
        raise ValueError("two\nlines \x1b[31m" + "long " * 500)

    with pytest.raises(ValueError, match="two"):
        execute(fail, [1], verbose=True)

    _, after = lines(capsys)
    assert "ValueError: two lines " in after
    assert "\x1b" not in after
    assert len(after) < 500


@pytest.mark.parametrize("how", ["none", "closed"])
def test_nothing_is_lost_where_nobody_can_be_told(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a standard error the results come all the same."""
    if how == "none":
        monkeypatch.setattr(sys, "stderr", None)
    else:
        stream = open("/dev/null", "w")  # noqa: SIM115  # closed at once
        stream.close()
        monkeypatch.setattr(sys, "stderr", stream)

    assert execute(half, [1, 2], verbose=True) == [0.5, 1.0]


def test_a_plan_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """What is looked at, and what follows from it."""
    plan = optimize(half, range(50), verbose=True)

    before, after = lines(capsys)
    assert before.startswith("cotality: half, 50 items: the first ones show how ")
    assert after.startswith("cotality: Run 50 items in a plain loop: ")
    assert after.endswith(f"Why: {plan.reason}.")
    assert plan.total == 50


def test_a_comparison_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Likewise."""
    validation = validate_optimization(half, range(50), verbose=True)

    before, after = lines(capsys)
    assert before == ("cotality: half, 50 items: a plain loop, and then as a plan says")
    assert after.startswith(f"cotality: {validation.comparison()} Run 50 items")


STREAMS = [optimize_streaming, partial(process_in_batches, batch_size=4)]


@pytest.mark.parametrize("function", STREAMS, ids=["stream", "batches"])
def test_a_stream_is_told_of(function: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The line before when it begins, the one after when it has ended."""
    stream = function(half, range(10), verbose=True)

    assert lines(capsys) == []
    first = next(stream)
    assert lines(capsys) == [
        "cotality: half, 10 items: where they run is decided by what the first ones "
        "take"
    ]
    assert [first, *stream] == list(function(half, range(10)))
    (after,) = lines(capsys)
    assert after.startswith("cotality: 10 items on one thread (auto), because ")
    assert ", 10 done" in after


@pytest.mark.parametrize("function", STREAMS, ids=["stream", "batches"])
def test_a_stream_that_is_left_or_fails_is_told_of(
    function: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Likewise."""
    stream = function(half, range(1000), verbose=True)
    next(stream)
    stream.close()

    assert lines(capsys)[1].endswith("; left before its end")

    with pytest.raises(ZeroDivisionError):
        list(function(one_over, [2, 1, 0], verbose=True))
    assert "ended by ZeroDivision" in lines(capsys)[1]


@pytest.mark.parametrize(
    "function", [execute, optimize, validate_optimization, *STREAMS]
)
def test_wrong_arguments_say_nothing_first(
    function: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are an error, and nothing else."""
    with pytest.raises(TypeError, match="verbose must be True or False, got 'yes'"):
        function(half, [1], verbose="yes")
    with pytest.raises(TypeError, match="there is no option 'retires'"):
        function(half, [1], verbose=True, retires=3)
    with pytest.raises(TypeError, match="func must be a function to call"):
        function(7, [1], verbose=True)

    assert lines(capsys) == []


def test_attempts_are_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    """A line of a run with retries says how many there were."""
    with pytest.raises(ZeroDivisionError):
        execute(
            one_over, [0], verbose=True, retries=Retry(1, backoff=0.0, jitter=False)
        )

    assert "1 failed (1 ZeroDivisionError), 1 retry" in lines(capsys)[1]
