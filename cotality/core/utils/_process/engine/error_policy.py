"""What the failure of a task means for its call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotality.core.utils._process.tasks.checks import OnError
from cotality.core.utils._process.tasks.errors import as_raised
from cotality.core.utils._process.tasks.task import Task

from .blame import blame, numbers


class ErrorPolicy:
    """What the failures of tasks mean for one call.

    Args:
        on_error: ``"raise"`` ends the call with the first failure that is seen,
            ``"return"`` leaves failures to whoever takes the results, ``"group"``
            lets everything run and then raises all failures together.
        max_failures: How many failed tasks end the call, all of them raised together;
            None sets no limit.
        of_items: Whether the tasks are made of the items of some data.
    """

    number: int
    max_failures: int | None
    is_over: bool

    def __init__(
        self,
        on_error: OnError,
        max_failures: int | None = None,
        *,
        of_items: bool = False,
    ) -> None:
        self.number = next(numbers)
        self.of_items = of_items
        self.on_error = on_error
        self.max_failures = 1 if on_error == "raise" else max_failures
        self.seen: list[tuple[int, Exception]] = []  # what may have to be raised
        self.is_over = False

    @property
    def ends_with_first(self) -> bool:
        """Whether the first failure ends the call."""
        return self.max_failures == 1

    @property
    def leaves_in_place(self) -> bool:
        """Whether a failure stands where the value of its task would."""
        return self.on_error == "return"

    def see(
        self, start: int, tasks: Sequence[Task[Any]], errors: dict[int, Exception]
    ) -> None:  # Any: tasks of every result type
        """*tasks*, of which the first has the index *start*, failed with *errors*.

        Each of these, in its place, says then which task it comes from.
        """
        for position in sorted(errors):
            index, task = start + position, tasks[position]
            error = blame(
                errors[position], task, index, self.number, of_items=self.of_items
            )
            errors[position] = error
            if self.counts:
                self.seen.append((index, error))
                self.is_over = self.is_over or len(self.seen) == self.max_failures

    @property
    def counts(self) -> bool:
        """Whether one more failure matters to the call."""
        if self.on_error == "raise":
            return not self.is_over
        return self.max_failures is not None or not self.leaves_in_place

    def conclusion(
        self, total: int, ended_by: Exception | None = None
    ) -> BaseException | None:
        """What the call has to raise; it can be asked once.

        Args:
            total: How many tasks were read from the input.
            ended_by: What the input raised, or why else nothing more was read.
        """
        seen, self.seen = self.seen, []
        if self.on_error == "raise":
            return as_raised(seen[0][1]) if seen else ended_by
        if not seen or (self.leaves_in_place and not self.is_over):
            return ended_by
        errors = [error for _, error in sorted(seen, key=lambda each: each[0])]
        tasks = "task" if total == 1 else "tasks"
        message = f"{len(errors)} of {total} {tasks} failed"
        if self.is_over:
            message += f", which is the limit (max_failures={self.max_failures})"
        if ended_by is not None:
            # Not its cause: a handler of groups looks at the members.
            message += f", and {type(ended_by).__name__} ended the input (the last one)"
            errors.append(ended_by)
        return ExceptionGroup(message, errors)
