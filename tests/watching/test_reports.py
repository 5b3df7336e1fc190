"""What a report makes of a run: sums, rows, the timeline, the summary, the trace."""

from __future__ import annotations

import gc
import itertools
import json
import math
import pickle
import random
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from cotality._kit import units
from cotality.core.utils._process.portions.chunk import ChunkReport
from cotality.core.utils._process.report.shown.as_page import page_of
from cotality.core.utils._process.report.timeline import SPAN_LIMIT, Span, Timeline
from cotality.core.utils._process.report.worker_rows import Slowest, SlowTask
from cotality.core.utils._process.tasks.outcome import Portion
from cotality.core.utils._process.tasks.times import EPOCH, Times, Timing
from cotality.core.utils.process import (
    RunReport,
    Task,
    TaskTimeoutError,
    WorkerCrashedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
)
from tests.kit.fatal import exit_with
from tests.kit.helpers import Failure, Thing, echo, fail_with
from tests.kit.made_up_run import MadeUpRun

pytestmark = pytest.mark.one_python


def test_sums_are_exact() -> None:
    """Times, tasks and bytes of all portions add up."""
    run = MadeUpRun(workers=2, total=6, lasts=10.0)
    run.portion("a", 0.5, [1.0, 2.0], cpu=0.5, overhead=0.25, sent=100, received=7)
    run.portion("b", 0.6, [3.0, 0.5, 0.5], cpu=0.5, sent=200, received=3)
    run.portion("a", 4.0, [2.0], cpu=0.5, overhead=0.25)

    report = run.end()

    assert (report.done, report.failed, report.total) == (6, 0, 6)
    assert report.task_seconds == pytest.approx(9.0)
    assert report.cpu_seconds == pytest.approx(4.5)
    assert report.overhead_seconds == pytest.approx(0.5)
    assert report.idle_seconds == pytest.approx(20.0 - 9.0 - 0.5)
    assert report.startup_seconds == pytest.approx(0.5)
    assert (report.sent_bytes, report.received_bytes) == (300, 10)
    assert (report.portions, report.portion_tasks) == (3, 6)
    assert (report.smallest_portion, report.largest_portion) == (1, 3)
    assert report.speed_up == pytest.approx(0.9)
    assert report.cpus_busy == pytest.approx(0.45)
    a, b = report.rows
    assert (a.name, a.tasks, a.busy_seconds) == ("a", 3, pytest.approx(5.0))
    assert a.idle_seconds(report.wall_seconds) == pytest.approx(4.5)
    assert (b.name, b.tasks, b.overhead_seconds) == ("b", 3, pytest.approx(0.0))


def test_a_task_that_is_run_again_counts_once() -> None:
    """Attempts count as runs; the task counts when it has succeeded or failed."""
    run = MadeUpRun(total=1)
    error = ConnectionError("no answer")
    run.portion("a", 0.0, [1.0], errors={0: error}, is_final=False)
    run.recorder.will_retry(0, Task(echo), 1, error, 2.5)
    run.portion("a", 3.5, [1.0], index=0, attempt=2)

    report = run.end()

    assert (report.done, report.failed, report.retries, report.runs) == (1, 0, 1, 2)
    assert report.failures == {}
    assert report.wasted_seconds == pytest.approx(1.0)
    assert report.retry_wait_seconds == 2.5
    assert [span.attempt for span in report.timeline.rows[0]] == [1, 2]
    assert report.rows[0].failed == 1


def test_failures_are_counted_by_class() -> None:
    """Each class of exception has a number, and the summary shows the largest first."""
    run = MadeUpRun(kind="threads", total=4)
    errors: dict[int, Exception] = {0: ValueError("a"), 1: KeyError("b")}
    run.portion("t", 0.0, [0.1, 0.1], errors=errors)
    run.portion("t", 1.0, [0.1, 0.1], errors={1: ValueError("c")})

    report = run.end()

    assert report.failures == {"ValueError": 2, "KeyError": 1}
    assert "1 done, 3 failed (2 ValueError, 1 KeyError)" in report.summary()


@pytest.mark.parametrize("error", [WorkerCrashedError("x"), TaskTimeoutError("x")])
def test_a_worker_that_is_replaced_keeps_its_row(error: Exception) -> None:
    """Two workers have two rows, also when one of them dies and another comes."""
    run = MadeUpRun(workers=2, total=4)
    run.portion("process 1", 0.0, [1.0])
    run.portion("process 2", 0.0, [2.0], errors={0: error})
    run.portion("process 3", 2.5, [1.0])
    run.portion("process 1", 1.0, [3.0])

    report = run.end()

    assert report.deaths == 1
    assert [row.name for row in report.rows] == ["process 1", "process 3"]
    assert [row.replaced for row in report.rows] == [0, 1]
    assert [row.deaths for row in report.rows] == [0, 1]
    first, second = report.timeline.rows[1]
    assert (first.died, first.worker) == (1, "process 2")
    assert (second.died, second.worker) == (0, "process 3")


