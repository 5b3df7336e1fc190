"""Runs that are slow for a reason that was built in: `explain` names it first.

Each case is made so that its cause takes most of the run, and the figure that is said
of it is compared with what was built. Nothing is said of how fast anything is.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from benchmarks.neighbours import busy_programs
from cotality.core.utils.process import (
    Journal,
    Rate,
    Retry,
    RunReport,
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
    shutdown_workers,
)
from cotality.tuning import CircuitBreaker, CircuitOpenError

# They take some seconds, and what is named depends on no version. Beside other tests
# another cause would be the truth: that the machine was busy with these.
pytestmark = [pytest.mark.one_python, pytest.mark.alone]

# What the machine does besides is no invention.
NOT_OURS = {"The machine was busy with other things"}

Kind = Literal["auto"] | bool
KINDS = [
    pytest.param(False, id="threads"),
    pytest.param(True, id="processes"),
    pytest.param("auto", id="auto"),
]
on_all = pytest.mark.parametrize("kind", KINDS)
on_both = pytest.mark.parametrize("kind", KINDS[:2])


def nap(seconds: float) -> None:
    time.sleep(seconds)


def spin(count: int) -> int:
    return sum(number * number for number in range(count))


def nap_and_spin(seconds: float, count: int) -> int:
    time.sleep(seconds)
    return spin(count)


MUCH = bytes(12_000_000)


def digest(times: int) -> None:
    """Computes without the interpreter's lock."""
    for _ in range(times):
        hashlib.sha256(MUCH).digest()


def refuse(number: int) -> None:
    raise ConnectionError(f"no answer to {number}")


def take(data: object, seconds: float) -> None:
    time.sleep(seconds)


class Model:
    """Something whose methods carry a lot."""

    def __init__(self, count: int) -> None:
        self.rows = [{"row": number} for number in range(count)]

    def predict(self, value: int) -> int:
        return value


class Explained:
    """What a report explains.

    Attributes:
        causes: The first words of each paragraph.
        ours: Of those that this program can do something about.
        first: The first paragraph of these.
        texts: Each paragraph on one line.
        shares: The part of the run that each says it is.
    """

    def __init__(self, report: RunReport) -> None:
        self.texts = [" ".join(each.split()) for each in report.explain().split("\n\n")]
        self.causes = [text.partition(":")[0] for text in self.texts]
        found = [re.search(r"about (\d+) %", text) for text in self.texts]
        self.shares = [int(each[1]) / 100 if each else 0.0 for each in found]
        self.ours = [each for each in self.causes if each not in NOT_OURS]
        self.first = next(
            (text for text in self.texts if text.partition(":")[0] not in NOT_OURS), ""
        )
        # What a failed assertion shows.
        self.known = (report.summary(), report.seen, self.texts)

    def share_of(self, cause: str) -> float:
        return dict(zip(self.causes, self.shares, strict=True)).get(cause, 0.0)

    def first_is(self, cause: str, least: float = 0.4) -> bool:
        """Whether *cause* comes first, and is at least so large a part of the run.

        Of what is ours: what other programs take is true as well, if there are any. The
        part is one of what those have left.
        """
        assert self.ours[:1] == [cause], self.known
        left = 1 - sum(self.share_of(each) for each in NOT_OURS)
        assert self.share_of(cause) >= least * left, self.known
        return True


def explained(
    tasks: Any, workers: int = 4, kind: Kind = False, **options: Any
) -> Explained:  # Any: of any call
    report = RunReport()
    execute_tasks_in_parallel(
        tasks, workers, kind, on_error="return", report=report, **options
    )
    return Explained(report)


def naps(count: int, seconds: float) -> list[Task[None]]:
    return [Task.of(nap, seconds) for _ in range(count)]


def warm_up(workers: int = 4) -> None:
    """Have as many warm workers as a case is going to use."""
    execute_tasks_in_parallel(naps(workers, 0.05), workers, use_processes=True)


@pytest.fixture(autouse=True)
def no_warm_workers() -> Iterator[None]:
    """Workers are as each case needs them, whatever ran before."""
    yield
    shutdown_workers()


