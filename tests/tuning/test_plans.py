"""A plan is made of the first items, whose results are kept, and can be used again."""

from __future__ import annotations

import copy
import json
import math
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils._process.advice import first_tasks
from cotality.core.utils._process.machine import run_queue
from cotality.core.utils._process.rules.where_to_run import Figures
from cotality.core.utils.process import DeadLetters, Journal, RunReport
from cotality.tuning import (
    CircuitBreaker,
    Plan,
    Profile,
    execute,
    execute_async,
    optimize,
    optimize_streaming,
    process_in_batches,
    validate_optimization,
)
from cotality.tuning._tuning.plans.planning import planned
from tests.kit.given import given, settings, st
from tests.kit.helpers import Failure, Gate, echo, output_of
from tests.kit.limits import LONG_S


@pytest.fixture(autouse=True)
def no_other_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as anybody here is told: what is measured beside some is not kept."""
    monkeypatch.setattr(run_queue, "runnable_now", lambda: 1)


PROFILE = Profile("work", "cpu_bound", 0.01, 0.01, 1.0, 1e-5, 100, 100, "", 5, 0)


def figures(**others: Any) -> Figures:
    usual: dict[str, Any] = {
        "left": 1000,
        "wall": 0.01,
        "cpu": 0.01,
        "lock": 1.0,
        "transport": 1e-5,
        "start": 0.1,
        "cpus": 4,
        "threads": 64,
        "processes": 4,
    }
    return Figures(**{**usual, **others})


class Counting:
    """A function that counts how often it was called with what."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.lock = threading.Lock()

    def __call__(self, item: Any) -> Any:
        with self.lock:
            self.calls.append(item)
        if item == "bad":
            raise Failure("bad")
        return item


# What is planned, from figures alone.


@pytest.mark.parametrize(
    ("given", "executor", "n_jobs", "workload", "reason"),
    [
        ({}, "processes", 4, "cpu_bound", "compute and hold the interpreter's lock"),
        ({"wall": 1e-6, "cpu": 1e-6}, "sequential", 1, "cpu_bound", "costs to hand"),
        ({"left": 3}, "sequential", 1, "cpu_bound", "what could be saved is less"),
        ({"left": 1}, "sequential", 1, "cpu_bound", "nothing to run at the same time"),
        ({"cpus": 1, "processes": 0}, "sequential", 1, "cpu_bound", "there is one CPU"),
        ({"cpu": 1e-5}, "threads", 64, "io_bound", "wait more than they compute"),
        ({"lock": 0.0}, "threads", 4, "cpu_bound", "leave the interpreter's lock"),
    ],
)
def test_the_plan_fits_the_figures(
    given: dict[str, Any], executor: str, n_jobs: int, workload: Any, reason: str
) -> None:
    """Also when they say that nothing is to be gained."""
    known = figures(**given)

    plan = planned(known, replace(PROFILE, workload_type=workload), known.left)

    assert (plan.executor, plan.n_jobs) == (executor, n_jobs)
    assert reason in plan.reason


def test_what_cannot_travel_stays_here() -> None:
    """The reason is given, and the way that cannot be gone has no time."""
    profile = replace(PROFILE, obstacle="a result cannot be pickled")

    plan = planned(figures(processes=0), profile, 1000)

    assert plan.executor == "sequential"
    assert "cannot go to processes: a result cannot be pickled" in plan.reason
    assert math.isinf(plan.expected_seconds["processes"])
    assert "processes impossible" in str(plan)


@settings(deadline=None)
@given(
    st.integers(1, 10**6),
    st.floats(1e-7, 10),
    st.floats(0.01, 1),
    st.floats(0, 1),
    st.integers(1, 64),
)
def test_a_plan_is_always_one_that_can_be_run(
    left: int, wall: float, computing: float, lock: float, cpus: int
) -> None:
    """Whatever was measured; and it is never expected to be slower than a loop."""
    known = figures(
        left=left,
        wall=wall,
        cpu=wall * computing,
        lock=lock,
        cpus=cpus,
        processes=cpus if cpus > 1 else 0,
    )
    plan = planned(known, PROFILE, left)

    assert 1 <= plan.n_jobs <= max(64, cpus)
    assert plan.n_jobs <= left
    assert plan.chunksize >= 1
    assert plan.estimated_speedup >= 1
    assert (plan.executor == "sequential") == (plan.n_jobs == 1)
    assert plan.chunksize * wall <= 0.02 or plan.chunksize == 1


