"""How a dead worker is buried: what it held is settled, all that it used is let go of.

Only the watching thread calls this. A worker may die at any moment: between two
messages, in the middle of one, while a caller gives it an item. What is guaranteed
whenever that was:

* An answer that is here counts, though its worker died after it. The task is not run
  again and does not fail.
* Of the items that the worker held only the first can have begun: a worker begins with
  the next one when its answer to the first is in the link, and there it is read. If the
  ledger says that the first has begun, its future fails, with what is known of the
  death. It is not run again: what it has done up to there cannot be taken back.
* All others go to other workers.
* Nothing of the worker is left: no descriptor, no slot, and no process of its group if
  it died by force.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cotality.core.utils._process.workers import death_report
from cotality.core.utils._process.workers.settling import fail

if TYPE_CHECKING:
    from cotality.core.utils._process.workers.handle import WorkerHandle
    from cotality.core.utils._process.workers.pool_state import PoolState
    from cotality.core.utils._process.workers.requests import Item

    from .answers import Answers
    from .dispatch import Dispatcher
    from .links import Links
    from .starts import Starter


class Deaths:
    """Buries the workers of a pool."""

    def __init__(
        self,
        pool: PoolState,
        links: Links,
        dispatcher: Dispatcher,
        starter: Starter,
        answers: Answers,
    ) -> None:
        self.pool = pool
        self.links = links
        self.dispatcher = dispatcher
        self.starter = starter
        self.answers = answers

    def bury(self, worker: WorkerHandle) -> None:
        """The worker has ended: settle what it held, and let go of all it used.

        Each step stands where it does for a reason:

        1. Nobody gets the worker any more, before anything is looked at. What is given
           to it after its ledger was read would be lost.
        2. A caller that has borrowed it is waited for, in looks a moment apart. It may
           be about to put an item into `held`, which has to be found there.
        3. Its last words are read, also those it was paused for. They come before the
           ledger is read: an answer that is here counts.
        4. The selector forgets its descriptors before they are closed: see `links`.
        5. The ledger and the stack are read, before the slot that holds them goes to
           the next worker.
        6. The rest is let go of; `WorkerHandle.release` says in which order.
        7. What waited behind the first item is handed out. The first one comes last:
           to fail it runs callbacks of anybody, and they may take long.
        """
        pool, links = self.pool, self.links
        worker.is_leaving = True  # 1
        pool.not_idle(worker)
        if pool.is_lent(worker):  # 2
            links.forget_sentinel(worker)  # it would say the same without end
            worker.expect_end()
            return
        links.resume(worker)  # 3
        self.answers.read(worker, sys.maxsize)  # it has ended, so that is finite
        links.forget_link(worker)  # 4
        links.forget_sentinel(worker)
        entry = worker.slot.ledger.read(worker.number)  # 5
        report = death_report.Report.of(worker, entry)
        item, *waiting = worker.held or [None]
        worker.held.clear()
        pool.workers.discard(worker)
        worker.release()  # 6
        for each in reversed(waiting):  # 7
            if each is not None:
                self.dispatcher.take_back(each)
        self.dispatcher.hand_out()
        if item is None:
            has_failed = worker.end_reason is None and not worker.is_dismissed
            if has_failed and not worker.is_ready:
                self.starter.died_at_start(report)
        elif entry.begun or item.is_unwanted or pool.is_killed:
            fail(item.future, report.failure())
        else:
            self.hand_out_again(item, report)

    def hand_out_again(self, item: Item, report: death_report.Report) -> None:
        """The worker died before it began with *item*, which is not to blame.

        Nor is it beyond all doubt: an item that ends whatever is given it, as it is
        read, would come by here for ever. So there is an end to it.
        """
        item.deaths += 1
        item.server_deaths += report.server_is_lost
        if item.is_given_up():
            fail(item.future, report.start_failure(item.deaths))
            return
        self.pool.pending.appendleft(item)
        self.dispatcher.hand_out()
