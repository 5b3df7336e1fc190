"""Each method does what its name says, on the same items, with the same values."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from cotality.core.machine import available_cpus
from cotality.core.utils.process import IsolatedProcessPoolExecutor
from cotality.tuning import PoolManager
from cotality.web._web.methods import futures as futures_module
from cotality.web._web.methods import sequential as sequential_module
from cotality.web._web.methods import threads as threads_module
from cotality.web._web.methods.choosing import IN_ONE_PROCESS, from_loop
from cotality.web._web.methods.order import Done, Order, done_here
from cotality.web._web.models.kinds import TaskType
from cotality.web._web.parts import filling
from cotality.web._web.parts.items import close_parts, do_item
from cotality.web._web.parts.recipe import Recipe
from cotality.web._web.parts.waiting import Waits
from tests.kit.helpers import wait_until
from tests.kit.limits import LONG_S

pytestmark = pytest.mark.one_python

MANY = 30
FROM_LOOP = [
    TaskType.MULTIPROCESSING,
    TaskType.CONCURRENT_FUTURES,
    TaskType.AUTO,
]
LONG_DELAY_S = 60.0  # nobody waits for its end


@pytest.fixture
def recipe(tmp_path: Path) -> Iterator[Recipe]:
    url = f"sqlite:///{tmp_path}/measurements.db"
    filling.prepare(url)
    yield Recipe(url)
    close_parts()


@pytest.fixture
def pool() -> Iterator[PoolManager]:
    made = PoolManager(4)
    yield made
    made.shutdown(grace=0.0)


def all_done(method: TaskType, order: Order, pool: PoolManager) -> list[Done]:
    """By their index."""
    done: list[Done] = []
    if method in IN_ONE_PROCESS:
        IN_ONE_PROCESS[method](order, done.append)
        return sorted(done)

    async def collect() -> None:
        async with aclosing(from_loop(method, order, pool)) as items:
            done.extend([each async for each in items])

    asyncio.run(collect())
    return sorted(done)


METHODS = [*IN_ONE_PROCESS, *FROM_LOOP]


@pytest.mark.parametrize("delay_s", [0.0, 0.001])
@pytest.mark.parametrize("method", METHODS)
def test_all_give_the_same(
    method: TaskType, delay_s: float, recipe: Recipe, pool: PoolManager
) -> None:
    """Each item once, from where it begins, with the value that it has."""
    order = Order(replace(recipe, db_delay_s=delay_s), MANY, 3, batch_size=7, start=4)

    found = all_done(method, order, pool)

    assert found == [Done(index, do_item(recipe, index)) for index in range(4, MANY)]


@pytest.mark.parametrize("method", METHODS)
def test_an_item_that_fails_fails_alone(
    method: TaskType, recipe: Recipe, pool: PoolManager
) -> None:
    """With its error in words, whether it fails while it waits or computes."""
    import sqlite3

    file = recipe.database.partition(":///")[2]
    with sqlite3.connect(file) as writer:
        writer.execute("DELETE FROM cotality_measurements WHERE sensor = 5")
    writer.close()
    order = Order(replace(recipe, lookup_delay_s=0.001), 10, 2, batch_size=4)

    found = all_done(method, order, pool)

    assert found[5].value is None
    assert "sensor 5 has no measurement" in str(found[5].error)
    assert [each.item for each in found if each.error is None] == [
        0,
        1,
        2,
        3,
        4,
        *range(6, 10),
    ]


def test_a_query_that_fails_in_the_loop_fails_alone(
    recipe: Recipe, pool: PoolManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has waited in vain is not computed."""
    fetch = Waits.fetch

    async def fetch_but_one(waits: Waits, index: int) -> Any:
        if index == 3:
            raise ConnectionError("the server is gone")
        return await fetch(waits, index)

    monkeypatch.setattr(Waits, "fetch", fetch_but_one)
    order = Order(replace(recipe, lookup_delay_s=0.001), 8, 2, batch_size=2)

    for method in (TaskType.BATCH_ASYNC, TaskType.AUTO):
        found = all_done(method, order, pool)
        assert found[3] == Done(3, None, "ConnectionError: the server is gone")
        assert sum(each.value is not None for each in found) == 7


# What the names say.


