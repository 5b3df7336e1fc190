"""What keeps a task from running is not what it waits for."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context
from itertools import pairwise
from typing import Any

import pytest

from benchmarks.neighbours import busy_programs
from cotality.core.utils._process.auto import auto_backend
from cotality.core.utils._process.auto.auto_backend import AutoBackend
from cotality.core.utils._process.auto.disturbance import Disturbance
from cotality.core.utils._process.auto.evidence import Alone, Seen
from cotality.core.utils._process.auto.lock_probe import is_lock_held
from cotality.core.utils._process.engine.ticket import Ticket
from cotality.core.utils._process.machine import run_queue
from cotality.core.utils._process.portions import local_chunk
from cotality.core.utils._process.portions.chunk import ChunkReport
from cotality.core.utils._process.portions.local_chunk import LocalChunk, LocalChunks
from cotality.core.utils._process.rules.decision import Decision
from cotality.core.utils._process.rules.where_to_run import Figures, Place
from cotality.core.utils._process.tasks.outcome import Portion
from cotality.core.utils.process import RunReport, Task, execute_tasks_in_parallel

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says")


# What the system says.


@on_linux
def test_the_system_says_how_long_a_thread_has_wanted_a_cpu() -> None:
    """Of any thread of this process, and of none that is not there."""
    mine = run_queue.seconds_in_queue(threading.get_native_id())

    assert mine is not None
    assert mine >= 0
    assert run_queue.seconds_in_queue(2**30) is None
    assert run_queue.wants_cpu(threading.get_native_id())
    assert not run_queue.wants_cpu(2**30)
    runnable = run_queue.runnable_now()
    assert runnable is not None
    assert runnable >= 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"5000000 2500000000 12\n", 2.5),
        (b"5000000 0 12\n", 0.0),
        (b"0 0 0\n", None),  # the statistics are turned off
        (b"", None),
        (b"5000000", None),
        (b"5000000 many 1", None),
    ],
)
def test_what_the_scheduler_writes(text: bytes, seconds: float | None) -> None:
    """Three numbers, of which the second is meant, or nothing that is known."""
    assert run_queue.parsed(text) == seconds


# What follows.


def disturbance(
    queued: float | None, others: int = 0, *, wants_cpu: bool = False
) -> Disturbance:
    """One that is told how long threads have been in the queue, and are now."""
    return Disturbance(lambda _: queued, lambda: 1 + others, lambda _: wants_cpu)


def test_time_in_the_queue_is_no_waiting() -> None:
    """Nor is what other threads of the program took, who may have had the lock."""
    seen = disturbance(1.5).told_apart(Seen(1, 1.0, 0.2), 7, 1.0, 0.15)

    assert seen.queued == 0.5
    assert seen.wait == pytest.approx(0.15)


def test_who_waits_does_not_want_the_lock() -> None:
    """So others take nothing from a task that mostly waits for something outside."""
    assert Seen(1, 1.0, 0.1, queued=0.2, others=0.5).wait == pytest.approx(0.7)
    assert Seen(1, 1.0, 0.3, queued=0.2, others=0.4).wait == pytest.approx(0.1)
    # However many they are, and whatever else they have done meanwhile.
    assert Seen(1, 1.0, 0.04, others=1.0).wait == pytest.approx(0.96)


@pytest.mark.parametrize(
    ("seen", "is_clear"),
    [
        (Seen(1, 1.0, 0.04, others=1.0), True),  # it hardly computes
        (Seen(1, 1.0, 0.7, others=1.0), True),  # it hardly waits
        (Seen(1, 1.0, 0.3, others=0.1), True),
        (Seen(1, 1.0, 0.3, others=0.6), False),
    ],
)
def test_what_others_may_have_taken_is_not_always_clear(
    seen: Seen, is_clear: bool
) -> None:
    """What is not does not outweigh what was."""
    assert seen.is_clear == is_clear


@pytest.mark.parametrize(("wants_cpu", "wait"), [(True, 0.0), (False, 0.8)])
def test_a_wait_for_a_cpu_is_counted_when_it_is_over(
    wants_cpu: bool, wait: float
) -> None:
    """So of a thread that wants one now nobody knows what it has waited for."""
    seen = disturbance(1.0, wants_cpu=wants_cpu).seen_on_the_way(Seen(1, 1.0, 0.2), 7)

    assert seen.wait == pytest.approx(wait)


def test_a_portion_says_itself_how_long_it_has_waited_for_a_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before anybody collects it, its thread may stand in line for something else."""
    queue = iter([0.1, 0.3])
    monkeypatch.setattr(local_chunk, "seconds_in_queue", lambda _: next(queue))
    tasks = [Task(time.sleep, positional=(0.001,))]
    chunk = LocalChunk(tasks, LocalChunks(False), Context(), is_observed=True)

    report = chunk.run(1.0)

    assert (chunk.queue_began, chunk.queue_ended) == (0.1, 0.3)
    disturbance = Disturbance(lambda _: pytest.fail("too late"), lambda: 1)
    seen = Seen(1, report.seconds + 1, report.cpu_seconds)
    seen = disturbance.told_apart(seen, 7, 0.1, 0.0, chunk.queue_ended)
    assert seen.queued == pytest.approx(0.2)


