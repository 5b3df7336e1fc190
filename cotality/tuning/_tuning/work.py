"""A function and its data, checked, and on their way to the core."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any, cast

from cotality.core.utils._process.call import Call
from cotality.core.utils._process.chunk import task_failure
from cotality.core.utils._process.cpus import MEMORY_VARIABLE
from cotality.core.utils._process.failures import blame
from cotality.core.utils._process.known_head import KnownHead
from cotality.core.utils._process.memory import MB, left_in_container
from cotality.core.utils._process.options import Options
from cotality.core.utils._process.outcome import Outcome
from cotality.core.utils._process.task import Task
from cotality.core.utils._process.tasks_over import TasksOver
from cotality.core.utils._process.texts import shortened

from .choice import Choice, checked_unpack
from .head import TasksAfter, items_after
from .plan import Plan

# Any in this module: the data and the results of any function.


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be run, and how.

    Attributes:
        on_error: Both as for the calls of the core.
        options: What the core is to do besides.
    """

    function: Callable[..., Any]
    data: Iterable[Any]
    unpack: bool
    plan: Plan | None
    choice: Choice
    on_error: object
    return_exceptions: object
    options: dict[str, Any]

    @classmethod
    def checked(
        cls,
        function: object,
        data: object,
        *,
        plan: Plan | None,
        choice: Choice,
        unpack: object,
        on_error: object = None,
        return_exceptions: object = False,
        options: Any,
    ) -> Work:
        """The work, unless something is wrong with it.

        Raises:
            TypeError: A value of the wrong type.
        """
        return cls(
            checked_function(function),
            checked_data(data),
            checked_unpack(unpack),
            plan,
            choice,
            on_error,
            return_exceptions,
            {name: value for name, value in options.items() if value is not None},
        )

    @property
    def is_plain_loop(self) -> bool:
        """Whether a loop does all that is asked for."""
        raises = self.return_exceptions is False and self.on_error in (None, "raise")
        return self.choice.is_sequential and raises and not self.options

    def loop(self) -> list[Any]:
        """The results of a plain loop.

        Raises:
            Exception: As from the core: with a note that names the item.
        """
        known = self.take_head()
        for each in known:
            if each.error is not None:
                blame(each.error, each.task, each.index)
        results = [each.unwrap() for each in known]
        return copy_context().run(self.run_loop, results)

    def run_loop(self, results: list[Any]) -> list[Any]:
        make = TasksOver(self.function, (), unpack=self.unpack).make
        function: Callable[..., Any] = run_task if self.unpack else self.function
        for item in items_after(self.data, len(results)):
            given = make(self.function, item, len(results)) if self.unpack else item
            try:
                results.append(function(given))
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                index, failure = len(results), task_failure(error)
                blame(failure, make(self.function, item, index), index)
                if failure is error:
                    raise
                raise failure from error
        return results

    def take_head(self) -> Sequence[Outcome[Any]]:
        """What is known of the first items from the making of the plan."""
        head = None if self.plan is None else self.plan.head
        if head is None:
            return ()
        return head.take(self.function, self.data, self.unpack)

    def call(self, *, bounded: bool) -> Call:
        """The call of the core.

        Raises:
            TypeError: An option that does not exist, or of the wrong type.
            ValueError: One out of range, or in contradiction to another.
        """
        workers, use_processes, options = self.choice.for_the_core(self.options)
        if "memory_limit_mb" not in options and MEMORY_VARIABLE not in os.environ:
            left = left_in_container()
            if left is not None:
                options["memory_limit_mb"] = max(1, left) / MB
        known = self.take_head()
        tasks = TasksOver(self.function, self.data, unpack=self.unpack)
        if known:
            tasks = TasksAfter(known, self.function, self.data, self.unpack)
        call = Call.checked(
            tasks,
            workers,
            use_processes,
            self.return_exceptions,
            self.on_error,
            cast("Options", options),
            bounded=bounded,
        )
        if not known:
            return call
        memory = KnownHead(known, call.options.memory)
        return replace(call, options=replace(call.options, memory=memory))


def run_task(task: Task[Any]) -> Any:
    return task.callback_function(*task.positional, **task.arguments)


def checked_function(function: object) -> Callable[..., Any]:
    if not callable(function):
        raise TypeError(f"func must be a function to call, got {function!r}")
    return function


def checked_data(data: object) -> Iterable[Any]:
    if isinstance(data, AsyncIterable):
        raise TypeError(
            f"data must be an iterable, got {data!r}, which only an event loop can "
            f"read: see execute_tasks_in_parallel_async in cotality.core.utils.process"
        )
    if not isinstance(data, Iterable):
        raise TypeError(f"data must be an iterable, got {shortened(data, 80)}")
    return cast("Iterable[Any]", data)  # type: ignore[redundant-cast]  # for pyright