def test_a_worker_that_retires_makes_room_in_its_row() -> None:
    """Workers that are replaced after so many tasks do not each get a row."""
    run = MadeUpRun(workers=2, total=40)
    for number in range(20):
        run.portion(f"process {2 * number}", number / 4, [0.2])
        run.portion(f"process {2 * number + 1}", number / 4, [0.2])

    report = run.end()

    assert len(report.rows) == 2
    assert [row.replaced for row in report.rows] == [19, 19]


def test_threads_survive_whatever_a_task_raises() -> None:
    """An error of that class from a call inside the task is no death of its thread."""
    run = MadeUpRun(kind="threads")
    run.portion("t", 0.0, [1.0], errors={0: WorkerCrashedError("in a call of mine")})

    assert run.end().deaths == 0


def test_a_death_without_times_lasts_until_it_is_seen() -> None:
    """The task that was lost takes the time from the one before it until its end."""
    run = MadeUpRun(lasts=10.0)
    run.portion("p", 1.0, [2.0, 3.0], errors={1: WorkerCrashedError("x")})
    portion_with_times = run.report.timeline.rows[0][-1]
    assert portion_with_times.busy == pytest.approx(3.0)

    tasks = [Task(echo, {"value": 0}), Task(echo, {"value": 1})]
    began = run.began_at + 6.0
    portion = Portion(2, tasks, {}, 1, began)
    died: dict[int, Any] = {1: WorkerCrashedError("y")}  # Any: as a report has them
    report = ChunkReport(
        [0, None], died, times=Times.of([Timing(began, 1.0, 1.0)]), worker="p"
    )
    run.recorder.came_back(portion, report)

    lost = run.report.timeline.rows[0][-1]
    assert (lost.index, lost.died) == (3, 1)
    assert lost.start == pytest.approx(7.0)
    assert lost.end >= 10.0


def test_workers_of_another_machine_have_another_clock() -> None:
    """Times that cannot be ours are moved to where they can be."""
    run = MadeUpRun(lasts=10.0)
    run.portion("elsewhere", 1_000_000.0, [1.0, 2.0])

    (spans,) = run.end().timeline.rows

    assert spans[0].start == pytest.approx(7.0, abs=1.0)
    assert spans[1].busy == pytest.approx(2.0)


def test_the_five_slowest_are_kept() -> None:
    """They are the slowest of all, in order, whatever order they came in."""
    slowest = Slowest()
    durations = [random.Random(seed).expovariate(1.0) for seed in range(500)]
    for index, seconds in enumerate(durations):
        slowest.add(SlowTask(index, "call", seconds, "worker", 1, "", 0.0))

    found = [task.seconds for task in slowest.tasks()]

    assert found == sorted(durations, reverse=True)[:5]


def test_a_slow_task_is_shown_with_its_call() -> None:
    """The table names the task, its worker, its time and what it failed with."""
    run = MadeUpRun(kind="threads")
    run.portion("thread x", 0.0, [1.0, 4.0], errors={1: ValueError("bad\nline")})

    summary = run.end().summary()

    assert "1  4.0 s  thread x  work(number=1) -> ValueError: bad line" in summary


# The timeline.


def spans_of(count: int, seed: int) -> Iterator[Span]:
    """Spans that follow one another, of lengths that differ a thousand times."""
    chance, at = random.Random(seed), 0.0
    for index in range(count):
        length = 10 ** chance.uniform(-6, -3)
        yield Span(at, at + length, index, 1, length, f"f({index})", "w")
        at += length + 10 ** chance.uniform(-7, -4)


@pytest.mark.parametrize("seed", range(3))
def test_a_timeline_has_a_limit_and_loses_nothing(seed: int) -> None:
    """However many tasks there are, spans are few and count every one, in order."""
    timeline = Timeline(limit=500)
    timeline.have_rows(2)
    given = list(spans_of(5_000, seed))
    for span in given:
        timeline.add(0, span)
        timeline.add(1, Span(span.start, span.end, span.index, 1, span.busy, "g", "v"))

    assert timeline.count == sum(map(len, timeline.rows)) <= 500
    for spans in timeline.rows:
        assert sum(span.count for span in spans) == 5_000
        assert sum(span.busy for span in spans) == pytest.approx(
            sum(span.end - span.start for span in spans_of(5_000, seed))
        )
        assert [span.start for span in spans] == sorted(span.start for span in spans)


