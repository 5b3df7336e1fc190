"""A program that keeps a journal and dead letters, and reads them in a later release.

``python program.py keep`` was run with the last tree in which pickles named the inside
of the package by where it was, and has left its files in a folder for each Python, as
they hold code. ``python program.py read`` prints what it finds in them.
"""

from __future__ import annotations

import enum
import faulthandler
import functools
import os
import sys
import typing
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from cotality.core.utils.process import (
    DeadLetters,
    Journal,
    Task,
    execute_tasks_in_parallel,
    share,
    worker_state,
)

here: ContextVar[int] = ContextVar("here")
journal, letters = Journal("journal"), DeadLetters("letters")
Number = typing.NewType("Number", int)
Given = typing.ParamSpec("Given")


class OddError(Exception):
    """It cannot be made from what it is given alone, so its fields are kept."""

    def __init__(self, one: int, two: ContextVar[int]) -> None:
        super().__init__(one)
        self.two = two


class Color(enum.Enum):
    RED = 1


class Outer:
    class Inner:
        def color(self) -> Color:
            return Color.RED


@functools.singledispatch
def by_kind(value: object) -> str:
    return "object"


@by_kind.register
def _(value: int) -> str:
    return f"number {value}"


@functools.lru_cache
def cached(value: int) -> int:
    return value


def fail(value: int) -> None:
    try:
        {}[value]
    except KeyError as error:
        raise OddError(value, here) from error


def crash() -> None:
    faulthandler._sigsegv()  # type: ignore[attr-defined]


def made() -> tuple[Callable[[], str], Color, ContextVar[int]]:
    return lambda: by_kind(3), Color.RED, here


def use(function: Callable[[], str], one: object, two: object) -> list[str]:
    if "KEEP" in os.environ:
        raise OddError(0, here)
    return [function(), str(one), str(two)]


def tasks() -> list[Task[Any]]:
    class Local(Outer.Inner):
        @functools.cached_property
        def value(self) -> int:
            return cached(7)

    size: Any = enum.Enum("Size", "SMALL")  # Any: its members are not known

    @functools.singledispatch
    def own(value: object) -> Color:
        return Local().color()

    def text() -> str:
        texts = by_kind(5), cached(6), own(1), Number(8), Given.__name__
        return f"{texts} {Local().value} {size.SMALL}"

    return [
        Task(fail, {"value": 1}, label="fails"),
        Task(crash, label="crashes"),
        Task(made, label="made"),
        Task(use, {"function": text, "one": share([1]), "two": worker_state(str, 2)}),
    ]


def keep() -> None:
    os.environ["KEEP"] = "yes"
    *first, last = tasks()
    execute_tasks_in_parallel(first, 1, True, True, journal=journal)
    execute_tasks_in_parallel([last], 1, True, True, dead_letters=letters)


def read() -> None:
    recalled = execute_tasks_in_parallel(
        tasks()[:3], 1, False, True, journal=journal, resume=True
    )
    odd, crashed, (function, color, variable) = recalled
    print(type(odd).__name__, odd, odd.two.name, repr(odd.__cause__))
    print(type(crashed).__name__, crashed.signal_name)
    print(function(), color.name, variable.name)
    (letter,) = letters.entries()
    for use_processes in (False, True):
        print(*execute_tasks_in_parallel([letter.task()], 1, use_processes))


if __name__ == "__main__":
    {"keep": keep, "read": read}[sys.argv[1]]()
