"""What is known by an id belongs to one object, for as long as it is known."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from cotality.core.utils._process.packing.captured import KEPT, Captured, Large
from cotality.core.utils._process.packing.parcels import Parcels
from cotality.core.utils.process import (
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    share,
)

# They ask what calls give, whichever workers do it.
pytestmark = pytest.mark.warm

BIG = 70_000  # bytes, or the first of numbers that take five bytes each
MANY = 14_000  # such numbers in a list that is large


def captured(store: Captured, *things: object) -> Large:
    large = store.pack(*things)
    assert large is not None
    return large


# By itself.


def test_what_is_known_is_packed_once() -> None:
    """By itself and together with others it is two things."""
    store, one, other = Captured(Parcels(True)), bytes(BIG), bytes(BIG)

    first = captured(store, one)
    together = captured(store, one, other)

    assert captured(store, one) == first
    assert captured(store, one, other) == together
    assert first.segment.load() == one
    assert together.segment.load() == (one, other)
    assert store.has(one)
    assert not store.has(other)


def test_an_id_that_is_used_again_is_that_of_another_object() -> None:
    """Of thousands that come and go each is packed as what it is."""
    store = Captured(Parcels(True))
    ids: set[int] = set()
    for number in range(3000):
        thing = [number, bytes(BIG)]
        ids.add(id(thing))
        assert captured(store, thing).segment.load()[0] == number

    assert len(ids) < 3000  # so some were used again
    assert len(store.entries) <= KEPT
    assert len(store.places) <= 4 * KEPT


def test_one_that_is_let_go_of_after_it_was_packed_anew() -> None:
    """The last task with the former piece may end at any moment, in another thread."""
    store, thing = Captured(Parcels(True)), bytes(BIG)
    former = captured(store, thing)
    store.kept.clear()
    store.places.clear()  # as if that thread were about to tell
    latter = captured(store, thing)
    assert latter.number != former.number

    del former

    assert captured(store, thing) == latter
    for size in range(2 * KEPT):  # there is room to make
        captured(store, bytes(BIG + size))


def test_pieces_come_and_go_in_other_threads() -> None:
    """Whoever lets go of them, what is known is right, and nothing is left."""
    store = Captured(Parcels(True))
    things = [[number, bytes(BIG)] for number in range(20)]
    out: list[Large] = []
    is_over = threading.Event()

    def let_go() -> None:
        while not is_over.is_set():
            out[:1] = []

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread = threading.Thread(target=let_go)
    thread.start()
    try:
        for number in range(3000):
            thing = things[number % len(things)]
            large = captured(store, thing)
            out.append(large)
            assert large.segment.load()[0] == thing[0]
            store.kept.clear()
    finally:
        is_over.set()
        thread.join()
        sys.setswitchinterval(interval)
    out.clear()
    del large
    gc.collect()

    assert store.entries == {}


def test_what_is_packed_together_goes_when_one_of_it_cannot_come_again() -> None:
    """Nobody who has no list of all can ask for it."""
    store, one = Captured(Parcels(True)), [0, bytes(BIG)]
    captured(store, one)
    captured(store, one, [1, bytes(BIG)])

    assert len(store.kept) == 2
    captured(store, bytes(BIG))

    assert len(store.kept) == 2
    assert store.has(one)


# In a call.


def first_of(data: Any, number: int) -> bool:
    """Whether *data* is that of the task with this number."""
    return bool(data[0] == number)


def list_with(number: int) -> list[int]:
    return [number, *range(BIG, BIG + MANY)]


def array_with(number: int) -> Any:  # Any: arrays have many types
    return np.full(MANY, number)


@pytest.mark.parametrize("make", [list_with, array_with])
@pytest.mark.parametrize("mark", [share, lambda data: data], ids=["shared", "plain"])
def test_each_task_has_its_own(
    make: Callable[[int], Any], mark: Callable[[Any], Any], use_processes: bool
) -> None:
    """Of large objects that are made for one task each, however ids are used again."""

    def tasks() -> Iterator[Task[bool]]:
        for number in range(300):
            yield Task(first_of, {"data": mark(make(number)), "number": number})

    stream = execute_tasks_in_parallel_streaming(tasks(), 2, use_processes)

    assert all(value for _, value in stream)


def test_each_task_has_its_own_function(use_processes: bool) -> None:
    """Of functions that are made for one task each, also between portions."""

    def tasks() -> Iterator[Task[int]]:
        for number in range(3000):
            yield Task(lambda here=number: here)

    results = execute_tasks_in_parallel(tasks(), 2, use_processes)

    assert results == list(range(3000))


class Holder:
    """Something that a task is a method of."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.items = [number]

    def is_mine(self, items: list[int]) -> int:
        return self.number if items is self.items else -1


def test_each_task_has_its_own_object(use_processes: bool) -> None:
    """Of methods whose objects are made for one task each, and share something."""

    def tasks() -> Iterator[Task[int]]:
        for number in range(600):
            holder = Holder(number)
            yield Task.of(holder.is_mine, holder.items)

    results = execute_tasks_in_parallel(tasks(), 2, use_processes)

    assert results == list(range(600))


@pytest.mark.parametrize("make", [list_with, array_with])
def test_what_is_large_is_captured_with_the_first_task_that_holds_it(
    make: Callable[[int], Any],
) -> None:
    """Changes by the caller come too late for all others, and never tear it."""
    data = make(0)

    def tasks() -> Iterator[Task[bool]]:
        for number in range(100):
            data[0] = number
            yield Task(first_of, {"data": data, "number": 0})

    stream = execute_tasks_in_parallel_streaming(tasks(), 2, True, chunksize=1)

    assert all(value for _, value in stream)
