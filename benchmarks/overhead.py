"""What an option costs: calls with it, each beside calls without it.

What else goes on in a machine changes more from minute to minute than what is to be
measured, so a call is compared with those right before and after it.
"""

from __future__ import annotations

import gc
from time import perf_counter
from typing import Any

from benchmarks.contenders import CORES
from benchmarks.work import echo

TASKS = 100_000
WARM_UP = 2_000


def tiny_tasks(count: int = TASKS) -> list[Any]:
    from cotality.core.utils.process import Task

    return [Task(echo, {"value": i}) for i in range(count)]


def seconds_of(tasks: list[Any], processes: bool, **options: Any) -> float:
    """How long a call with these *options* takes."""
    from cotality.core.utils.process import execute_tasks_in_parallel

    gc.collect()
    began = perf_counter()
    results = execute_tasks_in_parallel(tasks, CORES, processes, **options)
    seconds = perf_counter() - began
    assert len(results) == len(tasks)
    return seconds
