"""A portion for a thread of this process, and how it is stopped.

The loop that runs it does not look at a clock: asking for the time after each tiny task
takes a sixth of the whole cost of such a task (measured). Whoever waits for the
portions of a call looks when the next time box is over. It stops a portion by emptying
its list of tasks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextvars import Context
from functools import partial
from threading import current_thread, get_ident, get_native_id
from time import monotonic, perf_counter, process_time, thread_time
from typing import Any, TypeAlias

from cotality._kit.records import dataclass, field
from cotality._kit.struck import is_to_end_caller
from cotality.core.utils._process.machine.run_queue import is_notable, seconds_in_queue
from cotality.core.utils._process.machine.this_process import after_fork, end_fork
from cotality.core.utils._process.packing import worker_state
from cotality.core.utils._process.packing.worker_state import States
from cotality.core.utils._process.tasks.from_data import TasksOfItems
from cotality.core.utils._process.tasks.task import Task, marks
from cotality.core.utils._process.tasks.times import Columns, Measure

from .belongings import belongs_elsewhere
from .chunk import ChunkReport, task_failure
from .context_copies import copier
from .stopwatch import Detective, Stopwatch

# How long (s) to wait before looking again at a portion that no thread has taken: when
# one does, a portion comes back, so mostly somebody looks before.
LOOK_INTERVAL = 0.05

Function: TypeAlias = Callable[..., Any]  # Any: the function of any task


class LocalChunks:
    """The portions of a call that are out in this process.

    Attributes:
        is_halted: Whether no further task is to start.
        look_at: When to :meth:`look` next, by the monotonic clock.
    """

    def __init__(self, until_failure: bool) -> None:
        self.until_failure = until_failure
        self.is_halted = False
        self.out: set[LocalChunk] = set()
        self.look_at = math.inf

    def add(self, chunk: LocalChunk, time_box: float) -> None:
        """*chunk* is about to be handed out, and has *time_box* seconds to run."""
        if len(chunk.tasks) > 1:  # else there is nothing that it could hand back
            chunk.time_box = time_box
            self.out.add(chunk)
            self.look_at = min(self.look_at, monotonic() + time_box)

    def look(self) -> None:
        """Let no further task start in portions whose time box is over."""
        now = monotonic()
        self.look_at = math.inf
        for chunk in list(self.out):
            if chunk.began_at is None:
                look_at = now + max(chunk.time_box, LOOK_INTERVAL)
            else:
                look_at = chunk.began_at + chunk.time_box
            if look_at > now and chunk.tasks:
                self.look_at = min(self.look_at, look_at)
            else:
                chunk.cut_short()
                self.out.discard(chunk)

    def halt(self) -> None:
        """Let no further task start at all; from any thread."""
        self.is_halted = True
        for chunk in list(self.out):
            chunk.stop()


@dataclass(slots=True, eq=False)
class LocalChunk:
    """A portion for a thread of this process.

    Attributes:
        tasks: What has not ended is in here; the list is the chunk's own.
        siblings: The portions of the same call.
        states: What the thread has made for tasks, if it is no worker's.
        context: What each task runs in a copy of.
        measure: What to measure of each task.
        is_in_caller: Whether the thread is the caller's: then a Ctrl-C is as well.
        can_stay: Whether a task that belongs to the thread of the caller may be handed
            back: it runs there then.
        is_observed: Whether somebody wants to know what held it up.
        began_at: When it began to run, by the monotonic clock.
        thread: Which thread runs it.
        native_id: Likewise, as the system calls it.
        cpu_began: The CPU time that this thread had had then, in seconds.
        queue_began: For how long its thread had waited for a CPU then, in seconds;
            None if nobody can tell.
        queue_ended: Likewise when it ended; None if nobody looked.
        late_began: For how long those had waited who look at it, with the lock in their
            hands, when it began.
        belongs: What a task has raised because it belongs to another thread.
        all_began: Likewise, that the whole process had had.
        values: What its tasks have returned so far, None for those that failed.
        is_in_fork: Whether a task has forked this process, and this is the child.
    """

    tasks: list[Task[Any]] | TasksOfItems[Any]  # Any: tasks of every result type
    siblings: LocalChunks
    context: Context
    measure: Measure = Measure.NOTHING
    is_in_caller: bool = False
    can_stay: bool = False
    states: States | None = None
    is_observed: bool = False
    time_box: float = math.inf
    began_at: float | None = field(default=None, init=False)
    thread: int = field(default=0, init=False)
    native_id: int = field(default=0, init=False)
    cpu_began: float = field(default=0.0, init=False)
    all_began: float = field(default=0.0, init=False)
    queue_began: float | None = field(default=None, init=False)
    queue_ended: float | None = field(default=None, init=False)
    late_began: float = field(default=0.0, init=False)
    values: list[Any] = field(default_factory=list[Any], init=False)  # Any: as above
    belongs: BaseException | None = field(default=None, init=False)
    is_over: bool = field(default=False, init=False)
    is_in_fork: bool = field(default=False, init=False)

    def when_it_began(self) -> float | None:
        """When it began to run; None if it has not."""
        return self.began_at

    def run(self, time_box: float) -> ChunkReport:
        """Run until nothing is left; `LocalChunks` sees to the time box."""
        if self.states is None or not marks.state_was_used:
            return self.run_all()
        with worker_state.standing_in(self.states):
            return self.run_all()

    def run_all(self) -> ChunkReport:
        self.thread, self.native_id = get_ident(), get_native_id()
        if not self.is_in_caller:
            running[self.thread] = self
        if self.is_observed:
            self.queue_began = seconds_in_queue(self.native_id)
        report = ChunkReport(self.values)
        watch: Stopwatch | None = None
        detective = Detective() if self.measure >= Measure.CPU else None
        if self.measure:
            columns = Columns.of_size(len(self.tasks))
            watch = Stopwatch(report.values, columns, self.measure)
        wrap = way_to_call(self.context, watch)
        tasks = iter(self.tasks)
        # All clocks at once: what it took to get here is nothing that a task has
        # computed. On a busy machine those are 0.15 ms, and a nap takes half of that.
        if self.is_observed:
            self.all_began = process_time()
        self.cpu_began, self.began_at = thread_time(), monotonic()
        began = perf_counter()
        while not self.siblings.is_halted:
            context = Context()
            if not context.run(self.run_some, tasks, report, context, wrap):
                break
        running.pop(self.thread, None)
        if self.is_in_fork:
            end_fork()
        report.seconds = perf_counter() - began
        report.cpu_seconds = thread_time() - self.cpu_began
        if self.is_observed:
            others = process_time() - self.all_began - report.cpu_seconds
            report.others_cpu_seconds = max(0.0, others)
            # Here and now: before anybody collects this, its thread may have to stand
            # in line again, for something else.
            if is_notable(report.seconds - report.cpu_seconds, report.seconds):
                self.queue_ended = seconds_in_queue(self.native_id)
        if watch is not None:
            report.times = watch.times()
            report.worker = current_thread().name
        if detective is not None:
            report.clues = detective.clues(in_thread=True)
        self.stop()
        self.is_over = True
        return report

    def run_some(
        self,
        tasks: Iterator[Task[Any]],  # Any: as above
        report: ChunkReport,
        context: Context,
        wrap: Callable[[Function], Function] | None,
    ) -> bool:
        """Run *tasks* until *context* is no longer empty; whether to go on then.

        Each task shall find the context as the caller had it. A copy for each, which
        *wrap* makes, takes as long as the rest of the loop. But an empty one, which is
        what most callers have, can serve as many tasks as leave it empty, and a look
        at it takes 10 ns (measured). Of no other can it be told whether it has changed:
        contexts with different objects that are equal are equal.
        """
        values = report.values
        for task in tasks:
            function = task.callback_function
            if wrap is not None:
                function = wrap(function)
            try:
                value = function(*task.positional, **task.arguments)
            except BaseException as error:
                self.fail(report, error)
            else:
                # Not in the `try`: what a signal handler raises behind it would count
                # as the failure of the next task, and each result stand a place later.
                # No name for `append`: Python is quicker to call it in this form.
                values.append(value)
                del value
            if context:
                return True
        return False

    def fail(self, report: ChunkReport, error: BaseException) -> None:
        """The task that was running raised *error*."""
        if self.is_in_caller and is_to_end_caller(error):
            raise error
        if self.can_stay and belongs_elsewhere(error):
            self.belongs = error
            self.stop()
            return
        report.errors[len(report.values)] = task_failure(error)
        report.values.append(None)
        if self.siblings.until_failure:
            self.siblings.halt()
            self.stop()

    @property
    def is_running(self) -> bool:
        return self.began_at is not None and not self.is_over

    # Both from any thread: the loop finds its next task in the list, or finds none.

    def cut_short(self) -> None:
        """Let no further task start after the first, which always does."""
        del self.tasks[1:]

    def stop(self) -> None:
        """Let no further task start."""
        self.tasks.clear()


# What each thread runs, but for that of a caller.
running: dict[int, LocalChunk] = {}


def leave_to_parent() -> None:
    """In a child that a task has forked: nothing but that task is to go on in it.

    The thread that runs the task is all there is of the call. It would run the rest of
    the portion a second time, and then wait for ever for another one.
    """
    chunk = running.get(get_ident())
    running.clear()
    if chunk is not None:
        chunk.is_in_fork = chunk.siblings.is_halted = True
        chunk.stop()


after_fork(leave_to_parent)


def way_to_call(
    context: Context, watch: Stopwatch | None
) -> Callable[[Function], Function] | None:
    """What makes a function one that is called in a copy of *context* and measured."""
    if not context:
        return None if watch is None else lambda each: partial(watch.call, each)
    copy = copier(context)
    if watch is None:
        return lambda each: partial(copy().run, each)
    return lambda each: partial(copy().run, watch.call, each)
