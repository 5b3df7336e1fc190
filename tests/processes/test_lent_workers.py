"""A caller gives an item to a worker by itself while the pool does something else."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from cotality.core.utils._process.workers.handle import WorkerHandle
from cotality.core.utils._process.workers.pool_state import PoolState
from cotality.core.utils._process.workers.requests import Doubt, Item
from cotality.core.utils.process import IsolatedProcessPoolExecutor
from tests.kit.helpers import Gate, Marks
from tests.kit.limits import LONG_S


class Slow:
    """A caller that is stopped on its way, until the watching thread looks for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.has_borrowed = threading.Event()
        self.goes_on = threading.Event()
        self.has_given = threading.Event()
        give, is_lent = WorkerHandle.give_at_once, PoolState.is_lent

        def slow_give(worker: WorkerHandle, item: Item) -> bool:
            if not self.has_borrowed.is_set():
                self.has_borrowed.set()
                assert self.goes_on.wait(LONG_S)
            return give(worker, item)

        def late_look(pool: PoolState, worker: WorkerHandle) -> bool:
            if self.has_borrowed.is_set() and not self.has_given.is_set():
                self.goes_on.set()
                assert self.has_given.wait(LONG_S)
            return is_lent(pool, worker)

        monkeypatch.setattr(WorkerHandle, "give_at_once", slow_give)
        monkeypatch.setattr(PoolState, "is_lent", late_look)

    def submit(
        self,
        executor: IsolatedProcessPoolExecutor,
        *call: Any,  # Any: a function and its arguments
    ) -> Future[Any]:
        """What the caller got, once somebody has looked for it."""
        future: Future[Any] = executor.submit(*call)
        self.has_given.set()
        return future


@pytest.fixture
def executor() -> Iterator[IsolatedProcessPoolExecutor]:
    with IsolatedProcessPoolExecutor(1) as executor:
        assert executor.submit(int).result(LONG_S) == 0
        yield executor


def longer_than_a_worker_gets_to_end(marks: Marks) -> str:
    marks.leave("begun")
    time.sleep(1.5)
    return "done"


def test_a_worker_that_has_just_got_an_item_is_not_let_go_of(
    executor: IsolatedProcessPoolExecutor,
    marks: Marks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its item was accepted before the shutdown, so it is done in any case."""
    slow = Slow(monkeypatch)
    futures: list[Future[str]] = []
    caller = threading.Thread(
        target=lambda: futures.append(
            slow.submit(executor, longer_than_a_worker_gets_to_end, marks)
        )
    )
    caller.start()
    assert slow.has_borrowed.wait(LONG_S)
    executor.shutdown(wait=False)
    caller.join()

    assert futures[0].result(LONG_S) == "done"


def test_a_worker_that_has_just_got_an_item_is_not_idle_by_the_doubt_of_another(
    executor: IsolatedProcessPoolExecutor,
    gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An earlier caller was struck after its item was answered."""
    pool = executor._pool
    [worker] = pool.workers
    key = object()
    pool.lent[key] = worker  # as that caller has left it
    slow = Slow(monkeypatch)
    futures: list[Future[None]] = []
    caller = threading.Thread(
        target=lambda: futures.append(slow.submit(executor, gate.wait))
    )
    caller.start()
    assert slow.has_borrowed.wait(LONG_S)
    pool.hand_over(Doubt(key, Item(Future(), b"")))
    caller.join()
    pool.assemble().result(LONG_S)  # so the doubt was settled before

    assert worker not in pool.idle
    gate.open()
    assert futures[0].result(LONG_S) is None
