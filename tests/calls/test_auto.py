"""``use_processes="auto"``: the same answers, wherever the tasks run."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils._process.rules.where_to_run import (
    PLACES,
    Figures,
    better_place,
)
from cotality.core.utils.process import (
    RunReport,
    Task,
    WorkerCrashedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
)
from tests.kit.given import given, st
from tests.kit.helpers import Gate, Marks, echo
from tests.kit.made_up_run import MadeUpRun


def figures(**changed: Any) -> Figures:
    usual: dict[str, Any] = {
        "left": 1000,
        "wall": 0.01,
        "cpu": 0.01,
        "lock": 1.0,
        "transport": 0.0,
        "start": 0.1,
        "cpus": 2,
        "threads": 32,
        "processes": 2,
    }
    return Figures(**{**usual, **changed})


# The arithmetic.


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({}, "processes"),  # Python code
        ({"lock": 0.0}, "threads"),  # code that gives up the lock
        ({"cpu": 1e-4}, "threads"),  # what waits
        ({"left": 3}, None),  # less than it takes to start
        ({"left": 3, "start": 0.003}, "processes"),
        ({"wall": 1e-6, "cpu": 1e-6}, None),  # tiny
        ({"transport": 0.02}, None),  # it takes longer to send than to do
        ({"processes": 0}, None),  # nowhere to go
        ({"processes": 0, "cpu": 1e-4}, "threads"),
        ({"left": 1, "wall": 1.0, "cpu": 1.0, "running": 1.0}, "processes"),
        ({"left": 0, "running": 1.0}, None),
        # What waits now and then, and nobody has seen that it keeps the lock.
        ({"cpu": 0.007, "is_lock_seen": False}, "threads"),
        ({"cpu": 0.007, "is_lock_seen": False, "threads": 1}, "processes"),
        ({"cpu": 0.007}, "processes"),
        ({"is_lock_seen": False}, "processes"),  # it does not wait
    ],
)
def test_where_to_go_from_one_thread(
    changed: dict[str, Any], place: str | None
) -> None:
    """What is known of the tasks decides."""
    assert better_place(figures(**changed), "one thread") == place


@given(
    st.builds(
        figures,
        left=st.integers(0, 10**6),
        wall=st.floats(1e-6, 10),
        cpu=st.floats(1e-7, 1e-6),
        lock=st.floats(0, 1),
        transport=st.floats(0, 1),
        start=st.floats(0, 1),
        cpus=st.integers(1, 64),
        threads=st.integers(1, 64),
        processes=st.integers(0, 64),
        running=st.floats(0, 10),
    ),
    st.sampled_from(PLACES),
)
def test_a_move_pays_and_is_not_taken_back(known: Figures, here: Any) -> None:
    """Where it goes is expected to take less, and to be no worse once it is there."""
    there = better_place(known, here)

    if there is not None:
        assert known.seconds(there) < known.seconds(here)
        assert better_place(known, there) != here


def test_what_has_been_done_counts_for_more_than_what_should_be() -> None:
    """Threads that do as much as the processes would are not left for those."""
    known = figures(left=1000)
    on_processes = known.left / known.seconds("processes")

    assert better_place(known, "threads") == "processes"
    assert better_place(known, "threads", rate=0.8 * on_processes) == "processes"
    assert better_place(known, "threads", rate=1.2 * on_processes) is None


def test_once_threads_have_shown_what_they_do_processes_are_weighed() -> None:
    known = figures(cpu=0.007, is_lock_seen=False)

    assert better_place(known, "threads") is None
    assert better_place(known, "threads", rate=120) == "processes"
    # But if one computes so little, it is the machine that is slow.
    known = figures(cpu=0.001, is_lock_seen=False)
    assert better_place(known, "threads", rate=120) is None


@pytest.mark.parametrize(
    ("left", "wall", "threads", "least", "most"),
    [
        (20, 0.1, 20, 0.15, 0.2),
        (200, 0.01, 64, 0.1, 0.13),
        (20_000, 0.01, 64, 3.1, 3.4),
    ],
)
def test_beside_busy_programs_threads_start_one_after_the_other(
    left: int, wall: float, threads: int, least: float, most: float
) -> None:
    """Each waits for its first turn (measured: 0.19 s, 0.12 s)."""
    quiet = figures(left=left, wall=wall, cpu=1e-5, threads=threads)
    busy = figures(left=left, wall=wall, cpu=1e-5, threads=threads, others=2, machine=2)

    assert (
        quiet.seconds_on_threads(threads) < 1.1 * wall * max(1, left / threads) + 0.01
    )
    assert least < busy.seconds_on_threads(threads) < most


@given(st.floats(1e-5, 10), st.floats(0.001, 1), st.integers(1, 64))
def test_no_more_threads_than_keep_the_cpus_busy(
    wall: float, share: float, cpus: int
) -> None:
    """More would only wait for a CPU, or for the lock."""
    known = figures(wall=wall, cpu=wall * share, lock=0.0, cpus=cpus, threads=64)

    assert 1 <= known.useful_threads <= 64
    busy = known.useful_threads * share / cpus
    assert busy <= 1 or known.useful_threads == 1 or busy * (1 - share) < 1.5


# Real calls.


def burn(seconds: float, value: int) -> tuple[int, int]:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    return value, os.getpid()


def nap(value: int) -> tuple[int, int]:
    time.sleep(0.02)
    return value, threading.get_ident()


def run(tasks: Any, **options: Any) -> tuple[list[Any], RunReport]:
    report = RunReport()
    results = execute_tasks_in_parallel(
        tasks, use_processes="auto", report=report, **options
    )
    return results, report


def choice(report: RunReport) -> str:
    assert report.decision is not None
    return report.decision.choice


# What is decided depends on how busy the machine is with other things: a thread that
# does not get a CPU looks like one that waits. So these tests leave some room.


def test_a_small_job_starts_no_processes() -> None:
    """It mostly stays on one thread."""
    results, report = run([Task(echo, {"value": i}) for i in range(10)])

    assert results == list(range(10))
    assert choice(report) != "processes"


def test_tasks_that_wait_are_run_on_several_threads() -> None:
    """Though there may be worker processes."""
    results, report = run([Task(nap, {"value": i}) for i in range(200)])

    assert [value for value, _ in results] == list(range(200))
    assert choice(report) == "threads"
    assert len({thread for _, thread in results}) > 2


def test_tasks_that_compute_are_run_on_processes() -> None:
    """Those that were begun on a thread have ended there."""
    tasks = [Task(burn, {"seconds": 0.01, "value": i}) for i in range(200)]

    results, report = run(tasks, max_workers=2)

    assert [value for value, _ in results] == list(range(200))
    assert report.decision is not None
    if report.decision.choice == "processes":
        assert {pid for _, pid in results} - {os.getpid()}
        assert "hold the interpreter's lock" in str(report.decision)
    elif report.cpus > 1:  # there were not that many for us
        assert report.cpus_busy < 1.2


def test_a_report_says_what_was_decided(caplog: pytest.LogCaptureFixture) -> None:
    """And why, with the figures; so does the log."""
    with caplog.at_level("DEBUG", "cotality.core.utils.process"):
        _, report = run([Task(nap, {"value": i}) for i in range(20)], max_workers=4)

    decision = report.decision
    assert decision is not None
    assert decision.choice == "threads"
    assert 2 <= decision.workers <= 4
    assert 0 < decision.at < report.wall_seconds
    seconds = decision.expected_seconds
    assert seconds["threads"] < seconds["one thread"]
    assert f"20 tasks on {decision.workers} threads (auto)" in report.summary()
    assert "because the tasks wait more than they compute" in report.summary()
    assert any(f"auto: {decision}" in message for message in caplog.messages)


@pytest.mark.alone  # a first task that gets no CPU looks like a long one
def test_a_call_that_stays_where_it_is_says_why() -> None:
    """Not to use more workers."""
    _, real = run([Task(time.sleep, positional=(0.01,))])
    assert real.decision is not None
    made_up = MadeUpRun(workers=1, kind="auto", total=1, lasts=0.2)
    made_up.recorder.decided(real.decision)
    made_up.portion("MainThread", 0.0, [0.2], cpu=0.0)
    report = made_up.end()

    assert "on one thread (auto)" in real.summary()
    assert "Everything ran on one thread, because" in report.explain()


def test_workers_that_cannot_start_are_a_reason_for_threads() -> None:
    """An initializer that fails in processes alone fails no task."""
    here = os.getpid()

    def refuse_elsewhere() -> None:
        if os.getpid() != here:
            raise OSError("not here")

    tasks = [Task(burn, {"seconds": 0.005, "value": i}) for i in range(100)]
    results, _ = run(tasks, max_workers=2, initializer=refuse_elsewhere)

    assert [value for value, _ in results] == list(range(100))
    assert {pid for _, pid in results} == {here}


def test_an_initializer_that_cannot_be_sent_is_a_reason_for_threads() -> None:
    """It is no error of the call."""
    lock = threading.Lock()

    def prepare() -> None:
        with lock:
            pass

    tasks = [Task(burn, {"seconds": 0.005, "value": i}) for i in range(50)]
    results, _ = run(tasks, max_workers=2, initializer=prepare)

    assert {pid for _, pid in results} == {os.getpid()}


def test_a_worker_that_dies_takes_one_task_with_it() -> None:
    """As on processes, once it is there."""

    def work(value: int, home: int) -> int:
        burn(0.005, value)
        if value == 150 and os.getpid() != home:
            os._exit(3)
        return value

    tasks = [Task(work, {"value": i, "home": os.getpid()}) for i in range(200)]
    results, _ = run(tasks, max_workers=2, on_error="return")

    if results[150] != 150:  # it may have been run in this one
        assert isinstance(results[150], WorkerCrashedError)
        results[150] = 150
    assert results == list(range(200))


def test_coroutines_may_ask_for_it_too() -> None:
    """The event loop decides in passing."""

    async def main() -> list[Any]:
        tasks = [Task(nap, {"value": i}) for i in range(50)]
        return await execute_tasks_in_parallel_async(tasks, use_processes="auto")

    assert [value for value, _ in asyncio.run(main())] == list(range(50))


def test_the_interpreter_is_left_as_it_was() -> None:
    """Also by several calls at once, from several threads."""
    before = sys.getswitchinterval()
    tasks = [Task(burn, {"seconds": 0.005, "value": i}) for i in range(60)]

    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(run, tasks, max_workers=2) for _ in range(3)]
        for call in calls:
            results, _ = call.result()
            assert [value for value, _ in results] == list(range(60))

    assert sys.getswitchinterval() == before


def test_what_cannot_be_pickled_is_a_reason_for_threads() -> None:
    """And no failure."""
    lock = threading.Lock()

    def with_lock(value: int) -> int:
        with lock:
            burn(0.003, value)
        return value

    results, report = run([Task(with_lock, {"value": i}) for i in range(100)])

    assert results == list(range(100))
    assert choice(report) != "processes"


def test_one_that_cannot_be_pickled_is_found_late() -> None:
    """When others have gone to processes: it is run on a thread."""
    tasks: list[Task[Any]] = [
        Task(burn, {"seconds": 0.005, "value": i}) for i in range(200)
    ]
    tasks[150] = Task(burn, {"seconds": 0.005, "value": LockedInt(150)})

    results, _ = run(tasks, max_workers=2)

    assert [value for value, _ in results] == [
        *range(150),
        tasks[150].arguments["value"],
        *range(151, 200),
    ]
    assert results[150][1] == os.getpid()


class LockedInt:
    """Holds something that no pickle can."""

    def __init__(self, value: int) -> None:
        self.value = value
        self.lock = threading.Lock()


@pytest.mark.alone  # a first task that gets no CPU looks like a long one
def test_a_result_that_cannot_be_pickled_is_a_reason_for_threads() -> None:
    """It is seen in the first ones."""

    def locked(value: int) -> LockedInt:
        burn(0.003, value)
        return LockedInt(value)

    results, report = run([Task(locked, {"value": i}) for i in range(100)])

    assert [each.value for each in results] == list(range(100))
    assert choice(report) != "processes"


def mark(folder: Path, value: int, seconds: float) -> int:
    with (folder / f"{value}").open("a") as file:
        file.write("x")
    burn(seconds, value)
    return value


def test_no_task_is_run_twice(tmp_path: Path) -> None:
    """Wherever the call moves."""
    tasks = [
        Task(mark, {"folder": tmp_path, "value": i, "seconds": 0.004})
        for i in range(200)
    ]

    results, _ = run(tasks, max_workers=2)

    assert results == list(range(200))
    runs = Counter(path.read_text() for path in tmp_path.iterdir())
    assert runs == {"x": 200}


def test_an_input_without_a_length() -> None:
    """How much is left nobody knows; results still come in order."""

    def tasks() -> Iterator[Task[Any]]:
        for i in range(300):
            yield Task(burn, {"seconds": 0.002, "value": i})

    stream = execute_tasks_in_parallel_streaming(tasks(), use_processes="auto")

    assert [value for _, (value, _) in stream] == list(range(300))


def test_tasks_may_change_character() -> None:
    """From tiny ones to such that wait, and to such that compute."""
    tasks: list[Task[Any]] = [Task(echo, {"value": i}) for i in range(5000)]
    tasks += [Task(nap, {"value": i}) for i in range(100)]
    tasks += [Task(burn, {"seconds": 0.005, "value": i}) for i in range(100)]

    results, report = run(tasks, max_workers=8)

    assert results[:5000] == list(range(5000))
    assert [value for value, _ in results[5000:]] == [*range(100), *range(100)]
    assert "threads" in [decision.choice for decision in report.decisions]


def test_a_long_task_behind_short_ones_is_seen(gate: Gate) -> None:
    """What has not been handed out does not wait for the whole of it."""
    tasks: list[Task[Any]] = [Task(echo, {"value": n}) for n in range(300)]
    tasks[5] = Task(gate.wait)  # somewhere inside of a portion of three or nine
    tasks[299] = Task(gate.open)

    results, _ = run(tasks)

    assert results == [n if n not in (5, 299) else None for n in range(300)]


def test_a_limit_of_time_needs_processes() -> None:
    """So that is what it gets."""
    (pid,) = execute_tasks_in_parallel(
        [Task(os.getpid)], use_processes="auto", timeout=60.0
    )

    assert pid != os.getpid()


def test_a_failure_ends_the_call(marks: Marks) -> None:
    """As everywhere; what has not begun is dropped."""

    def fail_or_mark(number: int) -> None:
        if number == 3:
            raise ValueError(number)
        time.sleep(0.001)
        marks.leave(number)

    tasks = [Task(fail_or_mark, {"number": i}) for i in range(5000)]

    with pytest.raises(ValueError, match="3"):
        execute_tasks_in_parallel(tasks, use_processes="auto")
    assert len(marks.names()) < 1000


@pytest.mark.parametrize("wrong", ["yes", "Auto", "", 1])
def test_other_words_are_refused(wrong: Any) -> None:
    """With the three that exist."""
    with pytest.raises((TypeError, ValueError), match="True, False or 'auto', got"):
        execute_tasks_in_parallel([], use_processes=wrong)
