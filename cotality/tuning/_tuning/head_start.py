"""The first items of some data, run before it is known whether more than that pays.

A loop in a thread beside the caller's, which needs nothing of the core: for a few
trivial items that is all there is to do, and to set up anything else would take longer
than they do. In the caller's own thread nobody could see that an item takes long, and
begin with the others.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context, copy_context
from time import perf_counter
from typing import Any, cast

from cotality.core.utils._process.environment import log_is_wanted

from .choice import Choice
from .plain_loop import fail
from .work import Work

# How long (s) to wait before the first look; then twice as long each time, up to LATER.
SOON = 0.001
LATER = 0.05
# What is expected to take less than this (s) is not worth more than a loop. As in the
# core, see `estimate`.
LITTLE = 0.005
# Items that take less (s) are sooner done by a loop than handed out (measured).
TINY = 3e-6


class HeadStart:
    """Runs *function* over *data* in a thread until all is done, or it is stopped.

    Attributes:
        results: Of the first items, in order.
        error: What the item after these has raised; None if none has.
        begun: How many items have begun; no other ones will once it is stopped.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],  # Any: as below, items and results of any type
        data: Sequence[Any],
    ) -> None:
        self.function = function
        self.data = data
        self.context = copy_context()
        self.results: list[Any] = []
        self.error: BaseException | None = None
        self.begun = 0
        self.is_stopped = False
        self.beginning = threading.Lock()  # held while the next item begins
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run, name="cotality", daemon=True)

    def run(self) -> None:
        try:
            while self.begun < len(self.data) and not self.is_stopped:
                context = self.context.copy()
                context.run(self.run_some, context)
        except BaseException as error:
            self.error = error
        finally:
            if "django.db" in sys.modules:
                from cotality.core.utils._process.django_setup import close_connections

                close_connections()
            self.is_over.set()

    def run_some(self, context: Context) -> None:
        """Run items until *context* is not what the caller's was any more.

        Each shall find it as the caller had it; as long as an empty one stays empty,
        there is no need of another.
        """
        function, results, data = self.function, self.results, self.data
        for place in range(len(results), len(data)):
            with self.beginning:
                if self.is_stopped:
                    return
                self.begun += 1
            results.append(function(data[place]))
            if context:
                return

    def is_enough(self) -> bool:
        """Begin, and return when all is done, or when more than this loop would pay.

        True if all is done: then there is a result for each item, or an error. False
        if not: then of the items that have begun the last one may still run.
        """
        try:
            self.thread.start()
            return self.watch()
        except BaseException:  # a Ctrl-C
            self.end()
            raise

    def watch(self) -> bool:
        pause, done, began = SOON, 0, perf_counter()
        while not self.is_over.wait(pause):
            now, count = perf_counter(), len(self.results)
            if self.would_pay(count, count - done, now - began):
                self.stop()
                return False
            pause, done, began = min(2 * pause, LATER), count, now
        self.thread.join()
        return True

    def would_pay(self, count: int, lately: int, seconds: float) -> bool:
        """Whether the rest is worth more than a loop.

        Args:
            count: How many items are done.
            lately: How many of those in the last so many *seconds*.
        """
        left = len(self.data) - count - 1  # one is running
        if left < 1:
            return False
        each = seconds / lately if lately else seconds
        return each > TINY and left * each > LITTLE

    def stop(self) -> None:
        """Begin no other item."""
        with self.beginning:
            self.is_stopped = True

    def end(self) -> None:
        """Begin no other item, and wait for the one that runs: nothing can stop it."""
        self.stop()
        if self.begun:
            # Not for the thread: a Ctrl-C may have come before it was known to run.
            self.is_over.wait()


def can_have_head_start(work: Work) -> bool:
    """Whether items of *work* may be run before the core knows of them."""
    # An iterator is read by the caller's thread alone: it may be a database cursor.
    is_there = isinstance(work.data, list | tuple | range)
    return is_there and work.is_plain and not work.unpack and work.choice == AUTO


AUTO = Choice("auto", None, None)


def results_with_head_start(work: Work) -> list[Any]:
    """The results of *work*: from a loop if that is all it takes, else from the core.

    Raises:
        Exception: As from the core.
    """
    data = cast("Sequence[Any]", work.data)
    head = HeadStart(work.function, data)
    began = perf_counter()
    if head.is_enough():
        results = head.results
        if log_is_wanted():
            from .loop_log import log_loop

            log_loop(work, results, perf_counter() - began, head.error)
    else:
        results = results_with_core(work, data, head)
    if head.error is not None:
        fail(work, without_our_frames(head.error), data[head.begun - 1], head.begun - 1)
    results[: head.begun] = head.results
    return results


def results_with_core(work: Work, data: Sequence[Any], head: HeadStart) -> list[Any]:
    """Results of which the first ones, those of the items that *head* has, are void."""
    from cotality.core.utils._process.delivery import in_list
    from cotality.core.utils._process.known_head import DoneElsewhere
    from cotality.core.utils._process.task import Task

    from .calling import checked_call, knowing
    from .head import TasksAfter

    first = [Task(work.function)] * head.begun
    tasks = TasksAfter(
        first, work.function, until_failure(data, head), False, len(data)
    )
    call = knowing(checked_call(work, tasks, False), DoneElsewhere(head.begun))
    try:
        return in_list(call.blocking())
    except HeadFailedError:
        return []
    finally:
        head.end()


class HeadFailedError(Exception):
    """The item that the loop had begun has failed, so no other one shall begin."""


def until_failure(data: Sequence[Any], head: HeadStart) -> Iterator[Any]:
    """The items that *head* has not begun, as long as those have not failed."""
    for place in range(head.begun, len(data)):
        if head.error is not None:
            raise HeadFailedError
        yield data[place]


def without_our_frames(error: BaseException) -> BaseException:
    """*error*, whose traceback begins in the function of the item."""
    from cotality.core.utils._process.frames import field_of

    ours = field_of(error, "__traceback__")  # of `run`, and then of `run_some`
    inner = ours.tb_next if ours is not None else None
    if inner is not None and inner.tb_next is not None:
        BaseException.with_traceback(error, inner.tb_next)
    return error
