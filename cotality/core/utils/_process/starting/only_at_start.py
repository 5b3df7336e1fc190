"""Objects that can be given to a process only while it is started.

Locks, queues and shared values of `multiprocessing` refuse to be pickled, except for a
process that is just being started: then their descriptors and names go along.
"""

from __future__ import annotations

import io
from multiprocessing.context import BaseContext
from typing import Any

from cotality._kit.safe_text import class_and_text
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.pickling.encode import decode, encode
from cotality.core.utils._process.pickling.reasons.explain import path_of_unpicklable
from cotality.core.utils._process.tasks.not_picklable import TaskNotPicklableError


class Packed:
    """An argument that travels as any other does."""

    def __init__(self, data: bytes) -> None:
        self.data = data


def parts_for_start(
    arguments: tuple[Any, ...],  # Any: arguments of any function
    context: BaseContext | None,
) -> tuple[Any, ...]:  # Any: as above, or packed
    """*arguments*, each packed if that can be.

    Raises:
        TaskNotPicklableError: One of them can be given to no process of *context*.
    """
    parts: list[Any] = []  # Any: as above
    forks = getattr(context, "_name", None) == "fork"
    for position, argument in enumerate(arguments):
        try:
            parts.append(Packed(encode(argument)))
        except Exception as error:
            if is_of_a_signal(error):
                raise
            if not forks:  # a fork has it already
                check(argument, position, error)
            parts.append(argument)
    return tuple(parts)


def unpacked(parts: tuple[Any, ...]) -> tuple[Any, ...]:  # Any: as above
    """What `parts_for_start` was given, in the worker."""
    return tuple(decode(part.data) if type(part) is Packed else part for part in parts)


def check(argument: object, position: int, refusal: Exception) -> None:
    try:
        pickle_as_for_a_start(argument)
    except Exception as error:
        if is_of_a_signal(error):
            raise
        if "fork context" in str(error):
            why = (
                f"initargs[{position}] is or holds a lock of multiprocessing that only "
                "a fork of this process can use. Make it, and what holds it, with "
                'multiprocessing.get_context("spawn"), as in get_context("spawn")'
                ".Lock()"
            )
        else:
            where = path_of_unpicklable(argument, f"initargs[{position}]")
            why = f"{where} ({class_and_text(refusal)})"
        raise TaskNotPicklableError(f"cannot be sent to a process: {why}") from error


def pickle_as_for_a_start(argument: object) -> None:
    """Pickle *argument* as for a process that is being started, and forget that."""
    import sys
    from multiprocessing import reduction

    # Any: typeshed leaves out what is used of it
    own: Any = sys.modules["multiprocessing.context"]
    before = own.get_spawning_popen()
    own.set_spawning_popen(Start())
    try:
        reduction.ForkingPickler(io.BytesIO()).dump(argument)
    finally:
        own.set_spawning_popen(before)


class Start:
    """Stands for a process that is being started."""

    def duplicate_for_child(self, fd: int) -> int:
        return fd

    def DupFd(self, fd: int) -> int:  # noqa: N802  # multiprocessing's name
        return fd
