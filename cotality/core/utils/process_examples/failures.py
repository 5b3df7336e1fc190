"""Tasks that fail, a worker that dies, time that is up."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Sequence
from typing import Any

from cotality.core.utils.process import (
    Task,
    TaskTimeoutError,
    WorkerCrashedError,
    execute_tasks_in_parallel,
)

from .output import Stopwatch, confirm, say, say_outcome


def port_number(text: str) -> int:
    """The port that *text* names."""
    number = int(text)
    if not 0 < number < 65536:
        raise ValueError(f"ports go from 1 to 65535, not to {number}")
    return number


def failures(scale: float) -> None:  # there is nothing to scale
    """See what happens when tasks fail, a worker dies, or time is up.

    By default the first failure is raised here, with the traceback of the
    worker. With return_exceptions=True each failure stands where its result
    would. A worker that dies or takes too long is replaced; only the task it
    ran is lost.

        results = execute_tasks_in_parallel(
            tasks, use_processes=True, return_exceptions=True, timeout=0.5
        )
    """
    say("(a) Failures in the place of results:")
    show_outcomes([Task.of(port_number, text) for text in ("80", "https", "99999")])

    say("\n(b) The first failure raised, printed as Python prints it:")
    show_traceback([Task.of(port_number, text) for text in ("80", "https")])

    good = [Task.of(port_number, text) for text in ("22", "25", "80", "443")]
    say("\n(c) One task ends its whole process, as a crash in C code would:")
    deadly: Task[int] = Task(os._exit, positional=(3,))
    failed = show_outcomes([*good[:2], deadly, *good[2:]])
    confirm("only that task failed", failed == {2: WorkerCrashedError})

    say("\n(d) One task would take an hour, but has a limit of half a second:")
    endless: Task[Any] = Task(time.sleep, positional=(3600,))  # Any: it gives nothing
    failed = show_outcomes([*good[:2], endless, *good[2:]])
    confirm("only that task failed", failed == {2: TaskTimeoutError})


def show_outcomes(tasks: Sequence[Task[int]]) -> dict[int, type[Exception]]:
    """Run *tasks* and print what became of each; the class of each failure."""
    clock = Stopwatch()
    results = execute_tasks_in_parallel(
        tasks, use_processes=True, return_exceptions=True, timeout=0.5
    )
    seconds = clock.lap()
    for task, result in zip(tasks, results, strict=True):
        say_outcome(task, result)
    say(f"All {len(tasks)} outcomes were there after {seconds:.2f} s.")
    return {i: type(r) for i, r in enumerate(results) if isinstance(r, Exception)}


def show_traceback(tasks: Sequence[Task[int]]) -> None:
    """Run *tasks*, one of which fails, and print the traceback of what it raised."""
    try:
        execute_tasks_in_parallel(tasks, use_processes=True)
    except ValueError as error:
        say("".join(traceback.format_exception(error)).rstrip(), indent=6)
        last = traceback.extract_tb(error.__traceback__)[-1]
        say(f"The line of the worker is {last.lineno}, in {last.name}: {last.line}")


def group(scale: float) -> None:  # there is nothing to scale
    """Run everything, and raise all failures together.

    With on_error="group" no failure stops the others. What is raised at the end
    is an ExceptionGroup, and a note on each failure in it names its task.

        execute_tasks_in_parallel(tasks, on_error="group")
    """
    texts = ("80", "https", "443", "99999", "ssh")
    tasks = [Task.of(port_number, text) for text in texts]
    named: list[str] = []
    try:
        execute_tasks_in_parallel(tasks, on_error="group")
    except* ValueError as failed:
        say(f"{failed.message}:")
        for failure in failed.exceptions:
            named += failure.__notes__
            say(f"{failure.__notes__[0]}\n  {failure}", indent=6)
    confirm("each failure names its task", len(named) == 3)
