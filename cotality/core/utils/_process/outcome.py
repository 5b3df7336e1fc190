"""What became of a portion of tasks, as the caller's side sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .frames import forget_callers
from .task import Task


@dataclass(eq=False, slots=True)
class Portion:
    """Tasks that follow one another in the input and are handed out together.

    Attributes:
        start: The index of the first one.
        failures: Those that failed before they were sent, by position.
    """

    start: int
    tasks: Sequence[Task[Any]]  # Any: tasks of every result type
    failures: dict[int, Exception]


@dataclass(eq=False, slots=True)
class Settled:
    """The outcomes of the first tasks of a portion, in order.

    Attributes:
        start: The index of the first one.
        values: One entry for each; None where a task failed.
        errors: The failures, by position.
    """

    start: int
    values: list[Any]  # Any: what tasks return
    errors: dict[int, Exception]

    def cut_loose(self) -> None:
        """Let no failure keep the rest of its portion alive."""
        for error in self.errors.values():
            forget_callers(error)

    def put_errors_in_place(self) -> None:
        """Let each failure stand where the value of its task would."""
        for position, error in self.errors.items():
            self.values[position] = error
        # In place: frames that the failures' tracebacks lead to hold the same dict.
        self.errors.clear()

    def outcomes(self) -> list[Any]:  # Any: what tasks return, or failures
        """One value or failure for each task."""
        self.put_errors_in_place()
        return self.values

    def keep_before_failure(self) -> None:
        """Forget the first failure and all that comes after it."""
        del self.values[min(self.errors) :]
        self.errors = {}

    def take(self) -> Iterator[tuple[int, Any]]:  # Any: what tasks return
        """Each index with its value, leaving failures out.

        Holds on to nothing that it has yielded.
        """
        values, index = self.values, self.start
        self.values = []
        values.reverse()
        if not self.errors:
            while values:
                yield index, values.pop()
                index += 1
            return
        for position in range(len(values)):
            value = values.pop()
            if position not in self.errors:
                yield index + position, value
            del value
