"""The thread that watches over all workers of a pool, and alone changes their state.

Its loop is here: it takes what callers hand over, starts a worker if one is wanted,
sleeps until something happens, sees to that, and keeps time limits. It sleeps on the
links of the workers, on their ends, and on a bell that callers ring.

Why one thread alone does all this: no signal reaches it, so it is never struck between
two steps, and what takes several steps is safe with it. See `pool_state` for what it
shares with callers. What it must do in return:

* It never waits for anybody but in `sleep`. What belongs to others and may take long,
  such as handlers of logs, runs elsewhere. The one exception are callbacks of futures,
  which run here, as in the standard library.
* It lives on, whatever runs in it raises. If it ends by a defect of ours nobody is left
  waiting: see `fail_everything`.
"""

from __future__ import annotations

import logging
import math
import selectors
import threading
import time
from concurrent.futures import Future
from contextlib import ExitStack, closing
from time import perf_counter
from typing import Any

from cotality.core.utils._process.channel.ledger_slots import Slots
from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.machine.environment import LOGGER
from cotality.core.utils._process.tasks.errors import WorkerStartError
from cotality.core.utils._process.workers.handle import WorkerHandle
from cotality.core.utils._process.workers.pool_state import (
    SHUT_DOWN_MEANWHILE,
    PoolState,
)
from cotality.core.utils._process.workers.requests import Item
from cotality.core.utils._process.workers.settling import another, fail

from . import cancellation
from .answers import Answers
from .deaths import Deaths
from .dispatch import Dispatcher
from .links import Links
from .starts import Starter

logger = logging.getLogger(LOGGER)

LOOK_INTERVAL = 0.5  # s between looks at the memory of workers that are busy for long
OPEN_PAUSE = 0.05  # s between attempts to get what is needed to watch


