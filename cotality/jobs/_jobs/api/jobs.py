"""A queue of jobs: its functions, its store, and what people ask of both."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextlib import contextmanager
from datetime import timedelta, tzinfo
from typing import (
    TYPE_CHECKING,
    Any,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypeVar,
    cast,
    overload,
)

from cotality._kit.public import public_in
from cotality.core.calls import checked_count
from cotality.core.utils.process import Rate, Retry
from cotality.jobs._jobs.codec.calls import Codec
from cotality.jobs._jobs.engines.choosing import DEFAULT, EngineName
from cotality.jobs._jobs.engines.protocol import Limits
from cotality.jobs._jobs.errors.errors import KeyTakenError
from cotality.jobs._jobs.schedules.schedule import Missed, When, checked_schedule
from cotality.jobs._jobs.states.info import JobInfo, JobStatus
from cotality.jobs._jobs.stats import QueueStats
from cotality.jobs._jobs.store import counting, moves, reading, sweeping
from cotality.jobs._jobs.store.database import shown_url

from .base import Base
from .definition import Definition
from .handle import JobHandle, unknown
from .job import AnyJob, AsyncJob, BaseJob, Job
from .options import (
    KEEP,
    CallOptions,
    JobOptions,
    RunsOn,
    checked_keep,
    checked_priority,
    checked_queue,
    checked_runs_on,
    checked_text,
    checked_timeout,
)
from .putting import put
from .registry import Registry, module_of
from .scheduled import Scheduled, checked_args

if TYPE_CHECKING:
    from sqlalchemy import Connection

P = ParamSpec("P")
R = TypeVar("R")
# In a class with a method of this name, `list` would be that.
Infos: TypeAlias = list[JobInfo]
Queues: TypeAlias = list[QueueStats]
Handles: TypeAlias = list[JobHandle[Any]]  # Any: of any function
VARIABLE = "COTALITY_JOBS_URL"
public = public_in("cotality.jobs")


class Marks(Protocol):
    """What ``jobs.job(...)`` gives: it makes a job of a function of either kind."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # the first one that fits is taken
        self, function: Callable[P, Coroutine[Any, Any, R]]
    ) -> AsyncJob[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> Job[P, R]: ...


@public
class Jobs:
    """Functions whose calls are stored, and run by workers until they are done.

    A call is in the store before ``enqueue`` returns, and runs at least once: whatever
    is killed on the way, it is tried again. A job that has finished never runs again.

    Args:
        url: Where jobs are kept: ``sqlite:///jobs.db``, a file on this machine, or
            ``postgresql://user@host/name``.
        modules: Modules with more jobs, which a worker imports.
        engine: Who hands jobs out to workers: ``"tables"`` keeps that in the database
            itself; ``"dbos"`` leaves it to DBOS, with ``cotality[jobs-dbos]``. It
            belongs to the store: all who use it name the same.

    Nothing is opened or read before the first job is enqueued.

    Raises:
        ValueError: There is no engine for *url*, or of that name.
    """

    base: Base
    registry: Registry

    def __init__(
        self,
        url: str,
        *,
        modules: Iterable[str] = (),
        engine: EngineName = DEFAULT,
    ) -> None:
        self.base = Base(url, engine)
        self.registry = Registry(modules)
        self.scheduled: dict[str, Scheduled] = {}

    def __repr__(self) -> str:
        return f"Jobs({shown_url(self.url)!r})"

    @classmethod
    def from_env(
        cls,
        variable: str = VARIABLE,
        *,
        modules: Iterable[str] = (),
        engine: EngineName = DEFAULT,
    ) -> Jobs:
        """Jobs in the store that an environment *variable* names.

        Raises:
            ValueError: It is not set.
        """
        url = os.environ.get(variable)
        if not url:
            raise ValueError(
                f"{variable} is not set: where are the jobs? Such as sqlite:///jobs.db"
            )
        return cls(url, modules=modules, engine=engine)

    @property
    def url(self) -> str:
        """Where jobs are kept."""
        return self.base.database.url

    @overload
    def job(  # type: ignore[overload-overlap]  # likewise
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncJob[P, R]: ...
    @overload
    def job(self, function: Callable[P, R], /) -> Job[P, R]: ...
    @overload
    def job(
        self,
        *,
        name: str | None = None,
        queue: str = "default",
        priority: int = 0,
        retries: int | Retry | None = 0,
        timeout: float | None = None,
        keep: timedelta = KEEP,
        unique: Callable[..., str] | None = None,
        runs_on: RunsOn | None = None,
        codec: Codec = "json",
    ) -> Marks: ...
    def job(  # type: ignore[misc]  # a function cannot be without its parameters
        self,
        function: Callable[..., Any] | None = None,  # Any: of any function
        /,
        *,
        name: str | None = None,
        queue: str = "default",
        priority: int = 0,
        retries: int | Retry | None = 0,
        timeout: float | None = None,
        keep: timedelta = KEEP,
        unique: Callable[..., str] | None = None,
        runs_on: RunsOn | None = None,
        codec: Codec = "json",
    ) -> Any:  # Any: a job, or what makes one
        """Mark a function as a job.

        Args:
            function: The function, if nothing else is said.
            name: By which the store knows it; its module and its name by default.
                Jobs that wait are lost to a function that was renamed.
            queue: Where its jobs wait.
            priority: From -100 to 100; larger is sooner.
            retries: How often it is tried again, or a `Retry` with the pauses.
            timeout: Seconds after which an attempt is killed. Needs a worker process,
                or an ``async def`` function.
            keep: For how long a job is known after it has succeeded or was cancelled.
                Dead letters are kept until somebody purges them.
            unique: Given the arguments, says the key of a call: while a job with the
                same key is not over, enqueuing gives that one.
            runs_on: ``"processes"``, where a crash costs one attempt and a job that is
                cancelled is killed; ``"threads"`` for what waits; ``"auto"`` to try it
                in processes and move what waits to threads. By default processes, and
                the event loop of the worker for ``async def``.
            codec: ``"json"``, or ``"pickle"``: then whoever can write into the store
                can run code in the workers.
        """
        place = checked_runs_on(runs_on)
        options = JobOptions(
            checked_queue(queue),
            checked_priority(priority),
            Retry.of(retries),
            checked_timeout(timeout, place),
            checked_keep(keep),
            place,
        )

        def mark(given: Callable[..., Any]) -> AnyJob:
            if not callable(given):
                raise TypeError(f"a job is a function, got {given!r}")
            is_async = inspect.iscoroutinefunction(given)
            kind = cast("type[AnyJob]", AsyncJob if is_async else Job)
            definition = self.defined(given, name, options, unique, codec)
            self.registry.add(definition)
            return kind(self.base, self.registry, definition)

        return mark if function is None else mark(function)

    def defined(
        self,
        function: Callable[..., Any],  # Any: of any function
        name: str | None,
        options: JobOptions,
        unique: Callable[..., str] | None,
        codec: Codec,
    ) -> Definition:
        module = module_of(function)
        called = getattr(function, "__qualname__", type(function).__qualname__)
        return Definition(
            function,
            module=module,
            name=f"{module}.{called}" if name is None else checked_text("name", name),
            options=options,
            unique=unique,
            codec=codec,
        )

    def queue(
        self, name: str, *, concurrency: int | None = None, rate: Rate | None = None
    ) -> None:
        """Limit a queue, however many workers serve it.

        Args:
            name: Its name.
            concurrency: How many of its jobs run at once; None for no limit.
            rate: How many of its jobs start in any time of so many seconds.
        """
        checked_count("concurrency", concurrency)
        if rate is not None and not isinstance(rate, Rate):
            raise TypeError(f"rate must be a Rate, such as Rate(100, per=60): {rate!r}")
        limit = None if rate is None else (rate.count, rate.per)
        self.registry.limits[checked_queue(name)] = Limits(concurrency, limit)

    def schedule(
        self,
        name: str,
        when: When | None = None,
        job: BaseJob[..., Any] | None = None,  # Any: whatever it gives
        *,
        every: float | timedelta | None = None,
        args: Iterable[Any] = (),  # Any: arguments of any function
        timezone: str | tzinfo = "UTC",
        missed: Missed = "skip",
    ) -> None:
        """Have a job enqueued by the clock, as long as a worker runs.

        However many workers there are, and whatever their clocks do, each due time
        makes one job: its id is the name and the time. On days on which clocks are
        changed, what names a time is due once.

        Args:
            name: Of the schedule; the store knows by it what was handled.
            when: A cron line such as ``"0 9 * * mon"``, a `crontab`, or a number of
                seconds like *every*.
            job: What to enqueue.
            every: So many seconds, at least 1, or a timedelta; counted from 1970 in
                UTC, so that all workers agree.
            args: The arguments of the job.
            timezone: In which a cron line is meant, such as ``"Europe/Berlin"``.
            missed: What becomes of due times at which no worker ran: ``"skip"`` forgets
                them, ``"once"`` makes one job of all of them.

        Raises:
            ValueError: A cron line that is none or is never due, a time zone that
                nobody knows, a name that another schedule has.
            TypeError: An argument is missing, or is not what it must be.
            NotStorableError: *args* cannot be stored.
        """
        if not isinstance(job, BaseJob):
            raise TypeError(
                f"the schedule {name!r} needs a job, a function that is marked with "
                f"@jobs.job, got {job!r}"
            )
        schedule = checked_schedule(
            name, when, every=every, timezone=timezone, missed=missed
        )
        made = Scheduled(schedule, job.definition, checked_args(args))
        made.job.order(CallOptions(), made.args, {})  # raises if they do not fit
        known = self.scheduled.get(name)
        if known is not None and known.job.name != made.job.name:
            raise ValueError(
                f"there is a schedule {name!r} already, of the job {known.job.name}"
            )
        self.scheduled[name] = made

    @overload
    def on(self, event: str) -> Marks: ...
    @overload
    def on(self, event: str, job: BaseJob[P, R]) -> BaseJob[P, R]: ...
    def on(self, event: str, job: Any = None) -> Any:  # Any: a job, or what makes one
        """Have a job enqueued whenever *event* is published.

        ``@jobs.on("order.paid")`` above a function, or above ``@jobs.job(...)``.
        """
        checked_text("event", event)

        def mark(given: Any) -> AnyJob:  # Any: a job or a function
            made = cast(
                "AnyJob", given if isinstance(given, BaseJob) else self.job(given)
            )
            listeners = self.registry.listeners.setdefault(event, [])
            if made.name not in [each.name for each in listeners]:
                listeners.append(made.definition)
            return made

        return mark if job is None else mark(job)

    def publish(
        self,
        event: str,
        *args: Any,  # Any: arguments of the listeners
        **kwargs: Any,  # Any: likewise
    ) -> Handles:
        """Enqueue every job that listens to *event*, all in one transaction.

        Returns:
            A handle for each; none if nobody listens.
        """
        listeners = self.registry.listeners.get(event, [])
        orders = [job.order(CallOptions(), args, kwargs) for job in listeners]
        ids = put(self.base, orders, None) if orders else []
        return [JobHandle(self.base, self.registry, each) for each in ids]

    @contextmanager
    def transaction(self) -> Generator[Connection]:
        """A transaction of the store, for ``using(connection=...)``.

        Whatever is written in it, rows of your own tables included, is there together,
        or not at all.
        """
        self.prepare()
        with self.base.writing() as connection, self.base.is_in_transaction():
            yield connection

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """A connection to the store that waits for nobody who writes.

        For what `transaction` has written beside the jobs; rows of theirs are read by
        the methods of this class.
        """
        self.base.ready()
        with self.base.database.reading() as connection:
            yield connection

    def prepare(self) -> None:
        """Make the tables of the store now, rather than with the first job."""
        self.base.ready(self.registry.queues())

    def handle(self, id: str) -> JobHandle[Any]:
        """The handle of a job, by its id. Whether there is one, its methods say."""
        return JobHandle(self.base, self.registry, checked_text("id", id))

    def list(
        self,
        *,
        status: JobStatus | str | Iterable[JobStatus] | None = None,
        queue: str | Iterable[str] | None = None,
        name: str | None = None,
        ids: Iterable[str] | None = None,
        before: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> Infos:
        """Jobs, the newest first.

        Args:
            status: Only those that stand so; None for all.
            queue: Only those of this queue, or of one of these.
            name: Only those of this function.
            ids: Only these, as far as they are there.
            before: Only those that are older than the one of this id: the last one of
                a list gives the next part of it, however many have come meanwhile.
            limit: How many at most.
            offset: How many of the newest to leave out.

        Raises:
            ValueError: There is no such status; a negative number.
            UnknownJobError: The one that was given as *before* was swept or purged.
        """
        asked = [status] if isinstance(status, str) else (status or ())
        wanted = {JobStatus(each) for each in asked}
        for what, number in (("limit", limit), ("offset", offset)):
            if number < 0:
                raise ValueError(f"{what} must not be negative, got {number}")
        if isinstance(ids, str):
            raise TypeError(f"ids are several, got a text: ids=[{ids!r}]")
        self.base.ready()
        with self.base.database.reading() as connection:
            now = self.base.database.now(connection)
            if before is not None and moves.name_of(connection, before) is None:
                raise unknown(before)
            rows = reading.listed(
                connection,
                wanted=wanted,
                now=now,
                queues=[queue] if isinstance(queue, str) else queue,
                name=name,
                ids=ids,
                before=before,
                limit=limit,
                offset=offset,
            )
        return [reading.info_of(row, now) for row in rows]

    def dead(self, *, queue: str | None = None, limit: int = 100) -> Infos:
        """The dead letters: jobs that have failed for good, the newest first."""
        return self.list(status=JobStatus.FAILED, queue=queue, limit=limit)

    def requeue(self, id: str) -> bool:
        """Let a dead letter, or a job that was cancelled, begin anew.

        It keeps its id, and has all its attempts again.

        Returns:
            Whether there was one.

        Raises:
            KeyTakenError: Another job has its key by now, and is not over.
        """
        queue = self.handle(id).info_sync().queue
        self.base.ready({queue})
        with self.base.writing() as connection:
            now = self.base.database.now(connection)
            other = moves.who_has_key_of(connection, id)
            if other is not None:
                raise KeyTakenError(
                    f"job {id} cannot begin anew: its key is that of job {other} by "
                    f"now, which is not over. Wait for that, or cancel it"
                )
            placed = moves.requeue(connection, id, now)
            if placed is not None:
                self.base.engine.hand_over(connection, placed, 0.0)
        return placed is not None

    def cancel(self, id: str, *, kill: bool = True) -> bool:
        """End a job; see `JobHandle.cancel_sync`."""
        return self.handle(id).cancel_sync(kill=kill)

    def purge(self, ids: Iterable[str]) -> int:
        """Forget these jobs, as far as they are over; how many they were.

        Raises:
            TypeError: It is one id, and not several.
        """
        if isinstance(ids, str):
            raise TypeError(f"purge takes several ids, got a text: purge([{ids!r}])")
        self.base.ready()
        with self.base.writing() as connection:
            return moves.purge(connection, [*ids])

    def stats(self, *, queues: Iterable[str] = ()) -> Queues:
        """How each queue is that has jobs or workers, by name.

        Args:
            queues: Those that are to be among them in any case. A worker that serves
                all queues is counted in each that is.
        """
        asked = [checked_queue(each) for each in queues]
        self.base.ready()
        with self.base.database.reading() as connection:
            now = self.base.database.now(connection)
            return counting.counted(connection, now, asked)

    def sweep(self) -> int:
        """Forget jobs that are over and were kept long enough; how many.

        Workers do so by themselves. Dead letters stay, and so does what is not over.
        """
        self.base.ready()
        count = 0
        while True:
            with self.base.writing() as connection:
                gone = sweeping.sweep_some(
                    connection, self.base.database.now(connection)
                )
            count += len(gone)
            if len(gone) < sweeping.AT_A_TIME:
                break
        self.base.engine.clean()
        return count

    def close(self) -> None:
        """Let go of what is open. It is opened again when somebody needs it."""
        self.base.close()

    def __enter__(self) -> Jobs:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()
