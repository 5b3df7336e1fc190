"""Work on its way to the core."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from cotality.core.utils._process.call.call import Call
from cotality.core.utils._process.engine.known_outcomes import KnownHead, KnownOutcomes
from cotality.core.utils._process.machine.environment import MEMORY_VARIABLE
from cotality.core.utils._process.machine.memory import MB, left_in_container
from cotality.core.utils._process.tasks.from_data import TasksOver
from cotality.core.utils._process.tasks.task import Task
from cotality.tuning._tuning.plans.first_results import TasksAfter

from .faces import face_of
from .work import Work

if TYPE_CHECKING:
    from cotality.core.utils._process.call.options import Options
    from cotality.core.utils._process.workers.enclosures import Lender


def call_for(work: Work, *, bounded: bool) -> Call:
    """The call of the core that does *work*.

    Raises:
        TypeError: An option that does not exist, or of the wrong type.
        ValueError: One out of range, or in contradiction to another.
    """
    known = work.known_head()
    if known:
        first = [each.task for each in known]
        tasks = TasksAfter(first, work.function, work.data, work.unpack)
        call = checked_call(work, tasks, bounded)
        # Last: a call that is refused leaves them for the one that is not.
        if work.take(known):
            return knowing(call, KnownOutcomes(known))
    others = TasksOver(work.function, work.data, unpack=work.unpack)
    return checked_call(work, others, bounded)


def checked_call(
    work: Work,
    tasks: Iterable[Task[Any]],  # Any: as in what follows, of any result type
    bounded: bool,
) -> Call:
    workers, use_processes, options = work.choice.for_the_core(work.options)
    if "memory_limit_mb" not in options and MEMORY_VARIABLE not in os.environ:
        left = left_in_container()
        if left is not None:
            options["memory_limit_mb"] = max(1, left) / MB
    call = Call.checked(
        tasks,
        workers,
        use_processes,
        work.return_exceptions,
        work.on_error,
        cast("Options", options),
        bounded=bounded,
        # What is in the options now is of the core's words.
        face=face_of(work.face)._replace(without=()),
    )
    call = call._replace(planned=work.planned)
    lender = lender_of_program()
    if lender is None:
        return call
    return call._replace(options=call.options._replace(lender=lender))


def no_lender() -> Lender | None:
    return None


# Whose workers a call uses where there is a global pool manager: `manager` says so, and
# where nobody has loaded that, nobody has made one.
lender_of_program: Callable[[], Lender | None] = no_lender


def knowing(call: Call, head: KnownHead) -> Call:
    """*call*, whose first tasks are known."""
    head.memory = call.options.memory
    return call._replace(options=call.options._replace(memory=head))