# Why workers have no task.


@on_all
def test_a_rate(kind: Kind) -> None:
    """It is called that, with what it allows and for how long workers waited."""
    if kind is True:
        warm_up()
    found = explained(naps(60, 0.0005), 4, kind, rate=Rate(20, per=0.45))

    assert found.first_is("The rate held tasks back")
    assert "Rate(20, per=0.45) lets 20 start in any 0.45 s" in found.first
    waited = re.search(r"for (\d+) ms workers had nothing to do", found.first)
    assert waited is not None
    # The third twenty of sixty may start after twice 0.45 s.
    assert int(waited[1]) >= 675


@on_all
def test_a_circuit_breaker(kind: Kind) -> None:
    """Tasks that it refused are counted, and what opened it is said."""
    tasks = [Task.of(refuse, number) for number in range(100)]
    breaker = CircuitBreaker(3, reset_after=60)
    found = explained(tasks, 2, kind, circuit_breaker=breaker)

    assert found.first_is("The circuit breaker was open")
    counts = re.search(
        r"it refused (\d+) attempts to run a task, beside (\d+) that it let through",
        found.first,
    )
    assert counts is not None
    assert int(counts[1]) + int(counts[2]) == 100
    assert "the last one ConnectionError: no answer to" in found.first


def test_a_circuit_breaker_keeps_secrets() -> None:
    """Without arguments the report does not say what the exception says."""
    report = RunReport(arguments=False)
    execute_tasks_in_parallel(
        [Task.of(refuse, number) for number in range(30)],
        2,
        on_error="return",
        report=report,
        circuit_breaker=CircuitBreaker(3, reset_after=60),
    )

    text = Explained(report).texts[0]
    assert "the last one ConnectionError." in text
    assert "no answer" not in text


@on_both
def test_a_circuit_breaker_that_is_waited_for(kind: Kind) -> None:
    """Tasks that are tried again when it closes have waited for it, not for retries."""
    tasks = [Task.of(refuse, number) for number in range(12)]
    found = explained(
        tasks,
        2,
        kind,
        circuit_breaker=CircuitBreaker(3, reset_after=30),
        retries=Retry(2, on=CircuitOpenError, backoff=0.15, jitter=False),
    )

    assert found.first_is("The circuit breaker was open")


@on_all
def test_a_memory_limit(kind: Kind) -> None:
    """It is called that, with how large a task is and how many of them fit."""
    if kind is True:
        warm_up()
    tasks = [Task.of(take, bytes(1_000_000), 0.02) for _ in range(20)]
    found = explained(tasks, 4, kind, memory_limit_mb=1.5)

    assert found.first_is("The memory limit held tasks back")
    assert "with memory_limit_mb=1.5 a task takes about 1 MB" in found.first
    assert "so that 1 at a time fit" in found.first


@on_all
def test_a_straggler_that_does_not_end_last(kind: Kind) -> None:
    """The others of its portion run after it, and it is named all the same."""
    if kind is True:
        warm_up()
    tasks = naps(400, 0.0005)
    tasks[300] = Task.of(nap, 1.0)
    found = explained(tasks, 4, kind)

    assert found.first_is("One task kept all others waiting", 0.3)
    assert "task 300, nap(1.0), took 1" in found.first
    assert re.search(r"for [\d.]+ m?s of that it ran alone", found.first)


@on_both
def test_a_straggler_in_a_stream_in_order(kind: Kind) -> None:
    """Where all results have to wait for one, the way out is another order."""
    if kind is True:
        warm_up(2)
    tasks = naps(200, 0.002)
    tasks[20] = Task.of(nap, 1.0)
    report = RunReport()
    for _ in execute_tasks_in_parallel_streaming(tasks, 2, kind, report=report):
        pass
    found = Explained(report)

    assert found.first_is("One task kept all others waiting", 0.2)
    assert "ordered=False lets the others go on" in found.first


