"""One call of a public function: its checked arguments, and the run that they make."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast
from weakref import ref

from cotality._kit.records import NamedTuple
from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.machine.cpus import (
    checked_max_workers,
    default_workers,
)
from cotality.core.utils._process.machine.environment import log_is_wanted
from cotality.core.utils._process.machine.this_process import notice_fork
from cotality.core.utils._process.tasks.checks import (
    OnError,
    Said,
    checked_flag,
    checked_on_error,
    checked_tasks,
    first_limited,
    needs_processes,
)
from cotality.core.utils._process.tasks.from_data import are_of_items, total_of
from cotality.core.utils._process.tasks.task import Task

from .face import LISTS, Face
from .options.checked import Checked, checked_options, is_ours
from .options.declared import Options, UseProcesses
from .options.words import place_said, where_to_run, workers_said

# The engine is imported when a call runs: what starts beside that comes first.
if TYPE_CHECKING:
    from cotality.core.utils._process.engine.arrivals import Arrivals
    from cotality.core.utils._process.engine.backend import Backend
    from cotality.core.utils._process.engine.known_outcomes import KnownHead
    from cotality.core.utils._process.engine.observers import Observer
    from cotality.core.utils._process.engine.run import Run
    from cotality.core.utils._process.engine.source import Source


NOBODYS_CHOICE = "the caller asked for nothing else"


class Call(NamedTuple):
    """What a caller asked for.

    Attributes:
        max_workers: How many run at a time; None leaves it to where they run.
        bounded: Whether results are taken one by one.
        detailed: Whether the caller wants to know more than values and failures.
        planned: Why it runs where it does, if a plan says so.
        is_logged: Whether its end is to be found in the log.
        reason: Why it runs where it does, unless the caller said so.
    """

    tasks: Iterable[Task[Any]] | AsyncIterable[Task[Any]]  # Any: of every result type
    max_workers: int | None
    use_processes: UseProcesses
    on_error: OnError
    options: Checked
    bounded: bool
    detailed: bool
    planned: str = ""
    is_logged: bool = True
    reason: str = ""

    @classmethod
    def checked(
        cls,
        tasks: object,
        options: Options,
        *,
        max_workers: object = None,
        use_processes: object = None,
        return_exceptions: object = False,
        on_error: object = None,
        bounded: bool = False,
        detailed: bool = False,
        may_be_async: bool = False,
        face: Face = LISTS,
    ) -> Call:
        """A call with these arguments, unless something is wrong with one of them.

        Args:
            tasks: As for the public functions, as are *max_workers*, *use_processes*,
                *return_exceptions*, *on_error* and the *options*.
            bounded: As the attribute, as is *detailed*.
            may_be_async: Whether *tasks* may be an asynchronous iterable.
            face: What the caller sees of the call, for messages.

        Raises:
            TypeError: A value of the wrong type.
            ValueError: A value out of range.
        """
        notice_fork()
        place = place_said(options, use_processes)
        number = workers_said(options, max_workers)
        policy = checked_on_error(
            on_error, checked_flag("return_exceptions", return_exceptions)
        )
        face.check_names({**options})
        executor, on_processes = where_to_run(
            options.get("executor"), place, face.default
        )
        given = checked_options(
            {**options, "executor": executor},
            use_processes=on_processes,
            processes=face.processes,
            word=place.word,
        )
        given = given._replace(way_out=face.threads)
        checked = checked_tasks(tasks, may_be_async=may_be_async)
        is_limited = not given.inline and has_limits(checked, on_processes, given, face)
        reason = ""
        if on_processes == "auto" and (given.needs_processes or is_limited):
            on_processes = True
            reason = f"{given.name_of_need or 'timeout'} needs worker processes"
        if policy == "raise" and given.max_failures is not None:
            raise ValueError(
                f"max_failures={given.max_failures!r} needs on_error='group' or "
                f"'return': with 'raise' the first failure ends the call"
            )
        workers = None if number.value is None else checked_number(number, on_processes)
        if workers is None and given.executor is None:
            given = given._replace(names_no_number=True)
            found_out = on_processes == "auto" and not given.inline
            default = default_workers(bool(on_processes), this_process.is_worker)
            is_theirs = on_processes is True and has_enclosing_pool()
            workers = None if found_out or is_theirs else default
        call = cls(
            checked,
            workers,
            on_processes,
            policy,
            given,
            bounded,
            detailed,
            reason=reason,
        )
        is_said = place != ("use_processes", False) or options.get("executor")
        if face.default is False and not (is_said or given.inline):
            return call._replace(reason=NOBODYS_CHOICE)
        return call

    def watched_by(self, *observers: Observer) -> Call:
        """The same call, with *observers* before those it has."""
        options = self.options
        return self._replace(
            options=options._replace(observers=(*observers, *options.observers))
        )

    def knowing(self, head: KnownHead) -> Call:
        """The same call, of whose first tasks *head* knows what becomes of them."""
        head.memory = self.options.memory
        return self._replace(options=self.options._replace(memory=head))

    def results(self, *, ordered: bool = True) -> list[Any]:  # Any: as above
        """Run it; all results in the order of the tasks, or as they finished."""
        self.start_beside()
        from cotality.core.utils._process.engine import delivery

        run = self.blocking()
        return delivery.in_list(run) if ordered else delivery.in_list_as_finished(run)

    def blocking(self) -> Run:
        """The call, to be driven by a thread that does nothing else."""
        from cotality.core.utils._process.engine.arrivals import BlockingArrivals
        from cotality.core.utils._process.engine.source import source_of

        tasks = cast("Iterable[Task[Any]]", self.tasks)  # Any: as above
        if self.is_auto:
            from cotality.core.utils._process.engine.desk import Desk, SharedArrivals

            return self.run(SharedArrivals(Desk()), lambda: source_of(tasks))
        return self.run(BlockingArrivals(), lambda: source_of(tasks))

    @property
    def is_auto(self) -> bool:
        """Whether it is decided on the way where the tasks run."""
        return self.use_processes == "auto" and self.is_open

    @property
    def is_open(self) -> bool:
        """Whether neither the calling thread nor an executor of the caller runs it."""
        return not self.options.inline and self.options.executor is None

    def in_event_loop(self) -> Run:
        """The call, to be driven by a coroutine of the running event loop."""
        from cotality.core.utils._process.engine.event_loops.arrivals_async import (
            AsyncSource,
            LoopArrivals,
            running_loop,
        )
        from cotality.core.utils._process.engine.event_loops.closed_loops import Waiting
        from cotality.core.utils._process.engine.source import source_of

        tasks = self.tasks
        waiting = Waiting(running_loop())
        arrivals = LoopArrivals(waiting)
        if isinstance(tasks, AsyncIterable):
            run = self.run(arrivals, lambda: AsyncSource(tasks, arrivals))
        else:
            run = self.run(arrivals, lambda: source_of(tasks))
        waiting.run = ref(run)
        return run

    def start_beside(self) -> None:
        """Start what takes as long to start as the rest takes to be imported."""
        if self.use_processes is True and self.is_open and total_of(self.tasks) != 0:
            from cotality.core.utils._process.starting.fork_server import ahead

            ahead.start_server()

    def run(self, arrivals: Arrivals, open_source: Callable[[], Source]) -> Run:
        from cotality.core.utils._process.engine.brakes import Brakes
        from cotality.core.utils._process.engine.error_policy import ErrorPolicy
        from cotality.core.utils._process.engine.observers import Observers
        from cotality.core.utils._process.engine.run import Run
        from cotality.core.utils._process.engine.waiting_retries import Retries
        from cotality.core.utils._process.tasks.times import Measure

        from .open_backend import open_backend

        options = self.options
        observers = Observers(self.observers())
        policy = ErrorPolicy(
            self.on_error,
            options.max_failures,
            of_items=are_of_items(self.tasks),
        )
        measure = Measure.CPU if self.detailed else observers.measure
        measure = max([measure, *(brake.measure for brake in options.brakes)])
        total = total_of(self.tasks)

        def open_backend_for_call() -> Backend:
            return open_backend(
                self.max_workers,
                self.use_processes,
                options,
                until_failure=policy.ends_with_first and options.retries is None,
                measure=measure,
                may_be_endless=self.bounded and total is None,
                total=total,
                decided=observers.decided,
                desk=getattr(arrivals, "desk", None),
                is_shown=observers.patience is not None,
            )

        def open_source_with_memory() -> Source:
            source: Source = open_source()
            if options.memory is not None:
                source.ask(options.memory)
            return source

        return Run(
            open_source_with_memory,
            total,
            open_backend_for_call,
            arrivals,
            policy=policy,
            retries=Retries(options.retries),
            observers=observers,
            brakes=Brakes(options.brakes),
            chunksize=options.chunksize,
            bounded=self.bounded,
            detailed=bool(measure),
        )

    def observers(self) -> tuple[Observer, ...]:
        """Who watches; first, to be told of the end last, who writes the log."""
        each = self.options.observers
        if not (self.is_logged and log_is_wanted()):
            return each
        from .call_log import CALLERS_CHOICE, CallLog, EndedCall

        ended = EndedCall(reason=self.reason or CALLERS_CHOICE)
        if self.planned:
            ended = EndedCall(decided_by="plan", reason=self.planned)
        return CallLog(ended), *each


def has_limits(
    tasks: object, on_processes: UseProcesses, options: Checked, face: Face
) -> bool:
    """Whether one of *tasks* has a time limit of its own, as far as that is known.

    Raises:
        ValueError: It has, and that cannot be kept where they are going to run.
    """
    if not isinstance(tasks, list | tuple):
        return False
    each = cast("Sequence[Task[Any]]", tasks)  # Any: as above
    place = first_limited(each)
    if place is None:
        return False
    if options.executor is not None and not is_ours(options.executor):
        raise needs_processes(each[place], "Leave out executor")
    if options.executor is None and not on_processes:
        raise needs_processes(each[place], f"Add {face.processes}")
    return True


def checked_number(number: Said, on_processes: UseProcesses) -> int:
    """The number of workers that a caller has said.

    All CPUs are shared: in a worker process of ours, its part of them is one.
    """
    count = checked_max_workers(number.value, number.word)
    is_share = isinstance(number.value, int) and number.value < 0
    return 1 if is_share and on_processes is True and this_process.is_worker else count


def has_enclosing_pool() -> bool:
    """Whether the caller is inside of a `with worker_pool(...)`, or what is like it."""
    # Only calls with processes ask.
    from cotality.core.utils._process.workers.lending.enclosures import enclosing

    return enclosing() is not None
