"""What a task is: a function and what to call it with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec

from typing_extensions import TypeVar

from .public import public

P = ParamSpec("P")
R = TypeVar("R", default=Any)  # so that a bare `Task` stays a complete annotation

SHOWN_ARGUMENT = 40  # characters of one argument's repr in a message
SHOWN_ARGUMENTS = 160  # characters of all of them


@public
@dataclass(slots=True, weakref_slot=True)
class Task(Generic[R]):
    """A function and the keyword arguments to call it with.

    ``Task(add, {"a": 1, "b": 2})`` stands for ``add(a=1, b=2)``. The result type of
    the function travels along: a ``Task[int]`` gives an ``int``. For arguments that
    a type checker should check, or that can only be given by position, use
    :meth:`Task.of`.

    Args:
        callback_function: What to call.
        arguments: Its keyword arguments; none by default. Read when the task is
            handed to a worker, not when the task is made.
        positional: Arguments given by position, before *arguments*.

    Raises:
        TypeError: *callback_function* cannot be called, or *arguments* is not a
            mapping.
    """

    callback_function: Callable[..., R]
    arguments: Mapping[str, Any] = field(  # Any: arguments of any function
        default_factory=dict[str, Any]
    )
    positional: tuple[Any, ...] = field(  # Any: arguments of any function
        default=(), kw_only=True
    )

    def __post_init__(self) -> None:
        if not callable(self.callback_function):
            raise TypeError(
                f"a task needs a function to call, got {self.callback_function!r}"
            )
        # The exact type first: an isinstance check against an ABC costs ten times
        # as much, and there is one for each of a million tasks.
        if type(self.arguments) is not dict and not isinstance(self.arguments, Mapping):
            raise TypeError(
                f"arguments of a task must be a mapping of keyword arguments, "
                f"got {self.arguments!r}. Use Task.of(function, ...) to give "
                f"arguments by position."
            )

    @classmethod
    def of(
        cls, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Task[R]:
        """Make a task the way the function would be called.

        ``Task.of(math.sqrt, 2.0)`` stands for ``math.sqrt(2.0)``. A type checker
        checks the arguments against the function's own signature.
        """
        return Task(function, kwargs, positional=args)


def name_of_function(function: object) -> str:
    """The name a person would know *function* by, of at most 80 characters."""
    name = getattr(function, "__qualname__", None) or getattr(
        getattr(function, "func", None), "__qualname__", None
    )
    return str(name) if name else shortened(function, 80)


def describe(task: Task[Any]) -> str:  # Any: a message suits every result type
    """The call that *task* stands for, shortened to one line of a message."""
    shown = [shortened(value) for value in task.positional]
    shown += [f"{name}={shortened(value)}" for name, value in task.arguments.items()]
    arguments = ", ".join(shown)
    if len(arguments) > SHOWN_ARGUMENTS:
        arguments = arguments[: SHOWN_ARGUMENTS - 3] + "..."
    return f"{name_of_function(task.callback_function)}({arguments})"


def shortened(value: object, limit: int = SHOWN_ARGUMENT) -> str:
    """``repr(value)`` in at most *limit* characters; it never raises.

    A large container costs what the container's size costs only for the types
    that :mod:`reprlib` does not know.
    """
    import reprlib

    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = limit
    try:
        text = short.repr(value)
    except Exception as error:  # a broken __repr__ must not hide the real failure
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= limit else text[: limit - 3] + "..."
