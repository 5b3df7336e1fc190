"""The engine: it reads tasks, hands out portions, and delivers what comes back.

All of it runs in the thread or the coroutine of the caller, which reads the input and
unpickles results there. While its generator is suspended, it does nothing, but portions
that were handed out go on running. The engine is written once, with ``async``; its
`Arrivals` decide how it waits.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from contextlib import aclosing
from math import inf
from time import monotonic, perf_counter

from cotality.core.utils._process.machine.environment import LOGGER
from cotality.core.utils._process.output import relay
from cotality.core.utils._process.portions.chunk import ChunkReport
from cotality.core.utils._process.rules.portion_size import Schedule
from cotality.core.utils._process.tasks.errors import WorkerStartError
from cotality.core.utils._process.tasks.outcome import Details, Portion, Settled
from cotality.core.utils._process.tasks.tracebacks import (
    field_of,
    forget_callers,
    set_field,
)

from .arrivals import Arrivals
from .backend import Backend
from .brakes import Brakes
from .error_policy import ErrorPolicy
from .observers import NO_DIARY, Diary, Doing, Observers, Start
from .source import Source
from .waiting_retries import LatestRun, Retries, tell_of_earlier

logger = logging.getLogger(LOGGER)


class Run:
    """One call: its tasks, where they run, and which portions are out at the moment.

    Args:
        open_source: Makes the source of tasks when the call begins.
        total: How many tasks there are, or None if that is not known.
        open_backend: Makes the backend when the call begins.
        arrivals: Where finished portions arrive.
        policy: What failures mean.
        retries: Which tasks run again.
        observers: Who watches.
        brakes: What may keep tasks from starting.
        chunksize: The most tasks that travel together, from the first portion on; None
            leaves it to the schedule.
        bounded: Whether the caller takes results one by one, so that reading ahead has
            to be limited.
        detailed: Whether outcomes come with their details.
    """

    arrivals: Arrivals
    diary: Diary
    is_on: bool
    is_announced: bool
    still_to_close: list[str]
    turn: object
    has_callers_code: bool
    process: int

    def __init__(
        self,
        open_source: Callable[[], Source],
        total: int | None,
        open_backend: Callable[[], Backend],
        arrivals: Arrivals,
        *,
        policy: ErrorPolicy,
        retries: Retries,
        observers: Observers,
        brakes: Brakes,
        chunksize: int | None,
        bounded: bool,
        detailed: bool = False,
    ) -> None:
        self.open_source = open_source
        self.total = total
        self.open_backend = open_backend
        self.arrivals = arrivals
        self.policy = policy
        self.retries = retries
        self.observers = observers
        self.diary = observers.diary or NO_DIARY
        self.brakes = brakes
        self.chunksize = chunksize
        self.bounded = bounded
        self.detailed = detailed
        self.out: dict[Future[ChunkReport], Portion] = {}
        self.recalled: deque[Settled] = deque()  # known outcomes, to be delivered
        self.error: BaseException | None = None  # to be raised in the end
        self.is_on = False  # from the beginning of the call until its end
        self.process = os.getpid()  # in which it has begun, or will
        # At the beginning: the most tasks that may be ahead of the caller.
        self.most_ahead: int | None = None
        # Another one once code of the caller has run, between two portions; whether
        # some may run at any time, besides the input.
        self.turn = object()
        self.has_callers_code = arrivals.lets_others_run or any(
            part.has_callers_code for part in (observers, brakes, retries)
        )
        # Since when there has been room for tasks that the input does not have yet.
        self.wanting_since: float | None = None
        self.source: Source
        self.backend: Backend
        self.schedule: Schedule
        self.is_announced = False
        self.still_to_close = [BACKEND, SOURCE, OBSERVERS]

    async def settled(self) -> AsyncGenerator[Settled, None]:
        """Yield tasks in the order in which they settle, those of a portion together.

        If an error has to be raised after the last one, :meth:`conclude` raises it.
        """
        try:
            self.begin()
            self.announce()
            self.hand_out()
            while self.has_more() and not self.policy.is_over:
                pieces = await self.next_pieces()
                while pieces:
                    given_at = perf_counter()
                    before = self.diary.turn_to(Doing.CALLER)
                    yield pieces.popleft()
                    self.check_process()
                    self.diary.turn_back(before)
                    self.observers.resumed(perf_counter() - given_at)
                    if self.bounded:
                        self.turn = object()
                self.hand_out_what_is_due()
            async with aclosing(self.finish(self.backend.grace)) as rest:
                async for piece in rest:
                    yield piece
                    del piece  # or it would be kept while this waits
        except GeneratorExit as error:
            if self.is_of_parent:
                self.leave_to_parent()
            elif self.arrivals.is_cancellation(error):
                await self.leave(error)
            else:
                await self.end(self.backend.grace, error)
            raise
        except BaseException as error:
            if self.is_of_parent:
                self.leave_to_parent()
            else:
                await self.end_struck(error)
            raise
        else:
            policy, source = self.policy, self.source
            self.error = policy.conclusion(source.next_index, source.error)
            source.error = None
            await self.end(None, self.error)
        finally:
            # Mostly it has been closed by now. Not if an exception has struck the end.
            if self.still_to_close:
                await self.close(False, None, struck=True)

    def conclude(self) -> None:
        """Raise what is left to be raised when all portions are taken.

        That is what failures mean for the call; otherwise what the input raised. It is
        not raised where the portions come from, because a generator cannot raise a
        `StopIteration`.
        """
        error, self.error = self.error, None
        if error is None:
            return
        context = field_of(error, "__context__")
        try:
            raise error
        finally:
            # To raise it made its context what the caller is handling.
            set_field(error, "__context__", context)
            del error, context  # the error refers to this frame from now on

    @property
    def is_of_parent(self) -> bool:
        """Whether this process has been forked since, and has a copy of the call."""
        return self.process != os.getpid()

    def check_process(self) -> None:
        """See that this process is the one whose workers, input and files these are.

        Raises:
            RuntimeError: It was forked in the middle of the call.
        """
        if self.is_of_parent:
            raise RuntimeError(
                f"this call belongs to process {self.process}, of which this one is a "
                f"fork: its workers, its input and its journal are there. Make a call "
                f"of its own here"
            )

    def leave_to_parent(self) -> None:
        """Let go of a copy of the call: nothing of it is this process's to end."""
        self.still_to_close.clear()
        self.is_on = False

    def begin(self) -> None:
        self.process = os.getpid()
        self.source = self.open_source()
        self.source.diary = self.diary
        self.backend = self.open_backend()
        self.schedule = Schedule(
            self.backend.workers,
            total=self.total,
            bounded=self.bounded,
            chunksize=self.chunksize,
            largest_portion=self.brakes.largest_portion(self.backend.largest_portion),
            ready_per_worker=self.ready_per_worker,
        )
        self.schedule.most_ahead = self.most_ahead
        self.is_on = True

    @property
    def ready_per_worker(self) -> int | None:
        return 0 if self.brakes.only_to_free_workers else self.backend.ready_per_worker

    def announce(self) -> None:
        workers = self.backend.workers
        logger.debug(
            "starting: %s tasks on up to %d workers",
            "unknown" if self.total is None else self.total,
            self.backend.most_workers,
        )
        self.is_announced = True
        if self.observers:
            start = Start(
                self.total,
                workers,
                self.backend.kind,
                perf_counter(),
                self.brakes.each,
            )
            self.observers.began(start)

    def has_more(self) -> bool:
        """Whether something is still to come."""
        if self.out or self.retries.waiting or self.recalled:
            return True
        return self.source.has_more

    def hand_out_what_is_due(self) -> None:
        if self.policy.is_over:
            return
        self.arrivals.check_open()
        if self.retries.waiting:
            for _, index, task, attempt in self.retries.take_due():
                self.source.give_back(index, [task], attempt)
                self.schedule.waited()
        self.hand_out()

    def hand_out(self) -> None:
        """Hand out portions while there is room, at least one before results wait."""
        self.arrivals.woken = False  # first: it may be woken while this looks around
        self.schedule.let_stand_ready(self.ready_per_worker)
        if self.schedule.workers != self.backend.workers:
            self.schedule.resize(self.backend.workers)
            self.diary.resize(self.backend.workers)
        self.brakes.opens_at = inf  # unless there is none now
        self.brakes.held_by = None
        if self.arrivals.is_with_deputy and not self.source.is_plain:
            return  # the caller is back before long
        while size := self.schedule.next_portion(
            from_returned=bool(self.source.returned)
        ):
            granted = self.brakes.take(size)
            if not granted:
                return
            taken = self.take(granted)
            if self.source.is_empty and self.is_news(self.source.next_index):
                self.input_ended()
            if self.source.known:
                self.recall()
            if taken is None:
                self.brakes.give_back(granted)
                return
            time_box = min(
                self.schedule.time_box(len(taken.tasks)), self.brakes.longest_portion
            )
            # Before: this thread may lose its CPU while a worker already runs them.
            handed_out_at = perf_counter()
            before = self.diary.turn_to(Doing.PACKING)
            taken.turn = self.turn
            portion, future = self.brakes.submit(self.backend, taken, time_box, granted)
            self.diary.turn_back(before)
            count = len(portion.tasks)
            rest = taken.tasks[count:]
            self.source.give_back(taken.start + count, rest, taken.attempt)
            portion.handed_out = handed_out_at
            self.out[future] = portion
            self.schedule.handed_out(count)
            if self.backend.portion_cost is not None:
                self.schedule.pace.learn_cost(self.backend.portion_cost)
            if self.observers:
                self.observers.handed_out(portion)
            future.add_done_callback(self.arrivals.put)
            if self.recalled or not self.arrivals.is_empty:
                return

    def take(self, size: int) -> Portion | None:
        """The next tasks to hand out; None if there are none, or none now."""
        source = self.source
        wanted_at = self.wanting_since or perf_counter()
        looked_up = source.looked_up
        before = self.diary.turn_to(Doing.READING)
        portion = source.take(size)
        if not source.is_plain or self.has_callers_code:
            self.turn = object()
        self.diary.turn_back(before)
        is_still_wanting = portion is None and not (source.is_empty or source.known)
        self.wanting_since = wanted_at if is_still_wanting else None
        if portion is not None:
            seconds = perf_counter() - wanted_at - (source.looked_up - looked_up)
            self.observers.read(len(portion.tasks), seconds)
        return portion

    def recall(self) -> None:
        """Settle the tasks whose outcomes are known without running them."""
        for settled in self.source.take_known():
            count = len(settled.values)
            self.schedule.handed_out(count)
            self.schedule.came_back(count, 0, 0.0)
            if settled.details is not None:
                tasks = settled.details.tasks
                self.policy.see(settled.start, tasks, settled.errors)
            if settled.is_news:
                self.observers.settled(settled)
            else:
                self.observers.recalled(settled)
            self.recalled.append(settled)

    def is_news(self, total: int) -> bool:
        """Whether nobody knew that there are *total* tasks."""
        return self.schedule.total != total and self.source.error is None

    def input_ended(self) -> None:
        self.schedule.input_ended(self.source.next_index)
        if self.observers:
            self.observers.input_ended(self.source.next_index)

    async def next_pieces(self) -> deque[Settled]:
        """What settles next; nothing if there is something else to do first."""
        if self.recalled:
            await self.arrivals.breathe()
            pieces, self.recalled = self.recalled, deque()
            return pieces
        future = await self.next_arrival(self.next_due)
        return self.take_back(future) if future else deque()

    @property
    def next_due(self) -> float | None:
        """When there is something to hand out, by the monotonic clock; None if never.

        As far as that is up to the clock.
        """
        retry_at, opens_at = self.retries.next_due, self.brakes.opens_at
        if opens_at == inf:
            return retry_at
        return opens_at if retry_at is None else min(retry_at, opens_at)

    async def next_arrival(self, until: float | None) -> Future[ChunkReport] | None:
        """The next future that is done; None if there is something else to do first.

        Args:
            until: When there will be, by the monotonic clock; None for never.
        """
        patience = self.observers.patience
        tell_at = inf if patience is None else monotonic() + patience
        end = min(inf if until is None else until, tell_at)
        while True:
            self.check_process()  # code of the caller may have forked
            first = min(end, self.backend.look_at)
            before = self.diary.turn_to(self.waits_because())
            future = await self.arrivals.next(None if first == inf else first)
            self.diary.turn_back(before)
            if future is not None:
                return future
            now = monotonic()
            if now >= self.backend.look_at:
                self.backend.look()
            if now >= tell_at:
                self.observers.waited()
            # Whatever else it was time for, being woken is never forgotten over it.
            if self.arrivals.woken or now >= end:
                return None
            if self.backend.workers != self.schedule.workers:
                return None

    def waits_because(self) -> int:
        """Why nothing more is handed out before something comes back."""
        schedule, source = self.schedule, self.source
        has_more = source.has_more and not self.policy.is_over
        if has_more and self.brakes.held_by is not None:
            return Doing.BRAKED + self.brakes.held_by
        if schedule.portions_out >= schedule.workers:
            return Doing.WORKERS_FULL
        if self.wanting_since is not None:
            return Doing.INPUT_LATER
        if not has_more:
            return Doing.RETRY_LATER if self.retries.waiting else Doing.ALL_OUT
        return Doing.WINDOW_FULL

    def take_back(self, future: Future[ChunkReport]) -> deque[Settled]:
        """What became of the portion behind *future*, without what runs again.

        A future may arrive more than once; the first time counts.
        """
        portion = self.out.pop(future, None)
        if portion is None:
            return deque()
        before = self.diary.turn_to(Doing.UNPACKING)
        report = self.brakes.collect(self.backend, portion, future)
        self.diary.turn_back(before)
        count = len(report.values)
        rest = portion.tasks[count:]
        self.schedule.came_back(count, len(rest), report.seconds)
        self.source.give_back(portion.start + count, rest, portion.attempt)
        if self.observers:
            self.observers.came_back(portion, report)
        again: list[int] = []
        if report.errors:
            again = self.retry_what_may_run_again(portion, report)
            self.policy.see(portion.start, portion.tasks, report.errors)
        return self.pieces(portion, report, again)

    def retry_what_may_run_again(
        self, portion: Portion, report: ChunkReport
    ) -> list[int]:
        """Take the failures that are not final out of *report*; their positions."""
        again: list[int] = []
        if self.policy.is_over:
            return again
        for position in sorted(report.errors):
            error: Exception = report.errors[position]
            delay = self.retries.delay_before_next(portion.attempt, error)
            if delay is not None:
                del report.errors[position]
                again.append(position)
                latest = LatestRun(
                    report.times[position : position + 1],
                    report.worker,
                    portion.handed_out,
                )
                self.retries.latest[portion.start + position] = latest
                self.wait_for_next_attempt(portion, position, error, delay)
        return again

    def wait_for_next_attempt(
        self, portion: Portion, position: int, error: Exception, delay: float
    ) -> None:
        task, index = portion.tasks[position], portion.start + position
        forget_callers(error)
        self.retries.add(index, task, portion.attempt, error, delay)
        self.schedule.waits()
        self.observers.will_retry(index, task, portion.attempt, error, delay)

    def pieces(
        self, portion: Portion, report: ChunkReport, without: list[int]
    ) -> deque[Settled]:
        """What is settled of *portion*: all of it, or what lies between *without*."""
        pieces: deque[Settled] = deque()
        begin = 0
        for end in [*without, len(report.values)]:
            if begin < end:
                pieces.append(self.piece(portion, report, begin, end))
            begin = end + 1
        return pieces

    def piece(
        self, portion: Portion, report: ChunkReport, begin: int, end: int
    ) -> Settled:
        """The tasks of *portion* from position *begin* up to *end*, settled."""
        values, errors = report.values, report.errors
        if end - begin < len(values):
            values = values[begin:end]
            errors = {p - begin: e for p, e in errors.items() if begin <= p < end}
        settled = Settled(portion.start + begin, values, errors)
        settled.cut_loose()
        if self.detailed:
            settled.details = Details(
                portion.tasks[begin:end],
                report.times[begin:end],
                report.worker,
                portion.handed_out,
                portion.attempt,
            )
        if portion.attempt > 1:  # such a portion holds one task
            self.add_earlier_errors(settled)
        if self.observers:
            self.observers.settled(settled)
        return settled

    def add_earlier_errors(self, settled: Settled) -> None:
        earlier = self.retries.earlier_errors(settled.start)
        for error in settled.errors.values():
            tell_of_earlier(error, earlier)
        if settled.details is not None:
            settled.details.earlier = earlier

    # The end.

    async def finish(self, grace: float | None) -> AsyncGenerator[Settled, None]:
        """Let nothing new start; give what runs *grace* seconds, then end it."""
        # A Ctrl-C may have come between a future's arrival and its entry in our books.
        self.arrivals = self.arrivals.emptied()
        for future in list(self.out):
            future.cancel()
            future.add_done_callback(self.arrivals.put)
        self.backend.halt(self.out)
        while self.recalled:
            yield self.recalled.popleft()
        until = None if grace is None else monotonic() + grace
        while self.out:
            arrived = await self.next_arrival(until)
            if arrived is None:
                if until is not None and monotonic() >= until:
                    self.backend.kill(self.out)
                    until = None
                continue
            try:
                pieces = self.take_back(arrived)
            except WorkerStartError:
                # The call ends anyway, for a reason that came first.
                continue
            finally:
                del arrived  # it has the results
            while pieces:
                yield pieces.popleft()
        for piece in self.give_up_retries():
            yield piece

    def give_up_retries(self) -> list[Settled]:
        """Tasks that wait for another attempt when the call ends have failed."""
        pieces: list[Settled] = []
        for (_, index, task, attempt), error in self.retries.give_up():
            times, worker, handed_out = self.retries.latest.pop(index)
            portion = Portion(index, [task], attempt=attempt - 1, handed_out=handed_out)
            errors = {0: error}
            self.policy.see(index, [task], errors)
            report = ChunkReport([None], errors, times=times, worker=worker)
            pieces.append(self.piece(portion, report, 0, 1))
        return pieces

    async def end(
        self, grace: float | None, error: BaseException | None, *, struck: bool = False
    ) -> None:
        """Leave nothing of this call running, and give back what it used."""
        all_ended = False
        try:
            async for _ in self.finish(grace):
                pass
            all_ended = True
        finally:  # a second Ctrl-C ends the wait as well
            await self.close(all_ended, error, struck=struck)

    async def end_struck(self, error: BaseException) -> None:
        """The same after *error*, which came from outside, in the middle of anything.

        It may be a Ctrl-C, a time limit in a signal handler, or a defect. What had just
        been handed out may not be in our books, so workers that have served this call
        are not given to another.
        """
        if "backend" not in self.__dict__:  # it had not begun
            await self.close(False, error, struck=True)
        elif self.arrivals.is_cancellation(error):
            await self.leave(error)
        else:
            is_urgent = isinstance(error, KeyboardInterrupt)
            await self.end(0.0 if is_urgent else self.backend.grace, error, struck=True)

    async def leave(self, error: BaseException) -> None:
        """Nobody waits any longer: end what can be ended, and leave the rest alone."""
        self.let_go()
        await self.close(False, error, struck=True)

    def let_go(self) -> None:
        self.is_on = False
        for future in list(self.out):
            future.cancel()
        self.backend.halt(self.out)
        self.backend.kill(self.out)
        self.out.clear()
        self.backend.close(False, struck=True)
        self.is_closed_now(BACKEND)
        logger.debug("left: %d tasks settled", self.schedule.settled)

    async def close(
        self, all_ended: bool, error: BaseException | None, *, struck: bool
    ) -> None:
        """Give back what the call used; what was given back before is left alone."""
        todo = self.still_to_close
        was_on, self.is_on = self.is_on, False
        if BACKEND in todo:
            if "backend" in self.__dict__:
                self.backend.close(all_ended, struck=struck)
            self.is_closed_now(BACKEND)
            is_left = error is not None and self.arrivals.is_cancellation(error)
            if not is_left and relay.is_behind():
                # With what the tasks have logged and printed.
                await self.arrivals.give_way_to(relay.wait_for_output)
        if SOURCE in todo:
            if "source" in self.__dict__:
                await self.source.close()
            todo.remove(SOURCE)
        if was_on and OBSERVERS in todo:
            logger.debug("ended: %d tasks settled", self.schedule.settled)
        self.tell_of_the_end(error)

    def tell_of_the_end(self, error: BaseException | None) -> None:
        if self.is_closed_now(OBSERVERS) and self.is_announced:
            self.observers.ended(error)

    def is_closed_now(self, part: str) -> bool:
        """*part* of the call has been given back; whether nobody has said so before.

        When its loop was closed, another thread may be at it as well.
        """
        try:
            self.still_to_close.remove(part)
        except ValueError:
            return False
        return True

    @property
    def has_to_be_left(self) -> bool:
        """Whether it has something that can be given back without waiting."""
        todo = self.still_to_close
        return "backend" in self.__dict__ and (BACKEND in todo or OBSERVERS in todo)

    def __del__(self) -> None:
        """Nobody waits any longer, and nobody could say so: a loop was closed."""
        if self.__dict__.get("is_on") and not self.is_of_parent:
            from .event_loops.closed_loops import leave_dropped

            leave_dropped(self)


# What a call has to give back, in this order.
BACKEND, SOURCE, OBSERVERS = "backend", "source", "observers"


def in_turn(run: Run, ordered: bool) -> AsyncGenerator[Settled, None]:
    """What settles in *run*, in the order of its tasks if so wanted."""
    portions = run.settled()
    return in_order(portions, run.policy.on_error == "raise") if ordered else portions


async def in_order(
    portions: AsyncGenerator[Settled, None], until_failure: bool
) -> AsyncGenerator[Settled, None]:
    """*portions* in the order of their tasks; up to the first failure if so wanted.

    They are all read to the end, because that is where the failure is raised.
    """
    early: dict[int, Settled] = {}
    index = 0
    over = False
    async with aclosing(portions):
        async for portion in portions:
            early[portion.start] = portion
            del portion
            while not over and (following := early.pop(index, None)) is not None:
                index += len(following.values)
                if until_failure and following.errors:
                    following.keep_before_failure()
                    over = True
                yield following
