"""Runs the body of a job, here or in a worker process; its result becomes text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from cotality._kit.named_thing import thing_named
from cotality._kit.safe_text import text_of
from cotality._kit.struck import is_of_a_signal
from cotality._kit.traceback_text import traceback_text_of
from cotality.jobs._jobs.api.definition import Definition
from cotality.jobs._jobs.api.jobs import Jobs
from cotality.jobs._jobs.errors.errors import (
    JobCancelledError,
    NotStorableError,
    RetryLaterError,
    UnknownJobError,
)
from cotality.jobs._jobs.store.moves import Begun, Raised
from cotality.jobs._jobs.store.texts import storable

from .context import JobContext, running
from .saying import Saying

Kind: TypeAlias = Literal["value", "raised", "cancelled", "hopeless", "returned"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run of a body came to.

    Attributes:
        kind: ``"value"``; ``"raised"``; ``"cancelled"``, as it was asked to;
            ``"hopeless"`` if it will never be otherwise; ``"returned"`` if its worker
            was stopped.
        text: The result, as it is stored.
        raised: What went wrong.
        is_retryable: Whether its `Retry` is about that.
        cpu_s: What it took of a CPU.
        wall_s: For how long it ran.
        retry_in: After how many seconds its body wants to be tried again, if it says.
        is_attempt: Whether this run counts as an attempt.
    """

    kind: Kind
    text: str = ""
    raised: Raised | None = None
    is_retryable: bool = False
    cpu_s: float = 0.0
    wall_s: float = 0.0
    retry_in: float | None = None
    is_attempt: bool = True


def jobs_named(target: str) -> Jobs:
    """The `Jobs` that ``module:name`` is.

    Raises:
        ValueError: It is something else, or nothing.
        Exception: What the import raises.
    """
    thing = thing_named(target, "a queue of jobs", "shop.jobs:jobs")
    if not isinstance(thing, Jobs):
        raise ValueError(f"{target} is not a Jobs: it is {thing!r:.80}")
    return thing


def import_jobs(target: str) -> None:
    """What a worker process does before its first job, and before the time of that."""
    try:
        jobs_named(target).registry.import_modules()
    except BaseException as error:
        if is_of_a_signal(error):
            raise
        # Each job that is run here says it again, for people to see.


def run_in_process(target: str, begun: Begun) -> Answer:
    """What a worker process does for a job."""
    try:
        jobs = jobs_named(target)
    except BaseException as error:
        if is_of_a_signal(error):
            raise
        return Answer("hopeless", raised=raised_of(error))
    return run_body(jobs, begun)


def run_body(jobs: Jobs, begun: Begun) -> Answer:
    """Run it in this thread, and say what it came to."""
    prepared = prepare(jobs, begun)
    if isinstance(prepared, Answer):
        return prepared
    job, call = prepared
    saying = Saying(jobs.base, begun)
    token = running.set(context_of(begun, saying))
    cpu, wall = time.thread_time(), time.perf_counter()
    try:
        value = call()
        if asyncio.iscoroutine(value):
            value = asyncio.run(value)
        text, error = job.codec.result_text(value), None
    except BaseException as raised:
        if is_of_a_signal(raised):
            raise
        text, error = "", raised
    finally:
        running.reset(token)
        saying.end()
    times = time.thread_time() - cpu, time.perf_counter() - wall
    if error is None:
        return Answer("value", text, None, False, *times)
    return answer_of(job, error, *times)


async def run_in_loop(jobs: Jobs, begun: Begun) -> Answer:
    """Run the body of an ``async def`` job in this event loop."""
    prepared = prepare(jobs, begun)
    if isinstance(prepared, Answer):
        return prepared
    job, call = prepared
    saying = Saying(jobs.base, begun)
    running.set(context_of(begun, saying))  # of this task's own context
    timeout = job.options.timeout
    limit, wall = asyncio.timeout(timeout), time.perf_counter()
    try:
        async with limit:
            value = await call()
        return Answer("value", job.codec.result_text(value))
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise  # by the worker
        error = RuntimeError("the body awaited something that was cancelled")
        error.__cause__ = cancelled
        return answer_of(job, error, 0.0, time.perf_counter() - wall)
    except BaseException as raised:
        if is_of_a_signal(raised):
            raise
        if isinstance(raised, TimeoutError) and limit.expired():
            return timed_out(job, timeout or 0.0)
        return answer_of(job, raised, 0.0, time.perf_counter() - wall)
    finally:
        await asyncio.to_thread(saying.end)


def timed_out(job: Definition, seconds: float) -> Answer:
    from cotality.core.utils.process import TaskTimeoutError

    error = TaskTimeoutError(f"the attempt took more than timeout={seconds:g} s")
    return Answer(
        "raised",
        raised=raised_of(error, has_traceback=False),
        is_retryable=is_retryable(job, error),
    )


def prepare(jobs: Jobs, begun: Begun) -> tuple[Definition, Callable[[], Any]] | Answer:
    """The job and its call; an answer if there is none, for good."""
    try:
        job = jobs.registry.found(begun.name)
        args, kwargs = job.codec.arguments_of(begun.arguments)
    except BaseException as error:
        if is_of_a_signal(error):
            raise
        return Answer("hopeless", raised=raised_of(error))
    return job, lambda: job.function(*args, **kwargs)


def context_of(begun: Begun, saying: Saying) -> JobContext:
    return JobContext(
        begun.ticket.job,
        begun.name,
        begun.queue,
        begun.attempt,
        saying.say,
        saying.is_asked_to_end,
    )


def answer_of(
    job: Definition, error: BaseException, cpu_s: float, wall_s: float
) -> Answer:
    if isinstance(error, JobCancelledError):
        return Answer("cancelled", raised=raised_of(error))
    if isinstance(error, NotStorableError | UnknownJobError):
        return Answer("hopeless", raised=raised_of(error))
    if isinstance(error, RetryLaterError):
        return answer_of_later(error, cpu_s, wall_s)
    retryable = isinstance(error, Exception) and is_retryable(job, error)
    return Answer("raised", "", raised_of(error), retryable, cpu_s, wall_s)


def answer_of_later(error: RetryLaterError, cpu_s: float, wall_s: float) -> Answer:
    pause = error.retry_in
    return Answer(
        "hopeless" if pause is None else "raised",
        raised=raised_of(error),
        cpu_s=cpu_s,
        wall_s=wall_s,
        retry_in=pause,
        is_attempt=bool(error.is_attempt),
    )


def is_retryable(job: Definition, error: Exception) -> bool:
    """Whether its `Retry` is about *error*; one that cannot say so is not."""
    try:
        return job.options.retry.is_retryable(error)
    except Exception as broken:
        if is_of_a_signal(broken):
            raise
        error.add_note(f"its Retry could not say whether to retry: {broken!r}")
        return False


def raised_of(error: BaseException, *, has_traceback: bool = True) -> Raised:
    """*error* as it is stored; of one of our own the traceback says nothing."""
    kind = type(error)
    frames = traceback_text_of(error, chain=True) if has_traceback else ""
    return Raised(
        storable(kind.__qualname__),
        storable(text_of(error)),
        storable(frames, end=True),
        storable(f"{kind.__module__}"),
    )
