"""How many tasks may start in a given time."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import pytest

from cotality.core.utils._process.engine.limits.rate import EXACTNESS, Window
from cotality.core.utils.process import (
    Rate,
    Retry,
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
    shutdown_workers,
)
from tests.kit.given import given, settings, st
from tests.kit.helpers import Failure, echo

# It is about clocks.
pytestmark = pytest.mark.one_python

COUNT, PER = 5, 0.1  # tasks, s


def check_pace(starts: list[float], began: float, count: int, per: float) -> None:
    """No task has started before its turn; that some are late is no fault."""
    for place, start in enumerate(sorted(starts)):
        assert start - began >= place // count * per - EXACTNESS


# The window.

steps = st.lists(
    st.tuples(st.floats(0, 3), st.integers(1, 20), st.integers(0, 20)), max_size=60
)


@settings(deadline=None)
@given(st.integers(1, 10), st.floats(0.1, 10), steps)
def test_no_window_has_more_than_its_count(
    count: int, per: float, steps: list[tuple[float, int, int]]
) -> None:
    """Whatever is asked for when, no time of that length has more starts."""
    window, now, starts = Window(count, per), 0.0, []
    for pause, wanted, unused in steps:
        now += pause
        granted = window.take(wanted, now)
        given_back = min(granted, unused)
        window.give_back(given_back)
        starts += [now] * (granted - given_back)

    for place in range(len(starts) - count):
        assert starts[place + count] - starts[place] >= per * (1 - 1e-9)


@settings(deadline=None)
@given(st.integers(1, 10), st.floats(0.1, 10), steps)
def test_what_a_window_says_of_the_next_start_is_true(
    count: int, per: float, steps: list[tuple[float, int, int]]
) -> None:
    """At that time there is room; and before it there was none."""
    window, now = Window(count, per), 0.0
    for pause, wanted, _ in steps:
        now += pause
        granted = window.take(wanted, now)
        if granted < wanted:
            opens_at = window.opens_at(now)
            assert opens_at > now
            assert window.take(1, (now + opens_at) / 2) == 0
            now = opens_at + 1e-9
            assert window.take(1, now) == 1


def test_starts_that_were_late_are_counted_when_they_were() -> None:
    """What a worker that had to be started first has run counts from then on."""
    window = Window(4, 1.0)
    assert window.take(4, 0.0) == 4

    window.postpone(2, 0.5)

    assert window.take(4, 1.0) == 2
    assert window.take(4, 1.4) == 0
    assert window.take(4, 1.5) == 2


def test_starts_that_were_later_than_the_window_count_anew() -> None:
    """They had been forgotten by then."""
    window = Window(4, 1.0)
    assert window.take(4, 0.0) == 4
    assert window.take(1, 2.0) == 1

    window.postpone(4, 2.5)

    assert window.take(4, 2.6) == 0
    assert window.opens_at(2.6) == 3.5


def test_a_window_of_many_starts_stays_small() -> None:
    """Its memory is bounded by how exactly it looks, not by how many there are."""
    window = Window(1_000_000, 1.0)
    for step in range(100_000):
        assert window.take(1, step * 1e-5) == 1

    assert len(window.starts) <= 2 / EXACTNESS + 2


# A call.


def test_a_rate_holds_across_all_workers(use_processes: bool) -> None:
    """However many there are, no more tasks start than may."""
    tasks = [Task(monotonic) for _ in range(4 * COUNT)]
    began = monotonic()

    starts = execute_tasks_in_parallel(tasks, 2, use_processes, rate=Rate(COUNT, PER))

    check_pace(starts, began, COUNT, PER)


def test_a_rate_above_what_workers_do_changes_nothing(use_processes: bool) -> None:
    """Tasks travel together as far as the rate lets them."""
    tasks = [Task(echo, {"value": n}) for n in range(3_000)]

    results = execute_tasks_in_parallel(tasks, 2, use_processes, rate=Rate(10**9))

    assert results == list(range(3_000))


def test_a_rate_limits_a_stream_a_coroutine_and_a_call_inline() -> None:
    """It holds for every entry point and every place."""
    tasks = [Task(monotonic) for _ in range(2 * COUNT)]
    for options in ({"inline": True}, {"executor": ThreadPoolExecutor(2)}):
        given: Any = options
        began = monotonic()
        stream = execute_tasks_in_parallel_streaming(
            iter(tasks), rate=Rate(COUNT, PER), **given
        )
        check_pace([value for _, value in stream], began, COUNT, PER)
        if "executor" in given:
            given["executor"].shutdown()

    began = monotonic()
    starts = asyncio.run(
        execute_tasks_in_parallel_async(tasks, 2, rate=Rate(COUNT, PER))
    )
    check_pace(starts, began, COUNT, PER)


def test_another_attempt_counts_like_the_first() -> None:
    """What is asked for twice is asked for twice."""
    starts: list[float] = []

    def fail_once() -> None:
        starts.append(monotonic())
        if len(starts) % 2:
            raise Failure("once more")

    began = monotonic()
    execute_tasks_in_parallel(
        [Task(fail_once)] * 4, 1, retries=Retry(1, backoff=0), rate=Rate(2, PER)
    )

    assert len(starts) == 8
    check_pace(starts, began, 2, PER)


def test_calls_that_share_a_rate_are_limited_together() -> None:
    """Also calls from several threads at once."""
    rate, starts = Rate(COUNT, PER), list[float]()
    began = monotonic()

    def call() -> None:
        starts.extend(
            execute_tasks_in_parallel([Task(monotonic)] * COUNT, 2, rate=rate)
        )

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert len(starts) == 3 * COUNT
    check_pace(starts, began, COUNT, PER)


def test_what_did_not_start_does_not_count() -> None:
    """The end of the input and a failure give back what they had room for."""
    rate = Rate(3, per=3600)

    assert execute_tasks_in_parallel(iter([Task(echo, {"value": 1})]), rate=rate) == [1]
    assert execute_tasks_in_parallel([], rate=rate) == []
    with pytest.raises(TypeError):
        execute_tasks_in_parallel(iter([1]), rate=rate)  # type: ignore[list-item]
    results = execute_tasks_in_parallel([Task(echo, {"value": 2})] * 2, rate=rate)

    assert results == [2, 2]
    assert rate.take(1) == 0


def test_a_rate_says_what_is_wrong_with_it() -> None:
    """A number that makes no sense is refused, and so is what is no rate."""
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        Rate(0)
    with pytest.raises(ValueError, match="per must be more than 0 seconds, got 0"):
        Rate(1, per=0)
    with pytest.raises(TypeError, match="a number of tasks in a number of seconds"):
        Rate(1, per=float("inf"))
    with pytest.raises(TypeError, match="rate must be a number of tasks a second or"):
        execute_tasks_in_parallel([], rate="50")  # type: ignore[call-overload]


# By the clocks of the tasks.


# Seconds. A task that loses its CPU between its start and its look at the clock seems
# to have started later. So who asks this runs alone.
TOLERANCE = 0.005


def start_of_a_nap(seconds: float) -> float:
    """When it began, by a clock that all processes share."""
    began = monotonic()
    time.sleep(seconds)
    return began


def check_windows(starts: list[float], count: int, per: float) -> None:
    """In no time of *per* seconds more than *count* tasks have started."""
    ordered = sorted(starts)
    for place in range(len(ordered) - count):
        assert ordered[place + count] - ordered[place] >= per - TOLERANCE


@pytest.mark.alone
@pytest.mark.parametrize("where", [False, True, "auto"])
@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.15])
def test_no_window_has_more_starts_by_the_tasks_own_clocks(
    where: Any, seconds: float
) -> None:
    """Also of tasks that take longer than the window, and of workers that are new."""
    shutdown_workers()
    naps = [Task(start_of_a_nap, {"seconds": seconds}) for _ in range(60)]

    starts = execute_tasks_in_parallel(naps, 6, where, rate=Rate(20, per=0.1))

    check_windows(starts, 20, 0.1)


@pytest.mark.alone
def test_a_worker_that_starts_late_does_not_make_a_burst() -> None:
    """What waits for it keeps its place in the window until it has begun."""
    tasks = [Task(monotonic) for _ in range(3 * COUNT)]

    starts = execute_tasks_in_parallel(
        tasks, 3, True, rate=Rate(COUNT, PER), initializer=time.sleep, initargs=(0.3,)
    )

    check_windows(starts, COUNT, PER)


@pytest.mark.alone
def test_calls_that_share_a_rate_keep_it_together() -> None:
    """On threads and on processes at the same time."""
    rate = Rate(10, per=0.1)

    def call(use_processes: bool) -> list[float]:
        naps = [Task(start_of_a_nap, {"seconds": 0.02}) for _ in range(30)]
        return execute_tasks_in_parallel(naps, 4, use_processes, rate=rate)

    with ThreadPoolExecutor(2) as callers:
        found = list(callers.map(call, [False, True]))

    check_windows([*found[0], *found[1]], 10, 0.1)


def test_a_call_that_was_struck_takes_no_place_for_ever() -> None:
    """What it had out counts as begun, and nothing more is known of it."""
    rate = Rate(2, per=0.05)
    stream = execute_tasks_in_parallel_streaming(
        [Task(fail_slowly)] * 2, 2, True, rate=rate, grace=0
    )
    with pytest.raises(Failure):
        list(stream)
    del stream
    gc.collect()

    assert (
        execute_tasks_in_parallel([Task(abs, positional=(-1,))] * 4, rate=rate)
        == [1] * 4
    )
    assert rate.out == []


def fail_slowly() -> None:
    time.sleep(0.01)
    raise Failure


@pytest.mark.alone
def test_a_rate_with_an_executor_of_others_is_known_when_tasks_are_back() -> None:
    """From then on it counts from when they started."""
    with ThreadPoolExecutor(4) as executor:
        naps = [Task(start_of_a_nap, {"seconds": 0.0}) for _ in range(20)]
        starts = execute_tasks_in_parallel(naps, executor=executor, rate=Rate(5, 0.05))

    check_windows(starts, 5, 0.05)
