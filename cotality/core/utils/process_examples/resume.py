"""A run that stops half-way, and the one that goes on from there."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from cotality.core.utils.process import (
    Journal,
    Task,
    execute_tasks_in_parallel_streaming,
)

from .ordered import Fingerprint, fingerprint
from .output import Stopwatch, confirm, say
from .sources import some_of, standard_library


def resume(scale: float) -> None:
    """Stop half-way, and go on from there.

    A journal holds what becomes of each task. With resume=True the next run
    with it takes the results of finished tasks from there, and runs the others.
    It would be the same had the first one been killed.

        stream = execute_tasks_in_parallel_streaming(
            tasks, use_processes=True, journal=journal, resume=True
        )
    """
    sources = some_of(standard_library(), scale)
    tasks = [
        Task(fingerprint, {"content": source.content}, label=source.name)
        for source in sources
    ]
    with tempfile.TemporaryDirectory(prefix="cotality-examples-") as folder:
        journal = Journal(Path(folder, "run.jsonl"))
        clock = Stopwatch()
        taken = take(tasks, journal, len(tasks) // 2)
        say(f"{len(taken)} modules, then we stop: {clock.lap():.2f} s.")
        finished = finished_in(journal)
        results = take(tasks, journal, len(tasks))
        say(f"All {len(results)} with what the journal knows: {clock.lap():.2f} s.")
        ran = finished_in(journal) - finished

    say(f"The first run had finished {finished} tasks, the second one ran {ran}.")
    confirm("no task ran twice", finished + ran == len(tasks))
    confirm("half of the results came from the journal", results[: len(taken)] == taken)


def take(
    tasks: Sequence[Task[Fingerprint]], journal: Journal, count: int
) -> list[Fingerprint]:
    """The first *count* results of *tasks*; then nobody wants any more."""
    stream = execute_tasks_in_parallel_streaming(
        tasks, use_processes=True, journal=journal, resume=True
    )
    with closing(stream):
        return [result for _, result in islice(stream, count)]


def finished_in(journal: Journal) -> int:
    """How many tasks have finished, by the lines of *journal*."""
    return journal.path.read_text("utf-8").count('"event":"finished"')