def test_no_more_is_taken_out_than_there_was() -> None:
    """Whatever the scheduler counts."""
    seen = disturbance(9.0).told_apart(Seen(1, 1.0, 0.4), 7, 1.0, 5.0)

    assert seen.queued == pytest.approx(0.6)
    assert seen.wait == 0


@pytest.mark.parametrize(("now", "since"), [(None, 1.0), (1.0, None)])
def test_where_nobody_can_tell_that_is_known(
    now: float | None, since: float | None
) -> None:
    """Then what looks like waiting may be anything."""
    found = disturbance(now)

    found.told_apart(Seen(1, 1.0, 0.1), 7, since, 0.0)

    assert found.is_unsure


def test_who_looks_says_how_late_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """And sleeps the longer for it."""
    queued = iter([5.0, 5.25, 5.25])
    monkeypatch.setattr(run_queue, "seconds_in_queue", lambda _: next(queued))
    lateness = run_queue.Lateness()

    assert lateness.pause(0.002) == 0.002
    assert lateness.pause(0.002) == pytest.approx(2.5)
    assert lateness.pause(0.002) == 0.002
    assert lateness.total == pytest.approx(0.25)


def test_each_thread_that_looks_is_late_for_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What they were late adds up; the first look of one says nothing."""
    queued = {1: 5.0, 2: 90.0}
    monkeypatch.setattr(run_queue, "seconds_in_queue", queued.__getitem__)
    lateness = run_queue.Lateness()
    late: list[float] = []

    for thread, more in [(1, 0.0), (2, 0.0), (1, 0.25), (2, 0.5), (1, 0.0)]:
        queued[thread] += more
        monkeypatch.setattr(run_queue, "get_native_id", lambda thread=thread: thread)
        late.append(lateness.of_this_wake())

    assert late == [0.0, 0.0, 0.25, 0.5, 0.0]
    assert lateness.total == 0.75


def test_each_of_two_that_look_sleeps_for_all_it_was_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though it has asked meanwhile, and the other has slept; it is counted once."""
    queued = iter([5.0, 5.0, 5.25, 5.25, 5.25, 5.25])
    monkeypatch.setattr(run_queue, "seconds_in_queue", lambda _: next(queued))
    one = run_queue.Lateness()
    other = run_queue.Lateness(one)
    assert one.pause(0.002) == other.pause(0.002) == 0.002

    assert one.of_this_wake() == 0.25
    assert one.pause(0.002) == other.pause(0.002) == pytest.approx(2.5)
    assert one.pause(0.002) == 0.002
    assert one.total == other.total == 0.25


def test_others_are_asked_for_what_they_have_not_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From its birth for one of which that is known; one that is no more is no news."""
    queued: dict[int, float | None] = {1: 5.0, 2: 0.25}
    monkeypatch.setattr(run_queue, "seconds_in_queue", queued.__getitem__)
    monkeypatch.setattr(run_queue, "get_native_id", lambda: 1)
    lateness = run_queue.Lateness()
    lateness.of_this_wake()
    lateness.counts_from_birth(2)
    queued[1] = 6.0

    lateness.of_others()
    assert lateness.total == 0.25  # nor of this one, which says it itself
    queued[2] = 0.75
    lateness.of_others()
    queued[2] = None
    lateness.of_others()

    assert lateness.total == 0.75


def test_the_yardstick_is_what_tasks_took_alone() -> None:
    """As it was, and as it would be without what disturbed them."""
    alone = Alone()

    alone.saw(Seen(2, 1.0, 0.2, queued=0.4))
    alone.saw(Seen(2, 0.2, 0.2))

    assert alone.each == pytest.approx(0.3)
    assert alone.undisturbed == pytest.approx(0.2)


def test_the_probe_leaves_out_what_it_waited_for_a_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or a busy machine would look like a lock that is held."""
    now = [0.0]
    monkeypatch.setattr(
        "cotality.core.utils._process.auto.lock_probe.sleep", now.append
    )
    times = iter([0.0, 0.01, 0.0, 0.01])
    monkeypatch.setattr(
        "cotality.core.utils._process.auto.lock_probe.perf_counter", lambda: next(times)
    )
    queue = iter([1.0, 1.0099])

    assert not is_lock_held(lambda _: next(queue))
    assert is_lock_held(lambda _: 1.0)


