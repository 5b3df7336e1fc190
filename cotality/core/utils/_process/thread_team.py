"""Threads for one call: they take portions from a common queue.

Not a `ThreadPoolExecutor`: that has no way to let each of its threads clean up after
itself, and to submit to it takes twice as long (measured).
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeAlias

from .chunk import Chunk, ChunkReport, run_chunk
from .failures import WorkerStartError, no_room_for_thread

Job: TypeAlias = tuple[Future[ChunkReport], Chunk, float]


class ThreadTeam:
    """Up to *size* threads, started as they are needed.

    They are daemons, so that a stream which nobody closed keeps no program from its
    end; but what they are running then is waited for.

    Args:
        at_start: Called by each thread before its first portion; with the
            `WorkerStartError` that it raises, all its portions fail.
        at_end: Called by each thread after its last one.
    """

    def __init__(
        self,
        size: int,
        at_start: Callable[[], object] | None = None,
        at_end: Callable[[], object] | None = None,
    ) -> None:
        self.size = size
        self.at_start = at_start
        self.at_end = at_end
        self.jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.threads: list[threading.Thread] = []
        self.lock = threading.Lock()
        self.unfinished = 0  # jobs that are queued or running; under the lock
        see_to(self)

    def submit(self, chunk: Chunk, time_box: float) -> Future[ChunkReport]:
        """Have a thread run *chunk*."""
        future: Future[ChunkReport] = Future()
        with self.lock:
            self.unfinished += 1
            is_short = len(self.threads) < min(self.unfinished, self.size)
        self.jobs.put((future, chunk, time_box))
        if is_short:
            self.start_thread()
        return future

    def start_thread(self) -> None:
        number = len(self.threads)
        thread = threading.Thread(
            target=self.work, name=f"cotality_{number}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            # The system has no room for another: the others do its share, if any.
            if not self.threads:
                raise no_room_for_thread("that runs tasks") from error
            return
        self.threads.append(thread)

    def work(self) -> None:
        """What a thread does: one job after the other, until it gets None."""
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
            if self.at_end is not None:
                self.at_end()

    def do(
        self,
        future: Future[ChunkReport],
        chunk: Chunk,
        time_box: float,
        failure: WorkerStartError | None,
    ) -> None:
        try:
            if not future.set_running_or_notify_cancel():
                return
            if failure is not None:
                # One for each: an exception is never shared.
                raise WorkerStartError(*failure.args) from failure.__cause__
            future.set_result(run_chunk(chunk, time_box))
        except BaseException as error:
            future.set_exception(error)
        finally:
            with self.lock:
                self.unfinished -= 1

    def close(self, *, wait: bool) -> None:
        """Let the threads end once nothing is queued, and wait for that if asked."""
        teams.discard(self)
        for _ in self.threads:
            self.jobs.put(None)
        if wait:
            for thread in self.threads:
                if thread is not threading.current_thread():
                    thread.join()


# The teams that have not been closed, for the end of the program.
teams: weakref.WeakSet[ThreadTeam] = weakref.WeakSet()
registered_at_exit = False


def see_to(team: ThreadTeam) -> None:
    """See to it that what *team* runs ends before the program does."""
    global registered_at_exit
    teams.add(team)
    if not registered_at_exit:
        registered_at_exit = True
        atexit.register(close_teams)


def close_teams() -> None:
    for team in list(teams):
        while not team.jobs.empty():
            job = team.jobs.get()
            if job is not None:
                job[0].cancel()
        team.close(wait=True)
