"""Runs the first tasks of some work to see how they behave, and keeps their results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf
from time import perf_counter
from typing import Any

from cotality._kit.records import dataclass
from cotality.core.utils._process.auto.auto_backend import (
    AutoBackend,
    start_of_processes,
)
from cotality.core.utils._process.call.call import Call
from cotality.core.utils._process.call.options.declared import Options
from cotality.core.utils._process.engine.delivery import outcomes as outcomes_of
from cotality.core.utils._process.engine.observers import Observer
from cotality.core.utils._process.machine.cpus import available_cpus
from cotality.core.utils._process.rules.decision import Decision
from cotality.core.utils._process.rules.seen import Alone
from cotality.core.utils._process.rules.where_to_run import Figures
from cotality.core.utils._process.tasks.from_data import CountedTasks
from cotality.core.utils._process.tasks.outcome import Outcome
from cotality.core.utils._process.tasks.task import Task

# For how long (s) to look, unless it is clear before where tasks should run.
LONG_ENOUGH = 0.05


@dataclass(slots=True)
class Sample:
    """What is known of some work after a look at its first tasks.

    Attributes:
        outcomes: What became of those, in order.
        ran_alone: Of those that ran where the first did, before there was another
            place.
        figures: What they are like; *left* is how many others there are, 0 if nobody
            knows.
        obstacle: Why they cannot go to a process; empty if nothing is known.
        total: How many there are in all; None if nobody knows.
    """

    outcomes: list[Outcome[Any]]  # Any: tasks of any result type
    ran_alone: list[Outcome[Any]]  # Any: as above
    figures: Figures
    obstacle: str
    total: int | None


class Watch(Observer):
    """Sees when it is clear where the tasks should run, or it has been long enough."""

    def __init__(self) -> None:
        self.ends_at = inf
        self.is_decided = False

    def decided(self, decision: Decision) -> None:
        self.is_decided = True

    @property
    def is_enough(self) -> bool:
        if self.ends_at == inf:
            self.ends_at = perf_counter() + LONG_ENOUGH
        return self.is_decided or perf_counter() > self.ends_at


class FirstTasks(CountedTasks[Any]):  # Any: as above
    """The first of some tasks: nothing more is read once *watch* has seen enough."""

    def __init__(
        self, tasks: Iterator[Task[Any]], total: int | None, watch: Watch
    ) -> None:
        super().__init__(total)
        self.tasks = tasks
        self.watch = watch
        self.is_all = False

    def __iter__(self) -> Iterator[Task[Any]]:
        while not self.watch.is_enough:
            try:
                task = next(self.tasks)
            except StopIteration:
                self.is_all = True
                return
            yield task


def sample_of(
    tasks: Iterator[Task[Any]],  # Any: as above
    total: int | None,
    max_workers: int | None,
    options: Options,
) -> Sample:
    """Run the first of *tasks* and see what they are like.

    They run as with ``use_processes="auto"``, until that has decided where they should,
    or for about 50 ms. *tasks* is read no further than that. With options that only
    processes can keep they run there.

    Args:
        total: How many there are; None if nobody knows.
    """
    watch = Watch()
    head = FirstTasks(tasks, total, watch)
    call = Call.checked(
        head,
        options,
        max_workers=max_workers,
        use_processes="auto",
        on_error="return",
        bounded=True,
        detailed=True,
    )
    run = call.watched_by(watch)._replace(is_logged=False).blocking()
    outcomes = list(outcomes_of(run, True))
    left = 0 if total is None else max(0, total - len(outcomes))
    backend, obstacle = run.backend, ""
    alone = Alone()
    if isinstance(backend, AutoBackend):
        alone = backend.evidence.alone
        figures, obstacle = backend.figures(), backend.evidence.obstacle
    else:  # nothing else than processes could keep what the options ask for
        figures = on_processes_alone(backend.workers)
    ran = ran_alone(outcomes)
    figures = with_means(replace(figures, left=left, running=0.0), ran, alone)
    if head.is_all:
        total = len(outcomes)
    return Sample(outcomes, ran, figures, obstacle, total)


def on_processes_alone(workers: int) -> Figures:
    """What there is to run on, before anything has been measured."""
    return Figures(
        left=0,
        wall=0.0,
        cpu=1e-9,
        lock=1.0,
        transport=0.0,
        start=start_of_processes(),
        cpus=available_cpus(),
        threads=1,
        processes=workers,
    )


def ran_alone(
    outcomes: list[Outcome[Any]],  # Any: as above
) -> list[Outcome[Any]]:
    """See `Sample`."""
    ran = [each for each in outcomes if each.started_at is not None]
    first = next((each.worker for each in ran), "")
    return [each for each in ran if each.worker == first]


def with_means(
    figures: Figures,
    ran: list[Outcome[Any]],  # Any: as above
    known: Alone,
) -> Figures:
    """*figures* of an average task that *ran* alone, without what it takes to measure.

    Where it is decided on the way what came last counts most; here all count alike. But
    those that did not run alone only tell how much they computed.
    """
    if not ran:
        return figures
    wall = sum(each.seconds for each in ran) / len(ran)
    cpu = sum(each.cpu_seconds for each in ran) / len(ran)
    if known.tasks:
        # What it waited for a CPU, or for others of this program, is no part of it.
        wall = min(wall, cpu + known.wait / known.tasks)
    return replace(figures, wall=max(wall, 1e-9), cpu=max(1e-9, min(cpu, wall)))
