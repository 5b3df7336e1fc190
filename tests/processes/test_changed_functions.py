"""What a function holds may change while tasks are handed out, like an argument."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import pytest

from cotality.core.utils._process.packing.packed_functions import PackedFunctions
from cotality.core.utils._process.packing.parcels import Parcels
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
)
from cotality.tuning import PoolManager, optimize_streaming
from tests.kit.limits import LONG_S

COUNT = 8
LARGE = 50_000  # items that take a segment of their own


class Adder:
    """Adds what it has, deep inside of it."""

    def __init__(self) -> None:
        self.parts = {"n": [0]}

    def add(self, item: int) -> int:
        return self.parts["n"][0] + item

    def change(self, number: int) -> None:
        self.parts["n"][0] = number

    __call__ = add


class Slotted:
    """Has no dictionary."""

    __slots__ = ("n",)

    def __init__(self) -> None:
        self.n = 0

    def add(self, item: int) -> int:
        return self.n + item

    def change(self, number: int) -> None:
        self.n = number


def add_to(held: list[int], item: int) -> int:
    return held[0] + item


Change = Callable[[int], None]
Changing = tuple[Callable[[int], int], Change]


def method() -> Changing:
    adder = Adder()
    return adder.add, adder.change


def an_object() -> Changing:
    adder = Adder()
    return adder, adder.change


def slotted() -> Changing:
    adder = Slotted()
    return adder.add, adder.change


def filled(held: list[int]) -> Change:
    def change(number: int) -> None:
        held[0] = number

    return change


def a_partial() -> Changing:
    held = [0]
    return partial(add_to, held), filled(held)


def default() -> Changing:
    held = [0]

    def add(item: int, held: list[int] = held) -> int:
        return held[0] + item

    return add, filled(held)


def another_default() -> Changing:
    def add(item: int, n: int = 0) -> int:
        return n + item

    def change(number: int) -> None:
        add.__defaults__ = (number,)

    return add, change


def closure() -> Changing:
    held = [0]
    return lambda item: held[0] + item, filled(held)


def variable() -> Changing:
    """Nothing that it holds can be changed, but it can hold something else."""
    n = 0

    def change(number: int) -> None:
        nonlocal n
        n = number

    return lambda item: n + item, change


def variable_of_another() -> Changing:
    add, change = variable()
    return lambda item: add(item), change


def large_in_a_variable() -> Changing:
    held = [0] * LARGE

    def change(number: int) -> None:
        nonlocal held
        held = [number] * LARGE

    return lambda item: held[-1] + item, change


def large_in_an_object() -> Changing:
    """It is large, and another one takes its place."""
    adder: Any = Adder()  # Any: it gets an attribute
    adder.ballast = [0] * LARGE

    def change(number: int) -> None:
        adder.parts = {"n": [number]}

    return adder.add, change


def attribute() -> Changing:
    def add(item: int) -> int:
        return int(add.n) + item  # type: ignore[attr-defined]

    def change(number: int) -> None:
        add.n = number  # type: ignore[attr-defined]

    change(0)
    return add, change


def grown() -> Changing:
    """Small for the first task, then large."""
    held = [0]

    def change(number: int) -> None:
        held[:] = [number] * (LARGE if number == COUNT - 1 else 1)

    return partial(add_to, held), change


KINDS: list[Callable[[], Changing]] = [
    *(method, an_object, slotted, a_partial, default, another_default, closure),
    *(variable, variable_of_another, large_in_a_variable, large_in_an_object),
    *(attribute, grown),
]


def changed() -> Iterator[Task[int]]:
    """One task of each kind after the other, with another number in each round."""
    made = [make() for make in KINDS]
    for number in range(COUNT):
        for function, change in made:
            change(number)
            yield Task.of(function, 100)


def of_kinds(found: Iterable[int]) -> dict[str, list[int]]:
    """By kind, what its tasks have returned, less what they were given."""
    numbers = [value - 100 for value in found]
    names = [make.__name__ for make in KINDS]
    return {name: numbers[place :: len(names)] for place, name in enumerate(names)}


EXPECTED = {make.__name__: list(range(COUNT)) for make in KINDS}


@pytest.mark.parametrize("max_workers", [1, 2])
def test_a_task_has_its_function_as_it_is_when_it_goes_out(max_workers: int) -> None:
    """As a loop has it; also where workers that are busy are handed more."""
    found = execute_tasks_in_parallel(changed(), max_workers, True, chunksize=1)
    assert of_kinds(found) == EXPECTED
    assert of_kinds(execute_tasks_in_parallel(changed(), inline=True)) == EXPECTED


def test_it_is_the_same_by_every_way() -> None:
    """On executors of ours, in streams, by a manager."""
    with IsolatedProcessPoolExecutor(2) as executor:
        found = execute_tasks_in_parallel(changed(), executor=executor, chunksize=1)
        assert of_kinds(found) == EXPECTED
        found = [
            executor.submit(task.callback_function, *task.positional).result(LONG_S)
            for task in changed()
        ]
        assert of_kinds(found) == EXPECTED
    stream = execute_tasks_in_parallel_streaming(changed(), 2, True, chunksize=1)
    assert of_kinds(value for _, value in stream) == EXPECTED
    manager = PoolManager(max_workers=1)
    try:
        for number in range(3):
            for function, change in (make() for make in KINDS):
                change(number)
                found = manager.execute(function, [100] * 2)
                assert list(found) == [100 + number] * 2
    finally:
        manager.shutdown()


@pytest.mark.one_python
def test_workers_of_others() -> None:
    """They load what we send."""
    with ProcessPoolExecutor(1) as executor:
        found = execute_tasks_in_parallel(changed(), executor=executor, chunksize=1)
        assert of_kinds(found) == EXPECTED


class Twin(Adder):
    """Is compared with another one."""

    def differs_from(self, other: Adder) -> int:
        return self.parts["n"][0] - other.parts["n"][0]


def test_a_function_and_an_argument_tell_the_same() -> None:
    """In whatever portions they go out, both of them at that moment."""

    def tasks() -> Iterator[Task[int]]:
        twin, adder = Twin(), Adder()
        for number in range(1000):
            twin.change(number)
            adder.change(number)
            yield Task.of(twin.differs_from, adder)

    assert set(execute_tasks_in_parallel(tasks(), 2, True)) == {0}


def test_an_equal_part_that_is_another_one_is_the_one_that_arrives() -> None:
    """What a function has in common with an argument is known anew as well."""

    class Holder:
        def __init__(self) -> None:
            self.items = [[0]]

        def has(self, item: list[int]) -> bool:
            return any(item is each for each in self.items)

    def tasks() -> Iterator[Task[bool]]:
        holder = Holder()
        for _ in range(COUNT):
            holder.items[0] = [0]
            yield Task.of(holder.has, holder.items[0])

    found = execute_tasks_in_parallel(tasks(), 2, True, chunksize=1)
    assert found == [True] * COUNT


def test_what_is_large_is_captured_once() -> None:
    """As a large argument is, as long as nothing takes its place."""

    def tasks() -> Iterator[Task[int]]:
        held = [0] * LARGE
        for number in range(COUNT):
            held[0] = number
            yield Task.of(partial_of(held), 100)

    functions: dict[int, partial[int]] = {}

    def partial_of(held: list[int]) -> partial[int]:
        return functions.setdefault(id(held), partial(add_to, held))

    found = execute_tasks_in_parallel(tasks(), 2, True, chunksize=1)
    assert found == [100] * COUNT


@pytest.mark.parametrize("make", KINDS, ids=lambda make: str(make.__name__))
def test_what_has_not_changed_is_not_packed_again(make: Callable[[], Changing]) -> None:
    """It keeps its number, by which workers know it."""
    if make is slotted:
        pytest.skip("what pickle makes of it is made anew each time")
    function, change = make()
    functions = PackedFunctions(Parcels(in_segments=True))
    numbers: list[int] = []
    for _ in range(3):
        functions.begin_portion()
        numbers.append(functions.pack(function).number)
    assert len(set(numbers)) == 1
    change(1)
    assert functions.pack(function).number == numbers[0], "not within a portion"
    functions.begin_portion()
    assert functions.pack(function).number != numbers[0]


def test_a_stream_of_values_reads_a_function_likewise() -> None:
    """A function that is given once is looked at for each portion."""
    function, change = method()

    def items() -> Iterator[int]:
        for number in range(COUNT):
            change(number)
            yield 100

    stream = optimize_streaming(
        function, items(), max_workers=1, executor="processes", chunksize=1
    )
    assert list(stream) == [100 + number for number in range(COUNT)]
