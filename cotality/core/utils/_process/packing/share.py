"""Marks for read-only arguments, of which each worker makes only one copy."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from cotality._kit.public import pickled_as, public
from cotality._kit.safe_text import shortened
from cotality.core.utils._process.tasks.task import Task, marks

T = TypeVar("T")

SHOWN = 60  # characters: what is shared is large, and a prompt prints it


class Shared:
    """Stands for an argument in a task; the function gets the object itself."""

    __slots__ = ("thing",)

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __repr__(self) -> str:
        return f"share({shortened(self.thing, SHOWN)})"

    def __reduce__(self) -> tuple[Any, ...]:  # Any: the form that pickle wants
        """Pickled anywhere else than as an argument, it is the object."""
        # Cloudpickle only names what is in modules that are loaded.
        from cotality.core.utils import pickled as pickled

        return itself, (self.thing,)


@pickled_as("make_shared")
def itself(thing: T) -> T:
    return thing


@public
def share(thing: T) -> T:
    """Mark an argument as read-only, so that each worker makes only one copy of it.

    ``Task(total, {"data": share(big)})``: the object is packed once for the call and
    unpacked once in each worker process. All tasks there that have it get the same
    object. On threads the function gets *thing* itself. A type checker sees the type of
    *thing*.

    Nothing stops a task from changing the object. Later tasks of the same worker would
    then see the change, tasks of other workers would not.
    """
    marks.share_was_used = True
    if type(thing) is Shared:
        return thing
    return cast("T", Shared(thing))


def without_marks(task: Task[Any]) -> Task[Any]:  # Any: a task of any result type
    """*task* with the objects that `share` was given, for a thread."""
    if not any(type(v) is Shared for v in (*task.positional, *task.arguments.values())):
        return task
    named = {name: unmarked(value) for name, value in task.arguments.items()}
    positional = tuple(unmarked(value) for value in task.positional)
    return Task(task.callback_function, named, positional=positional, label=task.label)


def unmarked(value: Any) -> Any:  # Any: arguments of any function
    return value.thing if type(value) is Shared else value