@pytest.mark.parametrize(
    ("wanting", "others", "cpus"),
    [(1, 0, 1), (2, 0, 2), (4, 0, 2), (1, 2, 2 / 3), (2, 2, 1.0), (2, 1, 4 / 3)],
)
def test_cpus_are_shared_with_others(wanting: int, others: int, cpus: float) -> None:
    """Each that wants one gets the same of them."""
    figures = Figures(100, 0.01, 0.01, 1.0, 0.0, 0.1, 2, 64, 2, others=others)

    assert figures.cpus_for(wanting) == pytest.approx(cpus)


def test_what_is_gained_beside_others() -> None:
    """Two processes beside two programs get one CPU, where a loop got two thirds."""
    figures = Figures(1000, 0.01, 0.01, 1.0, 0.0, 0.0, 2, 64, 2, others=2)

    seconds = figures.all_seconds()

    assert seconds["one thread"] / seconds["processes"] == pytest.approx(1.5, 0.01)


# What is decided, of made-up measurements.


class MadeUpThreads:
    """In the place of threads: portions come back as a test says."""

    look_at = float("inf")

    def __init__(
        self,
        workers: int,
        clock: Callable[[], float],
        queue_of: Callable[[int], float | None],
    ) -> None:
        self.workers = workers
        self.clock = clock
        self.queue_of = queue_of

    def resize(self, threads: int) -> None:
        assert threads >= 1

    def chunk_of(self, portion: Portion) -> Any:
        class Chunk:
            native_id = 7
            is_running = is_in_caller = False
            began_at = self.clock()
            queue_began = self.queue_of(7)
            queue_ended = None
            late_began = 0.0
            belongs = None
            values: tuple[()] = ()
            thread = 1

        return Chunk()

    def send(
        self, chunk: Any, portion: Portion, time_box: float
    ) -> tuple[Portion, Any]:
        return portion, Ticket()

    def collect(self, portion: Portion, future: Any) -> ChunkReport:
        raise AssertionError("replaced by the test")

    def look(self) -> None:
        """Nothing runs."""


class Call:
    """A call with "auto" on a machine that does as it is told."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        queue_of: Callable[[int], float | None],
        *,
        total: int = 10_000,
        threads: int = 64,
        obstacle: str = "they cannot travel",
    ) -> None:
        self.now = 100.0
        monkeypatch.setattr(auto_backend, "monotonic", lambda: self.now)
        monkeypatch.setattr(auto_backend, "available_cpus", lambda: 2)
        self.decisions: list[Decision] = []
        self.threads = MadeUpThreads(threads, lambda: self.now, queue_of)
        self.backend = AutoBackend(
            self.threads,  # type: ignore[arg-type]
            lambda: pytest.fail("no processes here"),
            processes=0,
            total=total,
            obstacle=obstacle,
            decided=self.decisions.append,
        )
        self.backend.disturbance = Disturbance(queue_of, lambda: 1)
        self.next = 0
        self.out: list[tuple[Portion, Future[Any]]] = []

    def hand_out(self) -> None:
        while len(self.out) < self.backend.workers:
            portion = Portion(self.next, [Task(abs, positional=(1,))])
            self.next += 1
            self.out.append(self.backend.submit(portion, 0.05))

    def come_back(
        self, seconds: float, cpu: float, passed: float, others: float = 0.0
    ) -> None:
        """The oldest portion is back, so long after what happened before.

        Args:
            others: The CPU time of other threads, as far as somebody looks.
        """
        self.hand_out()
        portion, future = self.out.pop(0)
        self.now += passed
        report = ChunkReport([1], seconds=seconds, cpu_seconds=cpu)
        if self.backend.out[future].is_observed:
            report.others_cpu_seconds = others
        self.threads.collect = lambda portion, future: report  # type: ignore[method-assign]
        self.backend.collect(portion, future)


def test_tasks_that_want_to_run_get_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine tenths of their time they are in the run queue, and wait for nothing."""
    queued = [0.0]
    call = Call(monkeypatch, lambda _: queued[0])

    for _ in range(100):
        call.hand_out()
        queued[0] += 0.045
        call.come_back(0.05, 0.005, 0.05)

    assert call.backend.place == "one thread"
    assert call.backend.evidence.computes


