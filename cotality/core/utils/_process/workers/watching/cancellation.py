"""Items that nobody wants any more: how they are halted, dropped and ended.

Only the watching thread calls this. Rules:

* What no worker has is dropped at once: its future is cancelled, or fails.
* What a worker runs is ended with its worker, and with nothing else. So a worker that
  holds more items is not ended: they are recalled first, since nobody could say which
  of them it has begun with by the time the end strikes it.
* An item stays unwanted wherever it goes next. A worker that dies or gives it back does
  not bring it back to life.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from concurrent.futures import Future
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cotality.core.utils._process.tasks.errors import (
    WorkerCrashedError,
    WorkerStartError,
)
from cotality.core.utils._process.workers.settling import drop

if TYPE_CHECKING:
    from cotality.core.utils._process.workers.handle import WorkerHandle
    from cotality.core.utils._process.workers.pool_state import PoolState
    from cotality.core.utils._process.workers.requests import Item


def halt(pool: PoolState, futures: Collection[Future[Any]]) -> None:  # Any: any call's
    """Let no further task start in the portions behind *futures*."""
    for worker in pool.workers:
        if worker.item is not None and worker.item.future in futures:
            worker.slot.ledger.halt(worker.number)
    for item in pool.pending:  # its worker is gone, and it waits for the next
        if item.future in futures:
            item.is_halted = True


def kill(pool: PoolState, futures: Collection[Future[Any]]) -> bool:  # Any: as above
    """End what runs *futures*, and drop those that wait; whether any did."""
    return end(pool, [item for item in pool.items() if item.future in futures])


def end_call(pool: PoolState, owner: object) -> None:
    """Likewise for all that *owner* has handed over."""
    end(pool, [item for item in pool.items() if item.owner is owner])


def end(pool: PoolState, items: list[Item]) -> bool:
    for item in items:
        item.is_unwanted = True
    for worker in pool.workers:
        held = tuple(worker.held)
        if any(item is not None and item.is_unwanted for item in held):
            end_unwanted(worker)
    for item in items:
        if item in pool.pending:
            pool.pending.remove(item)
            drop_unwanted(item)
    return bool(items)


def end_unwanted(worker: WorkerHandle) -> None:
    """End *worker* if nobody wants what it works on, and nothing waits behind it.

    What waits may have begun by now, or be about to. So it is recalled first, and once
    it is certain that it does not run there, this is called again: see
    `Dispatcher.see_to_waiting`.
    """
    if not worker.holds_others:
        if worker.item is not None and worker.item.is_unwanted:
            worker.kill("killed")
    else:
        worker.recall(perf_counter())


def drop_unwanted(item: Item) -> None:
    error = WorkerCrashedError("it was ended on request")
    error.on_request = True
    drop(item, error)


def drop_all(pool: PoolState) -> None:
    """Drop all that no worker has: the pool is killed."""
    dropped, pool.pending = pool.pending, deque()
    for item in dropped:
        drop(item, was_ended())


def drop_waiting(pool: PoolState) -> None:
    """Drop what no worker has had: the pool is closed, and its items are cancelled.

    What ran before its worker died, and waits to run again, is not dropped: whoever
    asked for its cancellation was told that it runs.
    """
    begun = [item for item in pool.pending if item.is_running]
    waiting = [item for item in pool.pending if not item.is_running]
    pool.pending = deque(begun)
    for item in waiting:
        drop(item, was_ended())


def was_ended() -> WorkerStartError:
    return WorkerStartError("the executor was ended")
