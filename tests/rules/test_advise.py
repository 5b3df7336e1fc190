"""Advice from running some of the tasks each way."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cotality.core.utils._process.advice.advise import Advice, advice_from
from cotality.core.utils._process.advice.trials import Trials
from cotality.core.utils._process.auto import evidence
from cotality.core.utils._process.rules.where_to_run import Figures
from cotality.core.utils._process.tasks.outcome import Settled
from cotality.core.utils.process import (
    Outcome,
    Rate,
    Task,
    advise,
    execute_tasks_in_parallel,
    should_use_processes,
)
from tests.kit.helpers import Failure, Marks, echo, fail_with

# A task that computes for 10 ms and holds the interpreter's lock, on two CPUs.
COMPUTES = Figures(1000, 0.01, 0.01, 1.0, 1e-5, 0.1, 2, 64, 2)
TEN = [Task(echo, {"value": n}) for n in range(10)]


def advice(
    figures: Figures, threads: float, processes: float | None, **others: Any
) -> Advice:
    """The advice when ten tasks took so long."""
    trials = Trials(TEN, {}, **others)
    trials.seconds["threads"], trials.workers["threads"] = threads, 4
    if processes is not None:
        trials.seconds["processes"] = processes
        trials.workers["processes"] = 2
    return advice_from(figures, trials, figures.left)


# What follows from what was measured.


def test_work_that_computes_belongs_on_processes() -> None:
    """The range goes from what was measured to what one task promises."""
    found = advice(COMPUTES, threads=0.11, processes=0.055, worker_memory=30_000_000)

    assert (found.choice, found.workers, found.use_processes) == ("processes", 2, True)
    assert found.speedup == pytest.approx(10 / 5.6)
    assert found.speedup_range == pytest.approx((10 / 5.6, 10 / 5.1), rel=0.01)
    assert found.portion == 2
    assert found.worker_memory == 30_000_000
    text = str(found)
    assert "Run 1,000 tasks on 2 processes: about 1.8 times as fast" in text
    assert "10 tasks on 2 processes took 55.0 ms: 1.8 times as fast as alone" in text
    assert "A worker process took 30.0 MB" in text
    assert "Fewer than about 24 tasks." in text


def test_work_that_waits_belongs_on_threads() -> None:
    """As many as were tried."""
    waits = replace(COMPUTES, cpu=1e-5)

    found = advice(waits, threads=0.025, processes=0.05)

    assert (found.choice, found.workers) == ("threads", 4)
    assert found.speedup == pytest.approx(4)


def test_little_work_needs_no_workers() -> None:
    """And from how much on it would is said."""
    found = advice(replace(COMPUTES, left=5), threads=0.11, processes=0.055)

    assert (found.choice, found.workers, found.speedup) == ("one thread", 1, 1.0)
    assert found.would_change == ("More than about 24 tasks: then processes pay.",)
    assert "Run 5 tasks in a plain loop." in str(found)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, "Tasks that do not wait for each other: to send one takes 10.0 µs"),
        ({"transport": 0.02}, "Tasks that do more each: to send one and its result"),
        ({"wall": 1e-6, "cpu": 1e-6, "transport": 0.0}, "less than it costs to hand"),
        ({"others": 2.0}, "Free CPUs: other programs kept about 2.0 of them busy"),
    ],
)
def test_only_what_was_measured_is_a_reason(changed: dict[str, Any], says: str) -> None:
    """Tasks that lock each other out look as if they could not be sent."""
    found = advice(replace(COMPUTES, **changed), threads=0.11, processes=0.115)

    assert found.choice == "one thread"
    assert says in found.would_change[0]


@pytest.mark.skipif(sys.platform == "win32", reason="its clock of threads is coarse")
def test_waiting_for_a_cpu_is_no_part_of_what_it_takes_to_send(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or beside busy programs a number takes longer to send than to compute."""
    encoded = evidence.encode
    encoded(1)  # imports what it needs

    def interrupted(thing: object) -> object:
        time.sleep(0.003)  # the CPU has gone to another program
        return encoded(thing)

    def slow(thing: object) -> object:
        end = time.thread_time() + 0.002
        while time.thread_time() < end:
            pass
        return encoded(thing)

    monkeypatch.setattr(evidence, "encode", interrupted)
    assert evidence.seconds_to_travel([1, 2, 3]) < 0.002
    monkeypatch.setattr(evidence, "encode", slow)
    assert evidence.seconds_to_travel([1, 2, 3]) >= 0.004