class Watcher:
    """Watches over the workers of *pool*; only its own thread calls it."""

    def __init__(self, pool: PoolState) -> None:
        self.pool = pool
        self.thread = threading.current_thread()
        self.links = Links(pool)
        self.dispatcher = Dispatcher(pool, self.links)
        self.starter = Starter(pool, self.links, self.dispatcher)
        self.answers = Answers(pool, self.links, self.dispatcher, self.starter)
        self.deaths = Deaths(
            pool, self.links, self.dispatcher, self.starter, self.answers
        )
        self.wakes_at = 0.0  # when something is due by itself
        self.is_forgotten = False  # in a forked child, which a callback has made here

    def watch(self) -> None:
        dispatcher, starter = self.dispatcher, self.starter
        links, answers = self.links, self.answers
        try:
            self.open()
            while True:
                # Requests first: they may say that the pool closes, or what is not
                # wanted any more, and then no worker is started for it.
                dispatcher.take_requests()
                if self.is_finished():
                    answers.settle_outcomes()
                    break
                starter.start_a_worker_if_needed()
                starter.tell_if_all_are_there()
                links.resume_if_there_is_room()
                for key, _ in self.sleep():
                    if key.data is None:
                        # What it was rung for is found by the next `take_requests`.
                        links.listen_to_bell()
                    else:
                        self.attend(*key.data)
                self.keep_limits()
        except BaseException as error:
            if self.is_forgotten:
                return
            # A defect of ours must not leave callers waiting for ever.
            logger.critical("the watching thread failed", exc_info=True)
            self.fail_everything(error)
        finally:
            if not self.is_forgotten:
                self.shut()

    def has_to_tell(self, future: Future[Any]) -> bool:  # Any: of any call
        """Whether it is one of an item of this pool."""
        pool, told = self.pool, self.answers.outcomes
        items = [*pool.items(), *(each for each in pool.inbox if type(each) is Item)]
        futures = [*(item.future for item in items), *(each for each, _ in told)]
        return any(each is future for each in futures)

    def open(self) -> None:
        """Make what is needed to watch.

        Here and not where the pool is made, so that nothing of it is lost when an
        exception strikes a caller. What the system refuses, the first items fail with.
        """
        while not self.pool.is_closing:
            try:
                self.open_all()
                return
            except (OSError, WorkerStartError) as error:
                self.starter.refused(error)
            while not (self.pool.inbox or self.pool.is_closing):
                time.sleep(OPEN_PAUSE)  # there is no bell yet that somebody could ring
        self.open_all()

    def open_all(self) -> None:
        with ExitStack() as undo:
            slots = undo.enter_context(closing(Slots(self.pool.capacity())))
            rope = self.links.open()
            undo.pop_all()
        self.pool.slots = slots
        # Last: from here on callers ring, and the bell is there to hear it.
        self.pool.rope = rope

    def sleep(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait until there is something to do; what has happened on links and ends.

        The order matters, see `pool_state`. First the thread says that it sleeps: from
        then on whoever hands something over rings, also the callbacks that run next.
        Only then it looks into the inbox. What came before that look is seen by it,
        what comes after it rings, and the bell is one of the things to wake for.
        """
        pool = self.pool
        pool.is_full = self.is_full()
        pool.is_asleep = True
        wakes_at = self.wakes_at = self.next_due()
        if self.answers.outcomes:
            self.answers.settle_outcomes()
        if pool.inbox:
            limit: float | None = 0.0
        elif wakes_at == math.inf:
            limit = None
        else:
            limit = max(0.0, wakes_at - perf_counter())
        events = self.links.selector.select(limit)
        pool.is_asleep = False
        return events

    def is_full(self) -> bool:
        """Whether no item more can be given out before something comes from a worker.

        Nobody needs to ring for an item then, which would cost more than all the rest
        of handing it over: this thread and the caller would take turns.
        """
        pool = self.pool
        return not (
            pool.idle or pool.may_start() or any(w.room() > 0 for w in pool.workers)
        )

    def attend(self, worker: WorkerHandle, ended: bool) -> None:
        """Something happened on a worker's link, or the worker has ended."""
        if worker not in self.pool.workers:
            return  # it was buried earlier in this round
        if ended:
            if worker.has_ended():
                self.deaths.bury(worker)
                return
            # It is about to, or a task has closed what would tell. Its link is left.
            self.links.forget_sentinel(worker)
            worker.expect_end()
        if worker.outbox:
            worker.push()
            self.links.update(worker)
        self.answers.read(worker)

    # Time.

    def next_due(self) -> float:
        """When something is due by itself, by perf_counter; infinity if nothing is."""
        pool, answers = self.pool, self.answers
        now = perf_counter()
        # While answers come in, callers need not ring for items they give themselves.
        # First this, then the looks: one of the two sides sees what the other did.
        pool.sleeps_long = not answers.came
        due = [worker.next_look(now, LOOK_INTERVAL) for worker in pool.workers]
        if answers.came:
            due.append(now + LOOK_INTERVAL)
            answers.came = False
        patience = self.dispatcher.patience
        due += [worker.recall_at(patience) for worker in pool.workers]
        if pool.for_calls:
            due.append(min(pool.parked.copy(), default=now + pool.longest_sleep))
        return min((each for each in due if each is not None), default=math.inf)

    def keep_limits(self) -> None:
        now = perf_counter()
        if now < self.wakes_at:
            return  # woken by something else: a look at each worker would be in vain
        if this_process.leave_closed_loops is not None:
            this_process.leave_closed_loops()
        for worker in list(self.pool.workers):
            if len(worker.held) > 1:
                self.dispatcher.see_to_waiting(worker, now)
            if worker.look(now, LOOK_INTERVAL):
                # Nothing told its end: a process of its task holds what would.
                self.deaths.bury(worker)

    # The end.

    def is_finished(self) -> bool:
        """Whether all is done; lets go of what a pool that closes does not need."""
        pool = self.pool
        if not pool.is_closing and not pool.is_time_to_close():
            return False
        if pool.is_killed:
            for worker in pool.workers:
                is_spared = pool.spares_idle and worker in pool.idle
                # One that is about to end keeps its reason, and is not signalled again.
                if worker.end_reason is None and not (is_spared or worker.is_leaving):
                    worker.kill("killed")
            cancellation.drop_all(pool)
        elif pool.drops_waiting:
            cancellation.drop_waiting(pool)
        if not pool.pending:
            pool.idle.clear()  # first: nobody can borrow one from here on
            for worker in pool.workers:
                if pool.is_free(worker) and not worker.is_leaving:
                    worker.dismiss()
        # What is lent comes back, and its item is done or handed out again.
        return not (pool.workers or pool.pending or pool.lent or pool.inbox)

    def fail_everything(self, error: BaseException) -> None:
        pool = self.pool
        failure = WorkerStartError(
            f"the executor failed by a defect of its own: {error!r}. Please report it."
        )
        failure.__cause__ = error
        # First: whoever comes from here on is refused. Then what is known is told as it
        # is: an answer that has come is true, whatever failed after it.
        pool.broken = failure
        pool.is_closing = True
        self.answers.settle_outcomes()
        workers, pool.workers = pool.workers, set()
        pool.idle.clear()
        for worker in workers:
            worker.kill("killed")
            for item in tuple(worker.held):
                if item is not None:
                    fail(item.future, another(failure))
        self.dispatcher.take_requests()
        self.starter.fail_pending(failure)

    def shut(self) -> None:
        """Give back what was used to watch; there is nobody left.

        A caller that has looked before the pool was over appends its request after
        that, and finds then that it is: see `Pool.hand_over`. So nobody is overlooked.
        """
        pool = self.pool
        pool.is_closing = True
        pool.is_over = True
        pool.turn_away()
        if pool.assembly:  # to make such an error for nobody would import much
            self.starter.fail_assembly(WorkerStartError(SHUT_DOWN_MEANWHILE))
        self.close()

    def close(self) -> None:
        """Let go of what it watches with; some of it may never have been made."""
        rope, self.pool.rope = self.pool.rope, None
        self.links.close()
        slots = self.pool.__dict__.get("slots")
        if slots is not None:
            slots.close()
        if rope is not None:
            rope.close()

    def forget(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        pool = self.pool
        for worker in pool.workers:
            worker.forget()
        # A callback may have forked, so that this very thread goes on in the child: it
        # comes back to `watch`, which then ends without telling anybody anything.
        self.is_forgotten = True
        pool.workers.clear()  # nothing here may end them
        pool.idle.clear()
        pool.lent.clear()
        pool.pending.clear()
        self.close()
