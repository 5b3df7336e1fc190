"""The key of a task, by which a later run recognises it."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, TypeAlias

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.tasks.task import (
    Task,
    describe,
    name_of_function,
    numbered,
)

from .errors import TaskKeyError, UnstableError
from .functions import text_of_callable
from .rare_types import text_of_rare
from .values import DIGEST, Content, bytes_of, text_of_int

Hash: TypeAlias = blake2b

FUNCTIONS_KEPT = 64
LONG = 1 << 64  # an integer that may be too long for base 10


class Keys:
    """Makes the keys of the tasks of one call.

    The key of a task is its label, or else 32 hexadecimal digits that stand for its
    function and its arguments.
    """

    labelled: bool

    def __init__(self) -> None:
        # By identity; each entry keeps its function, so that no other gets its id.
        self.functions: dict[int, tuple[object, Hash]] = {}
        self.labelled = False  # whether there was a key that is not made of digits

    def of(self, task: Task[Any], index: int) -> str:  # Any: a task of any result type
        """The key of *task*.

        Raises:
            TaskKeyError: An argument has no content that stays, so it needs a label.
        """
        keys, error = self.of_all(index, [task])
        if error is not None:
            raise error
        return keys[0]

    def of_all(
        self, start: int, tasks: Sequence[Task[Any]]
    ) -> tuple[list[str], TaskKeyError | None]:  # Any: tasks of every result type
        """The keys of *tasks*, up to the first that has none, and why it has none."""
        keys: list[str] = []
        last: object = None  # mostly all tasks call the same function
        first = blake2b()
        try:
            for task in tasks:
                if task.label is not None:
                    keys.append(task.label)
                    self.labelled = True
                    continue
                index = start + len(keys)
                if task.callback_function is not last:
                    first, stays = self.begun(task, index)
                    last = task.callback_function if stays else None
                begun = first.copy()
                text = text_of_arguments(task, index)
                # Where ASCII is told at once, without a call for each tiny task.
                begun.update(text.encode() if text.isascii() else bytes_of(text))
                keys.append(begun.hexdigest())
        except TaskKeyError as error:
            return keys, error.with_traceback(None)
        return keys, None

    def begun(
        self, task: Task[Any], index: int
    ) -> tuple[Hash, bool]:  # Any: of any result type
        """A hash that has taken in the function of *task*, and whether it will stay."""
        function = task.callback_function
        known = self.functions.get(id(function))
        if known is not None:
            return known[1], True
        try:
            content = Content(text_of_rare)
            text = text_of_callable(function, content) or content.of(function)
        except UnstableError as error:
            where = name_of_function(function) + error.path
            raise unstable(task, index, where, error) from None
        except Exception as error:
            if is_of_a_signal(error):
                raise
            raise failed(task, index, name_of_function(function), error) from error
        begun = blake2b(bytes_of(text), digest_size=DIGEST)
        if not text.startswith("n"):  # it holds values, which may change
            return begun, False
        if len(self.functions) >= FUNCTIONS_KEPT:
            self.functions.clear()
        self.functions[id(function)] = function, begun
        return begun, True


def text_of_arguments(task: Task[Any], index: int) -> str:  # Any: as above
    """The arguments of *task*; those with names in the order of the names."""
    given = task.arguments
    if len(given) == 1 and not task.positional:  # spares most tasks a list
        for name, only in given.items():
            if type(only) is int and -LONG < only < LONG:
                return f"{len(name)}:{name}i{only};"
            if type(only) is str:
                return f"{len(name)}:{name}s{len(only)}:{only}"
    texts: list[str] = []
    content: Content | None = None
    for name in given if len(given) == 1 else names_of(task, index):
        value: Any = given[name]  # Any: asked by its type
        # Most arguments of most tasks are numbers and texts.
        kind: type[object] = type(value)  # pyright: ignore[reportUnknownVariableType]  # of Any
        if kind is int:
            texts.append(f"{len(name)}:{name}{text_of_int(value)}")
        elif kind is str:
            texts.append(f"{len(name)}:{name}s{len(value)}:{value}")
        else:
            content = content or Content(text_of_rare)
            where = f"arguments[{name!r}]"
            texts.append(f"{len(name)}:{name}")
            texts.append(text_of_argument(value, content, task, index, where))
    if task.positional:
        content = content or Content(text_of_rare)
        texts.append("*")
        for position, value in enumerate(task.positional):
            where = f"positional[{position}]"
            texts.append(text_of_argument(value, content, task, index, where))
    return "".join(texts)


def names_of(task: Task[Any], index: int) -> list[str]:  # Any: as above
    try:
        return sorted(task.arguments)
    except TypeError as error:  # there is one that is not a text
        raise failed(task, index, "its arguments", error) from error


def text_of_argument(
    value: object,
    content: Content,
    task: Task[Any],  # Any: as above
    index: int,
    where: str,
) -> str:
    try:
        return content.of(value)
    except UnstableError as error:
        raise unstable(task, index, where + error.path, error) from None
    except Exception as error:  # of somebody's __getattr__, or an unsortable mapping
        if is_of_a_signal(error):
            raise
        raise failed(task, index, where, error) from error


def unstable(
    task: Task[Any],  # Any: as above
    index: int,
    where: str,
    error: UnstableError,
) -> TaskKeyError:
    return TaskKeyError(
        f"{numbered(index, task)} cannot be recognised in a later run: {where} "
        f"{error.reason}. Give the task a label that says which one it is: "
        f'Task(..., label="..."). The task: {describe(task)}'
    )


def failed(
    task: Task[Any],  # Any: as above
    index: int,
    where: str,
    error: Exception,
) -> TaskKeyError:
    return TaskKeyError(
        f"{numbered(index, task)} cannot be recognised in a later run: looking at "
        f"{where} raised {type(error).__name__}. Give the task a label that says which "
        f'one it is: Task(..., label="...").'
    )
