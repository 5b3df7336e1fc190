"""Why a run was not faster: each cause is found from its figures, and no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from cotality.core.utils._process.engine.observers import Doing
from cotality.core.utils._process.portions.stopwatch import packages_of
from cotality.core.utils._process.tasks.times import Clues
from cotality.core.utils.process import (
    RunReport,
    Task,
    WorkerCrashedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
)
from tests.kit.helpers import echo
from tests.kit.made_up_run import MadeUpRun

pytestmark = pytest.mark.one_python


def explained(report: RunReport) -> str:
    """What the report says, on one line."""
    return " ".join(report.explain().split())


def even_run() -> MadeUpRun:
    """A run on two workers that are busy nearly all of the time."""
    run = MadeUpRun(workers=2, total=20, lasts=10.0)
    for number in range(10):
        run.portion("a", 0.1 + 0.95 * number, [0.92])
        run.portion("b", 0.1 + 0.95 * number, [0.92])
    return run


def test_a_good_run_is_called_that() -> None:
    """Nothing is found fault with where workers were busy nearly all of the time."""
    assert explained(even_run().end()).startswith(
        "It went well: 2 workers spent 92 % of the time in tasks, and the run was 1.8 "
        "times as fast as a loop."
    )


@pytest.mark.parametrize(("cpus", "is_all"), [(2, True), (8, False)])
def test_more_workers_are_advised_where_there_are_cpus_for_them(
    cpus: int, is_all: bool
) -> None:
    """Tasks that compute gain nothing from more workers than CPUs."""
    run = MadeUpRun(workers=2, total=20, lasts=10.0)
    for number in range(10):
        for worker in "ab":
            run.portion(worker, number, [0.92], cpu=0.7)
    report = run.end()
    report.cpus = cpus

    text = explained(report)

    assert text.startswith("It went well")
    assert ("There is a worker for each CPU, so only faster tasks" in text) == is_all
    assert ("use more workers" in text) != is_all


def test_tiny_tasks() -> None:
    """Where more time goes by around a task than in it, tasks are to be larger."""
    run = MadeUpRun(workers=2, total=100_000, lasts=1.0)
    for number in range(50):
        for worker in "ab":
            run.portion(worker, number / 50, [2e-6] * 1_000, overhead=0.015)

    text = explained(run.end())

    assert text.startswith(
        "The tasks are tiny: one takes 2.0 µs on average, and 18.0 µs of a worker's "
        "time go by around it. A plain loop would take about 200 ms, and this took "
        "1.0 s. That is about 90 % of the run. Let one task do the work of many."
    )


@pytest.mark.parametrize("queued", [0.0, 0.18])
def test_tiny_tasks_on_a_busy_machine(queued: float) -> None:
    """They are not to blame for what the driving thread waits for a CPU."""
    in_thread = Clues(queued=0.0, in_thread=True)
    run = MadeUpRun(
        workers=2, kind="threads", total=20, lasts=1.0, waits_because=Doing.READING
    )
    for number in range(20):
        run.driver(Doing.OWN_WORK, number / 20, 0.01)
        run.portion("ab"[number % 2], number / 20 + 0.01, [1e-6], clues=in_thread)
    report = run.end()
    report.seen.driver_queued = queued

    first, *others = report.explain().split("\n\n")

    assert first.startswith("Workers waited for input")
    assert any("The tasks are tiny" in text for text in others) == (queued == 0.0)


def test_one_straggler() -> None:
    """A task that runs alone at the end is named, with the time the others waited."""
    run = MadeUpRun(workers=3, total=7, lasts=10.0, waits_because=Doing.ALL_OUT)
    for worker in "abc":
        run.portion(worker, 0.0, [1.0, 1.0])
    run.portion("b", 2.0, [8.0])

    text = explained(run.end())

    assert text.startswith(
        "One task kept all others waiting: task 6, work(number=6), took 8.0 s, and for "
        "8.0 s of that it ran alone while 2 workers had nothing to do. That is about "
        "53 % of the run."
    )


def test_a_straggler_that_began_at_once_is_not_to_be_put_first() -> None:
    """It was, so that is no way out."""
    run = MadeUpRun(workers=3, total=5, lasts=10.0, waits_because=Doing.ALL_OUT)
    run.portion("b", 0.0, [10.0])
    for worker in "ac":
        run.portion(worker, 0.0, [1.0, 1.0])

    text = explained(run.end())

    assert text.startswith("One task kept all others waiting: task 0,")
    assert "It began so early that only dividing it helps." in text
    assert "first" not in text


def test_two_that_end_together_are_no_stragglers() -> None:
    """As long as another one runs as well, no single task is to blame."""
    run = MadeUpRun(workers=3, total=8, lasts=10.0, waits_because=Doing.ALL_OUT)
    for worker in "abc":
        run.portion(worker, 0.0, [1.0, 1.0])
    run.portion("a", 2.0, [7.9])
    run.portion("b", 2.0, [8.0])

    text = explained(run.end())

    assert "kept all others waiting" not in text
    assert text.startswith("The end was uneven")


def test_fewer_tasks_than_workers() -> None:
    """Workers without a task are counted."""
    run = MadeUpRun(workers=8, total=2, lasts=10.0, waits_because=Doing.ALL_OUT)
    run.portion("a", 0.0, [9.8])
    run.portion("b", 0.0, [9.9])

    assert explained(run.end()).startswith(
        "There were fewer tasks than workers: 2 tasks for 8 workers."
    )


def test_a_single_task() -> None:
    """Nothing can run beside it."""
    run = MadeUpRun(workers=4, total=1, lasts=10.0, waits_because=Doing.ALL_OUT)
    run.portion("a", 0.0, [9.9])

    assert explained(run.end()).startswith("There was only one task,")


def threads_in(run: MadeUpRun) -> None:
    for row in run.report.rows:
        row.is_thread = True


def gil_run(kind: str, cpu: float) -> RunReport:
    run = MadeUpRun(workers=4, kind=kind, total=40, lasts=10.0)
    for number in range(10):
        for worker in "abcd":
            run.portion(worker, number * 1.0, [0.98], cpu=cpu)
    threads_in(run)
    return run.end()


def test_one_gil_for_all_threads() -> None:
    """Threads whose tasks use one CPU together are to be processes."""
    text = explained(gil_run("threads", 0.25))

    assert text.startswith(
        "The threads took turns: the tasks computed for 9.8 s in 10.0 s, so they kept "
        "0.98 CPUs busy although 4 ran at a time,"
    )
    assert "use_processes=True" in text


@pytest.mark.parametrize(("cpu", "is_named"), [(0.25, False), (0.02, True)])
def test_what_the_report_takes_is_counted_once(cpu: float, is_named: bool) -> None:
    """Beside threads that compute it stands in line for the lock like all others."""
    run = MadeUpRun(workers=4, kind="threads", total=40, lasts=20.0)
    for number in range(10):
        for worker in "abcd":
            run.portion(worker, number * 2.0, [0.98], cpu=cpu * (2 - is_named))
        run.driver(Doing.TELLING, number * 2.0 + 1.0, 1.0)
    threads_in(run)
    run.recorder.run_diary.spent = {"this report": 10.0}

    text = explained(run.end())

    assert ("This report kept the workers waiting" in text) == is_named
    assert ("took turns" in text) != is_named


def test_threads_that_wait_are_fine() -> None:
    """Tasks that use next to no CPU wait for something else than the GIL."""
    assert explained(gil_run("threads", 0.02)).startswith("It went well")


def test_threads_that_release_the_gil_are_fine() -> None:
    """Tasks that keep several CPUs busy are not held up by it."""
    assert explained(gil_run("threads", 0.95)).startswith("It went well")


def test_more_workers_than_cpus() -> None:
    """Processes that share the CPUs are told how many there are."""
    run = MadeUpRun(workers=8, total=80, lasts=10.0)
    run.report.cpus = 2
    for number in range(10):
        for worker in "abcdefgh":
            run.portion(worker, number * 1.0, [0.98], cpu=0.25)

    assert explained(run.end()).startswith(
        "All CPUs were busy: 8 workers shared 2 CPUs,"
    )


def test_much_data() -> None:
    """Arguments and results that take long to pack are counted."""
    run = MadeUpRun(workers=2, total=20, lasts=10.0)
    for number in range(10):
        for worker in "ab":
            run.portion(
                worker,
                number + 0.5,
                [0.3],
                overhead=0.5,
                sent=100_000_000,
                received=50_000_000,
            )

    assert explained(run.end()).startswith(
        "Much of the time went into moving data: 2.0 GB to the workers and 1.0 GB "
        "back, 150 MB a task,"
    )


def test_the_input_is_too_slow() -> None:
    """Workers that wait for the next task to be read."""
    run = MadeUpRun(workers=2, total=20, lasts=10.0)
    for number in range(10):
        run.driver(Doing.READING, number, 0.9)
        for worker in "ab":
            run.portion(worker, number + 0.9, [0.1])

    assert explained(run.end()).startswith(
        "Workers waited for input: your iterable took 9.0 s of the 10.0 s. That is "
        "about 90 % of the run."
    )


def test_the_consumer_is_too_slow() -> None:
    """Workers that wait for the caller to take what is there."""
    run = MadeUpRun(workers=2, lasts=10.0)
    for number in range(10):
        for worker in "ab":
            run.portion(worker, number, [0.1])
        run.driver(Doing.CALLER, number + 0.1, 0.85)

    assert explained(run.end()).startswith(
        "Workers waited for your loop: it took 8.5 s of the 10.0 s,"
    )


def test_an_input_that_workers_never_wait_for_is_fine() -> None:
    """To read slowly costs nothing while all workers are busy."""
    run = even_run()
    run.driver(Doing.READING, 0.0, 9.0)

    assert explained(run.end()).startswith("It went well")


def test_a_slow_start() -> None:
    """The time until worker processes are there."""
    run = MadeUpRun(workers=2, total=2, lasts=1.0)
    for worker in "ab":
        ready_at = run.began_at + 0.4
        clues = Clues(born_at=ready_at - 0.4, ready_at=ready_at + (worker == "b") / 99)
        run.portion(worker, 0.42, [0.55], clues=clues, handed_out=0.0)

    assert explained(run.end()).startswith(
        "Workers had to be started: until 2 workers could begin it took 405 ms each."
    )


def test_failures_that_cost_time() -> None:
    """Work that came to nothing, what was tried again, and workers that were lost."""
    run = MadeUpRun(workers=1, total=2, lasts=10.0)
    run.driver(Doing.RETRY_LATER, 3.0, 1.5)
    error = ConnectionError("no")
    run.portion("a", 0.0, [3.0], errors={0: error}, is_final=False)
    run.recorder.will_retry(0, Task(echo), 1, error, 1.5)
    run.portion("a", 4.5, [2.0], index=0, attempt=2)
    run.portion("a", 6.5, [2.0], errors={0: WorkerCrashedError("gone")})

    assert explained(run.end()).startswith(
        "Failures cost time: 2 runs of tasks failed, 1 were tried again and 1 worker "
        "had to be replaced, and 5.0 s of work came to nothing. A task waited up to "
        "1.5 s for its next attempt."
    )


def test_what_cost_most_comes_first() -> None:
    """Several causes are ordered by the time that each explains."""
    run = MadeUpRun(workers=2, total=4, lasts=10.0, waits_because=Doing.ALL_OUT)
    run.driver(Doing.READING, 0.0, 2.0)
    run.portion("a", 2.0, [0.5])
    run.portion("b", 2.0, [0.5, 7.5])

    first, second = run.end().explain().split("\n\n")

    assert first.startswith("One task kept all others waiting")
    assert second.startswith("Workers waited for input")


def test_nothing_stands_out() -> None:
    """Where no cause is known the figures are said, and nothing is made up."""
    run = MadeUpRun(workers=2, lasts=10.0)
    for number in range(10):
        run.portion("a", number * 1.0, [0.5])
        run.portion("b", number * 1.0, [0.5])

    assert explained(run.end()).startswith(
        "Nothing stands out: 2 workers spent 50 % of the time in tasks,"
    )


# With real runs.


def test_real_tiny_tasks() -> None:
    """Tasks that do nothing are found to be tiny."""
    report = RunReport()
    tasks = [Task(echo, {"value": number}) for number in range(20_000)]
    execute_tasks_in_parallel(tasks, 2, use_processes=True, report=report)

    assert "The tasks are tiny" in explained(report)


def test_a_real_straggler(use_processes: bool) -> None:
    """A task that sleeps while all others are done is found and named."""
    report = RunReport()
    tasks = [Task(echo, {"value": 1})] * 10 + [Task.of(time.sleep, 1.5)]
    execute_tasks_in_parallel(tasks, 2, use_processes, report=report)

    assert "One task kept all others waiting: task 10, sleep(1.5)," in explained(report)


def test_a_real_slow_input() -> None:
    """An iterable that waits before each task is found to be slow."""

    def tasks() -> Iterator[Task[int]]:
        for number in range(20):
            time.sleep(0.03)
            yield Task(echo, {"value": number})

    report = RunReport()
    execute_tasks_in_parallel(tasks(), 2, report=report)

    assert explained(report).startswith("Workers waited for input")


def test_a_real_slow_consumer() -> None:
    """A loop that takes its time over each result is found to be slow."""
    report = RunReport()
    tasks = [Task(threading.Event().wait, {"timeout": 0.001}) for _ in range(20)]
    for _ in execute_tasks_in_parallel_streaming(tasks, 2, report=report):
        time.sleep(0.03)

    assert explained(report).startswith("Workers waited for your loop")


# What was imported.


@pytest.mark.parametrize(
    ("names", "packages"),
    [
        # As pandas does: what it needs is there before it is.
        (
            "__future__ numpy.core numpy.linalg numpy dateutil.tz dateutil "
            "pandas.core _csv csv pandas.io pandas",
            ("pandas", "numpy", "dateutil"),
        ),
        # A single module, behind larger ones that it imports.
        (
            "json.scanner json.decoder json shop",
            ("shop", "json"),
        ),
        ("_datetime datetime _sqlite3 sqlite3", ("sqlite3", "datetime")),
        ("_speedups", ("_speedups",)),
        ("cotality.core.machine hashlib", ()),
    ],
)
def test_what_somebody_asked_for_is_named(
    names: str, packages: tuple[str, ...]
) -> None:
    """Before the modules that it needs, and without the inside of Python."""
    assert packages_of(names.split())[: len(packages) or None] == packages
