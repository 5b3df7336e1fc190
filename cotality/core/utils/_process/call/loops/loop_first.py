"""The results of a function for some data: from a loop, or from a call that takes over.

Which of the two turns out while the first items run, see `head_start`.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from cotality.core.utils._process.machine.environment import log_is_wanted
from cotality.core.utils._process.machine.second_thread import is_importing

from .head_start import HeadStart
from .plain_loop import fail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cotality.core.utils._process.call.prepared import Prepared
    from cotality.core.utils._process.tasks.task import Task


def can_have_head_start() -> bool:
    """Whether items may be run before there is a call."""
    return not is_importing()


def results_with_head_start(
    function: Callable[..., Any],  # Any: as above
    data: Iterable[Any],
    prepare: Callable[[Iterable[Task[Any]]], Prepared],
) -> list[Any]:
    """The results of *function* for all of *data*: from a loop if that is all it takes.

    Otherwise from a call, which runs what the loop has not begun.

    Args:
        prepare: As for `HeadStart`.

    Raises:
        Exception: As from the call.
    """
    head = head_of(function, data, prepare)
    try:
        results = head.run()
    except BaseException as struck:
        log_head(head, struck)
        if isinstance(struck, KeyboardInterrupt):
            from cotality.core.utils._process.engine.interrupted import hide_engine

            hide_engine(struck)
        raise
    log_head(head, head.error)
    if head.error is not None:
        error = without_frames(head.error, head.frames)
        fail(function, error, head.last, head.begun - 1)
    results[: head.begun] = head.results
    return results


def head_of(
    function: Callable[..., Any],  # Any: as above
    data: Iterable[Any],
    prepare: Callable[[Iterable[Task[Any]]], Prepared],
) -> HeadStart:
    """What runs the first items of *data*."""
    # No class that is made of one: what a loop over it gives may be something else than
    # what is at its places.
    if type(data) in (list, tuple, range):
        return HeadStart(function, cast("Sequence[Any]", data), prepare)
    from .head_of_iterator import IteratorHead

    return IteratorHead(function, data, prepare)


def log_head(head: HeadStart, error: BaseException | None) -> None:
    """Log what the loop has done, unless a call has taken over, and logs that."""
    if not head.is_handed_on and log_is_wanted():
        from cotality.core.utils._process.call.call_log import OVER_SOON, log_loop

        seconds = perf_counter() - head.began
        total = len(head.results) if error is None else head.total
        log_loop(head.function, total, head.results, seconds, error, "auto", OVER_SOON)


def without_frames(error: BaseException, count: int) -> BaseException:
    """*error*, whose traceback begins in the function of the item.

    Args:
        count: How many frames of ours are before that.
    """
    from cotality.core.utils._process.tasks.tracebacks import field_of

    frames = field_of(error, "__traceback__")
    for _ in range(count):
        frames = None if frames is None else frames.tb_next
    if frames is not None:
        BaseException.with_traceback(error, frames)
    return error