@on_both
def test_an_uneven_end(kind: Kind) -> None:
    """Three equal tasks for two workers: none of them is to blame."""
    if kind is True:
        warm_up(2)
    found = explained(naps(3, 0.3), 2, kind)

    assert found.first_is("The end was uneven", 0.15)
    assert found.shares[0] <= 0.35


def slow_tasks(count: int) -> Iterator[Task[None]]:
    for _ in range(count):
        time.sleep(0.03)
        yield Task.of(nap, 0.001)


@on_all
def test_a_slow_input(kind: Kind) -> None:
    """The time that reading took is said."""
    if kind is True:
        warm_up()
    found = explained(slow_tasks(12), 4, kind)

    assert found.first_is("Workers waited for input", 0.6)


def test_a_slow_input_of_a_coroutine() -> None:
    """It is waited for elsewhere, and called the same."""

    async def tasks() -> Any:  # Any: an asynchronous generator
        for _ in range(12):
            await asyncio.sleep(0.03)
            yield Task.of(nap, 0.001)

    report = RunReport()
    asyncio.run(execute_tasks_in_parallel_async(tasks(), 2, report=report))

    assert Explained(report).first_is("Workers waited for input", 0.6)


@on_all
def test_a_slow_consumer(kind: Kind) -> None:
    """The loop over the results is what workers waited for."""
    if kind is True:
        warm_up(2)
    report = RunReport()
    for _ in execute_tasks_in_parallel_streaming(
        naps(16, 0.001), 2, kind, report=report
    ):
        time.sleep(0.03)

    assert Explained(report).first_is("Workers waited for your loop", 0.6)


@on_both
def test_a_journal_that_reads_the_arguments(kind: Kind, tmp_path: Path) -> None:
    """It is not the iterable that is slow, and a label is the way out."""
    if kind is True:
        warm_up(2)
    data = [[f"{row}.{number}" for row in range(60_000)] for number in range(6)]
    # To look at them takes ten times as long as to pack them.
    tasks = [Task.of(len, each) for each in data]
    found = explained(tasks, 2, kind, journal=Journal(tmp_path / "run.jsonl"))

    assert found.first_is("The journal had to read the arguments")
    assert "label=" in found.first
    assert not any("iterable" in text for text in found.texts)


@on_both
def test_a_journal_that_writes(kind: Kind, tmp_path: Path) -> None:
    """With a line that has to reach the disk for each task, the journal is named."""
    if kind is True:
        warm_up(2)
    tasks = [Task.of(abs, number) for number in range(150)]
    journal = Journal(tmp_path / "run.jsonl", fsync="always")
    found = explained(tasks, 2, kind, journal=journal, chunksize=1)

    assert found.first_is("The journal kept the workers waiting", 0.3)


def test_progress_that_takes_its_time() -> None:
    """A function that is told of progress is named when it keeps the run waiting.

    The first time, before anything runs, and the last time count like the others.
    """
    found = explained(naps(40, 0.005), 2, progress=lambda _: time.sleep(0.3))

    assert found.first_is("Progress kept the workers waiting", 0.6)


@on_both
def test_attempts_that_wait(kind: Kind) -> None:
    """The pause before the next attempt is what the run consists of."""
    if kind is True:
        warm_up(2)
    tasks = [Task.of(refuse, number) for number in range(4)]
    retries = Retry(2, backoff=0.2, jitter=False)
    found = explained(tasks, 2, kind, retries=retries)

    assert found.first_is("Failures cost time", 0.6)
    assert "12 runs of tasks failed and 8 were tried again" in found.first


# What makes tasks take longer.


says_who_waits = pytest.mark.skipif(
    not Path("/proc/thread-self/schedstat").exists(),
    reason="this system does not say for how long a thread has wanted a CPU",
)


@pytest.mark.parametrize("busy", [0, 2], ids=["quiet", "busy"])
def test_the_lock(busy: int) -> None:
    """Threads that compute in Python are said to take turns."""
    with busy_programs(busy):
        found = explained([Task.of(spin, 150_000) for _ in range(60)], 6)

    assert "took turns" in found.ours[0] or "too many" in found.ours[0], found.known
    assert found.shares[0] >= 0.15, found.known
    assert "use_processes=True" in found.first