def test_long_tasks_are_never_merged() -> None:
    """A task that can be seen stays a span of its own among thousands of tiny ones."""
    timeline = Timeline(limit=200)
    timeline.have_rows(1)
    at = 0.0
    for index in range(3_000):
        length = 1.0 if index == 1_500 else 1e-5
        timeline.add(0, Span(at, at + length, index, 1, length, "f(x)", "w"))
        at += length

    longest = max(timeline.rows[0], key=lambda span: span.busy)

    assert (longest.index, longest.count, longest.call) == (1_500, 1, "f(x)")


def test_a_timeline_may_have_more_rows_than_spans() -> None:
    """A limit below the number of rows leaves one span in each."""
    timeline = Timeline(limit=10)
    for row in range(50):
        timeline.have_rows(row + 1)
        for number in range(3):
            timeline.add(row, Span(number, number + 0.5, number, 1, 0.5, "f", "w"))

    assert timeline.count <= 50


def test_a_few_short_tasks_keep_a_span_each() -> None:
    """Nothing is merged in a run that a person can look at task by task."""
    run = MadeUpRun(lasts=0.01)
    run.portion("p", 0.001, [1e-6] * 300, index=0)

    (spans,) = run.end().timeline.rows

    assert [span.count for span in spans] == [1] * 300
    assert [span.index for span in spans] == list(range(300))


def test_a_million_tasks_leave_a_bounded_record() -> None:
    """Spans stay below their limit, sums stay exact, and no failure gets lost."""
    run = MadeUpRun(workers=2, lasts=10.0)
    errors: dict[int, Exception] = {7: ValueError("odd")}
    for number in range(1_000):
        run.portion(f"p{number % 2}", number / 100, [5e-6] * 1_000, errors=errors)

    report = run.end()

    assert report.runs == 1_000_000
    assert report.timeline.count <= SPAN_LIMIT
    spans = [span for row in report.timeline.rows for span in row]
    assert sum(span.count for span in spans) == 1_000_000
    assert sum(span.failed for span in spans) == 1_000
    assert {span.error for span in spans if span.failed} == {"ValueError: odd"}
    # The clock tells times since the machine was started, to the last digit of a float.
    digit = math.ulp(time.perf_counter())
    assert report.task_seconds == pytest.approx(5.0, abs=1_000_000 * digit)


# What a report keeps and what it costs.


def test_a_report_keeps_nothing_of_the_tasks() -> None:
    """Arguments, results and failures can go as soon as the caller lets them go."""
    things = [Thing() for _ in range(20)]
    watched = [weakref.ref(thing) for thing in things]
    tasks = [Task(echo, {"value": thing}) for thing in things]
    report = RunReport()
    results = execute_tasks_in_parallel(tasks, 2, report=report)
    failures = execute_tasks_in_parallel(
        [Task(fail_with, {"error": Failure("x")})],
        1,
        return_exceptions=True,
        report=(other := RunReport()),
    )
    watched.append(weakref.ref(failures[0]))  # type: ignore[arg-type]  # it failed

    del things, tasks, results, failures
    gc.collect()

    assert [ref() for ref in watched] == [None] * 21
    assert (report.done, other.failed) == (20, 1)


class Slow:
    """Something whose repr takes long."""

    reprs = 0

    def __repr__(self) -> str:
        Slow.reprs += 1
        time.sleep(0.05)
        return "Slow()"


def test_descriptions_cost_a_small_part_of_the_run() -> None:
    """A repr that takes long is not asked for again and again."""
    Slow.reprs = 0
    slow = Slow()
    tasks = [Task(echo, {"value": slow}) for _ in range(200)]
    report = RunReport()

    execute_tasks_in_parallel(tasks, 2, report=report)

    assert Slow.reprs <= 5
    assert {task.call.partition("(")[0] for task in report.slowest} == {"echo"}


def test_a_report_can_be_pickled() -> None:
    """It can be kept and looked at in another program."""
    run = MadeUpRun()
    run.portion("a", 0.0, [1.0, 2.0], errors={1: ValueError("x")})
    report = run.end()

    copy = pickle.loads(pickle.dumps(report))

    assert copy.summary() == report.summary()
    assert copy.explain() == report.explain()


# A report and its call.


