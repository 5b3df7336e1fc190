"""What a function holds is each task's own, on processes as it is in a plain pickle."""

from __future__ import annotations

import enum
import pickle
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils._process.packing.packed_functions import PackedFunctions
from cotality.core.utils._process.packing.parcels import Parcels
from cotality.core.utils._process.portions.packer import MOST_PACKED
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    execute_tasks_in_parallel,
)
from tests.kit.helpers import add, append_and_return, run_script

# They ask what calls give, whichever workers do it.
pytestmark = pytest.mark.warm

COUNT = 50
MANY = 20_000  # items that take a segment of their own


class Stack:
    def __init__(self, items: list[int]) -> None:
        self.items = items

    def push(self, item: int) -> int:
        self.items.append(item)
        return len(self.items)

    def fail_once(self, folder: Path, item: int) -> int:
        size = self.push(item)
        mark = folder / f"{item}"
        if mark.exists():
            return size
        mark.touch()
        raise ValueError(item)

    __call__ = push


class Pushes(Stack):
    """Comes with a method of its own, as some libraries make them."""

    def __reduce__(self) -> tuple[Any, ...]:  # Any: what pickle wants
        return type(self), (self.items,)


def pushing_default(items: list[int]) -> Callable[..., int]:
    def push(item: int, items: list[int] = items) -> int:
        items.append(item)
        return len(items)

    return push


def pushing_keyword(items: list[int]) -> Callable[..., int]:
    def push(item: int, *, items: list[int] = items) -> int:
        items.append(item)
        return len(items)

    return push


def pushing_closed(items: list[int]) -> Callable[..., int]:
    def push(item: int) -> int:
        items.append(item)
        return len(items)

    return push


def pushing_inside(items: list[int]) -> Callable[..., int]:
    inside = pushing_closed(items)
    return lambda item: inside(item)


def counting(items: list[int]) -> Callable[..., int]:
    count = len(items)

    def push(item: int) -> int:
        nonlocal count
        count += 1
        return count

    return push


def counting_within(items: list[int]) -> Callable[..., int]:
    count = len(items)

    def push(item: int) -> int:
        def step() -> None:
            nonlocal count
            count += 1

        step()
        return count

    return push


def counting_itself(items: list[int]) -> Callable[..., int]:
    def push(item: int) -> int:
        push.count += 1  # type: ignore[attr-defined]
        return int(push.count)  # type: ignore[attr-defined]

    push.count = len(items)  # type: ignore[attr-defined]
    return push


def numbering_itself(items: list[int]) -> Callable[..., int]:
    start = len(items)

    def push(item: int) -> int:
        push.count = getattr(push, "count", start) + 1  # type: ignore[attr-defined]
        return int(push.count)  # type: ignore[attr-defined]

    return push


def numbering_another(items: list[int]) -> Callable[..., int]:
    start = len(items)

    def another() -> int:
        return start

    def push(item: int) -> int:
        setattr(another, "count", getattr(another, "count", start) + 1)  # noqa: B010
        return int(another.count)  # type: ignore[attr-defined]

    return push


def numbering_by_another(items: list[int]) -> Callable[..., int]:
    start = len(items)

    def count(function: Any) -> int:  # Any: it is given an attribute
        function.count = getattr(function, "count", start) + 1
        return int(function.count)

    def push(item: int) -> int:
        return count(push)

    return push


def length_after(items: list[int], item: int) -> int:
    return len(append_and_return(items, item))


def length_after_pair(pair: tuple[str, list[int]], item: int) -> int:
    return length_after(pair[1], item)


HOLDING: dict[str, Callable[[list[int]], Callable[..., int]]] = {
    "method": lambda items: Stack(items).push,
    "object": Stack,
    "object that says how it is made": Pushes,
    "partial": lambda items: partial(length_after, items),
    "partial of a method": lambda items: partial(Stack(items).push),
    "partial of a tuple": lambda items: partial(length_after_pair, ("", items)),
    "default": pushing_default,
    "default of a keyword": pushing_keyword,
    "closure": pushing_closed,
    "closure of a closure": pushing_inside,
    "counter": counting,
    "counter within": counting_within,
    "attribute of a function": counting_itself,
    "new attribute of a function": numbering_itself,
    "new attribute of another": numbering_another,
    "new attribute, set by another": numbering_by_another,
}


@pytest.mark.parametrize("size", [2, MANY], ids=["small", "large"])
@pytest.mark.parametrize("kind", HOLDING)
def test_no_task_sees_what_another_has_changed(kind: str, size: int) -> None:
    """Not in the portion, not in the worker, not in the next call."""
    function = HOLDING[kind]([0] * size)
    count = COUNT if size == 2 else 5
    tasks = [Task.of(function, item) for item in range(count)]
    for _ in range(2):
        found = execute_tasks_in_parallel(tasks, 1, True)
        assert found == [size + 1] * count


