"""What a run is compared with: a loop, in which each task is alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cotality.core.utils._process.rules.decision import Decision
from cotality.core.utils._process.rules.seen import Alone
from cotality.core.utils.process import RunReport
from cotality.tuning._tuning.plans.plan_of_run import plan_of_run
from tests.kit.made_up_run import MadeUpRun

PROCESSES = Decision(
    "processes",
    2,
    0.0,
    "made up",
    left=100,
    wall_seconds=0.01,
    cpu_seconds=0.01,
    lock=1.0,
    transport_seconds=0.0,
    obstacle="",
    expected_seconds={},
    alone=Alone(20, 0.2, 0.2, 0.0),
)


def crowd(
    *decisions: Decision, takes: float, cpu: float, lasts: float, workers: int = 4
) -> RunReport:
    """A hundred tasks on threads that took *takes* each, for *cpu* of a CPU."""
    run = MadeUpRun(workers=1, kind="auto", total=100, lasts=lasts)
    for decision in decisions:
        run.recorder.decided(decision)
    for number in range(100):
        run.portion(str(number % workers), number * lasts / 100, [takes], cpu=cpu)
    return run.end()


def threads(workers: int, **changed: Any) -> Decision:
    return replace(PROCESSES, choice="threads", workers=workers, **changed)


def test_what_tasks_took_in_a_crowd_is_no_speed_up() -> None:
    """Nine ran at a time, and together they were no faster than a loop."""
    report = crowd(threads(9), takes=0.1, cpu=0.1, lasts=1.1, workers=9)

    gain = report.gain
    assert gain is not None
    assert gain.speed_up == pytest.approx(1.0 / 1.1)
    assert report.speed_up == pytest.approx(10 / 1.1)
    summary = " ".join(report.summary().split())
    assert "at a time 9.1 tasks (their times add up to 10.0 s)" in summary
    assert "speed-up 0.91 times as fast as a loop" in summary
    assert "It went well" not in report.explain()


def test_tasks_that_wait_gain_what_they_did_at_a_time() -> None:
    """They take as long in a crowd as alone."""
    known = threads(10, alone=Alone(20, 2.0, 0.02, 1.98))
    report = crowd(known, takes=0.1, cpu=0.01, lasts=1.1, workers=10)

    gain = report.gain
    assert gain is not None
    assert gain.speed_up == pytest.approx(10 / 1.1)


def test_it_is_never_more_than_the_workers() -> None:
    """Whatever was measured of the first tasks."""
    known = threads(4, alone=Alone(20, 20.0, 0.02, 19.98))
    report = crowd(known, takes=0.1, cpu=0.01, lasts=1.0)

    gain = report.gain
    assert gain is not None
    assert gain.speed_up == gain.high == 4


def test_a_first_task_of_another_kind_is_no_yardstick() -> None:
    """Where nobody wants a CPU a loop takes what the tasks have taken together."""
    for first in (Alone(1, 0.0001, 0.0, 0.0001), Alone(1, 5.0, 0.0, 5.0)):
        known = threads(10, alone=first)
        report = crowd(known, takes=0.1, cpu=0.001, lasts=1.1, workers=10)

        gain = report.gain
        assert gain is not None
        assert gain.speed_up == pytest.approx(10 / 1.1)


def test_beside_busy_programs_a_loop_would_have_been_slower() -> None:
    """It would have had to share the CPUs as well."""
    quiet = crowd(PROCESSES, takes=0.02, cpu=0.5, lasts=1.0, workers=2)
    busy = crowd(
        replace(PROCESSES, busy_programs=2.0), takes=0.02, cpu=0.5, lasts=1.0, workers=2
    )
    for report in (quiet, busy):
        report.machine = 2

    assert quiet.gain is not None
    assert busy.gain is not None
    assert quiet.gain.speed_up == pytest.approx(1.0)
    assert busy.gain.speed_up == pytest.approx(1.5)


def test_plan_and_report_name_the_same_workers() -> None:
    """Those by which most of the tasks ran, not those that were there at the end."""
    first = threads(2)
    second = replace(PROCESSES, left=90)
    third = replace(PROCESSES, choice="one thread", workers=1, left=3)
    report = crowd(first, second, third, takes=0.01, cpu=1.0, lasts=0.6)

    plan = plan_of_run(report, abs, [1], [1])

    assert report.decision is third
    assert report.main_decision is second
    assert (plan.executor, plan.n_jobs) == ("processes", 2)
    assert report.summary().startswith("100 tasks on 2 processes (auto)")
    assert plan.speedup_range is not None
    low, high = plan.speedup_range
    assert low <= plan.estimated_speedup <= high <= report.workers


def test_on_processes_each_task_is_alone() -> None:
    """So there the sum of what they took is what a loop takes."""
    run = MadeUpRun(workers=2, total=20, lasts=10.0)
    for number in range(10):
        run.portion("a", number, [0.9])
        run.portion("b", number, [0.9])

    gain = run.end().gain

    assert gain is not None
    assert gain.speed_up == pytest.approx(1.8)


def test_of_an_executor_of_others_nobody_can_tell() -> None:
    """What runs beside the tasks there is not known."""
    run = MadeUpRun(workers=2, kind="SomeExecutor", total=1, lasts=1.0)
    run.portion("a", 0.0, [0.9])

    report = run.end()

    assert report.gain is None
    assert "speed-up" not in report.summary()