def test_a_report_belongs_to_one_call() -> None:
    """A second call refuses it before anything runs; what it holds stays as it was."""
    report = RunReport()
    execute_tasks_in_parallel([Task(echo, {"value": 1})], report=report)
    ran: list[int] = []
    tasks = [Task(ran.append, positional=(1,))]

    with pytest.raises(ValueError, match=r"Make a new one, RunReport\(\)"):
        execute_tasks_in_parallel(tasks, report=report)

    assert (ran, report.done) == ([], 1)


def test_a_report_before_its_call_says_so() -> None:
    """Nothing has been run: neither an error nor a row of zeros."""
    report = RunReport()

    assert report.summary() == report.explain() == "Nothing has been run yet."


def test_no_tasks_are_a_run_too() -> None:
    """A call without tasks leaves a report that says that nothing was run."""
    report = RunReport()
    execute_tasks_in_parallel([], report=report)

    assert report.summary().startswith("0 tasks on ")
    assert report.explain().startswith("No task was run")


def test_a_report_counts_what_a_call_did(use_processes: bool) -> None:
    """It agrees with the results, and each worker of the call has a row."""
    report = RunReport()
    tasks = [Task(echo, {"value": number}) for number in range(300)]

    results = execute_tasks_in_parallel(tasks, 2, use_processes, report=report)

    assert results == list(range(300))
    assert (report.done, report.failed, report.runs) == (300, 0, 300)
    assert report.kind == ("processes" if use_processes else "threads")
    assert sum(row.tasks for row in report.rows) == 300
    assert sum(s.count for spans in report.timeline.rows for s in spans) == 300
    assert 0 < report.task_seconds <= report.capacity
    assert all(s.start <= s.end for spans in report.timeline.rows for s in spans)


def test_a_report_of_a_stream_may_be_read_while_it_runs(use_processes: bool) -> None:
    """It holds what is known so far, and tells of a caller who left early."""
    report = RunReport()
    tasks = (Task(echo, {"value": number}) for number in range(1_000_000))
    stream = execute_tasks_in_parallel_streaming(tasks, 2, use_processes, report=report)

    next(stream)
    assert "so far" in report.summary()
    stream.close()

    assert report.error == "the caller took no more results"
    assert "the caller took no more results" in report.summary()


def test_a_worker_that_dies_is_in_the_report() -> None:
    """A real crash is one death, one failure of its class, and marked in its row."""
    report = RunReport()
    tasks = [
        Task(echo, {"value": 1}),
        Task(exit_with, {"code": 3}),
        Task(echo, {"value": 2}),
    ]

    execute_tasks_in_parallel(
        tasks, 1, use_processes=True, return_exceptions=True, report=report
    )

    assert (report.done, report.failed, report.deaths) == (2, 1, 1)
    assert report.failures == {"WorkerCrashedError": 1}
    assert sum(s.died for spans in report.timeline.rows for s in spans) == 1
    assert len(report.rows) == 1


# Text.


def test_the_summary_fits_on_a_screen() -> None:
    """With many workers some are counted instead of shown; lines stay short."""
    run = MadeUpRun(workers=64, total=64 * 3)
    for number in range(64 * 3):
        run.portion(f"process {number % 64}", number % 3, [0.9])

    lines = run.end().summary().splitlines()

    assert len(lines) <= 30
    assert "... and 56 more workers" in lines
    assert all(len(line) <= 100 for line in lines)


def test_the_summary_says_when_workers_got_nothing() -> None:
    """Workers that never ran a task are counted."""
    run = MadeUpRun(workers=4, total=2)
    run.portion("a", 0.0, [1.0])
    run.portion("b", 0.0, [1.0])

    assert "... and 2 workers that got no task" in run.end().summary()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (3e-9, "3.0 ns"),
        (4.2e-6, "4.2 µs"),
        (0.000_999_9, "1.0 ms"),
        (0.35, "350 ms"),
        (12.44, "12.4 s"),
        (99.6, "1 min 40 s"),
        (128, "2 min 8 s"),
        (3900, "1 h 5 min"),
    ],
)
def test_times_have_units(value: float, text: str) -> None:
    """A time is written with the unit that suits it."""
    assert units.seconds(value) == text


def test_sizes_and_shares_have_units() -> None:
    """Bytes come in steps of a thousand; what is not nothing is never 0 %."""
    assert [units.size(n) for n in (0, 999, 1500, 2.5e6, 3e9)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "2.5 MB",
        "3.0 GB",
    ]
    assert units.share(1, 1000) == "< 1 %"
    assert units.share(0, 1000) == units.share(1, 0) == "0 %"
    assert units.ratio(0.001) == "< 0.01"


