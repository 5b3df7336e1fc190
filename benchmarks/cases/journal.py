"""What a journal costs, with tasks that do nothing, and what it takes to go on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import Case, Figure, Samples, at_most
from benchmarks.overhead import TASKS, WARM_UP, seconds_of, tiny_tasks

PAIRS = 3
MOST = 3.0  # us a task


def extra(*, processes: bool, resumed: bool = False, **rules: Any) -> Samples:
    """Microseconds a task takes longer with a journal."""
    from cotality.core.utils.process import Journal

    tasks = tiny_tasks()
    seconds_of(tasks[:WARM_UP], processes)
    samples: list[float] = []
    for number in range(PAIRS):
        with TemporaryDirectory() as folder:
            journal = Journal(Path(folder, f"{number}.jsonl"), **rules)
            if resumed:
                seconds_of(tasks, processes, journal=journal)
            without = seconds_of(tasks, processes)
            having = seconds_of(tasks, processes, journal=journal, resume=True)
        samples.append((having - without) / TASKS * 1e6)
    return {"extra": samples}


def ways(*, processes: bool) -> dict[str, Callable[[], Samples]]:
    way = partial(extra, processes=processes)
    return {
        "cotality, with a journal": way,
        "cotality, results not kept": partial(way, keep_results=False),
        "cotality, never synced": partial(way, fsync="never"),
        "cotality, all finished before": partial(way, resumed=True),
    }


CASES = [
    Case(
        f"journal-{kind}",
        "100,000 tasks that do nothing: how much longer each takes when a journal is "
        "written, with the usual rules, without results, and without syncing; and how "
        "long it takes to give all results of an earlier run in place of running. "
        f"On one {one} for each core.",
        ways(processes=kind == "processes"),
        (Figure("extra", "us/task more"),),
        (at_most("extra", MOST),),
    )
    for kind, one in (("processes", "warm process"), ("threads", "thread"))
]