def test_too_many_threads() -> None:
    """Tasks that also wait keep some threads busy, and no more."""
    found = explained([Task.of(nap_and_spin, 0.01, 60_000) for _ in range(250)], 32)

    assert found.first_is("There were too many threads", 0.3)


def test_threads_that_wait_are_not_said_to_take_turns() -> None:
    """Many of them together keep one CPU half busy, and none waits for another."""
    tasks = [Task.of(nap_and_spin, 0.05, 3_000) for _ in range(120)]
    found = explained(tasks, 12)

    assert not any("turns" in text for text in found.texts), found.known


@says_who_waits
@on_both
def test_more_workers_than_cpus(kind: Kind) -> None:
    """Those that compute without the lock share what CPUs there are."""
    if kind is True:
        warm_up(8)
    found = explained([Task.of(digest, 2) for _ in range(32)], 8, kind)

    assert "All CPUs were busy" in found.causes, found.known
    assert not any("turns" in text for text in found.texts), found.known


@says_who_waits
def test_a_busy_machine() -> None:
    """Where other programs have the CPUs, no fault is found with the tasks."""
    warm_up(2)
    with busy_programs(6):
        found = explained([Task.of(spin, 400_000) for _ in range(64)], 2, True)

    assert found.causes[0] == "The machine was busy with other things", found.known
    assert found.shares[0] >= 0.15, found.known


@on_both
def test_tiny_tasks(kind: Kind) -> None:
    """The more there are, the clearer it is."""
    if kind is True:
        warm_up(2)
    tasks = [Task.of(abs, number) for number in range(30_000)]

    assert explained(tasks, 2, kind).first_is("The tasks are tiny", 0.2)


def test_large_arguments_on_warm_workers() -> None:
    """Packing them is named, with the bytes; nothing had to be started."""
    warm_up(2)
    tasks = [Task.of(take, [{"n": n} for n in range(60_000)], 0.001) for _ in range(8)]
    report = RunReport()
    execute_tasks_in_parallel(tasks, 2, use_processes=True, report=report)
    found = Explained(report)

    assert found.first_is("Much of the time went into moving data")
    assert "Workers had to be started" not in found.causes
    assert report.sent_bytes > 1_000_000
    assert report.packing_seconds > 0.0


def test_a_method_that_carries_its_object() -> None:
    """The function is what is large, not the tasks that are tiny."""
    warm_up(2)
    predict = Model(100_000).predict
    tasks = [Task.of(predict, number) for number in range(300)]
    found = explained(tasks, 2, True)

    assert found.first_is("The function carries 869 kB")
    assert "Model.predict" in found.first


def test_methods_of_an_object_for_each_task() -> None:
    """Each is packed by itself, and that is said; methods of one object are one."""
    warm_up(2)
    tasks = [Task.of(Model(20_000).predict, number) for number in range(20)]
    found = explained(tasks, 2, True)

    assert found.ours[0].startswith("The function carries"), found.known
    assert "It was packed again for each of 20 function objects" in found.first

    model = Model(20_000)
    tasks = [Task.of(model.predict, number) for number in range(20)]
    assert "packed again" not in " ".join(explained(tasks, 2, True).texts)


def test_a_cold_start() -> None:
    """Workers that are not there yet are what the first tasks wait for."""
    shutdown_workers()
    tasks = [Task.of(time.sleep, 0.001) for _ in range(20)]
    found = explained(tasks, 4, True)

    assert found.first_is("Workers had to be started", 0.3)


@on_both
def test_a_slow_initializer(kind: Kind) -> None:
    """Its part of the start is said."""
    tasks = [Task.of(time.sleep, 0.005) for _ in range(20)]
    found = explained(tasks, 2, kind, initializer=time.sleep, initargs=(0.4,))

    assert found.first_is("The initializer took long")
    assert re.search(r"[45]\d\d ms of the .* went into that", found.first)


SLOW_MODULE = "import time\ntime.sleep(0.3)\ndef double(value):\n    return 2 * value\n"


@pytest.fixture
def slow_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    name = f"slow_to_import_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(SLOW_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