def test_a_deputy_that_keeps_the_lock_makes_no_task_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It waits for a CPU with the lock, and has not come to say for how long."""
    late = [0.0]
    monkeypatch.setattr(run_queue, "seconds_in_queue", lambda _: late[0])
    call = Call(monkeypatch, lambda _: 0.0)
    call.backend.lateness.counts_from_birth(2**30)

    for _ in range(20):
        call.hand_out()
        for chunk in call.backend.out.values():
            chunk.is_in_caller = True
        late[0] += 0.004
        call.come_back(0.0057, 0.0017, 0.0057)

    assert call.backend.place == "one thread"
    assert call.backend.evidence.computes


def test_tasks_that_wait_for_something_else_get_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many as do more and more."""
    call = Call(monkeypatch, lambda _: 0.0)

    for _ in range(500):
        call.come_back(0.05, 0.0005, 0.05 / call.backend.workers)

    assert call.backend.place == "threads"
    assert call.backend.workers >= 32


def test_threads_that_do_no_more_than_a_loop_are_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loop is what was measured before, not what each takes in the crowd."""
    call = Call(monkeypatch, lambda _: 0.0)
    for _ in range(10):  # they seem to wait
        call.come_back(0.01, 0.001, 0.01)
    assert call.backend.place == "threads"

    while call.backend.place == "threads" and call.next < 1000:
        workers = call.backend.workers
        # In truth they take turns: each takes so much longer, and computes.
        call.come_back(0.01 * workers, 0.01, 0.01)

    assert call.backend.place == "one thread"
    assert call.next < 100
    last = call.decisions[-1]
    assert "no more was done than in a loop" in last.reason
    assert last.alone_seconds == pytest.approx(0.01)


def test_tasks_that_hardly_compute_keep_threads_that_others_hold_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They stand in a queue for a CPU, and so would a loop."""
    queued = [0.0]
    call = Call(monkeypatch, lambda _: queued[0])
    for _ in range(10):
        call.come_back(0.01, 0.0005, 0.01)
    assert call.backend.place == "threads"

    for _ in range(300):
        call.hand_out()
        queued[0] += 0.04
        call.come_back(0.05, 0.0005, 0.011)

    assert call.backend.place == "threads"


def test_not_every_portion_of_a_crowd_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the others it is supposed that the same has held them up."""
    call = Call(monkeypatch, lambda _: 0.0)
    for _ in range(10):
        call.come_back(0.05, 0.0005, 0.05)
    assert call.backend.place == "threads"
    looks: list[int] = []
    call.backend.disturbance.queue_of = lambda thread: looks.append(thread) or 0.0

    for _ in range(400):
        call.come_back(0.01, 0.0005, 0.0005)

    assert 10 < len(looks) < 100


def test_to_stand_in_line_for_the_lock_asks_for_no_more_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each time for little: that looks like waiting, and grows with the crowd."""
    call = Call(monkeypatch, lambda _: 0.0)
    for _ in range(30):
        call.come_back(75e-6, 12e-6, 75e-6)
    assert call.backend.place == "threads"
    alone = call.backend.evidence.wait

    for _ in range(2000):
        workers = call.backend.workers
        # Somebody has the lock all the time, and few portions are looked at.
        call.come_back(20e-6 * workers, 12e-6, 20e-6, others=20e-6 * workers)

    assert call.backend.evidence.wait < 1.5 * alone
    assert call.backend.workers <= 12


