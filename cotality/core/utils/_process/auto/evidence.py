"""What has been seen of the tasks of a call so far."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from cotality._kit.safe_text import class_and_text
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.pickling.encode import encode
from cotality.core.utils._process.rules.seen import Alone, Seen
from cotality.core.utils._process.starting.loading import obstacle_of
from cotality.core.utils._process.tasks.task import Task, describe

# A task that was on a CPU for at least this share of its time computes; others wait.
COMPUTES = 0.5
# How many tasks or results to look at; fewer if one takes longer than this (s).
MANY = 50
LONG_ENOUGH = 100e-6
COPIES = 2
# Beside other programs a thread may wait for a CPU for longer than it takes to pack a
# table, which says nothing of the task. On Windows the clock of threads is too coarse.
packing_clock = time.perf_counter if sys.platform == "win32" else time.thread_time


class Evidence:
    """Means of what has come back, each new portion counting as much as all before.

    One odd portion sways the next few looks, and what has changed is soon forgotten.

    Attributes:
        settled: How many tasks have come back.
        cpu: Seconds of CPU time that a task takes.
        wait: Seconds that it waits besides for something outside of this program. Not
            for a CPU, nor for the interpreter's lock: who waits for those would not be
            done sooner among more of its kind.
        alone: What tasks took that ran alone: what came of a plain loop.
        lock: The part of those in which it holds the interpreter's lock; None if that
            was not looked at.
        obstacle: Why a task or its result cannot travel; empty if nothing is known.
    """

    def __init__(self) -> None:
        self.settled = 0
        self.cpu = 0.0
        self.wait = 0.0
        self.alone = Alone()
        self.lock: float | None = None
        self.sending = 0.0  # s, of the arguments of a task
        self.answering = 0.0  # s, of its result
        self.obstacle = ""

    @property
    def transport(self) -> float:
        return self.sending + self.answering

    @property
    def wall(self) -> float:
        """Seconds that a task takes when it runs alone."""
        return self.cpu + self.wait

    @property
    def computes(self) -> bool:
        return self.cpu > COMPUTES * self.wall

    def saw(self, seen: Seen, *, alone: bool) -> None:
        """Some tasks have come back of one worker.

        Args:
            alone: Whether nothing else ran that they had to share the lock with. If
                something did, nobody knows how long they waited for that.
        """
        if seen.tasks == 0:
            return
        is_first = self.settled == 0
        self.settled += seen.tasks
        self.cpu = mean(self.cpu, seen.cpu / seen.tasks, is_first)
        if alone:
            self.wait = mean(self.wait, seen.wait / seen.tasks, is_first)

    def saw_running(self, seen: Seen, *, alone: bool) -> None:
        """A task has been running for some time, and has not come back.

        Nobody knows for how long it goes on. For about as long again is a good guess
        for anything whose age is all that is known of it.
        """
        if 2 * seen.cpu > self.cpu:
            self.cpu = 2 * seen.cpu
        seconds = seen.cpu + seen.wait
        if alone and 2 * seconds > self.wall:
            self.wait = max(0.0, 2 * seconds - self.cpu)

    def saw_tasks(
        self, tasks: Sequence[Task[Any]]
    ) -> None:  # Any: tasks of any result type
        """*tasks* are about to run: see what it takes to send them."""
        arguments = [(task.positional, dict(task.arguments)) for task in tasks[:MANY]]
        try:
            encode(tasks[0].callback_function)
            self.obstacle = obstacle_of(tasks[0].callback_function)
            self.sending = seconds_to_travel(arguments)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            self.obstacle = cannot_be_pickled(describe(tasks[0]), error)

    def saw_results(self, values: Sequence[object]) -> None:
        """See what it takes to send *values* back."""
        try:
            self.answering = seconds_to_travel(values[:MANY])
        except Exception as error:
            if is_of_a_signal(error):
                raise
            self.obstacle = cannot_be_pickled("a result", error)


def seconds_to_travel(things: Sequence[object]) -> float:
    """What it takes to pack one of *things* and to unpack it.

    One alone if that takes long enough to be seen, and then twice that: what is large
    is copied more often on the way.
    """
    began = packing_clock()
    encode(things[0])
    seconds = packing_clock() - began
    if seconds >= LONG_ENOUGH:
        return 2 * COPIES * seconds
    began = packing_clock()
    try:
        for thing in things:
            encode(thing)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        return 2 * seconds  # that is seen when its turn comes
    return 2 * (packing_clock() - began) / len(things)


def mean(before: float, latest: float, is_first: bool) -> float:
    return latest if is_first else (before + latest) / 2


def cannot_be_pickled(what: str, error: Exception) -> str:
    return f"{what} cannot be pickled ({class_and_text(error)[:200]})"