def call_in(name: str, value: int) -> int:
    """Imports where it is needed, as is often done with what takes long."""
    module = __import__(name)
    result: int = module.double(value)
    return result


@on_both
def test_imports_in_tasks(kind: Kind, slow_module: str) -> None:
    """The first task of each worker imports what the others have then."""
    tasks = [Task.of(call_in, slow_module, number) for number in range(40)]
    if kind is True:
        warm_up(2)
    found = explained(tasks, 2, kind)

    assert found.ours[0] == f"Workers had to import {slow_module}", found.known
    assert found.shares[0] >= 0.3, found.known


def test_imports_for_the_function(slow_module: str) -> None:
    """What the module of the function takes to import is no overhead of ours."""
    double = __import__(slow_module).double
    warm_up(2)
    found = explained([Task.of(double, number) for number in range(40)], 2, True)

    assert found.ours[0] == f"Workers had to import {slow_module}", found.known
    assert found.shares[0] >= 0.3, found.known


# Two causes, and none.


@on_both
def test_the_larger_of_two_causes_comes_first(kind: Kind) -> None:
    """A slow input beside a slow consumer: both are named, in their order."""
    if kind is True:
        warm_up(2)
    for reading, taking in ((0.06, 0.02), (0.02, 0.06)):
        report = RunReport()

        def tasks(pause: float) -> Iterator[Task[None]]:
            for _ in range(7):
                time.sleep(pause)
                yield Task.of(nap, 0.001)

        for _ in execute_tasks_in_parallel_streaming(
            tasks(reading), 2, kind, report=report
        ):
            time.sleep(taking)
        found = Explained(report)
        order = ["Workers waited for input"]
        order.append("Workers waited for your loop")
        if taking > reading:
            order.reverse()
        assert found.causes[:2] == order, found.known


@on_both
def test_a_rate_and_a_straggler(kind: Kind) -> None:
    """What cost more comes first, the other behind it."""
    if kind is True:
        warm_up(2)
    tasks = naps(40, 0.0005)
    tasks[39] = Task.of(nap, 1.0)
    found = explained(tasks, 2, kind, rate=Rate(20, per=0.4))

    assert found.ours[:2] == [
        "One task kept all others waiting",
        "The rate held tasks back",
    ], found.known


def test_a_cold_start_and_large_arguments() -> None:
    """Both are named where both cost much."""
    tasks = [Task.of(len, [{"n": n} for n in range(80_000)]) for _ in range(8)]
    found = explained(tasks, 2, True)

    both = {"Much of the time went into moving data", "Workers had to be started"}
    assert both <= set(found.causes), found.known


@on_both
@pytest.mark.parametrize("options", [{}, {"rate": Rate(10_000)}, {"retries": 3}])
def test_nothing_is_wrong(kind: Kind, options: dict[str, Any]) -> None:
    """Even tasks that wait, and workers that are there: no cause is made up."""
    if kind is True:
        warm_up(2)
    found = explained(naps(20, 0.03), 2, kind, **options)

    causes = set(found.causes) - NOT_OURS
    # On a machine that is busy workers wait for each other's turns, and nobody knows.
    assert causes <= {"It went well", "Nothing stands out"}, found.known


def test_what_is_sent_and_comes_back_is_counted() -> None:
    """Numbers, texts, large objects and failures, whatever they travel in."""
    many = [Task.of(abs, number) for number in range(1_000)]
    texts = [Task.of(str, f"{number:1000}") for number in range(100)]
    shared = bytes(3_000_000)
    large = [Task.of(take, shared, 0.0) for _ in range(10)]
    for tasks, sent, received in (
        (many, (2_000, 100_000), (8_000, 8_000)),
        (texts, (100_000, 400_000), (100_000, 120_000)),
        (large, (3_000_000, 3_200_000), (80, 80)),
    ):
        report = RunReport()
        execute_tasks_in_parallel(tasks, 2, use_processes=True, report=report)

        assert sent[0] <= report.sent_bytes <= sent[1]
        assert received[0] <= report.received_bytes <= received[1]