# What is measured.


def test_every_item_is_run_once(make_data: Callable[[int], Any]) -> None:
    """Those that were measured are not run again; an iterator loses none."""
    for run in (run_list, run_stream, run_batches):
        work, data = Counting(), make_data(500)

        plan = optimize(work, data)
        seen = len(work.calls)

        assert 1 <= seen <= 500
        assert plan.profile.items_seen == seen
        assert run(work, data, plan) == list(range(500))
        assert sorted(work.calls) == list(range(500))


def test_a_coroutine_uses_what_was_measured(make_data: Callable[[int], Any]) -> None:
    """Likewise."""
    import asyncio

    work, data = Counting(), make_data(100)
    plan = optimize(work, data)

    assert asyncio.run(execute_async(work, data, plan=plan)) == list(range(100))
    assert sorted(work.calls) == list(range(100))


@pytest.fixture(params=["list", "range", "generator"])
def make_data(request: pytest.FixtureRequest) -> Callable[[int], Any]:
    def generated(count: int) -> Iterator[int]:
        yield from range(count)

    makers: dict[str, Callable[[int], Any]] = {
        "list": lambda count: list(range(count)),
        "range": range,
        "generator": generated,
    }
    return makers[request.param]


def run_list(work: Any, data: Any, plan: Plan) -> list[Any]:
    return execute(work, data, plan=plan)


def run_stream(work: Any, data: Any, plan: Plan) -> list[Any]:
    return list(optimize_streaming(work, data, plan=plan))


def run_batches(work: Any, data: Any, plan: Plan) -> list[Any]:
    batches = process_in_batches(work, data, plan=plan, batch_size=7)
    return [each for batch in batches for each in batch]


def test_what_was_measured_is_used_once() -> None:
    """After that it is another run, which runs all of it."""
    work, data = Counting(), [1, 2, 3]
    plan = optimize(work, data)

    for _ in range(2):
        assert execute(work, data, plan=plan) == [1, 2, 3]

    assert sorted(work.calls) == [1, 1, 2, 2, 3, 3]


def test_other_work_uses_the_plan_alone() -> None:
    """Other data, or another function, has nothing to do with what was measured."""
    work, other = Counting(), Counting()
    plan = optimize(work, [1, 2, 3])

    assert execute(work, [4, 5], plan=plan) == [4, 5]
    assert execute(other, [1, 2, 3], plan=plan) == [1, 2, 3]
    assert sorted(other.calls) == [1, 2, 3]


