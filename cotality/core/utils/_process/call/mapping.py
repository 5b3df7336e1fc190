"""Call a function with each item of some data, and have what it returns.

Every program of a beginner loads this module. So each function imports what it needs
when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, cast

from cotality._kit.public import public

from .options.declared import MapOptions, takes_map_options

if TYPE_CHECKING:
    from cotality.core.utils._process.tasks.from_data import TasksOver
    from cotality.core.utils._process.tasks.task import Task

    from .prepared import Prepared

R = TypeVar("R")

# Any in this module: the items of any data, as arguments of any function. Stubs say
# what they are for one to three iterables.


@public
@takes_map_options
def pmap(
    function: Callable[..., R],
    items: Iterable[Any],
    *more: Iterable[Any],
    unpack: bool = False,
    on_error: Literal["raise", "return", "group"] | None = None,
    **options: Unpack[MapOptions],
) -> list[R] | list[R | Exception]:
    """Call *function* with each of *items*, many at a time; the results, in order.

    ``pmap(function, items)`` is ``[function(item) for item in items]``, as fast as the
    machine allows: it runs the first items in a loop, measures them, and moves the
    others to threads or to processes if they will be done sooner there. No item runs
    twice. *items* may be any iterable, and is read in the calling thread.

    ``pmap(function, items, more)`` calls ``function(item, other)`` with one of each, as
    :func:`map` does. It ends with the shortest; where all have a length, these have to
    be equal.

    Args:
        function: What to call: any function, also a lambda or a closure.
        items: What to call it with.
        more: Further arguments of each call.
        unpack: Call ``function(*item)``, or ``function(**item)`` if the item is a
            mapping.
        on_error: What happens when a call of *function* fails. ``"raise"``, the
            default: the first failure ends it all. ``"return"``: each failure takes the
            place of its result. ``"group"``: everything runs, and then all failures are
            raised together, as an `ExceptionGroup`.
        **options: How many at a time, and where; retries, limits, progress and more.
            `Options` explains each.

    Raises:
        TypeError: An argument has the wrong type, or an option does not exist. This and
            `ValueError` are raised before anything runs.
        ValueError: An argument is out of range, or iterables differ in length.
        Exception: What the first item that was seen to fail raised, with the frames of
            *function* in its traceback and a note that names the item. What else can
            go wrong is listed at :func:`execute_tasks_in_parallel`.
    """
    if not (options or more or unpack) and on_error is None and is_plain():
        from .loops.loop_first import results_with_head_start

        checked_function(function)
        return results_with_head_start(function, checked_items(items), prepared)
    tasks = tasks_over(function, (items, *more), unpack)
    return prepared(tasks, on_error, options).call.results()


@public
@takes_map_options
def pmap_iter(
    function: Callable[..., R],
    items: Iterable[Any],
    *more: Iterable[Any],
    unpack: bool = False,
    ordered: bool = True,
    on_error: Literal["raise", "return", "group"] | None = None,
    **options: Unpack[MapOptions],
) -> Generator[R, None, None] | Generator[R | Exception, None, None]:
    """Call *function* with each of *items*, and yield the results while others run.

    As :func:`pmap`, for more items and results than fit into memory, also for endless
    ones. Nothing starts before the first ``next()``; *items* is read as there is room,
    so a slow consumer slows the workers down. If you leave the loop early, items that
    have not started are dropped; see :func:`execute_tasks_in_parallel_streaming`.

    Args:
        function: As for :func:`pmap`, like all that is not listed here.
        ordered: Yield in the order of *items*; otherwise as each is done.

    Raises:
        TypeError: As from :func:`pmap`, by the call itself.
        ValueError: As from :func:`pmap`, by the call itself.
        Exception: As from :func:`pmap`, after the finished results.
    """
    from cotality.core.utils._process.tasks.checks import checked_flag

    in_order = checked_flag("ordered", ordered)
    tasks = tasks_over(function, (items, *more), unpack)
    return prepared(tasks, on_error, options, is_stream=True).values(ordered=in_order)


@public
@takes_map_options
def pmap_async(
    function: Callable[..., R],
    items: Iterable[Any],
    *more: Iterable[Any],
    unpack: bool = False,
    on_error: Literal["raise", "return", "group"] | None = None,
    **options: Unpack[MapOptions],
) -> Coroutine[Any, Any, list[R]] | Coroutine[Any, Any, list[R | Exception]]:
    """Call *function* with each of *items*, while the event loop goes on.

    As :func:`pmap`, to be awaited. *function* is a plain function, and never runs in
    the event loop. When the awaiting task is cancelled, items that have not started are
    dropped, and worker processes that run some are killed.

    Raises:
        TypeError: As from :func:`pmap`, by the call itself, not by the ``await``.
        ValueError: As from :func:`pmap`, by the call itself.
        CancelledError: The awaiting task was cancelled.
        Exception: As from :func:`pmap`.
    """
    tasks = tasks_over(function, (items, *more), unpack)
    return prepared(tasks, on_error, options).results_async()


def is_plain() -> bool:
    """Whether a loop may run the first items before there is a call."""
    from cotality.core.utils._process.tasks.task import marks_were_used

    from .loops.loop_first import can_have_head_start

    return not marks_were_used() and can_have_head_start()


def prepared(
    tasks: Iterable[Task[Any]],
    on_error: object = None,
    options: Any = None,
    *,
    is_stream: bool = False,
    face: Any = None,
) -> Prepared:
    """The call of *tasks*; it runs where it is done soonest, unless *options* say."""
    from .face import MAPS, STREAMED_MAPS
    from .prepared import prepare

    return prepare(
        tasks,
        use_processes=None,
        on_error=on_error,
        options=options,
        face=face or (STREAMED_MAPS if is_stream else MAPS),
    )


def tasks_over(
    function: Callable[..., R], iterables: tuple[Iterable[Any], ...], unpack: object
) -> TasksOver[R]:
    """A task for each call of *function*.

    Raises:
        TypeError: Something is not what it must be.
        ValueError: The iterables differ in length, or there are several to unpack.
    """
    from cotality.core.utils._process.tasks.checks import checked_flag
    from cotality.core.utils._process.tasks.from_data import TasksOver

    checked_function(function)
    names = ("items", *(f"iterable {place}" for place in range(2, len(iterables) + 1)))
    data = [checked_items(*each) for each in zip(iterables, names, strict=True)]
    to_unpack = checked_flag("unpack", unpack)
    if len(data) == 1:
        return TasksOver(function, data[0], unpack=to_unpack)
    if to_unpack:
        raise ValueError(
            "unpack=True takes one iterable, whose items are several arguments each: "
            "leave out unpack, or the other iterables"
        )
    total = common_length(data)
    return TasksOver(function, zip(*data, strict=False), unpack=True, total=total)


def common_length(data: list[Iterable[Any]]) -> int | None:
    """How many items each has; None if one of them does not know.

    Raises:
        ValueError: They differ.
    """
    from cotality.core.utils._process.tasks.from_data import length_of

    lengths = [length_of(each) for each in data]
    if None in lengths:
        return None
    if len(set(lengths)) > 1:
        raise ValueError(
            f"the iterables have {', '.join(map(str, lengths))} items, and each call "
            f"takes one of each. Where the shortest is to end it: unpack=True, and "
            f"zip(...) for the items."
        )
    return lengths[0]


def checked_function(function: object) -> None:
    from cotality.core.utils._process.tasks.checks import check_runs

    if not callable(function):
        from cotality.core.utils._process.tasks.from_data import what_for

        raise TypeError(
            f"the first argument must be a function to call, got {what_for(function)}"
        )
    check_runs(function, "the function")


def checked_items(items: object, name: str = "items") -> Iterable[Any]:
    if type(items) in (list, tuple, range):  # as mostly
        return cast("list[Any]", items)
    from cotality.core.utils._process.tasks.data import data_to_read

    return data_to_read(items, name)