def test_sequential_is_one_after_the_other(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the thread that calls it, in order."""
    seen: list[tuple[int, int]] = []

    def seen_here(recipe: Recipe, index: int) -> Done:
        seen.append((threading.get_ident(), index))
        return Done(index, 0)

    monkeypatch.setattr(sequential_module, "done_here", seen_here)
    sequential_module.sequential(Order(recipe, 5), lambda done: None)

    assert seen == [(threading.get_ident(), index) for index in range(5)]


def test_threading_has_as_many_threads_as_workers(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All at a time: none passes before all are there."""
    together, idents = threading.Barrier(3), set[int]()

    def meet(recipe: Recipe, index: int) -> Done:
        together.wait(LONG_S)
        idents.add(threading.get_ident())
        return Done(index, 0)

    monkeypatch.setattr(threads_module, "done_here", meet)
    done: list[Done] = []
    threads_module.threads(Order(recipe, 12, workers=3), done.append)

    assert len(idents) == 3
    assert threading.get_ident() not in idents
    assert sorted(each.item for each in done) == list(range(12))


def test_threading_does_not_hand_out_all_at_once(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in memory does not grow with the number of items."""
    handed_out: list[int] = []
    given: list[int] = []
    ahead: list[int] = []

    class Watched(threads_module.ThreadPoolExecutor):
        def submit(self, *args: Any, **kwargs: Any) -> Any:
            handed_out.append(args[2])
            ahead.append(len(handed_out) - len(given))
            return super().submit(*args, **kwargs)

    monkeypatch.setattr(threads_module, "ThreadPoolExecutor", Watched)
    monkeypatch.setattr(
        threads_module, "done_here", lambda recipe, index: Done(index, 0)
    )
    threads_module.threads(
        Order(recipe, 500, workers=2), lambda done: given.append(done.item)
    )

    assert sorted(given) == list(range(500))
    assert max(ahead) <= 2 * threads_module.AHEAD


@pytest.mark.parametrize("method", [TaskType.BATCH_ASYNC, TaskType.AUTO])
def test_a_batch_waits_together(
    method: TaskType,
    recipe: Recipe,
    pool: PoolManager,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many items as it has, all in one thread, and never more."""
    now, most, idents = set[int](), list[int](), set[int]()
    fetch = Waits.fetch

    async def counted(waits: Waits, index: int) -> Any:
        now.add(index)
        most.append(len(now))
        idents.add(threading.get_ident())
        try:
            return await fetch(waits, index)
        finally:
            now.discard(index)

    monkeypatch.setattr(Waits, "fetch", counted)
    order = Order(replace(recipe, db_delay_s=0.05), 40, 2, batch_size=20)

    found = all_done(method, order, pool)

    assert len(found) == 40
    assert max(most) == 20
    assert idents == {threading.get_ident()}


@pytest.mark.parametrize("method", FROM_LOOP)
def test_as_many_processes_as_workers(
    method: TaskType, recipe: Recipe, pool: PoolManager
) -> None:
    """`auto` computes in no more than there are CPUs."""
    at_a_time = min(3, available_cpus()) if method == TaskType.AUTO else 3
    order = Order(replace(recipe, db_delay_s=0.05), 200, 3)
    seen: list[int] = []

    async def count() -> None:
        async with aclosing(from_loop(method, order, pool)) as items:
            seen.extend([len(workers_below()) async for _ in items])

    asyncio.run(count())

    assert max(seen) == at_a_time


def workers_below() -> list[psutil.Process]:
    """Worker processes of this one: they are children of the fork server."""
    found: list[psutil.Process] = []
    for child in psutil.Process().children():
        found += child.children()
    return found


# A process that dies.


async def next_of(items: AsyncGenerator[Done]) -> Done:
    return await anext(items)


def kill_workers(count: int, file: Path) -> None:
    """Kill workers until so many have died that had begun with an item."""
    killed = set[int]()
    end = time.monotonic() + LONG_S
    while len(killed) < count:
        assert time.monotonic() < end
        for worker in workers_below():
            if (
                worker.pid not in killed
                and len(killed) < count
                and has_open(worker, file)
            ):
                killed.add(worker.pid)
                os.kill(worker.pid, signal.SIGKILL)
        time.sleep(0.01)


def database_of(recipe: Recipe) -> Path:
    return Path(recipe.database.removeprefix("sqlite:///"))


def has_open(worker: psutil.Process, file: Path) -> bool:
    """Whether it has opened the database, as it does for its first item."""
    try:
        return f"{file}" in [each.path for each in worker.open_files()]
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


@pytest.mark.parametrize(
    "method", [TaskType.MULTIPROCESSING, TaskType.CONCURRENT_FUTURES]
)
def test_a_process_that_is_killed_costs_nothing(
    method: TaskType, recipe: Recipe, pool: PoolManager
) -> None:
    """Its items are done again by another one, and say so."""
    order = Order(replace(recipe, lookup_delay_s=0.5), 12, 2)
    killer = threading.Thread(target=kill_workers, args=[1, database_of(recipe)])
    killer.start()

    found = all_done(method, order, pool)

    killer.join()
    assert [each.value for each in found] == [
        do_item(recipe, index) for index in range(12)
    ]
    assert sum(each.deaths for each in found) >= 1


@pytest.mark.parametrize(
    "method", [TaskType.MULTIPROCESSING, TaskType.CONCURRENT_FUTURES]
)
def test_an_item_that_kills_fails_alone(
    method: TaskType, recipe: Recipe, pool: PoolManager
) -> None:
    """After the second process: it is the item, and not the processes."""
    slow = Order(replace(recipe, lookup_delay_s=LONG_DELAY_S), 1, 1)
    killer = threading.Thread(target=kill_workers, args=[2, database_of(recipe)])
    killer.start()

    (found,) = all_done(method, slow, pool)

    killer.join()
    assert (found.item, found.value, found.deaths) == (0, None, 2)
    assert "WorkerCrashedError" in str(found.error)
    assert all_done(method, Order(recipe, 1, 1), pool) == [Done(0, do_item(recipe, 0))]


# Portions of futures.


def test_portions_grow_until_one_takes_a_while(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And are small again towards the end, where they would leave workers idle."""
    sizes: list[int] = []
    real = IsolatedProcessPoolExecutor.submit

    def noted(executor: Any, function: Any, recipe: Any, indices: Any) -> Any:
        sizes.append(len(indices))
        return real(executor, function, recipe, indices)

    monkeypatch.setattr(IsolatedProcessPoolExecutor, "submit", noted)
    monkeypatch.setattr(futures_module, "PORTION_S", 1.0)

    found = all_done(TaskType.CONCURRENT_FUTURES, Order(recipe, 200, 2), None)  # type: ignore[arg-type]  # it needs none

    assert len(found) == 200
    assert sum(sizes) == 200
    assert sizes[0] == 1
    assert 4 < max(sizes) <= futures_module.LARGEST
    assert sizes[-1] <= 2


# The end.


@pytest.mark.parametrize("method", FROM_LOOP)
def test_to_close_it_ends_all_of_it(
    method: TaskType, recipe: Recipe, pool: PoolManager
) -> None:
    """No process goes on with what nobody needs."""
    waits = replace(recipe, db_delay_s=LONG_DELAY_S)
    computes = Order(waits, 100, 2)
    pids: set[int] = set()

    async def begin_and_leave() -> None:
        stream = from_loop(method, computes, pool)
        first = asyncio.create_task(next_of(stream))
        if method != TaskType.AUTO:  # whose processes have nothing to do yet
            await asyncio.to_thread(wait_until, lambda: len(workers_below()) == 2)
        await asyncio.sleep(0.1)
        pids.update(each.pid for each in workers_below())
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await stream.aclose()

    begin = time.monotonic()
    asyncio.run(begin_and_leave())

    wait_until(lambda: not pids & {each.pid for each in workers_below()})
    assert time.monotonic() - begin < LONG_DELAY_S / 2
    assert threading.active_count() >= 1


def test_an_item_that_cannot_be_done_says_why(recipe: Recipe) -> None:
    """The class of what was raised, and its text."""
    nowhere = replace(recipe, database="sqlite:////nowhere/at/all.db")

    found = done_here(nowhere, 3)

    assert found == Done(3, None, "OperationalError: unable to open database file")


def test_other_kinds_are_refused(recipe: Recipe, pool: PoolManager) -> None:
    """An event loop calls three of them."""
    with pytest.raises(ValueError, match="sequential is not a method that an"):
        from_loop(TaskType.SEQUENTIAL, Order(recipe, 1), pool)
