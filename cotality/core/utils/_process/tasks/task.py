"""What a task is: a function and what to call it with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from cotality._kit.public import public
from cotality._kit.records import dataclass, field
from cotality._kit.safe_text import attribute_or_none, printable, shortened

# Flags of the code of what gives a coroutine, or a generator: to call it runs nothing.
ASYNC = 0x80 | 0x100 | 0x200
LATER = ASYNC | 0x20

P = ParamSpec("P")
T = TypeVar("T")
# Covariant, so that a list may hold tasks with different results. Type checkers see a
# default, so that a bare `Task` stays a complete annotation. Only they import
# typing_extensions, so that no program waits for it.
if TYPE_CHECKING:
    from dataclasses import InitVar

    from typing_extensions import TypeVar as TypeVarWithDefault

    R = TypeVarWithDefault("R", default=Any, covariant=True)
else:
    R = TypeVar("R", covariant=True)

SHOWN_FUNCTION = 80  # characters of a function's name in a message
SHOWN_ARGUMENT = 40  # of one argument's repr
SHOWN_ARGUMENTS = 160  # of all of them
SHOWN_LABEL = 80


class Marks:
    """Which kinds of marks this program has made, to stand for arguments of tasks.

    They are noted here, so that asking loads neither kind of mark. If there are none,
    no task has to be searched for marks. Likewise for time limits of single tasks.
    """

    share_was_used = False
    state_was_used = False  # see `worker_state`
    timeout_was_used = False


marks = Marks()


def marks_were_used() -> bool:
    """Whether an argument of a task may be a mark."""
    return marks.share_was_used or marks.state_was_used


def no_arguments() -> dict[str, Any]:  # Any: as of any function
    """An empty dict; calling `dict[str, Any]` takes six times as long."""
    return {}


@public
@dataclass(slots=True, weakref_slot=True, repr=False)
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
        label: A name of its own, such as ``"2024-05/users.csv"``. Messages show it, and
            a journal recognises the task by it, whatever its function and arguments.
        timeout: Seconds that this task may run, in place of the *timeout* of the call;
            None leaves it to that. Only on our worker processes.

    Raises:
        TypeError: *callback_function* cannot be called, *arguments* is not a mapping,
            *label* is not a text, or *timeout* is not a number.
        ValueError: *label* is empty, or *timeout* is not more than 0.
    """

    callback_function: Callable[..., R]
    arguments: Mapping[str, Any] = field(  # Any: arguments of any function
        default_factory=no_arguments
    )
    positional: tuple[Any, ...] = field(  # Any: arguments of any function
        default=(), kw_only=True
    )
    label: str | None = field(default=None, kw_only=True)
    if TYPE_CHECKING:
        timeout: float | None = field(default=None, kw_only=True)
    else:
        # A property once the class is made, so that nobody sets it unnoticed.
        timeout: InitVar[float | None] = field(default=None, kw_only=True)
        limit: float | None = field(default=None, init=False)

    def _check(self, timeout: float | None) -> None:
        if not callable(self.callback_function):
            raise TypeError(
                f"a task needs a function to call, got {self.callback_function!r}"
            )
        # The exact type first: an isinstance check against an ABC takes ten times as
        # long, and a million tasks make a million checks.
        if type(self.arguments) is not dict and not isinstance(self.arguments, Mapping):
            raise TypeError(
                f"arguments of a task must be a mapping of keyword arguments, "
                f"got {self.arguments!r}. Use Task.of(function, ...) to give "
                f"arguments by position."
            )
        if self.label is not None:
            check_label(self.label)
        if timeout is not None:
            limit_time(self, timeout)

    if not TYPE_CHECKING:
        __post_init__ = _check  # with what is only given to the initializer

    def __setstate__(self, state: Any) -> None:  # Any: what pickle has kept
        for name, value in state[1].items():
            setattr(self, name, value)
        if "limit" not in state[1]:  # by a release that knew no such limits
            limit_time(self, None)
        elif state[1]["limit"] is not None:
            marks.timeout_was_used = True

    def __repr__(self) -> str:
        """The call that it stands for, in one line: ``Task(get(13))``."""
        label = "" if self.label is None else f", label={shorten_label(self.label)}"
        limit = "" if self.timeout is None else f", timeout={self.timeout:g}"
        return f"Task({describe(self)}{label}{limit})"

    @classmethod
    def of(
        cls, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Task[T]:
        """Make a task the way the function would be called.

        ``Task.of(math.sqrt, 2.0)`` stands for ``math.sqrt(2.0)``. A type checker
        checks the arguments against the function's own signature.
        """
        return Task(function, kwargs, positional=args)


def plain_task(
    function: Callable[..., T],
    positional: tuple[Any, ...],  # Any: arguments of any function
) -> Task[T]:
    """``Task(function, positional=positional)``, of what need not be checked.

    In less than half the time, which is most of what a stream of tiny tasks takes.
    """
    task: Any = new(Task)  # Any: checkers do not see its `limit`
    task.callback_function = function
    task.arguments = NONE
    task.positional = positional
    task.label = task.limit = None
    made: Task[T] = task
    return made


new: Any = object.__new__  # Any: for checkers it makes a Task of any type
# Of all such tasks, which nobody but us gets to see: with a dictionary for each of them
# the garbage would be collected half as often again.
NONE: dict[str, Any] = {}  # Any: as of any function


def limit_time(task: Task[Any], timeout: float | None) -> None:  # Any: any task
    """Set the time limit of *task*, and note that there are some."""
    if timeout is not None:
        from .seconds import checked_seconds

        timeout = checked_seconds("the timeout of a task", timeout, zero=False)
        marks.timeout_was_used = timeout is not None or marks.timeout_was_used
    object.__setattr__(task, "limit", timeout)


if not TYPE_CHECKING:
    Task.timeout = property(
        attrgetter("limit"), doc="Seconds that it may run, or None."
    )


def check_label(label: object) -> None:
    if not isinstance(label, str):
        raise TypeError(f"the label of a task must be a text, got {label!r}")
    if not label:
        raise ValueError("the label of a task must not be empty; leave it out instead")


def name_of_function(function: object) -> str:
    """The name by which a person knows *function*, in at most 80 characters."""
    inner = attribute_or_none(function, "func")  # of a functools.partial
    for each in (function, inner):
        name = attribute_or_none(each, "__qualname__")
        if isinstance(name, str):
            return printable(name[:SHOWN_FUNCTION])
    return shortened(function, SHOWN_FUNCTION)


def describe(task: Task[Any]) -> str:  # Any: a message suits every result type
    """The call that *task* makes, shortened to one line of a message."""
    shown = [shortened(value, SHOWN_ARGUMENT) for value in task.positional]
    shown += [
        f"{printable(f'{name}')}={shortened(value, SHOWN_ARGUMENT)}"
        for name, value in task.arguments.items()
    ]
    arguments = ", ".join(shown)
    if len(arguments) > SHOWN_ARGUMENTS:
        arguments = arguments[: SHOWN_ARGUMENTS - 3] + "..."
    return f"{name_of_function(task.callback_function)}({arguments})"


def numbered(index: int, task: Task[Any]) -> str:  # Any: as above
    """How a message refers to *task*: ``task 3``, or ``task 3 'users.csv'``."""
    if task.label is None:
        return f"task {index}"
    return f"task {index} {shorten_label(task.label)}"


def shorten_label(label: str) -> str:
    return shortened(label, SHOWN_LABEL)