def test_a_failure_among_the_first_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planning does not raise it: the run does, or has it in its place."""
    monkeypatch.setattr(first_tasks, "LONG_ENOUGH", LONG_S)
    for data in (["bad", 1, 2], [0, "bad", 2]):
        work = Counting()
        plan = optimize(work, data, fresh=True)
        assert plan.profile.items_failed == 1
        assert "failed" in str(plan)
        with pytest.raises(Failure) as caught:
            execute(work, data, plan=plan)
        index = data.index("bad")
        assert caught.value.__notes__[0].startswith(f"Raised by task {index}: ")

        plan = optimize(work, data, fresh=True)
        results = execute(work, data, plan=plan, on_error="return")
        assert isinstance(results[index], Failure)


@pytest.mark.parametrize("seconds", [0.0, 0.002])
def test_a_report_and_a_journal_know_of_the_first_items(
    tmp_path: Path, seconds: float
) -> None:
    """They count, they are written down, and a run that resumes has them as well."""
    report, journal = RunReport(), Journal(tmp_path / "run.jsonl")

    def work(number: int) -> int:
        time.sleep(seconds)
        return number

    data = list(range(100))
    plan = optimize(work, data)

    results = execute(work, data, plan=plan, journal=journal, report=report)
    again = execute(tell_of_every_call, data, journal=journal, resume=True)

    assert results == data
    assert (report.done, report.recalled) == (100, 0)
    assert again == ["called"] * 100
    again = execute(work, data, journal=journal, resume=True)
    assert again == data


def tell_of_every_call(number: int) -> str:
    return "called"


def test_dead_letters_have_what_failed_among_the_first(tmp_path: Path) -> None:
    """No failure is lost for having come early."""
    letters = DeadLetters(tmp_path / "letters")
    work, data = Counting(), ["bad", 1]
    plan = optimize(work, data)

    execute(work, data, plan=plan, on_error="return", dead_letters=letters)

    assert [letter.error for letter in letters.entries()] == ["Failure"]


class Doubling:
    def double(self, number: int) -> int:
        return 2 * number

    def triple(self, number: int) -> int:
        return 3 * number


def test_a_method_is_the_same_function_each_time() -> None:
    """Though each look at it makes a new object."""
    thing, data = Doubling(), iter(range(300))
    plan = optimize(thing.double, data)

    assert execute(thing.double, data, plan=plan) == [2 * n for n in range(300)]


def test_items_that_only_another_function_has_seen_are_not_lost_in_silence() -> None:
    """An iterator cannot give them again."""
    thing, data = Doubling(), iter(range(300))
    plan = optimize(thing.double, data)

    with pytest.raises(ValueError, match="were read when the plan was made, for anoth"):
        execute(thing.triple, data, plan=plan)

    assert execute(thing.double, data, plan=plan) == [2 * n for n in range(300)]


def test_a_call_that_is_refused_loses_nothing() -> None:
    """The next one has what was measured."""
    data = iter(range(300))
    plan = optimize(abs, data)

    for wrong in ({"retires": 3}, {"n_jobs": 0}, {"on_error": "ignore"}):
        options: Any = wrong
        with pytest.raises((TypeError, ValueError)):
            execute(abs, data, plan=plan, **options)
    with pytest.raises(TypeError):
        optimize_streaming(abs, data, plan=plan, ordered=1)  # type: ignore[call-overload]

    assert execute(abs, data, plan=plan) == list(range(300))


def test_options_that_need_processes_are_measured_there() -> None:
    """And the plan is one that can keep them."""
    plan = optimize(pid_of, [1, 2, 3], timeout=LONG_S, fresh=True)

    assert plan.executor in ("sequential", "processes")
    found = execute(pid_of, [4, 5], plan=plan, timeout=LONG_S)
    assert os.getpid() not in found
    assert validate_optimization(pid_of, [1, 2], timeout=LONG_S).seconds > 0


def pid_of(number: int) -> int:
    return os.getpid()


@pytest.mark.parametrize(
    "first", [10**400, float("inf"), float("nan"), -(10**30), True]
)
def test_numbers_of_any_size_can_be_planned_for(first: Any) -> None:
    """The magnitude of the first is all that is looked at."""
    assert optimize(repr, [first], fresh=True).total == 1
    assert optimize(repr, [first]).total == 1


def test_what_was_refused_is_no_measurement() -> None:
    """It is told in the plan, and not remembered."""
    breaker = CircuitBreaker(1, reset_after=3600)
    with pytest.raises(Failure):
        breaker.call(Counting(), "bad")

    work = Counting()
    plan = optimize(work, [1, 2], circuit_breaker=breaker)

    assert work.calls == []
    assert "Run 2 items" in str(plan)
    optimize(work, [1, 2])
    assert work.calls


def test_what_writes_a_run_down_is_no_option_of_a_check() -> None:
    """There are three runs, and nothing is run for the wrong question."""
    work = Counting()

    with pytest.raises(ValueError, match="report belongs to one run"):
        validate_optimization(work, [1], report=RunReport())

    assert work.calls == []


def test_a_plan_for_work_that_waits_has_many_threads(gate: Gate) -> None:
    """And the first item is not run again, though it took long."""
    ran: list[int] = []

    def wait(number: int) -> int:
        ran.append(number)
        gate.wait()
        return number

    opener = threading.Timer(0.1, gate.open)
    opener.start()
    data = list(range(8))
    plan = optimize(wait, data)
    opener.join()

    assert plan.executor == "threads"
    assert plan.n_jobs == 8
    assert plan.profile.workload_type == "io_bound"
    assert execute(wait, data, plan=plan) == data
    assert sorted(ran) == data


def test_similar_work_is_not_measured_again() -> None:
    """The same function with the same kind of items; anything else is."""
    work = Counting()
    first = optimize(work, [1000, 1001])
    count = len(work.calls)

    again = optimize(work, [1002] * 50)

    assert len(work.calls) == count
    assert again.profile == first.profile
    assert again.total == 50
    for data in ([10**9], ["text"], iter([1000])):
        before = len(work.calls)
        optimize(work, data)
        assert len(work.calls) > before
    optimize(work, [1000], fresh=True)
    assert work.calls[-1] == 1000


def test_what_is_remembered_is_not_the_limit_of_that_time() -> None:
    """A plan for one worker says nothing of what more of them could do."""
    calls: list[float] = []

    def nap(seconds: float) -> None:
        calls.append(seconds)
        time.sleep(seconds)

    alone = optimize(nap, [0.02] * 10, max_workers=1)
    count = len(calls)
    together = optimize(nap, [0.02] * 10)

    assert (alone.executor, alone.n_jobs) == ("sequential", 1)
    assert (together.executor, together.n_jobs) == ("threads", 10)
    assert len(calls) == count


def test_nothing_to_do_is_planned_as_well() -> None:
    """No item, no measurement."""
    plan = optimize(echo, [])

    assert (plan.executor, plan.total, plan.profile.items_seen) == ("sequential", 0, 0)
    assert execute(echo, [], plan=plan) == []
    assert "0 items" in str(plan)


def test_data_without_end_is_planned_for_a_thousand() -> None:
    """Nobody knows how many there are."""
    plan = optimize(echo, iter(int, 1))

    assert plan.total is None
    assert str(plan).startswith("Run the items in a plain loop")


# Overriding.


def test_each_field_of_a_plan_can_be_overridden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By an argument, else by the environment; the others hold."""
    plan = planned(figures(cpu=1e-5), PROFILE, 1000)
    plan = replace(plan, n_jobs=5, chunksize=11)
    reports = [RunReport() for _ in range(5)]
    data = range(200)

    execute(echo, data, plan=plan, report=reports[0])
    execute(echo, data, plan=plan, n_jobs=2, report=reports[1])
    execute(echo, data, plan=plan, chunksize=3, report=reports[2])
    execute(echo, data, plan=plan, executor="processes", report=reports[3])
    monkeypatch.setenv("COTALITY_N_JOBS", "4")
    execute(echo, data, plan=plan, report=reports[4])

    assert [each.kind for each in reports] == [
        "threads",
        "threads",
        "threads",
        "processes",
        "threads",
    ]
    assert [each.workers for each in reports if each.kind == "threads"] == [5, 2, 5, 4]
    assert [each.largest_portion for each in reports] == [11, 11, 3, 11, 11]


