"""Results in batches, as many as are wanted or as fit into memory."""

from __future__ import annotations

import gc
import itertools
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from cotality.core.utils._process.machine.object_size import size_of
from cotality.core.utils.process import Task, process_in_batches
from tests.kit.helpers import Failure, echo, fail_with

# It is about how much is held at a time.
pytestmark = [pytest.mark.one_python, pytest.mark.warm]

MB = 1_000_000


class Blob:
    """A result of a known size that can be counted."""

    def __init__(self, size: int) -> None:
        self.data = bytes(size)


def blobs(sizes: list[int]) -> Iterator[Task[Blob]]:
    return (Task(Blob, {"size": size}) for size in sizes)


def held() -> int:
    """The bytes of all blobs that are alive."""
    found = [each for each in gc.get_objects() if type(each) is Blob]
    # One that is being read on another thread may not have its data yet.
    return sum(len(getattr(each, "data", b"")) for each in found)


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101])
@pytest.mark.parametrize("batch_size", [1, 10, 100, 1000])
def test_batches_have_the_size_that_is_wanted(
    count: int, batch_size: int, use_processes: bool
) -> None:
    """All but the last; together they are the results in order."""
    tasks = [Task(echo, {"value": number}) for number in range(count)]

    batches = list(process_in_batches(tasks, 2, use_processes, batch_size=batch_size))

    assert [value for batch in batches for value in batch] == list(range(count))
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert all(batches)


def test_batches_may_be_in_the_order_of_arrival(use_processes: bool) -> None:
    """No result is lost, and none is there twice."""
    tasks = (Task(echo, {"value": number}) for number in range(1000))

    batches = list(
        process_in_batches(tasks, 2, use_processes, batch_size=64, ordered=False)
    )

    assert sorted(value for batch in batches for value in batch) == list(range(1000))
    assert [len(batch) for batch in batches] == [64] * 15 + [40]


