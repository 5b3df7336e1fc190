"""The option ``progress`` of a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from cotality.core.utils._process.engine.observers import Observer

from .snapshot import Progress

ProgressOption: TypeAlias = bool | Callable[[Progress], object] | None


def observer_of(progress: object) -> Observer | None:
    """Who watches a call with this option; None if nobody does.

    Raises:
        TypeError: It is neither a bool, None nor a function to call.
    """
    if progress is None or progress is False:
        return None
    if progress is True:
        return bar_if_seen()
    if not callable(progress):
        raise TypeError(
            f"progress must be True, False or a function that takes a Progress, "
            f"got {progress!r}"
        )
    from inspect import iscoroutinefunction

    if iscoroutinefunction(progress):
        raise TypeError(
            f"progress must be a function that can be called, got {progress!r}, which "
            f"would have to be awaited. Write def instead of async def."
        )
    from .reporter import CallbackReporter

    return CallbackReporter(progress)


def bar_if_seen() -> Observer | None:
    """A bar, except in a worker process.

    A worker has the terminal of its parent, where a bar of the parent may stand, and
    several of them would write over each other.
    """
    from cotality.core.utils._process.machine import this_process

    from .bar import Bar

    return None if this_process.is_worker else Bar()
