"""What workers say, and who is told.

Only the watching thread calls this. What it guarantees:

* An answer reaches the future of the item that it answers, or nobody. The worker's
  link, its ledger and this thread count the same items, and each answer has its number.
  One that does not fit says that something is wrong with that worker: the worker is
  ended, and nobody gets what it said then or says later.
* A future is told after all else. First the worker has its next items, then the thread
  is about to sleep, and only then callbacks run and whoever waits wakes up. So workers
  have something to do meanwhile, and who waits finds the interpreter free.
* What is read in one go is bounded, so that a worker that prints without end leaves the
  others their turn.
"""

from __future__ import annotations

import logging
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from cotality.core.utils._process.channel.messages import Kind, Message
from cotality.core.utils._process.machine.environment import LOGGER
from cotality.core.utils._process.pickling.exceptions import unpack_exception
from cotality.core.utils._process.workers.handle import EOF_LIMIT, READS_IN_A_ROW
from cotality.core.utils._process.workers.settling import settle

from . import cancellation

if TYPE_CHECKING:
    from cotality.core.utils._process.workers.handle import WorkerHandle
    from cotality.core.utils._process.workers.pool_state import PoolState
    from cotality.core.utils._process.workers.requests import Item

    from .dispatch import Dispatcher
    from .links import Links
    from .starts import Starter

logger = logging.getLogger(LOGGER)


class Answers:
    """Reads what workers send.

    Attributes:
        outcomes: What futures are told before the watching thread sleeps.
        came: Whether there was an answer since it last slept.
    """

    def __init__(
        self, pool: PoolState, links: Links, dispatcher: Dispatcher, starter: Starter
    ) -> None:
        self.pool = pool
        self.links = links
        self.dispatcher = dispatcher
        self.starter = starter
        self.outcomes: deque[tuple[Future[Any], Message]] = deque()  # Any: see Item
        self.came = False

    def read(self, worker: WorkerHandle, reads: int = READS_IN_A_ROW) -> None:
        """Take what the worker has sent."""
        try:
            for message in worker.messages(reads):
                self.take(worker, message)
        except (EOFError, OSError):
            self.link_ended(worker)

    def take(self, worker: WorkerHandle, message: Message) -> None:
        if message.kind is Kind.OUTPUT:
            self.links.pass_on(worker, message.body)
            return
        if message.kind is Kind.UNFIT:
            error = unpack_exception(message.body)
            self.starter.initializer_failed(worker, error)
            return
        if worker.end_reason == "untrue" or not is_in_turn(worker, message):
            self.distrust(worker, message)
            return
        # It is one of ours, and it works: what failed before it was no rule.
        self.starter.failed_starts = self.starter.servers_lost = 0
        self.came = True
        item: Item | None = None
        if message.kind is Kind.READY:
            worker.is_ready = True
        else:
            item = worker.answered(message)
        is_back = item is not None and bool(message.kind & Kind.ITEM)
        if item is not None and is_back:
            # Before others, which came later, are handed out.
            self.dispatcher.take_back(item)
        if message.kind & Kind.LAST:
            worker.dismiss()
        elif worker.item is not None and worker.item.is_unwanted:
            cancellation.end_unwanted(worker)
        elif not worker.is_leaving and not worker.held:
            # From here on any caller may have it.
            self.pool.idle.append(worker)
        self.dispatcher.take_requests(worker)
        self.links.update(worker)
        if item is not None and not is_back:
            # Only noted. It is told when the workers have something to do.
            self.outcomes.append((item.future, message))

    def settle_outcomes(self) -> None:
        # One by one: a callback may make a call, fork, or never come back.
        while self.outcomes:
            settle(*self.outcomes.popleft())

    def distrust(self, worker: WorkerHandle, message: Message) -> None:
        """The worker has answered what it was not asked: nobody gets that answer."""
        message.close_fds()  # nobody will take them out of it
        if worker.end_reason is None:
            logger.critical(
                "worker process %d gave answer %d where %d of %d items were to be "
                "answered; it is dropped and the worker ended. Please report it.",
                worker.pid,
                message.number,
                worker.items_given - worker.items_answered,
                worker.items_given,
            )
            worker.kill("untrue")
        self.pool.not_idle(worker)

    def link_ended(self, worker: WorkerHandle) -> None:
        """The worker has hung up: it is ending, or can no longer be reached.

        That is not its end yet. What it did is known once it has ended, see `deaths`:
        until then it may still run a task, and its ledger may still change.
        """
        if worker.link_is_watched:
            self.links.set_events(worker, 0)
            worker.link_is_watched = False
            self.pool.not_idle(worker)
            worker.leave_within(EOF_LIMIT)
            worker.expect_end()


def is_in_turn(worker: WorkerHandle, message: Message) -> bool:
    """Whether *message* answers what the worker was to answer next."""
    if message.kind is Kind.READY:
        return not worker.is_ready
    if not worker.held or message.number != worker.number:
        return False
    return worker.item is not None or bool(message.kind & Kind.ITEM)
