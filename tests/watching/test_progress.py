"""What a call says of how far it is: the counts, the rate, the callback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from cotality.core.utils._process.engine.observers import Observer, Observers, Start
from cotality.core.utils._process.progress.meter import Meter, Rate
from cotality.core.utils._process.progress.reporter import CallbackReporter
from cotality.core.utils._process.tasks.outcome import Settled
from cotality.core.utils.process import (
    Progress,
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
)
from tests.kit.given import given, st
from tests.kit.helpers import Failure, Gate, echo, fail_with, mark_and_wait

MINUTE = 60.0


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def echoes(count: int) -> list[Task[int]]:
    return [Task(echo, {"value": value}) for value in range(count)]


def settled(count: int, failed: int = 0) -> Settled:
    return Settled(0, [None] * count, {at: Failure() for at in range(failed)})


# What a callback is told, in real calls.


def test_the_last_snapshot_is_of_the_whole_call(use_processes: bool) -> None:
    """Its last call tells of all tasks, of nothing in flight, and says so."""
    seen: list[Progress] = []
    execute_tasks_in_parallel(echoes(500), 2, use_processes, progress=seen.append)

    assert [each.finished for each in seen] == [False] * (len(seen) - 1) + [True]
    last = seen[-1]
    assert (last.done, last.total, last.failed) == (500, 500, 0)
    assert (last.retried, last.in_flight, last.remaining_seconds) == (0, 0, 0.0)
    assert last.elapsed_seconds > 0
    assert last.rate == pytest.approx(500 / last.elapsed_seconds)


def test_the_first_snapshot_comes_before_anything_is_done(use_processes: bool) -> None:
    """It knows the total of a list, and that nothing is known of the time left."""
    seen: list[Progress] = []
    execute_tasks_in_parallel(echoes(3), 2, use_processes, progress=seen.append)

    first = seen[0]
    assert (first.done, first.total, first.rate) == (0, 3, 0.0)
    assert first.remaining_seconds is None


def test_failures_and_retries_are_counted(use_processes: bool) -> None:
    """A task that fails three times has been retried twice and has failed once."""
    seen: list[Progress] = []
    tasks: list[Task[Any]] = [*echoes(2), Task(fail_with, {"error": Failure()})]
    execute_tasks_in_parallel(
        tasks, 2, use_processes, True, retries=2, progress=seen.append
    )

    last = seen[-1]
    assert (last.done, last.failed, last.retried) == (3, 1, 2)


def test_the_total_is_known_when_the_input_ends(use_processes: bool) -> None:
    """Of a generator nobody knows it at first, and everybody does in the end."""
    seen: list[Progress] = []
    tasks = (task for task in echoes(50))
    execute_tasks_in_parallel(tasks, 2, use_processes, progress=seen.append)

    assert (seen[0].total, seen[-1].total) == (None, 50)


def test_a_call_without_tasks_has_a_last_snapshot(use_processes: bool) -> None:
    """It says that all of nothing is done."""
    seen: list[Progress] = []
    execute_tasks_in_parallel([], 2, use_processes, progress=seen.append)

    last = seen[-1]
    assert (last.done, last.total, last.finished) == (0, 0, True)
    assert last.remaining_seconds == 0.0


def test_a_callback_is_called_while_a_task_takes_long(
    use_processes: bool, gate: Gate
) -> None:
    """It hears from time to time that nothing has come back, and what is out."""
    marks_of_time: list[Progress] = []

    def look(progress: Progress) -> None:
        marks_of_time.append(progress)
        if len(marks_of_time) == 3:  # the task still waits, and waits for this
            gate.open()

    execute_tasks_in_parallel([Task(gate.wait)], 1, use_processes, progress=look)

    second = marks_of_time[1]
    assert (second.done, second.in_flight, second.finished) == (0, 1, False)


def test_leaving_a_stream_early_ends_it(use_processes: bool) -> None:
    """The last snapshot then tells of less than all."""
    seen: list[Progress] = []
    tasks = (task for task in echoes(10**6))
    stream = execute_tasks_in_parallel_streaming(
        tasks, 2, use_processes, progress=seen.append
    )
    next(stream)
    stream.close()

    last = seen[-1]
    assert last.finished
    assert 1 <= last.done < 10**6
    assert last.remaining_seconds is None


def test_a_coroutine_can_ask_for_progress(use_processes: bool) -> None:
    """The calls that are awaited tell the same."""
    seen: list[Progress] = []
    asyncio.run(
        execute_tasks_in_parallel_async(
            echoes(20), 2, use_processes, progress=seen.append
        )
    )

    assert (seen[-1].done, seen[-1].finished) == (20, True)


# A callback that raises.


@pytest.mark.parametrize("when", [0, 1, "last"])
def test_a_callback_that_raises_ends_the_call(
    use_processes: bool, when: int | str
) -> None:
    """Its exception is raised, at whichever call it comes; it is not called again."""
    calls = 0

    def refuse(progress: Progress) -> None:
        nonlocal calls
        calls += 1
        if calls - 1 == when or (progress.finished and when == "last"):
            raise Failure(f"at {when}")

    with pytest.raises(Failure, match=f"at {when}"):
        execute_tasks_in_parallel(echoes(20), 2, use_processes, progress=refuse)
    assert when == "last" or calls == int(when) + 1


def test_a_callback_can_end_a_call_whose_tasks_take_long(
    gate: Gate, marks: Any
) -> None:
    """It need not wait for a task to come back in order to raise."""

    def stop(progress: Progress) -> None:
        if progress.in_flight:
            raise Failure("enough")

    task = Task(mark_and_wait, {"marks": marks, "name": "one", "gate": gate})
    with pytest.raises(Failure, match="enough"):
        execute_tasks_in_parallel([task], 1, True, progress=stop, grace=0.0)


def test_a_failed_task_is_told_rather_than_a_failed_callback(
    use_processes: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """When both fail at the end, the task's is raised and the other one is logged."""

    def refuse_the_last(progress: Progress) -> None:
        if progress.finished:
            raise LookupError("of the callback")

    with pytest.raises(Failure, match="of the task"):
        execute_tasks_in_parallel(
            [Task(fail_with, {"error": Failure("of the task")})],
            1,
            use_processes,
            progress=refuse_the_last,
        )
    assert "of the callback" in caplog.text


