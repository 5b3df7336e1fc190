"""The keyword-only options of all execution functions, declared once.

Whoever shows them imports this, so it imports as little as can be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypedDict

from cotality._kit.public import public
from cotality.core.utils._process.machine.forks import watch_forks

from .shown_options import F, showing

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from cotality.core.utils._process.durable.dead_letters.dead_letters import (
        DeadLetters,
    )
    from cotality.core.utils._process.durable.journal.journal import Journal
    from cotality.core.utils._process.engine.brakes import Brake
    from cotality.core.utils._process.engine.limits.rate import Rate
    from cotality.core.utils._process.progress.option import ProgressOption
    from cotality.core.utils._process.report.run_report import RunReport
    from cotality.core.utils._process.rules.retry import Retry

# A program that can make a call has this; a call imports much else, and at any time.
watch_forks()

DEFAULT_GRACE = 5.0  # s

# What says where tasks run; and the same in words, for the option *executor*.
UseProcesses: TypeAlias = bool | Literal["auto"]
ExecutorName: TypeAlias = Literal["threads", "processes", "auto"]

# Protocols, where Callable[..., object] and ContextVar[Any] would do: an Any among the
# options makes mypy forget which overload of a call it is.


class Function(Protocol):
    """Anything that can be called, with any arguments."""

    def __call__(self, *args: Any, **kwargs: Any) -> object: ...  # Any: see above


class Variable(Protocol):
    """A `ContextVar` of any type."""

    @property
    def name(self) -> str: ...

    def get(self) -> object: ...


@public
class Options(TypedDict, total=False):
    """What may be given by keyword to every execution function.

    The first sentence of each is what `help` shows of it.

    Attributes:
        workers: How many tasks run at a time; -1 means all CPUs. -2 means all but one,
            and so on; None leaves it to where they run. *max_workers* and *n_jobs* are
            other words for it, which every function takes as well.
        processes: True: worker processes; False: threads; ``"auto"`` finds out. None,
            the default, is ``"auto"`` for the functions of :mod:`cotality`, and threads
            for those whose name begins with *execute* or *iter*. *use_processes* is
            another word for it, which every function takes as well.
        max_failures: End the call when this many tasks have failed. It ends with an
            `ExceptionGroup` of their failures. None, the default, sets no limit. It
            excludes ``on_error="raise"``, where the first failure ends the call.
        retries: Run a failed task again, at most this many times. Or as a `Retry` says:
            ``retries=3`` and ``Retry(3)`` both mean up to 4 runs. A task that waits for
            its next attempt occupies no worker.
        timeout: Seconds that one task may run. None, the default, sets no limit;
            `Task.timeout` sets one for a single task. The time that a task waits for a
            worker does not count, nor the time that the worker takes to unpickle it,
            imports included. Only on our worker processes.
        grace: Seconds that running tasks get to finish when the call ends early. That
            is after a failure or a `break`; then their workers are killed. 5 by
            default. None waits as long as it takes. After Ctrl-C there is no grace. If
            Ctrl-C strikes the body of a loop over a stream, the stream sees a `break`.
            Threads cannot be killed, so the call always waits for them.
        max_tasks_per_worker: Replace a worker process after this many tasks. For tasks
            that leak; None, the default, never does. Such a call starts workers of its
            own. Only on our worker processes.
        progress: True, or a name such as ``"Hashing"``: show a progress bar. It stands
            on standard error. A function gets a `Progress` instead, at most 20 times a
            second, and once at the end.
        unit: What the bar calls one task, such as ``"file"``. ``"task"`` by default.
        report: A file such as ``"run.html"`` that says what the run did. It is written
            when the call ends: the page into ``.html``, the trace into ``.json``, the
            summary into ``.txt``. Or a `RunReport` for the call to fill.
        journal: A file in which the call writes down how each task ends. The next run
            can *resume* from it. A path, or a `Journal`.
        resume: Continue from what the *journal* says. A task that finished or failed in
            an earlier run does not run again, and has the outcome that it had then.
        retry_failed: With *resume*, run failed tasks again.
        dead_letters: A file that keeps the tasks that fail for good. A path, or a
            `DeadLetters`. See :func:`replay`.
        chunksize: The most tasks that travel together. None, the default, lets portions
            grow until they hold about 20 ms of work.
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``. As
            measured from their arguments and results; if these are large, fewer tasks
            run at a time. No task starts while the machine or the container has less
            than a tenth of the limit free, at most 100 MB. A number counts bytes. None,
            the default, takes the value of ``COTALITY_MEMORY_LIMIT_MB``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second. Or a `Rate`, for another time.
        circuit_breaker: Fail tasks at once while the service they need is down. A
            `Brake` such as `cotality.tuning.CircuitBreaker`.
        context: Context variables whose values tasks on processes see. None by default.
            Each value has to be picklable. Tasks on threads always see all variables of
            the caller.
        initializer: Each worker calls it, with *initargs*, before its first task. If it
            raises, the call fails. Such a call starts workers of its own.
        initargs: The arguments of *initializer*, in a tuple.
        executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
            The words mean the same as *processes* False, True or ``"auto"``. On any
            `concurrent.futures.Executor` tasks run there instead of on our workers; the
            call does not shut it down.
        inline: Run everything in the calling thread, for a debugger. One task after the
            other, with all other rules the same. Time limits are not kept.
        n_jobs: Another word for *workers*, as joblib has it.
    """

    workers: int | None
    processes: UseProcesses | None
    max_failures: int | None
    retries: int | Retry | None
    timeout: float | None
    grace: float | None
    max_tasks_per_worker: int | None
    progress: ProgressOption
    unit: str | None
    report: str | os.PathLike[str] | RunReport | None
    journal: str | os.PathLike[str] | Journal | None
    resume: bool
    retry_failed: bool
    dead_letters: str | os.PathLike[str] | DeadLetters | None
    chunksize: int | None
    memory_limit: str | float | None
    memory_limit_mb: float | None
    rate: float | Rate | None
    circuit_breaker: Brake | None
    context: Sequence[Variable] | None
    initializer: Function | None
    initargs: tuple[object, ...]
    executor: Executor | ExecutorName | None
    inline: bool
    n_jobs: int | None


# What holds where an option is not given, unless that is None.
DEFAULTS: dict[str, object] = {
    "grace": DEFAULT_GRACE,
    "resume": False,
    "retry_failed": False,
    "initargs": (),
    "inline": False,
}


class MapOptions(Options, total=False):
    """The same for functions without parameters for the old words.

    Attributes:
        max_workers: Another word for *workers*.
        use_processes: Another word for *processes*.
    """

    max_workers: int | None
    use_processes: UseProcesses | None


# For a function that takes the options, above it: they are in its signature and help.
takes_options = showing(Options, DEFAULTS)
takes_map_options = showing(MapOptions, DEFAULTS, of=Options)


def takes_options_without(*names: str) -> Callable[[F], F]:
    """The same for a function that refuses some of them, or has no such words."""
    return showing(MapOptions, DEFAULTS, of=Options, without=names)
