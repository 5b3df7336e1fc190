"""A plain loop over items, with failures as the core has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, NoReturn

from cotality._kit.struck import is_to_end_caller
from cotality.core.utils._process.machine.environment import log_is_wanted
from cotality.tuning._tuning.work.work import Work

if TYPE_CHECKING:
    from cotality.core.utils._process.tasks.task import Task

# Any in this module: the items and the results of any function.


def results_of_loop(work: Work) -> list[Any]:
    """The results of *work*, one item after the other, in this thread.

    Raises:
        Exception: As from the core: with a note that names the item.
    """
    results: list[Any] = []
    if not log_is_wanted():
        return loop_over(work, results)
    from .loop_log import logged

    with logged(work, results):
        return loop_over(work, results)


def loop_over(work: Work, results: list[Any]) -> list[Any]:
    """Add the results of *work* to *results*, and return these."""
    known = work.known_head()
    for each in known if work.take(known) else ():
        if each.error is not None:
            from cotality.core.utils._process.engine.blame import blame, numbers

            each.error = blame(each.error, each.task, each.index, next(numbers))
        results.append(each.unwrap())
    items = items_after(work, len(results))
    copy = copies_of(copy_context())
    while True:
        fresh = copy()
        if fresh.run(loop, work, items, results, fresh):
            return results


def copies_of(context: Context) -> Callable[[], Context]:
    """What makes copies of *context* for items, which may change what is theirs."""
    if not context:
        return context.copy  # as mostly; no import for that
    from cotality.core.utils._process.portions.context_copies import copier

    return copier(context)


def loop(
    work: Work, items: Iterator[Any], results: list[Any], context: Context
) -> bool:
    """Add results until *context* is not what the caller's was any more.

    Each item shall find it as the caller had it; as long as an empty one stays empty,
    there is no need of another. True if there are no more items.
    """
    function: Callable[..., Any] = run_task if work.unpack else work.function
    for item in items:
        given = item
        if work.unpack:
            from cotality.core.utils._process.tasks.from_data import unpacked

            given = unpacked(work.function, item, len(results))
        try:
            results.append(function(given))
        except BaseException as error:
            if is_to_end_caller(error):
                raise
            fail(work, error, item, len(results))
        if context:
            return False
    return True


def run_task(task: Task[Any]) -> Any:
    return task.callback_function(*task.positional, **task.arguments)


def items_after(work: Work, count: int) -> Iterator[Any]:
    if count == 0:
        return iter(work.data)
    from cotality.tuning._tuning.plans.first_results import items_after

    return items_after(work.data, count)


def fail(work: Work, error: BaseException, item: Any, index: int) -> NoReturn:
    """Raise what the core would raise if item number *index* raised *error*."""
    from cotality.core.utils._process.engine.blame import blame, numbers
    from cotality.core.utils._process.portions.chunk import task_failure
    from cotality.core.utils._process.tasks.errors import as_raised
    from cotality.core.utils._process.tasks.from_data import TasksOver
    from cotality.core.utils._process.tasks.tracebacks import field_of, set_field

    failure = task_failure(error)
    make = TasksOver(work.function, (), unpack=work.unpack).make
    failure = blame(failure, make(work.function, item, index), index, next(numbers))
    raised = as_raised(failure)
    if raised is error:
        context = field_of(error, "__context__")
        try:
            raise error
        finally:
            # To raise it made its context what is being handled, which is itself.
            set_field(error, "__context__", context)
    raise raised from error
