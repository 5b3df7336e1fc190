"""The names of tasks in a report, as long as making them does not take too long."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from cotality._kit.safe_text import class_and_text, clipped, on_one_line, printable
from cotality.core.utils._process.tasks.task import Task, describe, name_of_function

# To describe a task asks its arguments for their repr, which runs other people's code:
# that of a large table takes longer than many a task. So no more than this part of the
# run's time is spent on it; beyond that a task goes by its function's name.
SHARE = 0.01
FOR_SLOWEST = 0.02  # of the run's time; their arguments are what people look for
GRANT = 0.02  # s that may be spent at any rate, so that a short run has all of them
SHOWN_CALL = 120  # characters
SHOWN_ERROR = 160


class Words:
    """Describes tasks for as long as that costs little.

    Args:
        began: The run, by perf_counter.
        arguments: Whether more may be said than which function, and which exception.
    """

    def __init__(self, began: float, *, arguments: bool = True) -> None:
        self.began = began
        self.arguments = arguments
        self.spent = 0.0  # s
        self.function: object = None
        self.function_name = ""

    def call_of(
        self, task: Task[Any], share: float = SHARE
    ) -> str:  # Any: a task of any result type
        """The call *task* stands for, or its function if that has to do."""
        now = perf_counter()
        if not self.arguments:
            return self.name_of(task)
        if self.spent > GRANT + share * (now - self.began):
            return self.name_of(task)
        text = clipped(describe(task), SHOWN_CALL)
        self.spent += perf_counter() - now
        return text

    def name_of(self, task: Task[Any]) -> str:  # Any: a task of any result type
        """The name of its function. Mostly the same one as before."""
        if task.callback_function is not self.function:
            self.function = task.callback_function
            self.function_name = name_of_function(self.function)
        return self.function_name

    def error_of(self, error: BaseException) -> str:
        """What *error* is, on one line."""
        return error_text(error) if self.arguments else type(error).__name__

    def error_if_cheap(self, error: BaseException) -> str:
        """The same, or its class if that has to do: a ``__str__`` may take long."""
        now = perf_counter()
        if self.spent > GRANT + SHARE * (now - self.began):
            return type(error).__name__
        text = self.error_of(error)
        self.spent += perf_counter() - now
        return text

    def forget(self) -> None:
        """Hold on to nothing of the caller's."""
        self.function = None


def error_text(error: BaseException) -> str:
    """*error* on one line."""
    return printable(on_one_line(class_and_text(error), SHOWN_ERROR))
