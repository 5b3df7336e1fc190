"""Arguments that are large in a pickle, though no buffer of theirs is.

Most of what is large is in buffers, and those are found in any pickle. The rest is
objects: a list of records inside of a dictionary, a tree, a frame of another make. An
argument like that is captured as soon as it comes for the second time, and then it is
packed once as long as nobody can have changed it.

Where one is packed again and again all the same, or a function that holds such things,
the log says so once for a call. So it does where workers make many copies of one.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from typing import Any, cast

from cotality._kit import units
from cotality.core.utils._process.machine.environment import LOGGER
from cotality.core.utils._process.machine.object_size import ATOMS, size_of
from cotality.core.utils._process.tasks.task import Task, name_of_function

logger = logging.getLogger(LOGGER)

KEPT = 16  # things that are remembered
BY_US = 2  # hold one if nobody else does: who remembers it, and who counts
WORTH_A_WORD = 10_000_000  # bytes that are packed again
OFTEN = 3  # times until that is worth one
FEW = 16  # items of an argument that are looked at as well
# Bytes that workers unpickle anew, one copy for each task: they take a second, about.
WORTH_SHARING = 100_000_000
MANY_COPIES = 32  # tasks, fewer of which may well take long themselves


class Heavy:
    """What the last such tasks of one call had as arguments."""

    def __init__(self) -> None:
        self.things: dict[int, object] = {}  # by id, the last one last
        self.times: dict[int, int] = {}
        self.light: set[int] = set()  # what is not large when packed by itself
        self.functions = 0  # that took much, so far
        # How many copies workers make of functions, and of arguments (by -number).
        self.copies: dict[int, int] = {}
        self.quick: set[int] = set()  # arguments that these need not unpickle for it
        self.has_told = False

    def has(self, thing: object) -> bool:
        """Whether *thing* was an argument of such a task."""
        return id(thing) in self.things and id(thing) not in self.light

    def is_light(self, thing: object) -> None:
        """*thing*, which is remembered, is not what was large."""
        self.light.add(id(thing))

    def saw(self, task: Task[Any], size: int) -> None:  # Any: of any result type
        """All arguments of *task* were packed, which took *size* bytes."""
        for key, value in arguments_of(task):
            if type(value) in ATOMS:
                continue
            self.remember(value)
            for item in items_of(value):
                if size >= WORTH_A_WORD and size_of(item) >= WORTH_A_WORD / 4:
                    self.remember(item)
                    self.tell(task, key, item, size, is_inside=True)
        self.make_room()

    def packed_again(
        self,
        task: Task[Any],  # Any: as above
        key: int | str,
        thing: object,
        size: int,
    ) -> None:
        """Note that *thing*, argument *key* of *task*, was packed in *size* bytes."""
        self.remember(thing)
        self.tell(task, key, thing, size)

    def saw_again(
        self,
        task: Task[Any],  # Any: as above
        frames: Iterable[tuple[object, int]],
    ) -> None:
        """*frames*, each with its bytes, which *task* has, were packed once more."""
        sizes = {id(frame): size for frame, size in frames}
        for key, value in arguments_of(task):
            for thing in (value, *items_of(value)):
                if size := sizes.pop(id(thing), 0):
                    self.remember(thing)
                    self.tell(task, key, thing, size, is_inside=thing is not value)

    def saw_function(self, function: object, size: int) -> None:
        """Note that *function* was packed in *size* bytes, besides its buffers."""
        if size < WORTH_A_WORD:
            return
        self.functions += 1
        if self.has_told or self.functions < OFTEN:
            return
        self.has_told = True
        logger.warning(
            "%s holds much, and is pickled for each task anew, in %s then. If no task "
            "changes what it holds, give that to the tasks as an argument, and mark it "
            "with share().",
            name_of_function(function),
            units.size(size),
        )

    def copied_function(
        self, number: int, function: object, size: int, many: int
    ) -> None:
        """Note that *many* tasks get a copy of *function*, of *size* bytes each."""
        if self.are_worth_a_word(number, size, many):
            self.has_told = True
            logger.warning(
                "%s holds much, and each task gets a copy of that: %s, for %d tasks so "
                "far. If no task changes it, give it to the tasks as an argument, and "
                "mark that with share().",
                name_of_function(function),
                units.size(size),
                self.copies[number],
            )

    def copied(
        self,
        task: Task[Any],  # Any: as above
        key: int | str,
        thing: object,
        number: int,
        size: int,
    ) -> None:
        """Note that *task* gets a copy of *thing*, its argument *key*."""
        if number in self.quick or not self.are_worth_a_word(-number, size, 1):
            return
        from .argument_copies import is_flat

        if is_flat(thing):
            self.quick.add(number)
            return
        self.has_told = True
        logger.warning(
            "%s of %s, a %s, is copied for each task: %s, for %d tasks so far. %s",
            named(task, key, is_inside=False),
            name_of_function(task.callback_function),
            type(thing).__name__,
            units.size(size),
            self.copies[-number],
            way_out(key, is_inside=False),
        )

    def are_worth_a_word(self, number: int, size: int, many: int) -> bool:
        """Whether workers make many copies of what has *number*, together large."""
        if self.has_told:
            return False
        copies = self.copies[number] = self.copies.get(number, 0) + many
        return copies >= MANY_COPIES and copies * size >= WORTH_SHARING

    def remember(self, thing: object) -> None:
        number = id(thing)
        self.things.pop(number, None)
        self.things[number] = thing
        self.times[number] = 1 + self.times.get(number, 0)

    def tell(
        self,
        task: Task[Any],  # Any: as above
        key: int | str,
        thing: object,
        size: int,
        *,
        is_inside: bool = False,
    ) -> None:
        is_worth_it = size >= WORTH_A_WORD and self.times[id(thing)] >= OFTEN
        if self.has_told or not is_worth_it:
            return
        self.has_told = True
        logger.warning(
            "%s of %s, a %s, is pickled for each task anew, and the arguments of each "
            "are %s then. %s",
            named(task, key, is_inside=is_inside),
            name_of_function(task.callback_function),
            type(thing).__name__,
            units.size(size),
            way_out(key, is_inside=is_inside),
        )

    def make_room(self) -> None:
        """Let go of what cannot come again, and of what has come first."""
        counts = list(map(sys.getrefcount, self.things.values()))
        for number, count in zip(list(self.things), counts, strict=True):
            if count <= BY_US:
                del self.things[number]
        while len(self.things) > KEPT:
            del self.things[next(iter(self.things))]
        self.times = {n: t for n, t in self.times.items() if n in self.things}
        self.light.intersection_update(self.things)


def arguments_of(
    task: Task[Any],
) -> Iterator[tuple[int | str, object]]:  # Any: as above
    yield from enumerate(task.positional)
    yield from task.arguments.items()


def items_of(thing: Any) -> Iterable[object]:  # Any: an argument of any function
    """What is in *thing*, if it is a container of a few."""
    kind: type[object] = type(thing)  # pyright: ignore[reportUnknownVariableType]  # of Any
    if kind not in (dict, list, tuple) or len(thing) > FEW:
        return ()
    return cast("Iterable[object]", thing.values() if kind is dict else thing)


def named(task: Task[Any], key: int | str, *, is_inside: bool) -> str:  # Any: as above
    """What a person calls that argument, or an item of it."""
    if isinstance(key, int):
        code = getattr(task.callback_function, "__code__", None)
        names = getattr(code, "co_varnames", ())
        called = f"argument {key}"
        if key < getattr(code, "co_argcount", 0):
            called = f"argument {names[key]!r}"
    else:
        called = f"argument {key!r}"
    return f"an item of {called}" if is_inside else called


def way_out(key: int | str, *, is_inside: bool) -> str:
    if is_inside:
        return (
            "If no task changes it, make it an argument of its own and mark that with "
            "share()."
        )
    name = key if isinstance(key, str) else "..."
    return f"If no task changes it, mark it: share({name})."