def test_several_functions_of_a_portion_each_have_their_own() -> None:
    """Those that hold nothing are among them."""
    functions = [make([0, 0]) for make in HOLDING.values()]
    tasks = [Task.of(function, 1) for function in [*functions, partial(add, 2)] * 3]
    assert execute_tasks_in_parallel(tasks, 1, True) == [3] * len(tasks)


def test_arguments_that_nobody_can_change_and_those_that_anybody_can() -> None:
    """They are packed in different ways, the function is treated alike."""
    push = Stack([0]).fail_once
    tasks = [Task.of(Stack([0]).push, [item]) for item in range(5)]
    tasks += [Task.of(push.__self__.push, item) for item in range(5)]
    assert execute_tasks_in_parallel(tasks, 1, True) == [2] * 10


def test_another_attempt_finds_nothing_of_the_first(tmp_path: Path) -> None:
    """Not even in the same worker."""
    function = partial(Stack([0]).fail_once, tmp_path)
    tasks = [Task.of(function, item) for item in range(5)]
    retries = 1
    assert execute_tasks_in_parallel(tasks, 1, True, retries=retries) == [2] * 5


def test_an_executor_that_lives_on() -> None:
    """A function is known to it from one call to the next.

    What `map` puts into one chunk is one task, there and in the standard pool.
    """
    push = Stack([0]).push
    with IsolatedProcessPoolExecutor(1) as executor:
        futures = [executor.submit(push, item) for item in range(COUNT)]
        assert [each.result() for each in futures] == [2] * COUNT
        assert list(executor.map(push, range(COUNT))) == [2] * COUNT
        assert list(executor.map(push, range(4), chunksize=2)) == [2, 3, 2, 3]


@pytest.mark.one_python
def test_workers_of_others() -> None:
    """They load what we send."""
    push = Stack([0]).push
    tasks = [Task.of(push, item) for item in range(COUNT)]
    with ProcessPoolExecutor(1) as executor:
        assert execute_tasks_in_parallel(tasks, executor=executor) == [2] * COUNT


SCRIPT = """
from functools import partial
from cotality.core.utils.process import Task, execute_tasks_in_parallel

class Stack:
    def __init__(self):
        self.items = [0]

    def push(self, item):
        self.items.append(item)
        return len(self.items)

def closed():
    items = [0]
    return lambda item: items.append(item) or len(items)

held = [0]

def pushed(item, items=held):
    items.append(item)
    return len(items)

for function in (Stack().push, closed(), partial(Stack().push), pushed):
    print(execute_tasks_in_parallel([Task.of(function, n) for n in range(3)], 1, True))
"""


def test_functions_of_a_script(tmp_path: Path) -> None:
    """A default of one that goes by its name stays, as globals do."""
    printed = run_script(SCRIPT, tmp_path).splitlines()
    assert printed == ["[2, 2, 2]"] * 3 + ["[2, 3, 4]"]


# What is loaded once.


class Color(enum.Enum):
    RED = 1


def scaled(factor: object) -> Callable[..., object]:
    return lambda number: (factor, number)


def looping() -> Callable[..., object]:
    def loop(number: int) -> object:
        return loop(number - 1) if number else 0

    return loop


@cache
def cached(number: int) -> int:
    return number


CONSTANT: dict[str, object] = {
    "function": add,
    "builtin": len,
    "class": Stack,
    "cache": cached,
    "lambda": lambda number: number,
    "number": scaled(3),
    "tuple": scaled((1, "a", b"b", None, Color.RED, (add, Stack))),
    "function inside": scaled(scaled(re.compile("a"))),
    "itself": looping(),
    "partial": partial(add, 1, b=2),
    "method of a class": Color.__call__,
}


@pytest.mark.parametrize("kind", CONSTANT)
def test_what_nobody_can_change_is_loaded_once(kind: str) -> None:
    """It is what most functions hold, and loading takes longer than a tiny task."""
    assert not PackedFunctions(Parcels(True)).pack(CONSTANT[kind]).is_stateful


class Loaded:
    """Leaves a mark in a file each time it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.path = state["path"]
        with self.path.open("a") as file:
            file.write(".")

    def number(self, number: int) -> int:
        return number


def test_it_is_loaded_once_for_each_task_that_runs(tmp_path: Path) -> None:
    """And not once more, whatever the size of portions."""
    path = tmp_path / "loads"
    count = MOST_PACKED + 10
    tasks = [Task.of(Loaded(path).number, 0)] * count
    execute_tasks_in_parallel(tasks, 1, True)
    assert len(path.read_text()) == count


class Broken:
    def __reduce__(self) -> tuple[Any, ...]:  # Any: what pickle wants
        return pickle.loads, (b"",)

    def run(self) -> None:
        raise AssertionError


def test_one_that_cannot_be_loaded_fails_each_of_its_tasks_alone() -> None:
    """The others of the portion run."""
    tasks: list[Task[Any]] = [Task.of(Broken().run), Task.of(add, 1, 2)] * 2
    found = execute_tasks_in_parallel(tasks, 1, True, on_error="return")
    assert found[1::2] == [3, 3]
    assert [type(each) for each in found[::2]] == [type(found[0])] * 2
    assert isinstance(found[0], Exception)
