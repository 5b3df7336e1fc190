"""A plain loop over items, with the same failures as a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, NoReturn

from cotality._kit.struck import is_to_end_caller

if TYPE_CHECKING:
    from cotality.core.utils._process.tasks.outcome import Outcome
    from cotality.core.utils._process.tasks.task import Task

# Any in this module: the items and the results of any function.


def run_in_loop(
    function: Callable[..., Any],
    items: Iterator[Any],
    results: list[Any],
    *,
    unpack: bool = False,
) -> list[Any]:
    """Call *function* with each of *items*, one after the other, in this thread.

    Args:
        function: What to call.
        items: What is left; as many as there are *results* went before them.
        results: Where the others are added; it is returned.
        unpack: As for `TasksOver`.

    Raises:
        Exception: As from a call: with a note that names the item.
    """
    copy = copies_of(copy_context())
    while True:
        fresh = copy()
        if fresh.run(loop, function, items, results, unpack, fresh):
            return results


def copies_of(context: Context) -> Callable[[], Context]:
    """What makes copies of *context* for items, which may change what is theirs."""
    if not context:
        return context.copy  # as mostly; no import for that
    from cotality.core.utils._process.portions.context_copies import copier

    return copier(context)


def loop(
    function: Callable[..., Any],
    items: Iterator[Any],
    results: list[Any],
    unpack: bool,
    context: Context,
) -> bool:
    """Add results until *context* is not what the caller's was any more.

    Each item shall find it as the caller had it; as long as an empty one stays empty,
    there is no need of another. True if there are no more items.
    """
    call: Callable[..., Any] = run_task if unpack else function
    for item in items:
        given = item
        if unpack:
            from cotality.core.utils._process.tasks.from_data import unpacked

            given = unpacked(function, item, len(results))
        try:
            results.append(call(given))
        except BaseException as error:
            if is_to_end_caller(error):
                from cotality.core.utils._process.engine.interrupted import hide_engine

                hide_engine(error)
                raise
            fail(function, error, item, len(results), unpack=unpack)
        if context:
            return False
    return True


def run_task(task: Task[Any]) -> Any:
    return task.callback_function(*task.positional, **task.arguments)


def unwrapped(outcome: Outcome[Any]) -> Any:
    """The result of a task that was run before.

    Raises:
        Exception: Its failure, as from a call: with a note that names it.
    """
    if outcome.error is not None:
        from cotality.core.utils._process.engine.blame import blame, numbers

        outcome.error = blame(outcome.error, outcome.task, outcome.index, next(numbers))
    return outcome.unwrap()


def fail(
    function: Callable[..., Any],
    error: BaseException,
    item: Any,
    index: int,
    *,
    unpack: bool = False,
) -> NoReturn:
    """Raise what a call would raise if item number *index* raised *error*."""
    from cotality.core.utils._process.engine.blame import blame, numbers
    from cotality.core.utils._process.portions.chunk import task_failure
    from cotality.core.utils._process.tasks.errors import as_raised
    from cotality.core.utils._process.tasks.from_data import TasksOver
    from cotality.core.utils._process.tasks.tracebacks import field_of, set_field

    failure = task_failure(error)
    make = TasksOver(function, (), unpack=unpack).make
    task = make(function, item, index)
    failure = blame(failure, task, index, next(numbers), of_items=not unpack)
    raised = as_raised(failure)
    if raised is error:
        context = field_of(error, "__context__")
        try:
            raise error
        finally:
            # To raise it made its context what is being handled, which is itself.
            set_field(error, "__context__", context)
    raise raised from error
