"""What it costs to watch a call, with tasks that do nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from statistics import median
from typing import Any

from benchmarks.measure import Case, Figure, Samples, at_most
from benchmarks.overhead import TASKS, WARM_UP, seconds_of, tiny_tasks

ROUNDS = 9
MOST = 1.0  # % that progress may cost


def progress(*, processes: bool) -> Samples:
    ratios = [having / without for having, without in pairs("progress", processes)]
    return {"share": [100 * median(ratios) - 100]}


def report(*, processes: bool) -> Samples:
    extra = [having - without for having, without in pairs("report", processes)]
    return {"extra": [median(extra) / TASKS * 1e6]}


def pairs(option: str, processes: bool) -> Iterator[tuple[float, float]]:
    """Seconds of calls with that *option*, and of those right before and after."""
    from cotality.core.utils.process import RunReport

    tasks = tiny_tasks()
    seconds_of(tasks[:WARM_UP], processes)
    before = seconds_of(tasks, processes)
    for _ in range(ROUNDS):
        watcher: Any = RunReport() if option == "report" else lambda _: None
        having = seconds_of(tasks, processes, **{option: watcher})
        after = seconds_of(tasks, processes)
        yield having, (before + after) / 2
        before = after


CASES = [
    Case(
        f"watching-{kind}",
        "100,000 tasks that do nothing: how much longer the call takes when somebody "
        f"watches it. On one {one} for each core.",
        {
            "cotality, with progress": partial(progress, processes=processes),
            "cotality, with a report": partial(report, processes=processes),
        },
        (Figure("share", "% more"), Figure("extra", "us/task more")),
        (at_most("share", MOST),),
    )
    for kind, one, processes in (
        ("processes", "warm process", True),
        ("threads", "thread", False),
    )
]