# Keeping.


def test_a_plan_can_be_saved_and_loaded(tmp_path: Path) -> None:
    """As JSON, infinity and all; what was measured and not taken is not in there."""
    plan = replace(planned(figures(processes=0), PROFILE, 1000), head=None)
    with_head = optimize(echo, [1], fresh=True)
    path = tmp_path / "plan.json"

    for each in (plan, with_head):
        each.save(path)
        assert Plan.load(path) == each
        assert json.loads(path.read_text())["version"] == 1
        assert copy.deepcopy(each) == pickle.loads(pickle.dumps(each)) == each
    assert Plan.load(path).head is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plan: [], "holds no plan, but"),
        (lambda plan: {**plan, "version": 9}, "no plan of version 1.*its version: 9"),
        (lambda plan: {**plan, "executor": "fibers"}, "must be one of .* got 'fibers'"),
        (lambda plan: {**plan, "n_jobs": 0}, "n_jobs in .* at least 1, got 0"),
        (lambda plan: {**plan, "chunksize": "a"}, "chunksize in .*, got 'a'"),
        (lambda plan: {**plan, "profile": 1}, "profile in .* must be an object, got 1"),
        (lambda plan: {"version": 1}, "lacks chunksize, cpus"),
        (lambda plan: {**plan, "profile": {}}, "lacks cpu_seconds_per_item"),
        (
            lambda plan: {**plan, "total": "x"},
            "total in .* must be an integer, got 'x'",
        ),
        (
            lambda plan: {**plan, "expected_seconds": {"threads": [1]}},
            "is damaged: float",
        ),
    ],
)
def test_a_file_that_holds_something_else_is_refused(
    change: Callable[[Any], Any], message: str, tmp_path: Path
) -> None:
    """With what is wrong about it, and where."""
    path = tmp_path / "plan.json"
    plan = planned(figures(), PROFILE, 10)
    path.write_text(json.dumps(change(plan.to_dict())))

    with pytest.raises(ValueError, match=message) as caught:
        Plan.load(path)

    assert str(path) in str(caught.value)


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    """Likewise."""
    path = tmp_path / "plan.json"
    path.write_text("{")

    with pytest.raises(ValueError, match="holds no plan: Expecting"):
        Plan.load(path)