@pytest.mark.parametrize(
    ("rate", "seconds", "says"),
    [
        (50, 1.1, "A higher rate: Rate(50, per=1.0) lets no more than 50 start in any"),
        (Rate(2, per=0.1), 0.5, "so that 10 tasks take at least 400 ms wherever"),
        (50, 0.115, "Tasks that do not wait for each other"),  # ten may start at once
    ],
)
def test_a_rate_is_a_reason_where_it_was_one(
    rate: Any, seconds: float, says: str
) -> None:
    """Then neither the tasks nor other programs are to blame."""
    tasks = TEN * 6 if seconds > 1 else TEN
    trials = Trials(tasks, {"rate": rate})
    for place in ("threads", "processes"):
        trials.seconds[place], trials.workers[place] = seconds, 2  # type: ignore[index]  # a place

    busy = replace(COMPUTES, others=3.0 if seconds > 0.2 else 0.0, wall=0.001)
    found = advice_from(busy, trials, COMPUTES.left)

    assert says in found.would_change[0]


def test_what_was_not_measured_is_no_reason() -> None:
    """As with a limit of time, where only processes can be tried."""
    found = advice(replace(COMPUTES, transport=0.0), threads=0.11, processes=0.115)

    assert found.would_change[0].startswith("That is not known: several processes did")


def test_a_single_task_needs_company() -> None:
    """No free CPU makes it any faster."""
    trials = Trials(TEN[:1], {})
    trials.seconds.update({"threads": 0.02, "processes": 0.05})
    trials.workers.update({"threads": 2, "processes": 1})

    found = advice_from(replace(COMPUTES, left=1, others=3.0), trials, 1)

    assert found.would_change == ("More tasks: nothing can run beside a single one.",)
    assert any("1 task on 1 process took" in each for each in found.reasons)


def test_one_worker_is_not_one_cpu() -> None:
    """Whatever there is, no more may be used."""
    one = replace(COMPUTES, processes=0)
    for cpus, says in ((2, "One worker is allowed"), (1, "There is one CPU")):
        found = advice(replace(one, cpus=cpus), 0.11, None)
        assert any(each.startswith(says) for each in found.reasons)


def test_what_cannot_travel_stays_here() -> None:
    """The reason is told, and what could be done about it."""
    found = advice(COMPUTES, 0.11, None, obstacle="a result cannot be pickled")

    assert found.choice == "one thread"
    assert found.worker_memory is None
    assert "They cannot go to processes: a result cannot be pickled." in found.reasons
    assert "make in the worker what cannot be sent" in found.would_change[0]


def test_a_long_task_among_many_short_ones_is_no_yardstick() -> None:
    """What runs beside it is compared with what the same tasks take alone."""
    trials = Trials(TEN, {})
    trials.alone.seconds = {0: 0.5, **dict.fromkeys(range(1, 10), 0.001)}
    trials.seconds["threads"], trials.workers["threads"] = 0.52, 2
    trials.seconds["processes"], trials.workers["processes"] = 0.5, 2

    found = advice_from(replace(COMPUTES, wall=0.5, cpu=0.5), trials, 1000)

    # The long one and 999 short ones, shared by two: the long one is half a second.
    assert found.choice == "processes"
    assert found.speedup == pytest.approx((0.5 + 0.999) / (0.1 + 0.7495), rel=0.01)
    assert max(found.speedup_range) <= 2
    assert "Tasks take 1.0 ms to 500 ms alone, 50.9 ms on average and" in str(found)
    assert "half of them at most 1.0 ms" in str(found)
    assert "10 tasks on 2 processes took 500 ms: 1 times as fast as alone" in str(found)


def test_no_place_is_faster_than_its_workers() -> None:
    """Whatever was measured: a machine may become faster while it is."""
    found = advice(COMPUTES, threads=0.001, processes=0.002)

    assert found.speedup <= 4
    assert max(found.speedup_range) <= 4
    assert "10 tasks on 2 processes took 2.0 ms: 2 times as fast as alone" in str(found)


# Real tasks.


def leave_mark(marks: Marks, number: int) -> int:
    marks.leave(number)
    return number


def test_some_of_the_tasks_are_executed(marks: Marks) -> None:
    """A few of the first, and the tasks themselves can still be run."""
    tasks = [Task(leave_mark, {"marks": marks, "number": n}) for n in range(5000)]

    found = advise(tasks, max_workers=2)

    ran = {int(name) for name in marks.names()}
    assert ran == set(range(len(ran)))
    assert 1 <= len(ran) < 5000
    assert found.total == 5000
    assert len(found.reasons) >= 3
    assert execute_tasks_in_parallel(tasks[:3]) == [0, 1, 2]


