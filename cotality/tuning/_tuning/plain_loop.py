"""A plain loop over items, with failures as the core has them."""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any, NoReturn

from .work import Work

if TYPE_CHECKING:
    from cotality.core.utils._process.task import Task

# Any in this module: the items and the results of any function.


def results_of_loop(work: Work) -> list[Any]:
    """The results of *work*, one item after the other, in this thread.

    Raises:
        Exception: As from the core: with a note that names the item.
    """
    results: list[Any] = []
    for each in work.take_head():
        if each.error is not None:
            from cotality.core.utils._process.failures import blame

            blame(each.error, each.task, each.index)
        results.append(each.unwrap())
    return copy_context().run(loop, work, results)


def loop(work: Work, results: list[Any]) -> list[Any]:
    """*results*, with those of the items after so many."""
    if work.unpack:
        return loop_over_tasks(work, results)
    function = work.function
    for item in items_after(work, len(results)):
        try:
            results.append(function(item))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            fail(work, error, item, len(results))
    return results


def loop_over_tasks(work: Work, results: list[Any]) -> list[Any]:
    from cotality.core.utils._process.tasks_over import unpacked

    for item in items_after(work, len(results)):
        task: Task[Any] = unpacked(work.function, item, len(results))
        try:
            results.append(task.callback_function(*task.positional, **task.arguments))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            fail(work, error, item, len(results))
    return results


def items_after(work: Work, count: int) -> Any:
    if count == 0:
        return work.data
    from .head import items_after

    return items_after(work.data, count)


def fail(work: Work, error: BaseException, item: Any, index: int) -> NoReturn:
    """Raise what the core would raise if item number *index* raised *error*."""
    from cotality.core.utils._process.chunk import task_failure
    from cotality.core.utils._process.failures import blame
    from cotality.core.utils._process.tasks_over import TasksOver

    failure = task_failure(error)
    make = TasksOver(work.function, (), unpack=work.unpack).make
    blame(failure, make(work.function, item, index), index)
    if failure is error:
        context = error.__context__
        try:
            raise error
        finally:
            # To raise it made its context what is being handled, which is itself.
            BaseException.__setattr__(error, "__context__", context)
    raise failure from error
