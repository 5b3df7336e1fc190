"""A queue of jobs: its functions, its store, and what people ask of both."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
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
from cotality.core.calls import checked_count, checked_seconds
from cotality.core.utils.process import Rate, Retry
from cotality.jobs._jobs.codec.calls import Codec
from cotality.jobs._jobs.engines.choosing import DEFAULT, EngineName
from cotality.jobs._jobs.engines.protocol import Limits
from cotality.jobs._jobs.errors.errors import KeyTakenError
from cotality.jobs._jobs.health.alert_rules import AlertRules
from cotality.jobs._jobs.schedules.schedule import Missed, When, checked_schedule
from cotality.jobs._jobs.states.info import JobInfo, JobStatus
from cotality.jobs._jobs.stats.job_times import JobTimes
from cotality.jobs._jobs.stats.queue_stats import QueueStats
from cotality.jobs._jobs.store import counting, moves, reading, sweeping, times
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
from .watched import Tell, Watched, checked_rules, checked_tell

if TYPE_CHECKING:
    from sqlalchemy import Connection

P = ParamSpec("P")
R = TypeVar("R")
# In a class with a method of this name, `list` would be that.
Infos: TypeAlias = list[JobInfo]
Queues: TypeAlias = list[QueueStats]
AllTimes: TypeAlias = list[JobTimes]
Handles: TypeAlias = list[JobHandle[Any]]  # Any: of any function
VARIABLE, BROKER_VARIABLE = "COTALITY_JOBS_URL", "COTALITY_JOBS_BROKER"
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

    A call is in the store before ``enqueue`` returns, and runs at least once: if its
    worker is killed, another one runs it. A job that has finished never runs again.

    Args:
        url: Where jobs are kept: ``sqlite:///jobs.db``, a file on this machine, or
            ``postgresql://user@host/name``.
        modules: Modules with more jobs, which a worker imports.
        engine: What hands jobs out to workers: ``"tables"``, tables in the database
            itself; ``"dbos"``, DBOS, with ``cotality[jobs-dbos]``; or ``"rabbitmq"``, a
            broker, with ``cotality[jobs-rabbitmq]``. All programs that use the store
            have to name the same engine.
        broker: Where the broker is, for ``engine="rabbitmq"``:
            ``amqp://user:password@host/vhost``, or ``amqps://``.

    Nothing is opened or read before the first job is enqueued.

    Raises:
        ValueError: No engine takes *url*, or none has that name; a broker is missing,
            or the engine takes none.
    """

    base: Base
    registry: Registry

    def __init__(
        self,
        url: str,
        *,
        modules: Iterable[str] = (),
        engine: EngineName = DEFAULT,
        broker: str | None = None,
    ) -> None:
        self.base = Base(url, engine, broker)
        self.registry = Registry(modules)
        self.scheduled: dict[str, Scheduled] = {}
        self.watched: Watched | None = None

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

        With ``engine="rabbitmq"``, ``COTALITY_JOBS_BROKER`` says where the broker is.

        Raises:
            ValueError: The variable is not set.
        """
        url = os.environ.get(variable)
        if not url:
            raise ValueError(
                f"{variable} is not set: where are the jobs? Such as sqlite:///jobs.db"
            )
        broker = os.environ.get(BROKER_VARIABLE) if engine == "rabbitmq" else None
        if engine == "rabbitmq" and not broker:
            raise ValueError(
                f"{BROKER_VARIABLE} is not set: where is the broker? Such as "
                f"amqp://user:password@host/vhost"
            )
        return cls(url, modules=modules, engine=engine, broker=broker)

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
            function: The function, if the decorator stands without brackets.
            name: The name by which the store knows the function; by default its module
                and its name. If you rename a function, jobs that wait under the old
                name no longer find it.
            queue: Where its jobs wait.
            priority: From -100 to 100; larger is sooner.
            retries: How often a failed job runs again, or a `Retry` with the pauses.
            timeout: Seconds after which an attempt is killed. Needs a worker process,
                or an ``async def`` function.
            keep: For how long a job is known after it has succeeded or was cancelled.
                Dead letters are kept until somebody purges them.
            unique: A function of the arguments that returns the key of a call. While a
                job with this key is not over, enqueuing returns the handle of that job.
            runs_on: ``"processes"``, where a crash costs one attempt and a cancelled
                job is killed; ``"threads"``, for functions that mostly wait; ``"auto"``
                begins in processes, and moves functions that mostly wait to threads. By
                default processes; ``async def`` functions run in the event loop of the
                worker.
            codec: ``"json"``, or ``"pickle"``. With pickle, whoever can write to the
                store can run code in the workers.
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
            rate: How many of its jobs may start in any period of some seconds.
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

        However many workers there are, and however much their clocks differ, each due
        time makes one job, whose id consists of the name and the time. On days on which
        clocks are changed, a schedule with a time of day is due once.

        Args:
            name: The name of the schedule. The store keeps under it which times were
                handled.
            when: A cron line such as ``"0 9 * * mon"``, a `crontab`, or a number of
                seconds like *every*.
            job: What to enqueue.
            every: The seconds from one due time to the next, at least 1, or a
                timedelta. Counted from 1970 in UTC, so that all workers agree.
            args: The arguments of the job.
            timezone: The time zone of a cron line, such as ``"Europe/Berlin"``.
            missed: What becomes of due times at which no worker ran: ``"skip"`` forgets
                them, ``"once"`` makes one job of all of them.

        Raises:
            ValueError: The cron line is invalid or never due, the time zone is unknown,
                or another schedule has the name.
            TypeError: An argument is missing, or has the wrong type.
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

    def watch(
        self,
        rules: AlertRules | None = None,
        *,
        queues: Mapping[str, AlertRules] | None = None,
        tell: Iterable[Tell] = (),
        every: float = 60.0,
    ) -> None:
        """Have one of the workers check the queues, and tell you of each fault once.

        However many workers there are, one of them checks; when it ends, another one
        takes over. Alerts also go to the log ``cotality.jobs.health``. If there is no
        worker at all, none can tell you, so check from somewhere else too, with
        `HealthWatch`.

        Args:
            rules: The limits for queues that have no rules of their own.
            queues: Rules for queues by name.
            tell: Functions that get each `Alert`, in a thread of the worker; exceptions
                that they raise are logged. Each alert is told once when it begins and
                once when it is over, and again only if the worker is killed while it
                tells.
            every: Seconds between two checks, at least 1.

        Raises:
            TypeError: *rules* or *queues* are no rules, or *tell* cannot be called.
            ValueError: *every* is too short, or this method was called before.
        """
        if self.watched is not None:
            raise ValueError(
                "watch was called before: give queues their own rules by queues=..., "
                "and all who are to be told by tell=[...]"
            )
        seconds = checked_seconds("every", every, zero=False)
        if seconds is None or seconds < 1:
            raise ValueError(f"every must be at least 1 second, got {every!r}")
        self.watched = Watched(
            checked_rules(AlertRules() if rules is None else rules),
            {name: checked_rules(each) for name, each in (queues or {}).items()},
            tuple(checked_tell(each) for each in tell),
            seconds,
        )

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

        All that is written in it, rows of your own tables included, is stored together
        or not at all.
        """
        self.prepare()
        with self.base.writing() as connection, self.base.is_in_transaction():
            yield connection

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """A connection to the store that never waits for writers.

        Read with it what you have written in a `transaction` beside the jobs; to read
        the jobs, use the methods of this class.
        """
        self.base.ready()
        with self.base.database.reading() as connection:
            yield connection

    def prepare(self) -> None:
        """Make the tables of the store now, rather than with the first job."""
        self.base.ready(self.registry.queues())

    def handle(self, id: str) -> JobHandle[Any]:
        """The handle of the job with this id. Its methods say whether it exists."""
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
            status: Only jobs in this state; None for all.
            queue: Only those of this queue, or of one of these.
            name: Only those of this function.
            ids: Only these, as far as they are there.
            before: Only jobs that are older than the one with this id. Give the last id
                of a list to get the next page, however many jobs have come meanwhile.
            limit: How many at most.
            offset: How many of the newest to leave out.

        Raises:
            ValueError: There is no such status, or a number is negative.
            UnknownJobError: The job given as *before* was swept or purged.
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
        """Run a dead letter, or a cancelled job, again.

        It keeps its id, and has all its attempts again.

        Returns:
            Whether there was such a job.

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
                    f"job {id} cannot run again: its key is that of job {other} by "
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
        """Forget those of these jobs that are over; return how many they were.

        Raises:
            TypeError: One id was given, not several.
        """
        if isinstance(ids, str):
            raise TypeError(f"purge takes several ids, got a text: purge([{ids!r}])")
        self.base.ready()
        with self.base.writing() as connection:
            return moves.purge(connection, [*ids])

    def stats(self, *, queues: Iterable[str] = ()) -> Queues:
        """The figures of each queue that has jobs or workers, by name.

        Args:
            queues: Queues to include in any case. A worker that serves all queues
                counts in each queue that is included.
        """
        asked = [checked_queue(each) for each in queues]
        self.base.ready()
        with self.base.database.reading() as connection:
            now = self.base.database.now(connection)
            return counting.counted(connection, now, asked)

    def times(self) -> AllTimes:
        """How long jobs wait and run, by the names of their functions.

        It counts every run since the store was made. Workers add to it every two
        seconds; if one is killed, its last two seconds are missing. The store knows at
        most two hundred names, and forgets a name that has not run for 30 days.
        """
        self.base.ready()
        with self.base.database.reading() as connection:
            return times.read(connection)

    def sweep(self) -> int:
        """Forget jobs that are over and were kept long enough; return how many.

        Workers do this by themselves. Dead letters stay, and so do jobs that are not
        over.
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
        with self.base.writing() as connection:
            times.forget(connection, self.base.database.now(connection))
        self.base.engine.clean()
        return count

    def close(self) -> None:
        """Close all connections. They are opened again when they are needed."""
        self.base.close()

    def __enter__(self) -> Jobs:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()
