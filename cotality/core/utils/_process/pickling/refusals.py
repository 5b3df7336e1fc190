"""The messages about objects that cannot travel between processes.

Finding where in an object the reason lies takes four modules, which are imported only
after a failure. If they cannot be imported, for instance because no descriptor is free,
the message has only the error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from cotality._kit.safe_text import class_and_text
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.tasks.not_picklable import TaskNotPicklableError
from cotality.core.utils._process.tasks.task import name_of_function


def why_not_sendable(
    function: Callable[..., object],
    positional: tuple[Any, ...],
    named: Mapping[str, Any],  # Any: arguments of any function
    error: BaseException,
) -> str:
    """Which part of a call cannot be pickled, where in it, and what to do."""
    try:
        from .probe import is_picklable
        from .reasons.explain import path_of_unpicklable
    except (ImportError, OSError) as raised:
        if is_of_a_signal(raised):
            raise
        return f"{class_and_text(error)}. {WAY_OUT}"
    detail = f"({class_and_text(error)})"
    for name, value in named.items():
        if not is_picklable(value):
            where = path_of_unpicklable(value, f"arguments[{name!r}]")
            return f"{where} {detail}. {WAY_OUT}"
    for position, value in enumerate(positional):
        if not is_picklable(value):
            where = path_of_unpicklable(value, f"positional[{position}]")
            return f"{where} {detail}. {WAY_OUT}"
    if not is_picklable(function):
        where = path_of_unpicklable(function, name_of_function(function))
        return f"the function: {where} {detail}. {way_out_of_script(function)}"
    return f"{class_and_text(error)}. {WAY_OUT}"


def way_out_of_script(function: Callable[..., object]) -> str:
    """What to do about a global that a function uses."""
    from cotality.core.utils._process.scripts.places import SCRIPT

    if getattr(function, "__module__", None) != SCRIPT:
        return WAY_OUT
    names = getattr(function, "__globals__", None) or vars(sys.modules[SCRIPT])
    file: object = names.get("__file__")
    if not isinstance(file, str) or not os.path.isfile(file):
        # A notebook, `python -c`, a program in a zip file: it cannot be run again.
        return f"{WAY_OUT} Or define it in a module: then each worker makes its own."
    return (
        f"{WAY_OUT} Or put what the script itself does under "
        'if __name__ == "__main__": then each worker makes its own.'
    )


WAY_OUT = "Use threads, or pass what the task needs to make it for itself."


def unpicklable_call(
    function: Callable[..., object],
    positional: tuple[Any, ...],
    named: Mapping[str, Any],  # Any: arguments of any function
    error: BaseException,
) -> TaskNotPicklableError:
    """The failure of a call that cannot be sent."""
    reason = why_not_sendable(function, positional, named, error)
    failure = TaskNotPicklableError(f"cannot be sent to a process: {reason}")
    failure.__cause__ = error
    return failure


def unpicklable_result(value: object, error: BaseException) -> TaskNotPicklableError:
    """The failure of a task whose result cannot be sent back; made in the worker."""
    from .reasons.explain import path_of_unpicklable

    where = path_of_unpicklable(value, "result")
    failure = TaskNotPicklableError(
        f"the task ran, but its result cannot be sent back from the process: {where} "
        f"({class_and_text(error)}). Return plain data, or use threads."
    )
    failure.__cause__ = error
    return failure


def unreadable_result(error: BaseException) -> TaskNotPicklableError:
    """The failure of a task whose result arrived and could not be unpickled."""
    failure = TaskNotPicklableError(
        f"the task ran and its result was sent, but it cannot be unpickled here: "
        f"{class_and_text(error)}. Return plain data, or use threads."
    )
    failure.__cause__ = error
    return failure