def test_a_move_waits_for_more_than_the_first_short_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That takes longer than the others, whatever it does."""
    call = Call(monkeypatch, lambda _: 0.0)

    call.come_back(300e-6, 30e-6, 300e-6)

    assert call.backend.place == "one thread"


def test_what_was_not_looked_at_was_held_up_like_the_latest() -> None:
    queued = iter([0.3])
    disturbance = Disturbance(lambda _: next(queued), lambda: 1)
    disturbance.told_apart(Seen(1, 0.5, 0.1), 7, 0.1, 0.04)

    supposed = disturbance.as_before(Seen(3, 1.0, 0.2))

    assert supposed.queued == pytest.approx(0.4)
    assert supposed.others == pytest.approx(0.08)


def test_where_nobody_can_tell_threads_have_to_pay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though what they do looks like waiting all the time."""
    call = Call(monkeypatch, lambda _: None)
    for _ in range(10):
        call.come_back(0.05, 0.002, 0.05)
    assert call.backend.place == "threads"
    most = 0

    while call.backend.place == "threads" and call.next < 1000:
        workers = call.backend.workers
        most = max(most, workers)
        call.come_back(0.05 * workers, 0.002, 0.05)

    assert call.backend.place == "one thread"
    assert most <= 6  # the CPUs, and four more


def test_threads_that_were_given_up_are_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Later: tasks may change."""
    call = Call(monkeypatch, lambda _: 0.0)
    for _ in range(10):
        call.come_back(0.01, 0.001, 0.01)
    while call.backend.place == "threads":
        call.come_back(0.01 * call.backend.workers, 0.01, 0.01)

    for _ in range(1000):  # now each waits, whatever the others do
        call.come_back(0.01, 0.001, 0.01 / call.backend.workers)

    assert call.backend.place == "threads"


def test_what_looks_like_this_now_and_like_that_then_is_seldom_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The moves of a call grow with the logarithm of the time that it takes."""
    call = Call(monkeypatch, lambda _: 0.0)
    places: list[Place] = []
    other: dict[Place, Place] = {"one thread": "threads", "threads": "one thread"}
    monkeypatch.setattr(
        auto_backend, "better_place", lambda figures, here, rate: other[here]
    )
    monkeypatch.setattr(call.backend, "does_not_pay", lambda: False)

    for _ in range(4000):
        call.come_back(0.01, 0.001, 0.01)
        places.append(call.backend.place)

    moves = sum(before != after for before, after in pairwise(places))
    assert 5 < moves < 15  # 40 s, of which each is twice as long as all before


# With real programs beside, what holds always.


@pytest.fixture
def small_heap() -> None:
    """To collect the garbage of all tests would be taken for computing of one task.

    What there was before the first of them is out of the way, see `conftest`; this is
    what has come since. It stays so: to let it back in would let in all of it.
    """
    gc.collect()
    gc.freeze()


def add_up(number: int) -> int:
    return sum(i * i for i in range(number))


@on_linux
@pytest.mark.one_python
@pytest.mark.alone  # it has neighbours of its own
def test_python_code_never_waits_because_others_are_busy(small_heap: None) -> None:
    """So it gets no more threads than there are CPUs, whatever the machine does."""
    tasks = [Task(add_up, positional=(40_000,)) for _ in range(150)]
    report = RunReport()

    with busy_programs(2 * (os.cpu_count() or 1)):
        execute_tasks_in_parallel(tasks, use_processes="auto", report=report)

    assert report.decision is not None
    assert report.decision.cpu_seconds > report.decision.wall_seconds / 2
    for decision in report.decisions:
        assert "wait more than they compute" not in decision.reason, report.decisions
        if decision.choice == "threads":
            assert decision.workers <= max(2, report.cpus)
    assert any(each.busy_programs > 0 for each in report.decisions)


@on_linux
@pytest.mark.one_python
@pytest.mark.alone  # what is looked at is what they do beside each other
def test_tasks_that_wait_have_threads_though_processes_are_ready(
    small_heap: None,
) -> None:
    """The threads beside them compute now and then, and do not keep them from that."""
    execute_tasks_in_parallel([Task(abs, positional=(-1,))] * 8, 2, use_processes=True)
    tasks = [Task(time.sleep, positional=(0.005,)) for _ in range(150)]
    chosen: list[str] = []

    for _ in range(5):
        report = RunReport()
        execute_tasks_in_parallel(tasks, use_processes="auto", report=report)
        chosen += [each.choice for each in report.decisions]
        if set(chosen) != {"threads"}:
            break

    assert set(chosen) == {"threads"}, report.decisions
