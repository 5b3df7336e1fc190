"""The options ``progress`` and ``unit`` of a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from cotality._kit.safe_text import on_one_line, printable
from cotality.core.utils._process.engine.observers import Observer

from .snapshot import Progress

ProgressOption: TypeAlias = bool | str | Callable[[Progress], object] | None

LONGEST_TITLE = 60  # characters of the bar's name


def observer_of(progress: object, unit: object = None) -> Observer | None:
    """Who watches a call with this option; None if nobody does.

    Args:
        progress: True for a bar, or its name, or a function to call.
        unit: What one task is called; None is ``"task"``.

    Raises:
        TypeError: One of them is not what it must be.
        ValueError: One is an empty text.
    """
    one = "task" if unit is None else checked_text("unit", unit)
    if progress is None or progress is False:
        return None
    if progress is True:
        return bar_if_seen("", one)
    if isinstance(progress, str):
        return bar_if_seen(checked_text("progress", progress), one)
    if not callable(progress):
        raise TypeError(
            f"progress must be True, False, a name for the bar, or a function that "
            f"takes a Progress, got {progress!r}"
        )
    from inspect import iscoroutinefunction

    if iscoroutinefunction(progress):
        raise TypeError(
            f"progress must be a function that can be called, got {progress!r}, which "
            f"would have to be awaited. Write def instead of async def."
        )
    from .reporter import CallbackReporter

    return CallbackReporter(progress, unit=one)


def checked_text(name: str, text: object) -> str:
    """*text* as it may stand in a line of a terminal."""
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a text such as 'file', got {text!r}")
    if not text.strip():
        raise ValueError(f"{name} must not be an empty text; leave it out instead")
    return printable(on_one_line(text, LONGEST_TITLE))


def bar_if_seen(title: str, unit: str) -> Observer | None:
    """A bar, except in a worker process.

    A worker has the terminal of its parent, where a bar of the parent may stand, and
    several of them would write over each other.
    """
    from cotality.core.utils._process.machine import this_process

    from .bar import Bar

    return None if this_process.is_worker else Bar(title=title, unit=unit)
