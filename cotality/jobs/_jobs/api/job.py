"""A function that can be enqueued. Called plainly it is the function itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import datetime, timedelta
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar, cast

from cotality._kit.public import public_in
from cotality.jobs._jobs.store.moves import NewJob

from .base import Base
from .definition import Definition
from .handle import JobHandle
from .options import (
    CallOptions,
    checked_delay,
    checked_keep,
    checked_moment,
    checked_priority,
    checked_queue,
    checked_text,
)
from .putting import put
from .registry import Registry

P = ParamSpec("P")
R = TypeVar("R")
# The arguments of one call: by position in a tuple, or by name in a dict.
Call: TypeAlias = "tuple[Any, ...] | Mapping[str, Any]"  # Any: of any function
public = public_in("cotality.jobs")


class Enqueues(Generic[P, R]):
    """What can be enqueued: a job, or a job with other options for some calls."""

    _job: BaseJob[P, R]
    _call: CallOptions

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """Store a call; when this returns, nothing can lose it.

        Raises:
            NotStorableError: An argument cannot be stored; the text names it.
            StoreError: The store failed, and nothing was stored.
            TypeError: The arguments do not fit the function.
        """
        if self._call.connection is not None:
            return self.enqueue_sync(*args, **kwargs)
        return await asyncio.to_thread(self.enqueue_sync, *args, **kwargs)

    def enqueue_sync(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """Store a call; see `enqueue`."""
        return self._put([self._job.definition.order(self._call, args, kwargs)])[0]

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """Store a call: another word for `enqueue_sync`."""
        return self.enqueue_sync(*args, **kwargs)

    async def enqueue_many(self, calls: Iterable[Call]) -> list[JobHandle[R]]:
        """Store calls in one transaction; see `enqueue_many_sync`."""
        if self._call.connection is not None:
            return self.enqueue_many_sync(calls)
        return await asyncio.to_thread(self.enqueue_many_sync, calls)

    def enqueue_many_sync(self, calls: Iterable[Call]) -> list[JobHandle[R]]:
        """Store calls in one transaction: all of them, or none.

        Args:
            calls: The arguments of each: a tuple, or a dict of named ones.

        Raises:
            ValueError: There are several calls, and all would have the same *key* or
                *job_id*.
        """
        orders: list[NewJob] = []
        for call in calls:
            args, kwargs = arguments_in(call)
            orders.append(self._job.definition.order(self._call, args, kwargs))
        self._check_several(len(orders))
        return self._put(orders)

    def _check_several(self, count: int) -> None:
        for name in ("job_id", "key"):
            value = getattr(self._call, name)
            if value is not None and count > 1:
                raise ValueError(
                    f"{name}={value!r} is that of one job: of {count} calls only the "
                    f"first would be there. Enqueue each with its own"
                )

    def _put(self, orders: list[NewJob]) -> list[JobHandle[R]]:
        job = self._job
        ids = put(job.base, orders, self._call.connection)
        return [JobHandle(job.base, job.registry, each) for each in ids]


def arguments_in(
    call: object,
) -> tuple[tuple[Any, ...], dict[str, Any]]:  # Any: above
    if isinstance(call, Mapping):
        return (), dict(cast("Mapping[str, Any]", call))
    if isinstance(call, tuple):
        return cast("tuple[Any, ...]", call), {}  # type: ignore[redundant-cast]  # pyright wants it
    raise TypeError(
        f"the arguments of each call are a tuple or a dict, got {call!r}: write (7,) "
        f"for one argument"
    )


@public
class Using(Enqueues[P, R]):
    """A job with other options for some calls; made by ``job.using``."""

    def __init__(self, job: BaseJob[P, R], call: CallOptions) -> None:
        self._job, self._call = job, call


class BaseJob(Enqueues[P, R]):
    """What jobs of both kinds of functions have in common."""

    base: Base
    registry: Registry
    definition: Definition
    function: Callable[..., Any]  # Any: of any function

    def __init__(
        self,
        base: Base,
        registry: Registry,
        definition: Definition,
    ) -> None:
        self.base, self.registry, self.definition = base, registry, definition
        self.function = definition.function
        self._job, self._call = self, CallOptions()
        update_wrapper(cast("Any", self), self.function)  # Any: no function

    def __repr__(self) -> str:
        return f"<job {self.name} in queue {self.definition.options.queue!r}>"

    @property
    def name(self) -> str:
        """By which the store knows it."""
        return self.definition.name

    def using(
        self,
        *,
        queue: str | None = None,
        priority: int | None = None,
        delay: float | timedelta | None = None,
        run_after: datetime | None = None,
        key: str | None = None,
        job_id: str | None = None,
        keep: timedelta | None = None,
        connection: Any = None,  # Any: SQLAlchemy need not be there to import this
    ) -> Using[P, R]:
        """This job with other options, for one call or several.

        Args:
            queue: Another queue.
            priority: From -100 to 100; larger is sooner.
            delay: Seconds, or a timedelta, before which it does not start.
            run_after: A moment, with its time zone, before which it does not start.
            key: While a job of this function with the same key is not over, no second
                one is made: you get the handle of the first.
            job_id: An id of your own: a second call with it returns the same job, for
                as long as the store knows that.
            keep: For how long it is known after it has succeeded.
            connection: A connection or session of SQLAlchemy to the same database. The
                job is written in its transaction: after a rollback, there is no job.
        """
        if delay is not None and run_after is not None:
            raise ValueError("say delay or run_after, not both")
        return Using(
            self,
            CallOptions().with_(
                queue=None if queue is None else checked_queue(queue),
                priority=None if priority is None else checked_priority(priority),
                delay=None if delay is None else checked_delay(delay),
                due_at=None if run_after is None else checked_moment(run_after),
                key=None if key is None else checked_text("key", key),
                job_id=None if job_id is None else checked_text("job_id", job_id),
                keep_s=None if keep is None else checked_keep(keep),
                connection=connection,
            ),
        )


@public
class Job(BaseJob[P, R]):
    """A function that can be enqueued; made by ``@jobs.job``."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function here and now, as if it were no job."""
        result: R = self.function(*args, **kwargs)
        return result


@public
class AsyncJob(BaseJob[P, R]):
    """An ``async def`` function that can be enqueued; made by ``@jobs.job``."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Call the function here, to be awaited, as if it were no job."""
        result: Coroutine[Any, Any, R] = self.function(*args, **kwargs)
        return result


AnyJob: TypeAlias = "BaseJob[Any, Any]"  # Any: of any function
