"""A list of tasks that is changed while it streams is read as a loop reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cotality.core.utils.process import Task, execute_tasks_in_parallel_streaming
from tests.kit.helpers import echo

COUNT = 40
CHANGES: dict[str, Callable[[list[Any], Any], object]] = {  # Any: of whatever items
    "emptied": lambda items, _: items.clear(),
    "shortened": lambda items, _: items.__delitem__(slice(COUNT // 2, None)),
    "moved up": lambda items, _: items.pop(0),
    "longer": lambda items, one: items.append(one),
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