@pytest.mark.parametrize(
    "sizes",
    [
        [MB] * 100,
        [MB // 10] * 1000,
        [MB] * 40 + [1000] * 500,
        [10_000, MB] * 50,
    ],
    ids=["large", "middling", "shrinking", "mixed"],
)
def test_results_stay_below_the_limit(sizes: list[int], use_processes: bool) -> None:
    """The batch in the loop, the next one and what waits, all together."""
    limit = 30
    most = 0
    seen = 0

    for batch in process_in_batches(
        blobs(sizes), 2, use_processes, max_memory_mb=limit
    ):
        most = max(most, held())
        assert [len(blob.data) for blob in batch] == sizes[seen : seen + len(batch)]
        seen += len(batch)

    assert seen == len(sizes)
    assert most < limit * MB
    if min(sizes) == max(sizes):
        assert most > limit * MB / 4


def test_batches_follow_the_size_of_results(use_processes: bool) -> None:
    """Once results are larger, batches have fewer of them."""
    sizes = [1000] * 2000 + [MB] * 60

    batches = process_in_batches(blobs(sizes), 2, use_processes, max_memory_mb=30)

    counts = [len(batch) for batch in batches]
    assert sum(counts) == 2060
    assert counts[0] >= 2000
    assert all(count <= 11 for count in counts[1:])


def test_a_result_beyond_the_limit_is_a_batch_of_its_own(use_processes: bool) -> None:
    """There is no smaller one."""
    batches = process_in_batches(blobs([5 * MB] * 4), 2, use_processes, max_memory_mb=1)

    assert [len(batch) for batch in batches] == [1] * 4


def test_whichever_limit_comes_first_ends_a_batch(use_processes: bool) -> None:
    """Both may be given."""
    sizes = [10] * 95 + [MB] * 10

    batches = process_in_batches(
        blobs(sizes), 2, use_processes, batch_size=50, max_memory_mb=8
    )

    assert [len(batch) for batch in batches] == [50, 47, 2, 2, 2, 2]  # of 3 MB at most


def test_what_is_there_is_yielded_before_the_error(use_processes: bool) -> None:
    """In a last batch that is shorter than the others."""
    tasks: list[Task[Any]] = [Task(echo, {"value": number}) for number in range(25)]
    tasks.append(Task(fail_with, {"error": Failure("late")}))
    seen: list[list[int]] = []

    with pytest.raises(Failure, match="late"):
        seen.extend(process_in_batches(tasks, 1, use_processes, batch_size=10))

    assert [len(batch) for batch in seen] == [10, 10, 5]


def test_failures_may_be_results(use_processes: bool) -> None:
    """With return_exceptions they stand in their places."""
    tasks: list[Task[Any]] = [
        Task(echo, {"value": 1}),
        Task(fail_with, {"error": Failure("two")}),
        Task(echo, {"value": 3}),
    ]

    (batch,) = process_in_batches(tasks, 2, use_processes, True, batch_size=10)

    assert (batch[0], str(batch[1]), batch[2]) == (1, "two", 3)


def test_the_input_is_read_as_batches_are_taken(use_processes: bool) -> None:
    """Nothing runs away while the loop is busy with a batch."""
    read = itertools.count()
    tasks = (Task(echo, {"value": next(read)}) for _ in range(100_000))
    batches = process_in_batches(tasks, 2, use_processes, batch_size=5)

    next(batches)

    assert next(read) < 10_000
    batches.close()


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, ValueError),
        ({"batch_size": 0}, ValueError),
        ({"batch_size": 1.5}, TypeError),
        ({"max_memory_mb": 0}, ValueError),
        ({"max_memory_mb": float("nan")}, ValueError),
        ({"max_memory_mb": "1"}, TypeError),
        ({"max_memory_mb": True}, TypeError),
        ({"batch_size": 5, "ordered": 1}, TypeError),
    ],
)
def test_wrong_limits_are_refused_at_once(options: Any, kind: type[Exception]) -> None:
    """By the call, not by the first batch."""
    with pytest.raises(kind):
        process_in_batches([], **options)


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a = "x" * 1000
        self.b = [1.5 + n for n in range(1000)]


class Plain:
    def __init__(self, number: int) -> None:
        self.name = f"number {number} of many"
        self.values = {f"key {number} {n}": float(n) for n in range(10)}


MAKERS: dict[str, Callable[[], Any]] = {
    "text": lambda: "x" * 50_000,
    "bytes": lambda: bytes(50_000),
    "floats": lambda: [n + 0.5 for n in range(20_000)],
    "dicts": lambda: [{"id": f"{n:020}", "value": n + 0.5} for n in range(3_000)],
    "nested": lambda: {f"{n}": [f"{n} {m}" for m in range(100)] for n in range(100)},
    "instances": lambda: [Plain(n) for n in range(1_000)],
    "slots": Slotted,
    "array": lambda: np.zeros(100_000),
    "view": lambda: np.zeros(100_000)[:],
    "arrays": lambda: [np.zeros(1_000) for _ in range(100)],
}


@pytest.mark.parametrize("name", MAKERS)
def test_sizes_are_about_right(name: str) -> None:
    """Compared with what the allocator of Python says."""
    make = MAKERS[name]
    make()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        thing = make()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size_of(thing) == pytest.approx(after - before, rel=0.2)


def test_sizes_of_strange_things_are_numbers() -> None:
    """Cycles end, and what fails when it is asked counts as little."""

    class Spiteful:
        def __sizeof__(self) -> int:
            raise OSError

        def __getattr__(self, name: str) -> Any:
            raise OSError(name)

    loop: list[Any] = [1, 2]
    loop.append(loop)

    assert 0 < size_of(loop) < 10_000
    assert 0 < size_of(Spiteful()) < 1000
    assert 0 < size_of(Spiteful) < 10_000
    assert 0 < size_of(iter([])) < 1000