# The option.


@pytest.mark.parametrize("nothing", [False, None])
def test_no_progress_is_the_default(nothing: bool | None) -> None:
    """False and None are accepted, and nobody watches."""
    assert execute_tasks_in_parallel(echoes(2), 1, progress=nothing) == [0, 1]


@pytest.mark.parametrize("wrong", [1, 0, 2.5, []])
def test_what_cannot_be_called_is_refused(wrong: object) -> None:
    """The call says what it was given, before anything starts."""
    with pytest.raises(TypeError, match=r"progress must be True, False, a name"):
        execute_tasks_in_parallel_streaming(echoes(1), progress=wrong)  # type: ignore[call-overload]


def test_a_coroutine_function_is_refused() -> None:
    """Nobody would await what it returns."""

    async def look(progress: Progress) -> None: ...

    with pytest.raises(TypeError, match="Write def instead of async def"):
        execute_tasks_in_parallel(echoes(1), progress=look)


# How often.


def test_a_callback_is_called_at_most_20_times_a_second() -> None:
    """Calls are at least 50 ms apart, and not much more when enough happens."""
    clock = Clock()
    times: list[float] = []
    reporter = CallbackReporter(lambda progress: times.append(clock.now), clock)
    reporter.began(Start(None, 2, "threads", clock.now))
    for millisecond in range(10_000):
        clock.now = millisecond / 1000
        reporter.settled(settled(100))

    assert all(later - earlier > 0.0499 for earlier, later in pairwise(times))
    assert len(times) > 190


