"""Advice on how tasks should run, from running some of them each way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from math import ceil, inf
from statistics import median
from typing import Any, Unpack

from cotality._kit import units
from cotality._kit.public import public
from cotality._kit.records import dataclass
from cotality.core.utils._process.call.options.declared import Options
from cotality.core.utils._process.call.options.words import (
    WORDS_FOR_WORKERS,
    workers_said,
)
from cotality.core.utils._process.engine.limits.rate import Rate
from cotality.core.utils._process.machine.cpus import checked_max_workers
from cotality.core.utils._process.rules.where_to_run import (
    BUSY_PROGRAMS,
    LEAST_SAVING,
    MANY,
    PLACES,
    Figures,
    Place,
    best_place,
    portion_for,
)
from cotality.core.utils._process.tasks.checks import checked_tasks
from cotality.core.utils._process.tasks.from_data import total_of
from cotality.core.utils._process.tasks.outcome import Outcome
from cotality.core.utils._process.tasks.task import Task

from .first_tasks import sample_of
from .trials import Trials

# How much work (s) each CPU gets in a trial, and the most tasks that are run in one.
TRIAL = 0.1
MOST_TASKS = 2000
# What takes less (s) is sooner done than handed out, see `where_to_run`.
TINY = 2e-6
# What explains this part of how long it took is the reason.
MOST_OF_IT = 0.5


@public
@dataclass(frozen=True, slots=True)
class Advice:
    """How some tasks should run, and the measurements behind that.

    ``print(advice)`` says it in words.

    Attributes:
        choice: ``"one thread"``, ``"threads"`` or ``"processes"``.
        workers: How many threads or processes.
        portion: How many tasks would travel together.
        speedup: How many times faster than a loop all tasks should run, including the
            start of worker processes.
        speedup_range: The smallest and the largest of several estimates: from the
            measurement, with the others as long as most are and as long as the mean,
            and from the figures of a single task.
        worker_memory: The most memory that a worker process took, in bytes; None if
            none ran, or if that is not known.
        reasons: What was measured and what follows from it, one sentence each.
        would_change: What would change the answer, one sentence each.
        total: How many tasks the advice is for; None if that was not known: then it is
            for a thousand.
    """

    choice: str
    workers: int
    portion: int
    speedup: float
    speedup_range: tuple[float, float]
    worker_memory: int | None
    reasons: tuple[str, ...]
    would_change: tuple[str, ...]
    total: int | None

    @property
    def use_processes(self) -> bool:
        """Whether worker processes are the best choice."""
        return self.choice == "processes"

    def __str__(self) -> str:
        tasks = "the tasks" if self.total is None else units.number(self.total, "task")
        low, high = self.speedup_range
        if self.choice == "one thread":
            first = f"Run {tasks} in a plain loop."
        else:
            first = (
                f"Run {tasks} on {self.workers} {self.choice}: about "
                f"{self.speedup:.2g} times as fast as a loop ({low:.2g} to {high:.2g})."
            )
        lines = [first, *(f"- {reason}" for reason in self.reasons)]
        if self.worker_memory is not None:
            lines.append(f"- A worker process took {units.size(self.worker_memory)}.")
        if self.would_change:
            lines.append("What would change that:")
            lines += [f"- {change}" for change in self.would_change]
        return "\n".join(lines)


@public
def advise(
    tasks: Iterable[Task[Any]],  # Any: as in what follows, of any result type
    *,
    max_workers: int | None = None,
    **options: Unpack[Options],
) -> Advice:
    """Run some of *tasks* alone, on threads and on processes, and say which is best.

    **The tasks are executed**: some of the first ones, up to five times each. Their
    results and failures are dropped. An iterator is read only that far. `advise` takes
    some tenths of a second, or three times as long as one task if that is more. It
    leaves worker processes warm.

    Args:
        tasks: The tasks that you are going to run.
        max_workers: The most workers; None as for the calls. *workers* and *n_jobs* are
            other words for it.
        **options: What the tasks need in order to run, such as an *initializer*, see
            `Options`.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument is out of range.
    """
    for name in ("executor", "inline", "processes", "use_processes"):
        value: object = options.get(name)
        if value is not None and (value is not False or name == "processes"):
            raise ValueError(
                f"advise runs tasks on threads and on processes: leave out {name}"
            )
    given: Iterable[Task[Any]] = checked_tasks(tasks, may_be_async=False)
    said = workers_said(options, max_workers)
    most = None if said.value is None else checked_max_workers(said.value, said.word)
    for word in WORDS_FOR_WORKERS:
        options.pop(word, None)  # type: ignore[misc]  # one of its keys
    reader: Iterator[Task[Any]] = iter(given)
    sample = sample_of(reader, total_of(given), most, options)
    total = sample.total
    figures = replace(sample.figures, left=MANY if total is None else total)
    some = [each.task for each in sample.outcomes]
    count = tasks_in_trial(figures, sample.ran_alone)
    some += islice(reader, max(0, count - len(some)))
    trials = Trials(some[:count], options, obstacle=sample.obstacle)
    trials.alone.computing = figures.computing
    trials.alone.saw(sample.ran_alone)
    if trials.tasks:
        trials.run(figures)
    return advice_from(figures, trials, total)


def tasks_in_trial(
    figures: Figures,
    ran: Sequence[Outcome[Any]],  # Any: as above
) -> int:
    """How many tasks to run each way: enough of what most of those are that *ran*."""
    usual = median(each.seconds for each in ran) if ran else 0.0
    enough = ceil(figures.cpus * TRIAL / usual) if usual else 0
    workers = max(figures.processes, figures.useful_threads)
    return min(MOST_TASKS, figures.left, max(workers, enough))


def advice_from(figures: Figures, trials: Trials, total: int | None) -> Advice:
    """What *figures* of a single task and *trials* of some say about all of them."""
    figures = replace(figures, processes=0 if trials.obstacle else figures.processes)
    usual = figures.wall
    if trials.alone.seconds:
        wall, usual = trials.alone.mean, trials.alone.usual
        cpu = max(1e-9, wall * figures.computing)
        figures = replace(figures, wall=wall, cpu=cpu)
    # As if the others took as long as most do, and as long as they all do on average.
    cautious = {each: seconds_in(each, figures, trials, usual) for each in PLACES}
    place = best_place(cautious.__getitem__, "one thread", cautious["one thread"])
    workers = trials.workers.get(place, 1)
    speedups = [1.0]
    if place != "one thread":
        here = seconds_in("one thread", figures, trials, figures.wall)
        there = seconds_in(place, figures, trials, figures.wall)
        promised = figures.seconds("one thread") / (figures.seconds(place) or inf)
        speedups = [
            cautious["one thread"] / cautious[place],
            here / there,
            min(workers, promised),
        ]
    return Advice(
        place,
        workers,
        portion_for(figures, workers) if figures.wall else 1,
        speedups[0],
        (min(speedups), max(speedups)),
        trials.worker_memory or None,
        tuple(reasons(figures, trials)),
        tuple(changes(place, figures, trials)),
        total,
    )


def seconds_in(place: Place, figures: Figures, trials: Trials, each: float) -> float:
    """How long all tasks would take there, if those that did not run take *each*.

    No schedule is quicker than its longest task, nor than all of them shared out
    evenly. By how much the trial was slower than that, all of them are. A long task
    among short ones hides that these wait for the interpreter's lock: then what is
    known of that counts as well.
    """
    in_a_row = trials.alone.in_a_row(figures.left, each)
    if place == "one thread":
        return in_a_row
    if not trials.tasks or place not in trials.seconds:
        return inf
    workers = trials.workers[place]
    each_alone = trials.each_alone(figures.wall)
    longest = max(each_alone)
    least = max(longest, sum(each_alone) / workers)
    slower = max(1.0, trials.seconds[place] / least) if least else 1.0
    if place == "processes":
        return figures.start + slower * max(longest, in_a_row / workers)
    held = 0.0
    if figures.wall and figures.is_lock_seen and not trials.alone.are_alike:
        held = in_a_row * figures.lock * figures.computing
    return max(held, slower * max(longest, in_a_row / workers))


def reasons(figures: Figures, trials: Trials) -> Iterable[str]:
    if not trials.tasks:
        yield "There is no task."
        return
    if not figures.wall:
        yield "None of the tasks was run."
        return
    alone = trials.alone
    if alone.are_alike:
        yield (
            f"A task takes {units.seconds(figures.wall)} alone, and computes for "
            f"{figures.computing:.0%} of that."
        )
    else:
        least, most = map(units.seconds, alone.range)
        yield (
            f"Tasks take {least} to {most} alone, {units.seconds(alone.mean)} on "
            f"average and half of them at most {units.seconds(alone.usual)}, and "
            f"compute for {figures.computing:.0%} of that."
        )
    count = len(trials.tasks)
    in_a_row = sum(trials.each_alone(figures.wall))
    for place, seconds in trials.seconds.items():
        ratio = min(trials.workers[place], in_a_row / seconds)
        one = {"threads": "thread", "processes": "process"}[place]
        yield (
            f"{units.number(count, 'task')} on "
            f"{units.number(trials.workers[place], one, place)} took "
            f"{units.seconds(seconds)}: {ratio:.2g} times as fast as alone."
        )
    if trials.obstacle:
        yield f"They cannot go to processes: {trials.obstacle}."
    elif not figures.processes:
        if figures.cpus < 2:
            yield "There is one CPU, which processes would have to share."
        else:
            yield "One worker is allowed, and one process does no more than a loop."


def held_by_rate(trials: Trials) -> str:
    """What a rate has to do with how long the processes took; empty if nothing."""
    rate, count = trials.options.get("rate"), len(trials.tasks)
    if rate is None:
        return ""
    limit = Rate.of(rate)
    least = (ceil(count / limit.count) - 1) * limit.per
    if least < MOST_OF_IT * trials.seconds["processes"]:
        return ""
    return (
        f"A higher rate: {limit!r} lets no more than {limit.count:,} start in any "
        f"{limit.per:g} s, so that {units.number(count, 'task')} take at least "
        f"{units.seconds(least)} wherever they run."
    )


def why_not_processes(figures: Figures, trials: Trials) -> str:
    """What would make processes pay that did no more than one thread."""
    if len(trials.tasks) == 1:
        return "More tasks: nothing can run beside a single one."
    if held := held_by_rate(trials):
        return held
    sent, runs = units.seconds(figures.transport), units.seconds(figures.wall)
    if figures.wall < TINY:
        return (
            f"Tasks that do more each: to run one takes {runs}, which is less than it "
            f"costs to hand it out."
        )
    if figures.transport > figures.wall:
        return (
            f"Tasks that do more each: to send one and its result takes {sent}, and to "
            f"run it {runs}."
        )
    if figures.others >= BUSY_PROGRAMS:
        return (
            f"Free CPUs: other programs kept about {figures.others:.1f} of them busy "
            f"while this was measured."
        )
    if not figures.transport:  # nor was anything else measured but how long they took
        return (
            "That is not known: several processes did no more than one thread, and "
            "what kept them was not measured."
        )
    return (
        f"Tasks that do not wait for each other: to send one takes {sent}, to run it "
        f"{runs}, and yet several processes did no more than one thread. Something "
        f"that they share limits them, such as a locked file, a disk or the memory; "
        f"what it is was not measured."
    )


def changes(place: Place, figures: Figures, trials: Trials) -> Iterable[str]:
    """What would make another place the best one."""
    if trials.obstacle:
        yield "Tasks that make in the worker what cannot be sent to it."
    if "processes" not in trials.seconds:
        return
    in_a_row = sum(trials.each_alone(figures.wall))
    saved = (in_a_row - trials.seconds["processes"]) / len(trials.tasks)
    if saved <= 0:
        if place == "one thread":
            yield why_not_processes(figures, trials)
        return
    enough = ceil((figures.start + LEAST_SAVING) / saved)
    if place == "processes":
        if enough > 1:
            yield f"Fewer than about {units.number(enough, 'task')}."
        yield "Tasks that wait more than they compute, or leave the interpreter's lock."
    elif place == "one thread":
        yield f"More than about {units.number(enough, 'task')}: then processes pay."
    else:
        yield "Tasks that compute more in Python: then processes pay."