def test_plans_of_other_versions_of_this_program_are_known_by_their_fields() -> None:
    """Whoever adds a field has to think of the plans that were saved without it."""
    assert [each.name for each in fields(Plan)] == [
        "executor",
        "n_jobs",
        "chunksize",
        "estimated_speedup",
        "reason",
        "profile",
        "total",
        "expected_seconds",
        "cpus",
        "speedup_range",
        "head",
    ]
    # Those that a file of an earlier version may lack have a usual value.
    assert [each.name for each in fields(Plan) if each.default is not MISSING] == [
        "speedup_range",
        "head",
    ]


def test_what_is_measured_beside_busy_programs_is_not_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is marked, and the next plan is made anew."""
    monkeypatch.setattr(run_queue, "wants_cpu", lambda _: False)
    monkeypatch.setattr(run_queue, "runnable_now", lambda: 4)
    work = Counting()
    busy = optimize(work, range(1000, 3000))
    seen = len(work.calls)

    assert busy.profile.is_of_busy_machine
    assert busy.profile.busy_programs == 3
    assert "measured beside other programs that kept about 3.0 CPUs" in str(busy)

    monkeypatch.setattr(run_queue, "runnable_now", lambda: 1)
    quiet = optimize(work, range(1000, 3000))

    assert len(work.calls) > seen
    assert not quiet.profile.is_of_busy_machine
    assert "other programs" not in str(quiet)


@pytest.mark.parametrize("left", [3, 1000])
def test_a_plan_expects_no_more_than_its_workers(left: int) -> None:
    """Whatever the figures say."""
    plan = planned(figures(left=left, cpu=1e-5), PROFILE, left)

    assert plan.estimated_speedup <= plan.n_jobs


def test_a_plan_of_a_file_without_what_came_later_can_be_read(tmp_path: Path) -> None:
    """A range is one of two numbers again."""
    plan = replace(planned(figures(), PROFILE, 1000), speedup_range=(1.5, 1.75))
    plan.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json").speedup_range == (1.5, 1.75)

    given = json.loads((tmp_path / "plan.json").read_text("utf-8"))
    del given["speedup_range"], given["profile"]["busy_programs"]
    (tmp_path / "plan.json").write_text(json.dumps(given), "utf-8")

    assert Plan.load(tmp_path / "plan.json").speedup_range is None


# Checking.


def test_a_plan_is_checked_by_running_both_ways() -> None:
    """The figures fit together, and each item was run."""
    work = Counting()

    check = validate_optimization(work, iter(range(30)))

    assert set(work.calls) == set(range(30))
    assert len(work.calls) == 60 + check.optimization.profile.items_seen
    assert check.actual_speedup == check.loop_seconds / check.seconds
    assert 0 < check.accuracy_percentage <= 100
    assert f"accuracy {check.accuracy_percentage:.0f} %" in str(check)


def test_imports_are_no_part_of_what_the_loop_took(tmp_path: Path) -> None:
    """Or the first loop of a program would be many times as slow as its plan."""
    script = tmp_path / "program.py"
    script.write_text(
        "import sys\n"
        "from cotality.tuning import validate_optimization\n"
        "from cotality.tuning._tuning.runs import validation\n"
        "clock, modules = validation.perf_counter, []\n"
        "def read():\n"
        "    modules.append(set(sys.modules))\n"
        "    return clock()\n"
        "validation.perf_counter = read\n"
        "validate_optimization(str, range(50))\n"
        "print(modules[1] - modules[0])\n"
    )
    assert output_of([sys.executable, "program.py"], tmp_path) == "set()\n"
