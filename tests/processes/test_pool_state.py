"""What callers and the watching thread of a pool share: nothing is overlooked."""

from __future__ import annotations

import math
import selectors
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

import pytest

from cotality.core.utils._process.pickling.encode import encode
from cotality.core.utils._process.starting import launch
from cotality.core.utils._process.workers.handle import WorkerPlan
from cotality.core.utils._process.workers.pool import Pool, watch_over
from cotality.core.utils._process.workers.requests import Assemble, Item, Kill
from cotality.core.utils._process.workers.watching.watcher import Watcher
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    WorkerCrashedError,
    WorkerStartError,
)
from tests.kit.helpers import Gate, Marks, mark_and_wait, wait_then, wait_until
from tests.kit.limits import LONG_S


@pytest.fixture
def pool() -> Iterator[Pool]:
    """One that has done something, and whose thread sleeps."""
    pool = Pool(1, WorkerPlan(launch.default_context()))
    try:
        pool.put(first := item(-1))
        assert first.future.result(LONG_S) == 1
        wait_until(lambda: pool.is_asleep)
        yield pool
    finally:
        pool.close(wait=True, cancel=True)


def item(number: int) -> Item:
    return Item(Future(), encode((abs, (number,), {})))


def test_what_is_handed_over_as_the_thread_has_ended_is_answered(pool: Pool) -> None:
    """By the caller itself, who has found the pool open just before."""
    pool.close(wait=True, cancel=False)
    late, told, answer = item(-2), Future[None](), SimpleQueue[bool]()

    pool.hand_over(late)
    pool.hand_over(Assemble(told))
    pool.hand_over(Kill([], answer))

    with pytest.raises(RuntimeError, match="has been shut down"):
        late.future.result(0)
    with pytest.raises(WorkerStartError, match="shut down meanwhile"):
        told.result(0)
    assert not answer.get_nowait()


def test_what_is_handed_over_as_the_thread_ends_is_answered(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By that thread, if the caller has looked before it said so."""
    late, shut = item(-2), Watcher.shut

    def late_request(watcher: Watcher) -> None:
        pool.inbox.append(late)
        shut(watcher)

    monkeypatch.setattr(Watcher, "shut", late_request)
    pool.close(wait=True, cancel=False)

    with pytest.raises(RuntimeError, match="has been shut down"):
        late.future.result(0)


def test_what_is_handed_over_before_the_thread_sleeps_is_found(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller that has looked before it said so does not ring."""
    late, next_due = item(-2), Watcher.next_due

    def late_request(watcher: Watcher) -> float:
        if not late.is_running and late not in pool.inbox:
            pool.inbox.append(late)
        return next_due(watcher)

    monkeypatch.setattr(Watcher, "next_due", late_request)
    pool.ring()  # so that it falls asleep once more

    assert late.future.result(LONG_S) == 2


def test_what_is_handed_over_as_the_thread_sleeps_wakes_it(pool: Pool) -> None:
    """Also between its look into the inbox and the moment when it is asleep."""
    late = item(-2)
    selector: Any = pool.claim["watcher"].links.selector  # Any: a method is replaced
    select = selector.select

    def late_request(limit: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        del selector.select
        assert limit is None
        pool.hand_over(late)
        chosen: list[tuple[selectors.SelectorKey, int]] = select(limit)
        return chosen

    wait_until(lambda: pool.sleeps_long)
    selector.select = late_request
    pool.ring()

    assert late.future.result(LONG_S) == 2


def test_a_second_watching_thread_ends_at_once(pool: Pool) -> None:
    """Two callers may have started one each; the first one is not disturbed."""
    first = pool.claim["watcher"].thread

    watch_over(pool)

    pool.put(one_more := item(-2))
    assert one_more.future.result(LONG_S) == 2
    assert pool.claim["watcher"].thread is first
    assert threading.current_thread() is not first


def test_a_parked_pool_is_used_again_or_closed_and_never_both(pool: Pool) -> None:
    """Who takes out the time of its end decides; the other one finds nothing."""
    pool.parked[:] = [-math.inf]
    assert pool.unpark(1)
    assert not pool.is_time_to_close()

    pool.parked[:] = [-math.inf]
    assert pool.is_time_to_close()
    assert not pool.unpark(1)


def test_a_callback_may_end_what_another_worker_runs(gate: Gate, marks: Marks) -> None:
    """It runs in the very thread that has to end it."""
    with IsolatedProcessPoolExecutor(2) as executor:
        long = executor.submit(mark_and_wait, marks, "begun", gate)
        marks.wait_for(1)
        found: list[bool] = []
        short = executor.submit(wait_then, Gate(gate.path.with_name("short")), 1)
        short.add_done_callback(lambda _: found.append(executor.kill(long)))
        gate.path.with_name("short").touch()

        assert short.result(LONG_S) == 1
        with pytest.raises(WorkerCrashedError, match="on request"):
            long.result(LONG_S)

    assert found == [True]
