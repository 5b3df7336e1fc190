"""A list that is changed while it is read is read as a loop reads it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cotality import pmap, pmap_iter, run_tasks
from cotality.core.utils.process import Task, execute_tasks_in_parallel_streaming
from cotality.tuning import execute
from tests.kit.helpers import echo
from tests.kit.limits import LONG_S

COUNT = 40
MANY = 1000  # more than are read ahead
CHANGES: dict[str, Callable[[list[Any], Any], object]] = {  # Any: of whatever items
    "emptied": lambda items, _: items.clear(),
    "shortened": lambda items, _: items.__delitem__(slice(COUNT // 2, None)),
    "moved up": lambda items, _: items.pop(0),
    "longer": lambda items, one: items.append(one),
}


CALLS: dict[str, Callable[..., Any]] = {  # Any: as above
    "pmap": pmap,
    "execute": execute,
    "pmap, on a thread": lambda function, items: pmap(
        function, items, workers=1, processes=False
    ),
    "pmap_iter": lambda function, items: list(pmap_iter(function, items, inline=True)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_read_as_a_loop_reads_it(change: str, use_processes: bool) -> None:
    """What is appended runs, what is gone does not, and each index is a place."""
    numbers = list(range(COUNT))
    expected: list[int] = []
    for number in numbers:
        expected.append(number)
        if len(expected) == 1:
            CHANGES[change](numbers, COUNT)

    tasks = [Task.of(echo, number) for number in range(COUNT)]
    stream = execute_tasks_in_parallel_streaming(tasks, 1, use_processes)
    found: list[tuple[int, int]] = []
    for each in stream:
        found.append(each)
        if len(found) == 1:
            CHANGES[change](tasks, Task.of(echo, COUNT))
    assert found == list(enumerate(expected))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("call", CALLS)
def test_the_function_itself_changes_it(call: str, change: str) -> None:
    """The items that a loop would have come to are those that run."""
    given, wanted = list(range(COUNT)), list(range(COUNT))

    def changing(items: list[int]) -> Callable[[int], int]:
        seen: list[int] = []

        def see(item: int) -> int:
            seen.append(item)
            if len(seen) == 1:
                CHANGES[change](items, COUNT)
            return item

        return see

    see = changing(wanted)
    expected = [see(item) for item in wanted]
    assert CALLS[call](changing(given), given) == expected


def test_it_becomes_shorter_while_another_thread_reads_it() -> None:
    """The caller runs one item, and a deputy has begun with the others."""
    items = list(range(MANY))
    others_began, is_shorter = threading.Event(), threading.Event()

    def run(item: int) -> int:
        if item == 0:
            assert others_began.wait(LONG_S)
            del items[MANY // 2 :]
            is_shorter.set()
        else:
            others_began.set()
            assert is_shorter.wait(LONG_S)
        return item

    assert pmap(run, items) == list(range(MANY // 2))


def test_the_item_that_fails_is_named_as_it_was_given() -> None:
    """Whatever is at its place by now."""
    items = ["first", "second", "third"]

    def fail(item: str) -> None:
        items.insert(0, "another")
        raise ValueError(item)

    with pytest.raises(ValueError, match="first") as caught:
        pmap(fail, items)
    assert "('first')" in caught.value.__notes__[0]


class Doubled(list[int]):
    """A list that gives something else than what is at its places."""

    def __iter__(self) -> Iterator[int]:
        return (2 * self[place] for place in range(len(self)))


class DoubledTuple(tuple[int, ...]):
    def __iter__(self) -> Iterator[int]:
        return (2 * self[place] for place in range(len(self)))


class Negated(list[Task[int]]):
    """Gives tasks that are not at its places."""

    def __iter__(self) -> Iterator[Task[int]]:
        return (Task.of(echo, -place) for place in range(len(self)))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", [Doubled, DoubledTuple])
def test_a_class_that_is_made_of_a_list_gives_what_it_gives_a_loop(
    kind: Callable[[range], Any], call: str
) -> None:
    """Not what is at its places."""
    items = kind(range(5))
    assert CALLS[call](echo, items) == list(items)


def test_so_does_one_that_holds_tasks(use_processes: bool) -> None:
    """Not those at its places."""
    tasks = Negated([Task.of(echo, 1)] * 5)
    assert run_tasks(tasks, processes=use_processes) == [0, -1, -2, -3, -4]
