"""One job, for whoever has enqueued it: how it stands, what it gave, and its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Generic, TypeVar, cast

from cotality._kit.public import public_in
from cotality.core.calls import checked_seconds
from cotality.jobs._jobs.codec.calls import plain_result
from cotality.jobs._jobs.errors.errors import (
    JobCancelledError,
    JobFailedError,
    UnknownJobError,
)
from cotality.jobs._jobs.states.info import (
    Attempt,
    JobEvent,
    JobInfo,
    JobProgress,
    JobStatus,
)
from cotality.jobs._jobs.store import moves, reading

from .base import Base
from .registry import Registry

R = TypeVar("R")

# Between two looks (s) of one who waits: quick at first, as most jobs are.
FIRST_LOOK, LAST_LOOK, SLOWER = 0.01, 0.2, 1.3


@public_in("cotality.jobs")
class JobHandle(Generic[R]):
    """A job that was enqueued. It may be waiting, running or over.

    Each method exists twice: one to be awaited, and one for threads, whose name ends in
    ``_sync``.

    Attributes:
        id: Its id, by which ``jobs.handle`` finds it from anywhere. It is the same over
            all attempts.
    """

    def __init__(self, base: Base, registry: Registry, id: str) -> None:
        self._base, self._registry = base, registry
        self.id = id

    def __repr__(self) -> str:
        return f"JobHandle({self.id!r})"

    async def status(self) -> JobStatus:
        """In which state the job is."""
        return await asyncio.to_thread(self.status_sync)

    def status_sync(self) -> JobStatus:
        """In which state the job is.

        Raises:
            UnknownJobError: There is no such job: it was swept, or never existed.
        """
        return self._look()[0]

    async def info(self) -> JobInfo:
        """All that is known about the job."""
        return await asyncio.to_thread(self.info_sync)

    def info_sync(self) -> JobInfo:
        """All that is known about the job."""
        row, now = self._row()
        return reading.info_of(row, now)

    async def result(self, timeout: float | None = None) -> R:
        """Wait for what the function returns; see `result_sync`."""
        checked_seconds("timeout", timeout, zero=True)
        for pause in pauses(timeout, self.id):
            if (await self.status()).is_over:
                break
            await asyncio.sleep(pause)
        return await asyncio.to_thread(self._outcome)

    def result_sync(self, timeout: float | None = None) -> R:
        """Wait for what the function returns, and return it.

        Args:
            timeout: Seconds to wait; None waits as long as it takes.

        Raises:
            TimeoutError: The job was not over by then; it goes on.
            JobFailedError: The job has failed for good.
            JobCancelledError: The job was cancelled.
            UnknownJobError: There is no such job: it was swept, or never existed.
        """
        checked_seconds("timeout", timeout, zero=True)
        for pause in pauses(timeout, self.id):
            if self.status_sync().is_over:
                break
            time.sleep(pause)
        return self._outcome()

    async def cancel(self, *, kill: bool = True) -> bool:
        """End it; see `cancel_sync`."""
        return await asyncio.to_thread(self.cancel_sync, kill=kill)

    def cancel_sync(self, *, kill: bool = True) -> bool:
        """End the job: before it starts, or within a second if it runs.

        A body in a worker process is killed. A thread cannot be killed: its result is
        dropped, and the body may ask `current_job().is_cancelled`.

        Args:
            kill: With False, a running job is only asked to end. Its result counts,
                unless its body raises `JobCancelledError`.

        Returns:
            Whether there was something to end: False for a job that is over.
        """
        base = self._base
        base.ready()
        with base.writing() as connection:
            now = base.database.now(connection)
            found = moves.cancel(connection, self.id, now, kill=kill)
        if found is None:
            self.status_sync()  # raises if there never was one
            return False
        if found["state"] != "RUNNING":
            base.engine.withdraw([moves.Ticket(self.id, found["ticket"])])
        return True

    async def progress(self) -> JobProgress | None:
        """The progress that its body has reported last; None without any."""
        return await asyncio.to_thread(self.progress_sync)

    def progress_sync(self) -> JobProgress | None:
        """The progress that its body has reported last; None without any."""
        return self._look()[2]

    async def attempts(self) -> list[Attempt]:
        """Each run of its body, the first one first."""
        return await asyncio.to_thread(self.attempts_sync)

    def attempts_sync(self) -> list[Attempt]:
        """Each run of its body, the first one first."""
        base = self._base
        base.ready()
        with base.database.reading() as connection:
            return reading.attempts_of(connection, self.id)

    async def events(self) -> AsyncIterator[JobEvent]:
        """Yield its state now, and each change of it, until the job is over."""
        last: JobEvent | None = None
        while last is None or not last.status.is_over:
            now = await asyncio.to_thread(self._event)
            if now != last:
                last = now
                yield now
            else:
                await asyncio.sleep(LAST_LOOK)

    def events_sync(self) -> Iterator[JobEvent]:
        """Yield its state now, and each change of it, until the job is over."""
        last: JobEvent | None = None
        while last is None or not last.status.is_over:
            now = self._event()
            if now != last:
                last = now
                yield now
            else:
                time.sleep(LAST_LOOK)

    def _event(self) -> JobEvent:
        status, attempt, progress = self._look()
        return JobEvent(status, attempt, progress)

    def _look(self) -> tuple[JobStatus, int, JobProgress | None]:
        base = self._base
        base.ready()
        with base.database.reading() as connection:
            row = reading.state_of(connection, self.id)
            now = base.database.now(connection)
            progress = reading.progress_of(connection, self.id)
        if row is None:
            raise unknown(self.id)
        return reading.status_of(row, now), row["attempt"], progress

    def _row(self) -> tuple[moves.Row, float]:
        base = self._base
        base.ready()
        with base.database.reading() as connection:
            row = reading.row_of(connection, self.id)
            now = base.database.now(connection)
        if row is None:
            raise unknown(self.id)
        return row, now

    def _outcome(self) -> R:
        row, _ = self._row()
        if row["state"] == "CANCELLED":
            raise JobCancelledError(f"job {self.id} ({row['name']}) was cancelled")
        if row["state"] == "FAILED":
            raise failed(row)
        if row["state"] != "SUCCEEDED":
            return self.result_sync()  # somebody has requeued it meanwhile
        job = self._registry.jobs.get(row["name"])
        if job is None:
            return cast("R", plain_result(row["result"]))
        return cast("R", job.codec.result_of(row["result"]))


def pauses(timeout: float | None, job: str) -> Iterator[float]:
    """Seconds until the next look, as long as there is time.

    Raises:
        TimeoutError: There is no more.
    """
    end = None if timeout is None else time.monotonic() + timeout
    pause = FIRST_LOOK
    yield 0.0
    while True:
        left = pause if end is None else min(pause, end - time.monotonic())
        if left <= 0:
            raise TimeoutError(
                f"job {job} was not over within {timeout:g} s; it goes on"
            )
        yield left
        pause = min(LAST_LOOK, pause * SLOWER)


def unknown(job: str) -> UnknownJobError:
    return UnknownJobError(f"there is no job {job!r} in this store, or none any more")


def failed(row: moves.Row) -> JobFailedError:
    text = f"job {row['id']} ({row['name']}) failed after {row['attempt']} attempts"
    text += f": {row['error_type']}: {row['error']}"
    error = JobFailedError(text)
    error.error_type = row["error_type"]
    if row["traceback"]:
        error.add_note(row["traceback"])
    return error
