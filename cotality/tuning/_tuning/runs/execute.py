"""Run a function over data and have the results in a list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from cotality._kit.public import public_in
from cotality.core.calls import checked_flag, takes_options_without
from cotality.tuning._tuning.work.choice import AUTO, PARAMETERS
from cotality.tuning._tuning.work.work import Work

if TYPE_CHECKING:
    from typing import Unpack

    from cotality.core.calls import OnError, Prepared
    from cotality.core.utils.process import Task
    from cotality.tuning._tuning.plans.plan import Plan
    from cotality.tuning._tuning.work.choice import ExecutorChoice
    from cotality.tuning._tuning.work.options import RunOptions

R = TypeVar("R")

# In the signatures, Any: the items of any data, as arguments of any function.


@public_in("cotality.tuning")
@takes_options_without(*PARAMETERS)
def execute(
    func: Callable[..., R],
    data: Iterable[Any],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: bool = False,
    verbose: bool = False,
    return_exceptions: bool = False,
    on_error: OnError | None = None,
    **options: Unpack[RunOptions],
) -> list[R] | list[R | Exception]:
    """Call *func* with each item of *data* and return the results, in order.

    ``execute(func, data)`` is ``[func(item) for item in data]``, as fast as the machine
    allows: it measures the items while they run, and decides where to run the others.
    No item runs twice. *data* may be any iterable.

    Args:
        func: What to call: any function, also a lambda or a closure.
        data: The items.
        plan: How to run, as :func:`optimize` has found out. The items that `optimize`
            has run do not run again.
        n_jobs: How many items run at a time; 1 is a plain loop, -1 means all CPUs. None
            leaves it to the machine. (Environment: ``COTALITY_N_JOBS``.)
        chunksize: The most items that travel together; None adjusts this to how long
            they take. (``COTALITY_CHUNKSIZE``.)
        max_workers: A limit on what the machine or the plan may choose.
            (``COTALITY_MAX_WORKERS``.)
        executor: ``"sequential"``, ``"threads"``, ``"processes"``, or an executor of
            `concurrent.futures`; ``"auto"``, the default without a plan, decides while
            the items run. (``COTALITY_EXECUTOR``.)
        unpack: Call ``func(*item)``, or ``func(**item)`` if the item is a mapping.
        verbose: Write a line to standard error before the run and one after it, and
            return an `ExecutionResult`: a list of the results that also has the plan
            and a report.
        return_exceptions: Put the failure of an item in the place of its result.
        on_error: As for :func:`execute_tasks_in_parallel`.
        **options: As for :func:`execute_tasks_in_parallel`; see `Options`. Among them
            are rates, retries, a circuit breaker, dead letters and a memory limit. In a
            container with limited memory, that limit is the default.

    Raises:
        TypeError: An argument has the wrong type, or an option does not exist.
        ValueError: An argument or an environment variable is out of range.
        Exception: What the first item that was seen to fail raised, with a note that
            names the item, and whatever else :func:`execute_tasks_in_parallel` raises.

    An argument wins over the environment, the environment over the plan, and the plan
    over measurements. A tiny item costs about a microsecond, a call less than half a
    millisecond.
    """
    work = Work.checked(
        func,
        data,
        plan=plan,
        executor=executor,
        n_jobs=n_jobs,
        max_workers=max_workers,
        chunksize=chunksize,
        unpack=unpack,
        on_error=on_error,
        return_exceptions=return_exceptions,
        options=options,
        face="execute",
    )
    if checked_flag("verbose", verbose):
        from .detail import in_detail

        return in_detail(work)
    if work.choice.is_sequential and work.is_plain:
        from .in_sequence import results_of_loop

        return results_of_loop(work)
    if is_little(work):
        from cotality.core.calls import results_with_head_start

        call = partial(call_of, work)
        return results_with_head_start(work.function, work.data, call)
    from cotality.tuning._tuning.work.calling import call_for

    return call_for(work).results()


def is_little(work: Work) -> bool:
    """Whether *work* may be done by a loop before anything else would pay."""
    is_plain = not work.unpack and work.choice == AUTO and work.is_plain
    if not is_plain:
        return False
    from cotality.core.calls import can_have_head_start

    return can_have_head_start()


def call_of(work: Work, tasks: Iterable[Task[Any]]) -> Prepared:
    """The call of *tasks* that are made of *work*."""
    from cotality.tuning._tuning.work.calling import prepared

    return prepared(work, tasks)
