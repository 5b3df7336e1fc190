"""Run a function over data and have the results one by one, or in batches."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from cotality._kit.public import public_in
from cotality.core.calls import (
    OnError,
    checked_flag,
    checked_limits,
    takes_options_without,
)
from cotality.tuning._tuning.plans.plan import Plan
from cotality.tuning._tuning.work.calling import call_for
from cotality.tuning._tuning.work.choice import PARAMETERS
from cotality.tuning._tuning.work.options import RunOptions
from cotality.tuning._tuning.work.work import Work, checked_names

if TYPE_CHECKING:
    from cotality.tuning._tuning.work.choice import ExecutorChoice

R = TypeVar("R")

# In the signatures, Any: the items of any data, as arguments of any function.


@public_in("cotality.tuning")
@takes_options_without(*PARAMETERS)
def optimize_streaming(
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
    ordered: bool = True,
    on_error: OnError | None = None,
    **options: Unpack[RunOptions],
) -> Generator[R, None, None] | Generator[R | Exception, None, None]:
    """Call *func* with each item of *data* and yield the results while others run.

    As :func:`execute`, for more items and results than fit into memory, also for
    endless data. The thread that takes the results reads *data* as there is room, so a
    slow consumer slows the workers down. Nothing starts before the first ``next()``. If
    you leave the loop early, items that have not started are dropped, see
    :func:`execute_tasks_in_parallel_streaming`.

    Args:
        func: As for :func:`execute`, like all parameters that are not listed here.
        verbose: Write a line to standard error before the first result and one after
            the last.
        ordered: Yield in the order of *data*; otherwise as each item finishes.

    Raises:
        TypeError: As from :func:`execute`, by the call itself.
        ValueError: As from :func:`execute`, by the call itself.
        Exception: What the first item that was seen to fail raised, after the finished
            results.
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
        face="optimize_streaming",
    )
    in_order = checked_flag("ordered", ordered)
    if checked_flag("verbose", verbose):
        from .detail import told_of

        return told_of(work, lambda call: values(call.stream(ordered=in_order)))
    return values(call_for(work).stream(ordered=in_order))


def values(
    pairs: Generator[tuple[int, Any], None, None],
) -> Generator[Any, None, None]:
    """The second of each pair."""
    try:
        for _, value in pairs:
            yield value
            del value  # or it would be kept while the next one is waited for
    finally:
        pairs.close()


@public_in("cotality.tuning")
@takes_options_without(*PARAMETERS)
def process_in_batches(
    func: Callable[..., R],
    data: Iterable[Any],
    *,
    batch_size: int | None = None,
    max_memory_mb: float | None = None,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: bool = False,
    verbose: bool = False,
    ordered: bool = True,
    on_error: OnError | None = None,
    **options: Unpack[RunOptions],
) -> Generator[list[R], None, None] | Generator[list[R | Exception], None, None]:
    """Call *func* with each item of *data* and yield the results in lists.

    As :func:`optimize_streaming`, if you handle many results at once.

    Args:
        func: As for :func:`execute`, like all parameters that are not listed here.
        batch_size: How many results a batch has; the last one may have fewer.
        max_memory_mb: How many megabytes (of 1,000,000 bytes) results may take in this
            process: see :func:`cotality.core.utils.process.process_in_batches`. With
            *batch_size* as well, whichever comes first ends a batch.
        verbose: As for :func:`optimize_streaming`.
        ordered: Put results into batches in the order of *data*; otherwise as each item
            finishes.

    Raises:
        ValueError: Neither *batch_size* nor *max_memory_mb* is given, or one is out of
            range. Raised by the call itself.
        TypeError: As from :func:`execute`, by the call itself.
        Exception: As from :func:`optimize_streaming`, after a last batch of the
            finished results.
    """
    checked_names({**options}, "process_in_batches")
    limits = checked_limits(batch_size, max_memory_mb)
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
        face="process_in_batches",
    )
    in_order = checked_flag("ordered", ordered)
    if checked_flag("verbose", verbose):
        from .detail import told_of

        return told_of(work, lambda call: call.batches(limits, ordered=in_order))
    return call_for(work).batches(limits, ordered=in_order)
