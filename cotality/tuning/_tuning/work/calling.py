"""Work on its way to the core."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from cotality.core.calls import Prepared, TasksAfter, TasksOver, prepare
from cotality.core.machine import MB, MEMORY_VARIABLE, left_in_container

from .faces import face_of
from .work import Work

if TYPE_CHECKING:
    from cotality.core.pools import Lender
    from cotality.core.utils.process import Options, Task


def call_for(work: Work) -> Prepared:
    """The call of the core that does *work*.

    Raises:
        TypeError: An option that does not exist, or of the wrong type.
        ValueError: One out of range, or in contradiction to another.
    """
    known = work.known_head()
    if known:
        first = [each.task for each in known]
        tasks = TasksAfter(first, work.function, work.data, work.unpack)
        call = prepared(work, tasks)
        # Last: a call that is refused leaves them for the one that is not.
        if work.take(known):
            return call.knowing(known)
    return prepared(work, TasksOver(work.function, work.data, unpack=work.unpack))


def prepared(
    work: Work,
    tasks: Iterable[Task[Any]],  # Any: of any result type
) -> Prepared:
    """The call of *tasks* that are made of *work*. Raises what `call_for` does."""
    workers, use_processes, options = work.choice.for_the_core(work.options)
    is_limited = not options.keys().isdisjoint(("memory_limit", "memory_limit_mb"))
    if not is_limited and MEMORY_VARIABLE not in os.environ:
        left = left_in_container()
        if left is not None:
            options["memory_limit_mb"] = max(1, left) / MB
    return prepare(
        tasks,
        max_workers=workers,
        use_processes=use_processes,
        on_error=work.on_error,
        return_exceptions=work.return_exceptions,
        options=cast("Options", options),
        # What is in the options now is of the core's words.
        face=face_of(work.face)._replace(without=()),
        planned=work.planned,
        lender=lender_of_program(),
    )


def no_lender() -> Lender | None:
    return None


# Whose workers a call uses where there is a global pool manager: `manager` says so, and
# where nobody has loaded that, nobody has made one.
lender_of_program: Callable[[], Lender | None] = no_lender
