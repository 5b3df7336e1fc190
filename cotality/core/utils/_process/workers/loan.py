"""An item that a caller gives to an idle worker by itself.

Usually the thread that watches over a pool gives out items. Waking it for an item that
an idle worker could have at once takes about as long as the whole rest of the trip. So
the caller borrows the worker, gives it the item, and lets go of it.

An exception may strike the caller at any step, so each step leaves the state true:

* Borrowing is one step: the worker leaves the pool's `idle` and is in its `lent`. As
  long as it is there, the watching thread neither gives it an item nor lets go of it.
* The caller puts the item into `WorkerHandle.held` before it sends it. Whatever happens
  to the worker after that, the watching thread finds the item there.
* Letting go is one step: the worker leaves `lent`.
* A caller that was struck in between hands over a `Doubt`. If the worker holds the item
  and has not answered, nobody knows what was sent to it. So the worker is ended, and
  another one runs the item if the ledger says that it has not begun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .requests import Doubt, Item

if TYPE_CHECKING:
    from .pool_state import PoolState

MOST_AT_ONCE = 16 * 1024  # bytes of an item, which any link takes in one piece
NONE_IS_IDLE = IndexError("pop from empty list")  # as `list.pop` says it


class Loan:
    """A worker that the calling thread has borrowed, for one item."""

    def __init__(self, pool: PoolState, item: Item) -> None:
        self.pool = pool
        self.item = item
        self.key = object()

    def give(self) -> bool:
        """Give the item to an idle worker, if there is one."""
        pool, key, item = self.pool, self.key, self.item
        # C code alone runs in here, so nothing can strike in the middle: the worker is
        # never in neither of the two places.
        pool.lent.update(zip((key,), map(pool.idle.pop, (-1,)), strict=False))
        worker = pool.lent[key]
        if not worker.knows_rules():
            # They go in front of the item: the link may not take both in one piece.
            self.doubt()
            return False
        # From here on nobody can cancel it. Who is struck before the next line has sent
        # nothing, and nobody waits for the future of a `submit` that was struck.
        item.is_running = item.future.set_running_or_notify_cancel()
        if not (item.is_running and worker.give_at_once(item)):
            self.doubt()
            return True
        # All of it is sent. Only now the watching thread may write to the link, let go
        # of the worker or bury it.
        pool.lent.pop(key)
        return True

    def doubt(self) -> None:
        """Leave it to the watching thread to find out what has become of the worker."""
        self.pool.inbox.append(Doubt(self.key, self.item))
        self.pool.ring()

    def __del__(self) -> None:
        is_made = "key" in self.__dict__
        if is_made and self.key in self.pool.lent:
            self.doubt()  # struck twice, also on the way there


def given_at_once(pool: PoolState, item: Item) -> bool:
    """Whether the caller has given *item* to a worker, rather than handed it over."""
    if (
        not pool.idle
        or pool.pending  # comes first
        or pool.inbox
        or item.segments
        or item.time_limit is not None  # the watching thread has to look at a clock
        or len(item.body) > MOST_AT_ONCE
    ):
        return False
    loan = Loan(pool, item)
    try:
        is_given = loan.give()
    except BaseException as error:
        if loan.key in pool.lent:
            loan.doubt()
        elif error.args == NONE_IS_IDLE.args:
            return False  # somebody else was quicker to borrow the last one
        raise
    if is_given and pool.sleeps_long:
        pool.ring()  # for the looks that are due while it works
    return is_given