def test_no_task_is_executed_more_than_five_times() -> None:
    """On threads one can count: alone, and in the trial there."""
    counts, lock = Counter[int](), threading.Lock()

    def count(number: int) -> None:
        with lock:  # which is why it cannot go to a process
            counts[number] += 1

    found = advise([Task.of(count, number) for number in range(300)])

    assert not found.use_processes
    assert max(counts.values()) <= 5


@pytest.mark.parametrize("place", ["threads", "processes"])
def test_a_trial_takes_no_longer_for_what_only_we_ask(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outcomes, which calls for values do not have, are made when it is over."""
    events: list[str] = []
    take_outcomes, clock = Settled.take_outcomes, time.perf_counter

    def taken(settled: Settled) -> Iterator[Outcome[Any]]:
        events.append("outcomes")
        return take_outcomes(settled)

    def looked_at() -> float:
        events.append("clock")
        return clock()

    monkeypatch.setattr(Settled, "take_outcomes", taken)
    monkeypatch.setattr(f"{Trials.__module__}.perf_counter", looked_at)
    trial = Trials(TEN, {})

    if place == "threads":
        trial.on_threads(2)
    else:
        trial.on_processes(2, TEN[:2])

    assert [*trial.seconds] == [place]
    assert sorted(trial.alone.seconds) == [*range(10)]
    assert events[:3] == ["clock", "clock", "outcomes"]
    assert {*events[2:]} == {"outcomes"}


def test_an_iterator_is_read_no_further_than_needed() -> None:
    """What was read of it is gone; nobody knows how many there are."""
    read: list[int] = []

    def endless() -> Iterator[Task[int]]:
        while True:
            read.append(1)
            yield Task(echo, {"value": 1})

    found = advise(endless())

    assert found.total is None
    assert len(read) < 100_000
    assert "Run the tasks" in str(found)


@pytest.mark.parametrize("long", [0, 2])
def test_where_the_long_task_stands_makes_no_difference(long: int) -> None:
    """It is seen for what it is, and nothing is said to be faster than it can be."""
    seconds = [0.001] * 500
    seconds[long] = 0.3

    found = advise([Task.of(time.sleep, each) for each in seconds])

    assert any(each.startswith("Tasks take 1.") for each in found.reasons), found
    assert max(found.speedup_range) <= found.workers


def test_failures_are_no_obstacle() -> None:
    """How long a task takes is known all the same."""
    found = advise([Task(fail_with, {"error": Failure("x")})] * 20)

    assert found.choice == "one thread"


def test_no_tasks_no_workers() -> None:
    """There is nothing to find out."""
    found = advise([])

    assert (found.choice, found.total) == ("one thread", 0)
    assert found.reasons == ("There is no task.",)


def test_the_short_question_takes_tasks_as_well() -> None:
    """And answers it with yes or no."""
    assert should_use_processes([Task(echo, {"value": 1})] * 5) is False
    assert should_use_processes(iter([])) is False


def test_arguments_are_checked() -> None:
    """As those of a call are."""
    with pytest.raises(TypeError, match=r"tasks\[0\] must be a Task, got 1"):
        advise([1])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="max_workers must be at least 1, got 0"):
        advise([], max_workers=0)
    with pytest.raises(TypeError, match="no option 'tries'"):
        advise(TEN, tries=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'cpu' or 'io', or the tasks themselves"):
        should_use_processes(5)  # type: ignore[call-overload]


@pytest.mark.parametrize("word", ["workers", "max_workers", "n_jobs"])
def test_each_word_for_the_number_of_workers_is_taken(word: str) -> None:
    """It is the most that advice may be about, as in the calls."""
    advice = advise([Task.of(time.sleep, 0.01)] * 20, **{word: 3})  # type: ignore[arg-type]  # of any word

    assert 1 <= advice.workers <= 3
    with pytest.raises(ValueError, match=f"^{word} must be at least 1, got 0"):
        advise([Task.of(abs, -1)], **{word: 0})  # type: ignore[arg-type]  # as above


def test_two_words_for_the_number_of_workers_may_not_differ() -> None:
    """The error has what was said, and nothing else."""
    with pytest.raises(ValueError, match=r"^max_workers=2 and n_jobs=3 contra"):
        advise([Task.of(abs, -1)], max_workers=2, n_jobs=3)


@pytest.mark.parametrize(
    "option",
    [{"processes": True}, {"processes": False}, {"use_processes": True}],
    ids=str,
)
def test_advice_is_about_both_places(option: dict[str, Any]) -> None:
    """So nobody can say where the tasks are to run."""
    (word,) = option
    with pytest.raises(ValueError, match=f"on processes: leave out {word}$"):
        advise([Task.of(abs, -1)], **option)
