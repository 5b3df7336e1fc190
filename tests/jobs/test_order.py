"""Which job comes first, how many run at once, and how many start in a time.

One worker with few slots serves the whole module.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.shop import Shop
from tests.jobs.workers import WorkerProgram, notes_in, times_in
from tests.kit.helpers import Gate, Marks
from tests.kit.limits import LONG_S

pytest.importorskip("sqlalchemy")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs")


QUEUES = ("--queue", "one=1", "--queue", "two=4", "--queue", "paced=8")


@pytest.fixture(scope="module")
def worker(place: Path) -> Iterator[WorkerProgram]:
    with WorkerProgram(f"sqlite:///{place}/jobs.db", place, *QUEUES) as made:
        yield made


@pytest.fixture
def shop(worker: WorkerProgram) -> Iterator[Shop]:
    made = Shop(worker.url)
    yield made
    made.jobs.close()


def test_larger_priorities_are_sooner(
    shop: Shop, tmp_path: Path, marks: Marks, gate: Gate
) -> None:
    """And alike ones in the order in which they came, also in one transaction."""
    keep_busy(shop, marks, gate)
    choice = random.Random(7)
    given = [(choice.choice([-100, -1, 0, 5, 100]), number) for number in range(20)]
    handles = [
        shop.noted.using(priority=priority).enqueue_sync(f"{tmp_path}", number)
        for priority, number in given
    ]
    calls = [(f"{tmp_path}", number) for number in range(20, 40)]
    handles += shop.noted.using(priority=-50).enqueue_many_sync(calls)
    given += [(-50, number) for number in range(20, 40)]
    gate.open()

    for each in handles:
        each.result_sync(LONG_S)

    ran = [int(line.split()[1]) for line in notes_in(tmp_path)]
    assert ran == [number for _, number in sorted(given, key=in_order)]


def keep_busy(shop: Shop, marks: Marks, gate: Gate) -> None:
    """Let the only slot of the queue be taken until *gate* is open."""
    using = shop.hold.using(queue="one")
    using.enqueue_sync(f"{marks.folder}", f"{gate.path}", "it")
    marks.wait_for(1)


def in_order(job: tuple[int, int]) -> tuple[int, int]:
    return -job[0], job[1]


def test_a_rate_holds_in_every_window(shop: Shop, tmp_path: Path) -> None:
    """`Rate(3, per=2)`: the fourth starts after 2 s, and the seventh after 4.

    That holds however late a body begins which was allowed to.
    """
    began = time.time()
    handles = shop.paced.enqueue_many_sync([(f"{tmp_path}", i) for i in range(8)])

    for each in handles:
        each.result_sync(LONG_S)

    times = sorted(times_in(tmp_path))
    assert len(times) == 8
    assert [times[3] - began > 1.99, times[6] - began > 3.99] == [True, True]


@pytest.mark.one_python
def test_limits_hold_for_all_workers_together(
    shop: Shop, worker: WorkerProgram, tmp_path: Path
) -> None:
    """`concurrency=2` with three workers of four slots each: never three at once."""
    with (
        WorkerProgram(worker.url, tmp_path, "--queue", "two=4"),
        WorkerProgram(worker.url, tmp_path, "--queue", "two=4"),
    ):
        calls = [(f"{tmp_path}", number, 0.1) for number in range(12)]
        handles = shop.timed.enqueue_many_sync(calls)
        for each in handles:
            each.result_sync(LONG_S)
    running, most = 0, 0
    for line in sorted(notes_in(tmp_path)):
        running += 1 if " begin " in line else -1
        most = max(most, running)
    assert most == 2
