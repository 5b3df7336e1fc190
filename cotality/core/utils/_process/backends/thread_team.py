"""Threads for one call: they take portions from a common queue.

Not a `ThreadPoolExecutor`: that has no way to let each of its threads clean up after
itself, to submit to it takes twice as long (measured), and it has a lock that an
exception in the calling thread can leave held.

The calling thread puts jobs into the queue, one step each, and starts threads. An
exception that strikes it, at any moment, leaves a job in the queue or none, and a
thread that runs or none. Threads find the queue's end by themselves, whoever knows of
them.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeAlias

from cotality._kit.weak_sets import all_in
from cotality.core.utils._process.engine.ticket import Ticket
from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.machine.second_thread import (
    NoRoomError,
    start,
    wait_for,
)
from cotality.core.utils._process.portions.chunk import Chunk, ChunkReport, run_chunk
from cotality.core.utils._process.tasks.errors import (
    WorkerStartError,
    no_room_for_thread,
)

Job: TypeAlias = tuple[Ticket[ChunkReport], Chunk, float]


class Work:
    """What the threads of a team share. They hold this, and not the team.

    Attributes:
        jobs: What is to be done; None for the end, which the thread that finds it
            leaves to the next.
        done: How many jobs have been done.
        most_together: How many threads all teams that have such a limit have together,
            but for the first of each; None if this one has no such limit.
    """

    def __init__(
        self,
        at_start: Callable[[], object] | None,
        at_end: Callable[[], object] | None,
        most_together: int | None,
    ) -> None:
        self.most_together = most_together
        self.at_start = at_start
        self.at_end = at_end
        self.jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.done = 0
        self.counting = threading.Lock()  # taken by the threads alone

    def run(self) -> None:
        """What a thread does: one job after the other, until it gets None."""
        here = threading.current_thread()
        if self.most_together is not None:
            together.add(here)
        try:
            self.run_jobs()
        finally:
            together.discard(here)

    def run_jobs(self) -> None:
        failure: WorkerStartError | None = None
        try:
            if self.at_start is not None:
                self.at_start()
        except WorkerStartError as error:
            failure = error
        try:
            while (job := self.jobs.get()) is not None:
                self.do(*job, failure)
                del job  # it has the results
        finally:
            self.jobs.put(None)
            if self.at_end is not None:
                self.at_end()

    def do(
        self,
        ticket: Ticket[ChunkReport],
        chunk: Chunk,
        time_box: float,
        failure: WorkerStartError | None,
    ) -> None:
        report: ChunkReport | None = None
        error: BaseException | None = None
        try:
            if not ticket.set_running_or_notify_cancel():
                return
            if failure is not None:
                # One for each: an exception is never shared.
                raise WorkerStartError(*failure.args) from failure.__cause__
            report = run_chunk(chunk, time_box)
        except BaseException as raised:
            error = raised
        finally:
            with self.counting:
                self.done += 1
        if report is None:
            ticket.set_exception(error)
        else:
            ticket.set_result(report)


# The threads of all teams that have a limit together.
together: set[threading.Thread] = set()

this_process.after_fork(together.clear)


class TeamThread(threading.Thread):
    """A thread that works for a team."""

    def __init__(self, work: Work, number: int) -> None:
        super().__init__(target=work.run, name=f"cotality_{number}", daemon=True)
        self.work = work


class ThreadTeam:
    """Up to *size* threads, started as they are needed.

    They are daemons, so that a stream which nobody closed keeps no program from its
    end; but what they are running then is waited for. A team that nobody holds any
    more ends by itself.

    Args:
        at_start: Called by each thread before its first portion; with the
            `WorkerStartError` that it raises, all its portions fail.
        at_end: Called by each thread after its last one.
        most_together: How many threads all teams with such a number may have. A team
            that finds as many makes do with one, until there are fewer.
    """

    def __init__(
        self,
        size: int,
        at_start: Callable[[], object] | None = None,
        at_end: Callable[[], object] | None = None,
        *,
        most_together: int | None = None,
    ) -> None:
        self.size = size
        self.work = Work(at_start, at_end, most_together)
        self.submitted = 0
        self.started = 0
        see_to(self)

    def submit(self, chunk: Chunk, time_box: float) -> Future[ChunkReport]:
        """Have a thread run *chunk*."""
        ticket: Ticket[ChunkReport] = Ticket()
        self.work.jobs.put((ticket, chunk, time_box))
        self.submitted += 1
        is_wanted = self.started < min(self.submitted - self.work.done, self.size)
        if is_wanted and self.may_start():
            self.start_thread()
        return ticket

    def may_start(self) -> bool:
        """Whether the teams have not as many threads together as they may."""
        most = self.work.most_together
        # The first one always: others may wait for what this team does.
        return most is None or self.started == 0 or len(together) < most

    def start_thread(self) -> None:
        try:
            start(TeamThread(self.work, self.started))
        except NoRoomError as error:
            # The system has no room for another: the others do its share, if any.
            if not self.started:
                raise no_room_for_thread("that runs tasks") from error
            return
        self.started += 1

    def close(self, *, wait: bool) -> None:
        """Let the threads end once nothing is queued, and wait for that if asked."""
        teams.discard(self)
        self.work.jobs.put(None)
        if not (wait and self.submitted):
            return
        for thread in threading.enumerate():
            is_ours = isinstance(thread, TeamThread) and thread.work is self.work
            if is_ours and thread is not threading.current_thread():
                wait_for(thread)

    def __del__(self) -> None:
        work = self.__dict__.get("work")
        if work is not None:  # else an exception struck while this was made
            work.jobs.put(None)


# The teams that have not been closed, for the end of the program.
teams: weakref.WeakSet[ThreadTeam] = weakref.WeakSet()


def see_to(team: ThreadTeam) -> None:
    """See to it that what *team* runs ends before the program does."""
    teams.add(team)
    this_process.at_exit(close_teams)


def close_teams() -> None:
    for team in all_in(teams):
        cancel_waiting(team.work.jobs)
        team.close(wait=True)


def cancel_waiting(jobs: SimpleQueue[Job | None]) -> None:
    while True:
        try:
            job = jobs.get_nowait()
        except Empty:  # a thread may have taken the last one
            return
        if job is not None:
            job[0].cancel()
