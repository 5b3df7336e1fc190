"""The same as `execute`, for event loops."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from cotality._kit.public import public_in
from cotality.core.calls import (
    Awaits,
    OnError,
    checked_flag,
    takes_options_without,
)
from cotality.tuning._tuning.plans.plan import Plan
from cotality.tuning._tuning.work.calling import call_for
from cotality.tuning._tuning.work.choice import PARAMETERS
from cotality.tuning._tuning.work.options import RunOptions
from cotality.tuning._tuning.work.work import Work

if TYPE_CHECKING:
    from cotality.tuning._tuning.work.choice import ExecutorChoice

R = TypeVar("R")

# In the signatures, Any: the items of any data, as arguments of any function.


@public_in("cotality.tuning")
@takes_options_without(*PARAMETERS)
def execute_async(
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
    on_error: OnError | None = None,
    **options: Unpack[RunOptions],
) -> Awaits[list[R]] | Awaits[list[R | Exception]]:
    """Call *func* with each item of *data*, while the event loop goes on.

    As :func:`execute`; *func* is a plain function. It never runs in the event loop:
    where `execute` would use a plain loop, it runs in a thread. When the awaiting task
    is cancelled, items that have not started are dropped, and worker processes that are
    running items are killed.

    Raises:
        CancelledError: The awaiting task was cancelled.
        Exception: As from :func:`execute`.
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
        options=options,
        face="execute_async",
    )
    if work.choice.is_sequential:
        choice = work.choice._replace(executor="threads", n_jobs=1)
        work = work._replace(choice=choice)
    if checked_flag("verbose", verbose):
        from .detail import in_detail_async

        return in_detail_async(work)
    return call_for(work).results_async()
