"""Decides which backend a call gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cotality.core.utils._process.engine.backend import Backend
from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.machine.cpus import (
    available_cpus,
    default_threads,
    default_workers,
    most_threads,
)
from cotality.core.utils._process.tasks.times import Measure

from .options.checked import Checked, is_ours
from .options.declared import UseProcesses

if TYPE_CHECKING:
    from cotality.core.utils._process.backends.processes import ProcessBackend
    from cotality.core.utils._process.backends.threads import ThreadBackend
    from cotality.core.utils._process.engine.desk import Desk
    from cotality.core.utils._process.rules.decision import Decision
    from cotality.core.utils._process.workers.lending.leases import Staff

# Each backend is imported the first time a call uses it. Processes need most of
# this package, and much of the standard library.


def open_backend(
    workers: int | None,
    use_processes: UseProcesses,
    options: Checked,
    *,
    until_failure: bool,
    measure: Measure,
    may_be_endless: bool,
    total: int | None,
    decided: Callable[[Decision], None],
    desk: Desk | None = None,
    is_shown: bool = False,
) -> Backend:
    """Where the portions of a call run.

    Args:
        workers: How many at a time; None takes as many as the executor has.
        until_failure: Whether no further task is to start once one has failed.
        measure: What workers are to measure of each task.
        may_be_endless: Whether nobody knows that the input comes to an end.
        total: How many tasks there are; None if nobody knows.
        decided: Is told where tasks run, if that is decided on the way.
        desk: Where the caller runs tasks then; None if it cannot.
        is_shown: Whether somebody is told all the time how far the call is, which the
            caller could not see to while it runs a task.
    """
    if options.inline:
        from cotality.core.utils._process.backends.inline import InlineBackend

        return InlineBackend(
            until_failure=until_failure,
            measure=measure,
            initializer=options.initializer_call(),
        )
    if use_processes is True or is_ours(options.executor):
        return open_processes(
            workers, options, until_failure, measure, has_tasks=total != 0
        )
    if options.executor is not None:
        from cotality.core.utils._process.backends.foreign import ForeignBackend
        from cotality.core.utils._process.portions.packer import PortionPacker

        packer = PortionPacker(
            until_failure=until_failure,
            measure=measure,
            context=options.packed_context,
            in_segments=False,
        )
        return ForeignBackend(
            options.executor,
            workers,
            packer,
            until_failure=until_failure,
            measure=measure,
            may_be_endless=may_be_endless,
        )
    if use_processes == "auto":
        from cotality.core.utils._process.auto.auto_backend import AutoBackend

        is_beside = is_shown or options.begins_beside
        most = 1 if this_process.is_worker else available_cpus()
        processes = min(workers, most) if workers else default_workers(True, most == 1)
        return AutoBackend(
            open_threads(workers or default_threads(), options, until_failure, measure),
            lambda: open_processes(
                processes, options, until_failure, measure, gives_back=True
            ),
            processes=processes if processes > 1 else 0,
            total=total,
            obstacle=options.obstacle,
            way_out=options.way_out,
            decided=decided,
            desk=desk,
            begins_at_desk=not is_beside and options.initializer_call() is None,
        )
    assert workers is not None
    return open_threads(workers, options, until_failure, measure)


def open_threads(
    workers: int, options: Checked, until_failure: bool, measure: Measure
) -> ThreadBackend:
    from cotality.core.utils._process.backends.threads import ThreadBackend

    return ThreadBackend(
        workers,
        until_failure=until_failure,
        measure=measure,
        initializer=options.initializer_call(),
        context=options.found,
        most_together=most_threads() if options.names_no_number else None,
    )


def open_processes(
    workers: int | None,
    options: Checked,
    until_failure: bool,
    measure: Measure,
    *,
    gives_back: bool = False,
    has_tasks: bool = True,
) -> ProcessBackend:
    if options.executor is None and has_tasks:
        from cotality.core.utils._process.starting.fork_server import ahead

        ahead.start_server()
    from cotality.core.utils._process.backends.processes import ProcessBackend
    from cotality.core.utils._process.portions.packer import PortionPacker

    packer = PortionPacker(
        check_orders=options.timeout is not None,
        until_failure=until_failure,
        measure=measure,
        context=options.packed_context,
        gives_back=gives_back,
    )
    return ProcessBackend(
        staff_for(workers, options),
        packer,
        timeout=options.timeout,
        grace=options.grace,
        max_tasks=options.max_tasks_per_worker,
    )


def staff_for(workers: int | None, options: Checked) -> Staff:
    """Whose worker processes a call runs on."""
    from cotality.core.utils._process.starting.launch import default_context
    from cotality.core.utils._process.workers.executor import (
        IsolatedProcessPoolExecutor,
    )
    from cotality.core.utils._process.workers.handle import WorkerPlan
    from cotality.core.utils._process.workers.lending.enclosures import enclosing
    from cotality.core.utils._process.workers.lending.leases import (
        Borrowed,
        Hired,
        Leased,
        Lent,
        one_more,
        what_is_left,
    )
    from cotality.core.utils._process.workers.pool import Pool

    if isinstance(options.executor, IsolatedProcessPoolExecutor):
        return Borrowed(options.executor._pool, workers)  # pyright: ignore[reportPrivateUsage]  # one of ours
    pool = enclosing() or options.lender
    if pool is not None:
        workers = min(workers or pool.max_workers, pool.max_workers)
    elif workers is None:  # a stream that was left by its `with worker_pool(...)`
        workers = default_workers(True, this_process.is_worker)
    if options.needs_own_workers:
        plan = WorkerPlan(
            default_context() if pool is None else pool.plan.context,
            options.packed_initializer or (pool.plan.initializer if pool else None),
            options.max_tasks_per_worker,
        )
        if options.names_no_number:
            return one_more(Hired(what_is_left(workers), plan))
        return Hired(workers, plan)
    if pool is None and options.names_no_number:
        return Leased(workers, is_shared=True)
    if pool is None:
        return Leased(workers)
    if isinstance(pool, Pool):
        return Borrowed(pool, workers)
    return Lent(pool, workers)