# The trace.

# What the published format asks of an event, by its phase.
NEEDED = {
    "X": {"name", "cat", "ph", "ts", "dur", "pid", "tid", "args"},
    "M": {"name", "ph", "pid", "tid", "args"},
    "C": {"name", "ph", "ts", "pid", "args"},
}


def trace_of(report: RunReport, folder: Path) -> dict[str, Any]:  # Any: JSON
    path = folder / "trace.json"
    report.save_trace(path)
    trace: dict[str, Any] = json.loads(path.read_text("utf-8"))  # Any: as above
    return trace


def test_a_trace_follows_the_format(tmp_path: Path) -> None:
    """Events have what their phase needs, in microseconds, and rows have names."""
    run = MadeUpRun(workers=2, total=5)
    run.portion("process 1", 0.25, [1.0, 0.5])
    run.portion("process 2", 0.5, [2.0], errors={0: ValueError("bad")}, attempt=2)

    trace = trace_of(run.end(), tmp_path)

    assert trace["displayTimeUnit"] == "ms"
    events = trace["traceEvents"]
    for event in events:
        assert set(event) == NEEDED[event["ph"]]
        assert isinstance(event["pid"], int)
        assert isinstance(event["args"], dict)
        for name in {"ts", "dur"} & set(event):
            assert event[name] >= 0
    slices = [event for event in events if event["ph"] == "X"]
    assert [(s["ts"], s["dur"], s["tid"]) for s in slices] == [
        (pytest.approx(250_000), pytest.approx(1_000_000), 1),
        (pytest.approx(1_250_000), pytest.approx(500_000), 1),
        (pytest.approx(500_000), pytest.approx(2_000_000), 2),
    ]
    assert [s["args"]["index"] for s in slices] == [0, 1, 2]
    assert slices[2]["args"]["error"] == "ValueError: bad"
    assert (slices[2]["args"]["attempt"], slices[2]["cat"]) == (2, "failed")
    names = [e["args"]["name"] for e in events if e["name"] == "thread_name"]
    assert names == ["process 1", "process 2"]


def test_a_trace_counts_busy_workers(tmp_path: Path) -> None:
    """The counter rises and falls with the tasks, and ends at none."""
    run = MadeUpRun(workers=2)
    run.portion("a", 0.0, [2.0])
    run.portion("b", 1.0, [3.0])

    events = trace_of(run.end(), tmp_path)["traceEvents"]

    counts = [event["args"]["busy"] for event in events if event["ph"] == "C"]
    assert counts == [1, 2, 1, 0]


def test_a_trace_of_a_real_run_can_be_read(tmp_path: Path, use_processes: bool) -> None:
    """Slices of a row follow one another, as they must for a viewer to stack them."""
    report = RunReport()
    tasks = [Task(echo, {"value": number}) for number in range(200)]
    execute_tasks_in_parallel(tasks, 2, use_processes, report=report)

    events = trace_of(report, tmp_path)["traceEvents"]

    for row in range(1, len(report.rows) + 1):
        slices = [e for e in events if e["ph"] == "X" and e["tid"] == row]
        assert slices
        for before, after in itertools.pairwise(slices):
            assert after["ts"] >= before["ts"] + before["dur"] - 0.01


class PromptExecutor(ThreadPoolExecutor):
    """Has run what it is given before it says that it took it, and then is late."""

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:  # type: ignore[override]
        future = super().submit(*args, **kwargs)
        wait([future])
        time.sleep(0.01)
        return future


def test_a_worker_may_begin_before_the_caller_goes_on(tmp_path: Path) -> None:
    """As on a busy machine; its tasks are not said to have run later than they did."""
    report = RunReport()
    with PromptExecutor(1) as executor:
        times = execute_tasks_in_parallel(
            [Task(time.perf_counter)] * 3, executor=executor, report=report
        )

    events = trace_of(report, tmp_path)["traceEvents"]

    starts = [event["ts"] * 1e-6 for event in events if event["ph"] == "X"]
    for start, seen in zip(starts, times, strict=True):
        assert report.started_at + start <= seen + EPOCH + 1e-3


def test_a_long_path_of_the_program_is_cut() -> None:
    """At its beginning, so that the script can be told."""
    run = MadeUpRun()
    run.portion("a", 0.0, [0.9])
    report = run.end()
    report.script = f"/{'very/' * 30}far/nightly.py"

    (line,) = [each for each in report.summary().splitlines() if "program" in each]
    assert len(line) <= 100
    assert "very/far/nightly.py, " in line
    assert report.script in page_of(report)
