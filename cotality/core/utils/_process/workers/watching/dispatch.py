"""The way of items from the inbox to workers, and back if they have not begun.

Only the watching thread calls this. What it guarantees:

* Items begin in the order in which they came. What comes back goes to the front of
  `pending`, before anything that came later is given out.
* An item is given to one worker at a time. What comes back is given to the next one
  only once it is certain that the first has not begun with it and never will.
* An item waits behind another only where that is worth it, and at most for as long as
  `RECALL_AFTER` and `RECALL_LATEST` say.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from cotality.core.utils._process.workers.handle import (
    MOST_AHEAD,
    RECALL_AFTER,
    RECALL_LATEST,
)
from cotality.core.utils._process.workers.requests import (
    Assemble,
    Doubt,
    EndCall,
    Halt,
    Item,
    Kill,
    Request,
    Resize,
)

from . import cancellation

if TYPE_CHECKING:
    from cotality.core.utils._process.workers.handle import WorkerHandle
    from cotality.core.utils._process.workers.pool_state import PoolState

    from .links import Links


class Dispatcher:
    """Takes what callers hand over, and gives out what there is to do."""

    def __init__(self, pool: PoolState, links: Links) -> None:
        self.pool = pool
        self.links = links

    # What callers ask for.

    def take_requests(self, answering: WorkerHandle | None = None) -> None:
        """Take what callers have handed over, and give out what there is to do.

        Args:
            answering: The worker that makes room; the others had none before.
        """
        pool = self.pool
        inbox = pool.inbox
        had_pending = bool(pool.pending)
        while inbox:
            request = inbox.popleft()
            if type(request) is Item:
                pool.pending.append(request)
            else:
                self.answer(request)
        if pool.pending:
            if answering is None or not had_pending:
                self.hand_out(pool.workers)
            else:
                self.hand_out([answering])

    def answer(self, request: Request) -> None:
        if isinstance(request, Halt):
            cancellation.halt(self.pool, request.futures)
        elif isinstance(request, Kill):
            found = cancellation.kill(self.pool, request.futures)
            if request.answer is not None:
                request.answer.put(found)
        elif isinstance(request, EndCall):
            cancellation.end_call(self.pool, request.owner)
        elif isinstance(request, Doubt):
            self.settle_doubt(request)
        elif isinstance(request, Resize):
            self.resize(request.max_workers)
        elif isinstance(request, Assemble):
            self.pool.assembly.append(request.future)

    def settle_doubt(self, doubt: Doubt) -> None:
        """A caller was struck while it gave an item to a worker; see `loan`.

        If the worker still holds the item, nobody knows how much of it was sent: a
        part of a message would spoil all that come after it. So the worker is ended,
        and its ledger tells whether it had begun. If not, the item is handed out again.
        """
        pool = self.pool
        worker = pool.lent.pop(doubt.key, None)
        if worker is None or worker not in pool.workers:
            return
        if doubt.item in tuple(worker.held):
            worker.kill("in doubt")
        elif pool.is_free(worker) and not worker.is_leaving:
            # The worker has answered by now, or was never sent anything.
            pool.idle.append(worker)

    def resize(self, max_workers: int) -> None:
        pool = self.pool
        pool.max_workers = pool.start_limit = max_workers
        pool.most_ever = max(pool.most_ever, max_workers)
        staying = [worker for worker in pool.workers if not worker.is_leaving]
        # A worker that is only starting would be one too many as soon as it is ready.
        free = sorted((w for w in staying if not w.held), key=lambda w: w.is_ready)
        for worker in free[: max(0, len(staying) - max_workers)]:
            # One that is ready and not idle has just been borrowed: it is left alone.
            if pool.not_idle(worker) or not worker.is_ready:
                worker.dismiss()

    # To workers.

    def hand_out(self, quick: Collection[WorkerHandle] = ()) -> None:
        """Give waiting items to idle workers, and more of them to those of *quick*."""
        pool = self.pool
        while pool.pending and (worker := pool.take_idle()):
            item = pool.pending.popleft()
            if self.begin(item):
                self.give(worker, [item])
            else:
                pool.idle.append(worker)
        if pool.pending and len(pool.workers) >= pool.max_workers:
            self.hand_out_ahead(quick)

    def begin(self, item: Item) -> bool:
        """Whether *item* is still wanted, which a worker is about to get."""
        # A future can be set to running once, and an item may come by here again.
        if not item.is_running:
            item.is_running = item.future.set_running_or_notify_cancel()
        return item.is_running

    def give(self, worker: WorkerHandle, items: Sequence[Item]) -> None:
        if items[0].is_halted:
            # Before the item is sent: else the worker might begin with a task of it.
            worker.slot.ledger.halt(worker.items_given + 1)
        worker.give(items)
        if worker.outbox:
            self.links.update(worker)  # it did not fit into the link at once

    def hand_out_ahead(self, quick: Collection[WorkerHandle]) -> None:
        """Give quick workers the items that they will want next, to each its share."""
        pool = self.pool
        if pool.plan.max_tasks is not None:
            return  # the next worker will want them
        share = math.ceil(len(pool.pending) / len(pool.workers))
        for worker in quick:
            room = worker.room()
            # In this order, since a caller may borrow the worker meanwhile. One that
            # has room holds an item, and then it is lent until all of that is sent.
            if room <= 0 or pool.is_lent(worker):
                continue
            items = self.some_pending(min(room, share))
            if items:
                self.give(worker, items)

    def some_pending(self, most: int) -> list[Item]:
        """Up to *most* of the items that come next and may wait behind another.

        Only where items are on their way in and out all the time is that worth it; and
        only what nobody has to end by itself.
        """
        pending = self.pool.pending
        items: list[Item] = []
        while len(items) < most and pending:
            item = pending[0]
            if item.owner is not None or item.segments or len(item.body) >= MOST_AHEAD:
                break
            pending.popleft()
            if self.begin(item):
                items.append(item)
        return items

    # And back.

    def take_back(self, item: Item) -> None:
        """A worker that had *item* has not begun with it, and never will."""
        if item.is_unwanted:
            cancellation.drop_unwanted(item)
        else:
            self.pool.pending.appendleft(item)

    @property
    def patience(self) -> float:
        """Seconds that items may wait behind another."""
        if self.pool.idle or self.pool.may_start():
            return RECALL_AFTER
        return RECALL_LATEST if len(self.pool.workers) > 1 else math.inf

    def see_to_waiting(self, worker: WorkerHandle, now: float) -> None:
        """Let any worker have what has waited too long behind an item of this one.

        That may be one that is still to be started: another one may have died.
        """
        if now >= worker.recall_at(self.patience):
            worker.recall(now)
        items = worker.recalled(now)
        for item in reversed(items):  # the first of them ends up in front
            self.take_back(item)
        if items:
            if worker.item is not None and worker.item.is_unwanted:
                # Until here it was not sure whom that would strike.
                cancellation.end_unwanted(worker)
            self.hand_out()
