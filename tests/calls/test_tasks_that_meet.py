"""Tasks that wait for one another, behind others that are quick."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils.process import Task, execute_tasks_in_parallel
from cotality.tuning import execute
from tests.kit.helpers import wait_until

COUNT = 300
FIRST = COUNT - 2  # of the two that meet


def meet(folder: Path, number: int) -> int:
    """The last two wait for each other, wherever they run."""
    if number >= FIRST:
        (folder / f"{number}").touch()
        other = FIRST + COUNT - 1 - number
        wait_until((folder / f"{other}").exists)
    return number


def tasks_in_list(folder: Path, *, processes: bool) -> object:
    tasks = [Task.of(meet, folder, number) for number in range(COUNT)]
    return execute_tasks_in_parallel(tasks, 2, processes, chunksize=1)


def tasks_in_iterator(folder: Path, *, processes: bool) -> object:
    tasks = (Task.of(meet, folder, number) for number in range(COUNT))
    return execute_tasks_in_parallel(tasks, 2, processes, chunksize=1)


def data(folder: Path, *, processes: bool) -> object:
    where: Any = "processes" if processes else "threads"
    work = partial(meet, folder)
    return list(execute(work, range(COUNT), executor=where, n_jobs=2, chunksize=1))


def data_in_iterator(folder: Path, *, processes: bool) -> object:
    where: Any = "processes" if processes else "threads"
    work, items = partial(meet, folder), iter(range(COUNT))
    return list(execute(work, items, executor=where, n_jobs=2, chunksize=1))


@pytest.mark.parametrize("processes", [False, True], ids=["threads", "processes"])
@pytest.mark.parametrize(
    "call", [tasks_in_list, tasks_in_iterator, data, data_in_iterator]
)
def test_they_meet_if_none_travels_with_others(
    call: Callable[..., object], processes: bool, tmp_path: Path
) -> None:
    """With ``chunksize=1``, and a worker for each of them."""
    assert call(tmp_path, processes=processes) == list(range(COUNT))


def test_they_meet_where_the_caller_runs_tasks(tmp_path: Path) -> None:
    """Of a list another thread hands out the rest meanwhile."""
    work = partial(meet, tmp_path)

    found = execute(work, list(range(COUNT)), n_jobs=2, chunksize=1)

    assert list(found) == list(range(COUNT))
