"""Arguments of the public functions, checked when they are called."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, cast

from .task import Task


def checked_max_workers(max_workers: object) -> int:
    """*max_workers* as a number of workers."""
    if isinstance(max_workers, bool) or not isinstance(max_workers, int):
        raise TypeError(f"max_workers must be an integer or None, got {max_workers!r}")
    if max_workers < 1:
        raise ValueError(f"max_workers must be at least 1, got {max_workers!r}")
    return max_workers


def checked_tasks(tasks: object) -> Iterable[Task[Any]]:  # Any: tasks of every type
    """*tasks* as an iterable; the elements of a list or tuple are looked at now."""
    if isinstance(tasks, Task):
        raise TypeError(
            "tasks must be an iterable of Task, got a single Task. Put it in a list."
        )
    if not isinstance(tasks, Iterable):
        raise TypeError(f"tasks must be an iterable of Task, got {tasks!r}")
    if isinstance(tasks, list | tuple):
        check_each(cast("Sequence[object]", tasks), 0)
    return cast("Iterable[Task[Any]]", tasks)  # the rest is looked at when it is read


def check_each(tasks: Sequence[object], first: int) -> None:
    """See that all of *tasks*, of which the first has the index *first*, are tasks."""
    for index, task in enumerate(tasks, first):
        if not isinstance(task, Task):
            raise TypeError(
                f"tasks[{index}] must be a Task, got {task!r}. "
                f"Write Task(function, {{...}}) or Task.of(function, ...)."
            )


def checked_seconds(name: str, seconds: object, *, zero: bool) -> float | None:
    """*seconds* as a duration, or None for no limit."""
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{name} must be a number of seconds or None, got {seconds!r}")
    if math.isnan(seconds) or seconds < 0 or (seconds == 0 and not zero):
        least = "at least 0" if zero else "more than 0"
        raise ValueError(f"{name} must be {least} seconds, got {seconds!r}")
    return None if math.isinf(seconds) else float(seconds)


def checked_count(name: str, count: object) -> int | None:
    """*count* as a number of at least 1, or None for no limit."""
    if count is None:
        return None
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"{name} must be an integer or None, got {count!r}")
    if count < 1:
        raise ValueError(f"{name} must be at least 1, got {count!r}")
    return count
