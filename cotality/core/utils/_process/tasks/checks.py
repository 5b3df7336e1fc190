"""Arguments of the public functions, checked when they are called."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Sequence
from os import PathLike
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from cotality._kit.records import NamedTuple

from .seconds import checked_seconds as checked_seconds  # with the others
from .task import ASYNC, LATER, Task, marks

if TYPE_CHECKING:
    from pathlib import Path

OnError: TypeAlias = Literal["raise", "return", "group"]
ON_ERROR: tuple[OnError, ...] = ("raise", "return", "group")


def checked_tasks(tasks: object, *, may_be_async: bool) -> Any:  # Any: (async) iterable
    """*tasks* as an iterable; the elements of a list or tuple are looked at now."""
    if isinstance(tasks, Task):
        raise TypeError(
            "tasks must be an iterable of Task, got a single Task. Put it in a list."
        )
    if isinstance(tasks, AsyncIterable):
        if may_be_async:
            return cast("AsyncIterable[Task[Any]]", tasks)
        raise TypeError(
            f"tasks must be an iterable of Task, got {tasks!r}, which only a function "
            f"with _async at the end of its name can read"
        )
    if not isinstance(tasks, Iterable):
        way_out = " pmap(function, items) needs no Task." if callable(tasks) else ""
        raise TypeError(f"tasks must be an iterable of Task, got {tasks!r}.{way_out}")
    if isinstance(tasks, list | tuple):
        check_each(cast("Sequence[object]", tasks), 0)
    return cast("Iterable[Task[Any]]", tasks)  # the rest is looked at when it is read


def check_each(tasks: Sequence[object], first: int) -> None:
    """See that all of *tasks*, of which the first has the index *first*, are tasks."""
    if set(map(type, tasks)) != {Task}:  # three times as fast as a look at each
        for index, task in enumerate(tasks, first):
            if not isinstance(task, Task):
                raise TypeError(
                    f"tasks[{index}] must be a Task, got {task!r}. "
                    f"Write Task(function, {{...}}) or Task.of(function, ...)."
                )
    check_functions(cast("Sequence[Task[Any]]", tasks), first)


def check_functions(
    tasks: Sequence[Task[Any]], first: int
) -> None:  # Any: tasks of every result type
    """See that what *tasks* call can be called by a worker."""
    last: object = None
    for index, task in enumerate(tasks, first):
        function = task.callback_function
        if function is not last:  # mostly all tasks call the same
            check_runs(function, f"the function of tasks[{index}]")
            last = function


def first_limited(
    tasks: Sequence[Task[Any]],
) -> int | None:  # Any: tasks of every result type
    """The place of the first of *tasks* that has a time limit of its own."""
    if not marks.timeout_was_used:
        return None
    for place, task in enumerate(tasks):
        if task.timeout is not None:
            return place
    return None


def needs_processes(task: Task[Any], way_out: str) -> ValueError:  # Any: any task
    """What to say where the time limit of *task* cannot be kept."""
    return ValueError(
        f"{task!r} needs cotality's own worker processes for its timeout, because "
        f"a thread cannot be stopped. {way_out}, or leave the timeout out."
    )


def check_function(function: object, what: str) -> None:
    """See that *function* is none that only an event loop can run."""
    check_flags(function, what, ASYNC)


def check_runs(function: object, what: str) -> None:
    """See that a call of *function* runs it: it is no coroutine, and no generator."""
    check_flags(function, what, LATER)


def check_flags(function: object, what: str, wrong: int) -> None:
    if isinstance(function, FunctionType):
        if not function.__code__.co_flags & wrong:
            return
    elif isinstance(function, BuiltinFunctionType | type):
        return
    from .async_function import check_flags_of

    check_flags_of(function, what, wrong)


class Said(NamedTuple):
    """What a caller has said, and in which of several words for it."""

    word: str
    value: object


def agreed(first: Said, second: Said) -> Said:
    """What both say, or one of them if the other says None.

    Raises:
        ValueError: They contradict one another.
    """
    if second.value is None:
        return first
    if first.value is None:
        return second
    if first.value != second.value or type(first.value) is not type(second.value):
        raise contradiction(first, second)
    return second


def contradiction(first: Said, second: Said) -> ValueError:
    """What to raise where two words do not say the same."""
    return ValueError(
        f"{first.word}={first.value!r} and {second.word}={second.value!r} contradict "
        f"one another: leave out one of the two"
    )


def checked_count(name: str, count: object) -> int | None:
    """*count* as a number of at least 1, or None for no limit."""
    if count is None:
        return None
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"{name} must be an integer or None, got {count!r}")
    if count < 1:
        raise ValueError(f"{name} must be at least 1, got {count!r}")
    return count


def path_in(value: object) -> Path | None:
    """*value* as a path if it is the name of a file, else None."""
    if not isinstance(value, str | PathLike):
        return None
    from pathlib import Path

    return Path(cast("str | PathLike[str]", value))


def checked_path(name: str, value: object) -> Path:
    """*value*, which is to be the name of a file, as a path."""
    path = path_in(value)
    if path is None:
        raise TypeError(f"{name} must be the path of a file, got {value!r}")
    if value == "":  # which a path takes for the folder of the program
        raise ValueError(f"{name} must be the path of a file, got ''")
    return path


def checked_flag(name: str, flag: object) -> bool:
    """*flag* as True or False."""
    if not isinstance(flag, bool):
        raise TypeError(f"{name} must be True or False, got {flag!r}")
    return flag


def checked_use_processes(
    use_processes: object, name: str = "use_processes"
) -> bool | Literal["auto"]:
    if isinstance(use_processes, bool):
        return use_processes
    if use_processes == "auto":
        return "auto"
    message = f"{name} must be True, False or 'auto', got {use_processes!r}"
    raise (ValueError if isinstance(use_processes, str) else TypeError)(message)


def checked_on_error(on_error: object, return_exceptions: bool) -> OnError:
    """What failures mean, said by either of the two parameters."""
    if on_error is None:
        return "return" if return_exceptions else "raise"
    if on_error not in ON_ERROR:
        raise ValueError(
            f"on_error must be one of {', '.join(map(repr, ON_ERROR))}, "
            f"got {on_error!r}"
        )
    if return_exceptions and on_error != "return":
        raise ValueError(
            f"return_exceptions=True means on_error='return', and on_error is "
            f"{on_error!r}: leave out one of the two"
        )
    return on_error
