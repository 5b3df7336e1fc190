"""The keyword-only options of all execution functions, checked."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextvars import Context, ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from cotality._kit.records import NamedTuple
from cotality._kit.safe_text import class_and_text
from cotality.core.utils._process.machine.environment import MEMORY_VARIABLE
from cotality.core.utils._process.tasks.checks import (
    check_function,
    checked_count,
    checked_flag,
    checked_seconds,
)

from .declared import DEFAULT_GRACE, UseProcesses
from .words import MEANINGS

# Every program loads this module. So what an option needs is imported only when a call
# gives that option.
if TYPE_CHECKING:
    from concurrent.futures import Executor

    from cotality.core.utils._process.engine.brakes import Brake
    from cotality.core.utils._process.engine.observers import Observer
    from cotality.core.utils._process.engine.source import Memory
    from cotality.core.utils._process.rules.retry import Retry
    from cotality.core.utils._process.workers.lending.enclosures import Lender
    from cotality.core.utils._process.workers.worker_main import Initializer


class Checked(NamedTuple):
    """The options of one call, checked, with defaults filled in."""

    max_failures: int | None = None
    retries: Retry | None = None
    timeout: float | None = None
    grace: float | None = DEFAULT_GRACE
    max_tasks_per_worker: int | None = None
    observers: tuple[Observer, ...] = ()
    memory: Memory | None = None  # knows the outcomes of an earlier run
    chunksize: int | None = None
    brakes: tuple[Brake, ...] = ()
    context: Sequence[ContextVar[Any]] = ()  # Any: variables of any type
    packed_context: bytes | None = None  # the same with their values, for a process
    initializer: Callable[..., object] | None = None
    initargs: tuple[Any, ...] = ()  # Any: arguments of any function
    packed_initializer: Initializer | None = None  # the same, for a process
    obstacle: str = ""  # why there is none, where it may not be needed
    executor: Executor | None = None
    inline: bool = False
    names_no_number: bool = False  # the caller gave no number of workers: share them
    lender: Lender | None = None  # who lends worker processes to this call, if anybody
    begins_beside: bool = False  # whether no task may begin in the caller's thread
    found: Context | None = (
        None  # what tasks on threads see; None: as at the first task
    )
    way_out: str = "use_processes=False"  # what messages tell the caller to add

    def initializer_call(self) -> Callable[[], object] | None:
        """The initializer with its arguments, for a thread."""
        if self.initializer is None:
            return None
        return partial(self.initializer, *self.initargs)

    @property
    def needs_processes(self) -> bool:
        """Whether only our worker processes can do what the options ask for."""
        return bool(self.name_of_need)

    @property
    def name_of_need(self) -> str:
        """The option that only our worker processes can keep; empty without one."""
        return name_of_need(partial(getattr, self))

    @property
    def needs_own_workers(self) -> bool:
        """Whether the call has to start worker processes of its own."""
        return self.max_tasks_per_worker is not None or self.initializer is not None


NEEDS_PROCESSES = {
    "timeout": "a thread cannot be stopped",
    "max_tasks_per_worker": "threads do not leak",
}


def name_of_need(value_of: Callable[[str], object]) -> str:
    """The option that only our worker processes can keep; empty without one.

    Args:
        value_of: Says what was given for an option; None if nothing was.
    """
    return next((each for each in NEEDS_PROCESSES if value_of(each) is not None), "")


def checked_options(
    given: dict[str, Any],  # Any: what a caller wrote
    *,
    use_processes: UseProcesses,
    processes: str = "",
    word: str = "use_processes",
) -> Checked:
    """The options of a call, checked. Their names have been checked before.

    Args:
        given: The options; an *executor* among them is none of our words.
        use_processes: Where the tasks run, as the words say.
        processes: What messages tell the caller to add, to use processes.
        word: What the caller has called *use_processes*.

    Raises:
        TypeError: An option that does not exist, or a value of the wrong type.
        ValueError: A value out of range, or options that exclude one another.
    """
    options = Checked(
        max_failures=checked_count("max_failures", given.get("max_failures")),
        retries=checked_retries(given.get("retries")),
        timeout=checked_seconds("timeout", given.get("timeout"), zero=False),
        grace=checked_seconds("grace", given.get("grace", DEFAULT_GRACE), zero=True),
        max_tasks_per_worker=checked_count(
            "max_tasks_per_worker", given.get("max_tasks_per_worker")
        ),
        chunksize=checked_count("chunksize", given.get("chunksize")),
        brakes=checked_brakes(given),
        context=checked_context(given.get("context")),
        initializer=checked_function("initializer", given.get("initializer")),
        initargs=checked_initargs(given.get("initargs")),
        executor=checked_executor(given.get("executor"), use_processes, word),
        inline=checked_flag("inline", given.get("inline", False)),
    )
    check_together(options, use_processes=use_processes, processes=processes)
    if use_processes and not options.inline and options.initializer is not None:
        options = with_packed_initializer(options, use_processes)
    if options.context:
        from cotality.core.utils._process.pickling.context_values import captured

        options = options._replace(packed_context=captured(options.context))
    # Last, so that the report of a refused call can be given to another call.
    observers, memory = watching(given)
    return options._replace(observers=observers, memory=memory)


def checked_brakes(given: dict[str, Any]) -> tuple[Brake, ...]:  # Any: as above
    """What may keep the tasks of the call from starting."""
    found: list[Brake] = []
    limit, size = given.get("memory_limit_mb"), given.get("memory_limit")
    is_given = limit is not None or size is not None
    if is_given or MEMORY_VARIABLE in os.environ:
        from cotality.core.utils._process.engine.limits.memory_limit import (
            MemoryLimit,
            limit_of,
        )

        found.append(MemoryLimit(limit_of(limit, size)))
    if (rate := given.get("rate")) is not None:
        from cotality.core.utils._process.engine.limits.rate import Rate

        found.append(Rate.of(rate))
    if (breaker := given.get("circuit_breaker")) is not None:
        from cotality.core.utils._process.engine.brakes import Brake

        if not isinstance(breaker, Brake):
            raise TypeError(
                f"circuit_breaker must be a CircuitBreaker of cotality.tuning, got "
                f"{breaker!r}"
            )
        found.append(breaker)
    return tuple(found)


def with_packed_initializer(options: Checked, use_processes: UseProcesses) -> Checked:
    from cotality.core.utils._process.tasks.not_picklable import TaskNotPicklableError
    from cotality.core.utils._process.workers.executor import checked_initializer

    try:
        packed = checked_initializer(options.initializer, options.initargs)
    except TaskNotPicklableError as error:
        if use_processes != "auto":
            raise
        return options._replace(obstacle=class_and_text(error))
    return options._replace(packed_initializer=packed)


def watching(
    given: dict[str, Any],  # Any: what a caller wrote
) -> tuple[tuple[Observer, ...], Memory | None]:
    """Who watches the call, and what is known of earlier ones.

    Each is imported on demand, because most calls have no observer.
    """
    observers: list[Observer] = []
    memory: Memory | None = None
    if not given.keys().isdisjoint(("journal", "resume", "retry_failed")):
        from cotality.core.utils._process.durable.journal.option import recorder_of

        journal = recorder_of(
            given.get("journal"),
            given.get("resume", False),
            given.get("retry_failed", False),
        )
        if journal is not None:
            # First: what it has not written down nobody else should be told.
            observers.append(journal)
            memory = journal.memory
    if "dead_letters" in given:
        from cotality.core.utils._process.durable.dead_letters.dead_letters import (
            letter_recorder_of,
        )

        letters = letter_recorder_of(given["dead_letters"])
        observers += [] if letters is None else [letters]
    report = None
    if given.get("report") is not None:
        from cotality.core.utils._process.report.option import filled_by

        report = filled_by(given["report"])
    if not given.keys().isdisjoint(("progress", "unit")):
        from cotality.core.utils._process.progress.option import observer_of

        shown = observer_of(given.get("progress"), given.get("unit"))
        observers += [] if shown is None else [shown]
    if report is not None:
        observers.append(report.recorder())
    return tuple(observers), memory


def check_together(
    options: Checked, *, use_processes: UseProcesses, processes: str
) -> None:
    """Refuse options that cannot be kept where the call is going to run.

    With *inline* all are accepted, so that a debugger needs one more word and no other
    change.
    """
    if options.initargs and options.initializer is None:
        raise ValueError("initargs need an initializer to be given to")
    if options.inline:
        return
    for name, reason in NEEDS_PROCESSES.items():
        value = getattr(options, name)
        if value is None:
            continue
        if options.executor is not None and not has_our_workers(options, name):
            raise ValueError(
                f"{name}={value!r} needs cotality's own worker processes: it cannot "
                f"end those of another executor. Leave out {name} or executor."
            )
        if not use_processes and options.executor is None:
            raise ValueError(
                f"{name}={value!r} needs worker processes, because {reason}. "
                f"Add {processes}, or leave {name} out."
            )
    if options.executor is not None and options.initializer is not None:
        raise ValueError(
            "an initializer is given to an executor when that is made; leave out "
            "initializer or executor"
        )


def has_our_workers(options: Checked, name: str) -> bool:
    """Whether the executor of a call can do what *name* asks for."""
    # How long workers live was settled before.
    return is_ours(options.executor) and name == "timeout"


def is_ours(executor: Executor | None) -> bool:
    """Whether *executor* has worker processes of ours."""
    if executor is None:
        return False
    from cotality.core.utils._process.workers.executor import (
        IsolatedProcessPoolExecutor,
    )

    return isinstance(executor, IsolatedProcessPoolExecutor)


def checked_retries(retries: object) -> Retry | None:
    """How often a task may run; None for once."""
    if retries is None:
        return None
    from cotality.core.utils._process.rules.retry import Retry

    policy = Retry.of(retries)
    return None if policy.attempts == 1 else policy


def checked_initargs(initargs: Any) -> tuple[Any, ...]:  # Any: of any function
    if initargs is None:
        return ()
    if hasattr(initargs, "__iter__") and not isinstance(initargs, str | bytes):
        return tuple(initargs)
    raise TypeError(
        f"initargs must be a tuple of arguments, got {initargs!r}. Write "
        f"initargs=({initargs!r},)."
    )


def checked_context(
    context: Any,  # Any: what a caller wrote
) -> Sequence[ContextVar[Any]]:
    if context is None:
        return ()
    if isinstance(context, ContextVar):
        raise TypeError(f"context must be a list of ContextVar, got one: {context!r}")
    try:
        variables = tuple(context)
    except TypeError:
        raise TypeError(
            f"context must be a list of ContextVar, got {context!r}"
        ) from None
    for each in variables:
        if not isinstance(each, ContextVar):
            raise TypeError(f"context must hold ContextVar objects, got {each!r}")
    return variables


def checked_function(
    name: str, function: Any
) -> Callable[..., object] | None:  # Any: what a caller wrote
    if function is None or callable(function):
        check_function(function, f"the {name}")
        return function  # type: ignore[no-any-return]  # what it takes only a call tells
    raise TypeError(f"{name} must be a function, got {function!r}")


def checked_executor(
    executor: Any, use_processes: UseProcesses, word: str
) -> Executor | None:  # Any: what a caller wrote
    """The executor of others to run on, if *executor* is one.

    Args:
        use_processes: Whether the tasks are to run in processes, which would be ours.
        word: What the caller has called that.
    """
    if executor is None:
        return None
    from concurrent.futures import Executor

    if not isinstance(executor, Executor) and not (
        callable(getattr(executor, "submit", None))
    ):
        raise TypeError(
            f"executor must be one of {', '.join(map(repr, MEANINGS))}, or an executor "
            f"of concurrent.futures, got {executor!r}"
        )
    if isinstance(executor, type):
        raise TypeError(f"executor must be an executor, not its class {executor!r}")
    if use_processes:
        raise ValueError(
            f"{word}={use_processes!r} starts cotality's own workers, and executor= "
            f"brings others: leave out one of the two"
        )
    return executor  # type: ignore[no-any-return]  # it can do what an Executor can
