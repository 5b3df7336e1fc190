"""Runs a body in a worker process, on this thread or in the event loop, and ends it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils.process import IsolatedProcessPoolExecutor, WorkerCrashedError
from cotality.jobs._jobs.api.definition import Definition
from cotality.jobs._jobs.api.jobs import Jobs
from cotality.jobs._jobs.store.moves import Begun

from .body import (
    Answer,
    import_jobs,
    raised_of,
    run_body,
    run_in_loop,
    run_in_process,
    timed_out,
)
from .choice import Choice

logger = logging.getLogger("cotality.jobs")
TO_END_S = 2.0  # for the event loop
LOOK_S = 0.01

# Called with what ends the body, before that begins.
Tell = Callable[[Callable[[], None]], None]


class Places:
    """All places of one worker; processes and the loop begin when they are needed."""

    def __init__(self, jobs: Jobs, target: str, processes: int) -> None:
        self.jobs, self.target, self.processes = jobs, target, processes
        self.choice = Choice()
        self.room = threading.Semaphore(processes)  # a job begins with its process
        self.lock = threading.Lock()  # held while one of these is made
        self.pool: IsolatedProcessPoolExecutor | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.loop_thread: threading.Thread | None = None

    def run(self, job: Definition, begun: Begun, tell: Tell) -> Answer:
        """Run it where it belongs, and wait for it.

        Args:
            job: The function.
            begun: The job.
            tell: Is given what ends the body at once, or asks it to.
        """
        place = self.choice.place_of(job)
        if place == "processes":
            return self.in_process(job, begun, tell)
        if place == "loop":
            return self.in_loop(begun, tell)
        tell(lambda: None)  # it may ask whether it is cancelled
        return run_body(self.jobs, begun)

    def in_process(self, job: Definition, begun: Begun, tell: Tell) -> Answer:
        pool = self.ready_pool()
        future = pool.submit(run_in_process, self.target, begun)
        tell(lambda: void(pool.kill(future)))
        try:
            if job.options.timeout is not None:
                wait_until_begun(future)
            answer = future.result(job.options.timeout)
        except TimeoutError:
            pool.kill(future)
            return timed_out(job, job.options.timeout or 0.0)
        except CancelledError:
            return Answer("returned")
        except WorkerCrashedError as error:
            self.choice.note(job, None)
            return crashed(job, error)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            return Answer("raised", raised=raised_of(error, has_traceback=False))
        self.choice.note(job, answer)
        return answer

    def in_loop(self, begun: Begun, tell: Tell) -> Answer:
        future: Future[Answer] = asyncio.run_coroutine_threadsafe(
            run_in_loop(self.jobs, begun), self.ready_loop()
        )
        tell(lambda: void(future.cancel()))
        try:
            return future.result()
        except CancelledError:
            return Answer("returned")

    def ready_pool(self) -> IsolatedProcessPoolExecutor:
        with self.lock:
            if self.pool is None:
                self.pool = IsolatedProcessPoolExecutor(
                    self.processes, initializer=import_jobs, initargs=(self.target,)
                )
            return self.pool

    def ready_loop(self) -> asyncio.AbstractEventLoop:
        with self.lock:
            if self.loop is None:
                self.loop = asyncio.new_event_loop()
                self.loop_thread = threading.Thread(
                    target=run_on, args=[self.loop], name="jobs-loop", daemon=True
                )
                self.loop_thread.start()
            return self.loop

    def close(self) -> None:
        with self.lock:
            if self.pool is not None:
                self.pool.shutdown(wait=True, cancel_futures=True)
            if self.loop is not None and self.loop_thread is not None:
                self.loop.call_soon_threadsafe(self.loop.stop)
                self.loop_thread.join(TO_END_S)
                if not self.loop_thread.is_alive():  # a body may block it
                    self.loop.close()


def wait_until_begun(future: Future[Answer]) -> None:
    """The time of a body does not begin before its process has."""
    while not (future.running() or future.done()):
        time.sleep(LOOK_S)


def run_on(loop: asyncio.AbstractEventLoop) -> None:
    """Let *loop* run until it is stopped.

    A task that raises `SystemExit` ends it; its job is told so, and others go on.
    """
    while True:
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:
            logger.error("a task in the worker's event loop raised %r", error)
        else:
            return


def void(value: Any) -> None:  # Any: what nobody needs
    """For what is called for its effect."""


def crashed(job: Definition, error: WorkerCrashedError) -> Answer:
    """A process that has died is one attempt, whatever the exceptions of `Retry` are.

    Only a function that decides is asked: what runs out of memory on a busy machine
    should not need a name.
    """
    from .body import is_retryable

    on = job.options.retry.on
    retryable = True if isinstance(on, tuple) else is_retryable(job, error)
    return Answer(
        "raised",
        raised=raised_of(error, has_traceback=False),
        is_retryable=retryable,
    )