def test_a_slow_callback_is_not_called_all_the_time() -> None:
    """The pause counts from its end."""
    clock = Clock()
    began: list[float] = []

    def take_a_second(progress: Progress) -> None:
        began.append(clock.now)
        clock.now += 1.0

    reporter = CallbackReporter(take_a_second, clock)
    reporter.began(Start(None, 2, "threads", 0.0))
    for _ in range(1000):
        clock.now += 0.01
        reporter.settled(settled(1))

    assert all(later - earlier > 1.0499 for earlier, later in pairwise(began))
    assert len(began) > 100


# The counts and the rate, with made-up times.


def rates(steps: Iterator[tuple[float, int]], workers: int = 1) -> list[float]:
    """The rate at each of *steps*: a time, and how many are done by then."""
    rate = Rate(0.0, workers)
    return [rate.at_moment(at, done) for at, done in steps]


def test_a_steady_pace_is_the_rate_from_the_start() -> None:
    """Ten in each second are ten per second, also when little is known yet."""
    assert rates((at, at * 10) for at in range(1, 200)) == pytest.approx([10.0] * 199)


def test_nothing_done_is_a_rate_of_nothing() -> None:
    """Not knowing anything, and at the very start, it is 0."""
    assert rates(iter([(0.0, 0), (1.0, 0), (2.0, 0)])) == [0.0, 0.0, 0.0]


def test_a_new_pace_becomes_the_rate_within_a_minute() -> None:
    """What was fast at first does not make the rest look short."""

    def slowing_down() -> Iterator[tuple[float, int]]:
        for at in range(1, 121):
            yield at, min(at, 60) * 100 + max(0, at - 60) * 10

    assert rates(slowing_down())[-1] == pytest.approx(10, rel=0.25)


def test_long_tasks_do_not_make_the_rate_swing() -> None:
    """Eight tasks of a minute each at a time: it stays near eight a minute."""
    rounds = ((float(at), at // 60 * 8) for at in range(1, 1800))
    settled_down = rates(rounds, workers=8)[300:]

    assert min(settled_down) > 0.7 * 8 / MINUTE
    assert max(settled_down) < 1.4 * 8 / MINUTE


def test_the_time_left_follows_from_the_rate() -> None:
    """50 of 100 in 5 s leave 5 s."""
    meter = Meter(100, 2, at=0.0)
    meter.done = 50

    assert meter.at_moment(5.0).remaining_seconds == pytest.approx(5.0)


SECONDS = st.just(0.0) | st.floats(1e-9, 1e5)  # no clock is finer


@given(
    st.one_of(st.none(), st.integers(0, 1000)),
    st.lists(st.tuples(SECONDS, st.integers(0, 10**6))),
)
def test_no_figure_is_absurd(total: int | None, steps: list[tuple[float, int]]) -> None:
    """Rates and times are never negative or infinite, whatever the clock does."""
    meter, now = Meter(total, 4, at=0.0), 0.0
    for seconds, done in steps:
        now += seconds
        meter.done += done
        progress = meter.at_moment(now)
        assert 0 <= progress.rate < float("inf")
        assert progress.remaining_seconds is None or progress.remaining_seconds >= 0
    last = meter.at_end(now)
    assert (last.remaining_seconds == 0.0) == (meter.done == total)


# Several observers.


class Told(Observer):
    """Takes note of the end, then does as it was told to."""

    def __init__(self, at_the_end: Callable[[], None]) -> None:
        self.at_the_end = at_the_end
        self.has_ended = False

    def ended(self, error: BaseException | None) -> None:
        self.has_ended = True
        self.at_the_end()


def test_every_observer_learns_of_the_end() -> None:
    """One that raises there does not keep it from the others."""

    def refuse() -> None:
        raise Failure("one of them")

    several = [Told(refuse), Told(lambda: None), Told(refuse)]
    with pytest.raises(Failure, match="one of them"):
        Observers(several).ended(None)
    assert all(each.has_ended for each in several)
