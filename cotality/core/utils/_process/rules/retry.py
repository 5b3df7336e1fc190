"""Which failures are worth another attempt, and how long to wait before it.

Pure rules: no clock, no sleeping. The engine keeps the tasks that wait.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import TIMEOUT_MAX
from typing import TYPE_CHECKING, TypeAlias, cast

from cotality._kit.public import public
from cotality._kit.records import dataclass, field
from cotality._kit.safe_text import shortened
from cotality.core.utils._process.tasks.errors import (
    TaskExitedError,
    TaskTimeoutError,
    WorkerCrashedError,
    WorkerStartError,
)
from cotality.core.utils._process.tasks.not_picklable import TaskNotPicklableError
from cotality.core.utils._process.tasks.task import name_of_function

if TYPE_CHECKING:
    from dataclasses import KW_ONLY

    from typing_extensions import TypeIs

Classes: TypeAlias = type[Exception] | tuple[type[Exception], ...]
Predicate: TypeAlias = Callable[[Exception], bool]

# What became of a task that did not raise anything itself. To run it again may kill the
# next worker, or take as long again; what cannot be pickled will not be the next time.
ONLY_WHEN_NAMED = (
    WorkerCrashedError,
    TaskTimeoutError,
    TaskExitedError,
    TaskNotPicklableError,
    WorkerStartError,
)
DEFAULT_RETRIES = 2
MOST_DOUBLINGS = 1023  # a float cannot hold the next power of two


@public
@dataclass(frozen=True, slots=True, repr=False, init=False)
class Retry:
    """How often a task that fails is tried again, for which failures, and when.

    A number says how often a failed task runs *again*: ``retries=4`` and ``Retry(4)``
    both run it up to five times. ``retries=Retry(4, on=ConnectionError)`` does so for
    one kind of failure, ``retries=4`` for every exception that a task raises.

    Before attempt 2 there is a pause of up to *backoff* seconds, and the longest pause
    doubles with each attempt, up to *max_delay*. A pause is a random part of it (full
    jitter), so that tasks which failed together, because a server was overloaded, do
    not all come back together. See "Exponential Backoff And Jitter", AWS Architecture
    Blog, 2015.

    Args:
        retries: How often a failed task runs again; 0 is no retry.
        on: As the attribute, as are *backoff*, *jitter* and *max_delay*.
        attempts: Deprecated: one more than *retries*. Give only one of the two.

    Attributes:
        attempts: How often a task may run in all: one more than *retries*.
        on: Which failures are tried again: an exception class, or several in a tuple,
            subclasses included; or a function that is given the exception and says so.
            By default every exception that a task raises.

            The death of a worker, a time limit, a task that exits and one that cannot
            be pickled are only tried again when their own class is given, such as
            ``on=(ConnectionError, WorkerCrashedError)``: `Exception` does not name
            `WorkerCrashedError`, nor `TimeoutError` `TaskTimeoutError`. A function is
            asked about all of them.
        backoff: The longest pause before attempt 2, in seconds; 0 tries again at once.
        jitter: Whether the pauses are random. Otherwise each is the longest it can be.
        max_delay: No pause is longer than this, in seconds.

    Raises:
        ValueError: A number is out of range, or *on* names nothing.
        TypeError: Something is not what it must be.
    """

    # Without defaults, which slots would not take: `__init__` has them.
    attempts: int = field()
    _: KW_ONLY
    on: Classes | Predicate = field()
    backoff: float = field()
    jitter: bool = field()
    max_delay: float = field()

    def __init__(
        self,
        retries: int = DEFAULT_RETRIES,
        *,
        on: Classes | Predicate = (Exception,),
        backoff: float = 0.5,
        jitter: bool = True,
        max_delay: float = 30.0,
        attempts: int | None = None,
    ) -> None:
        check_delay("backoff", backoff)
        check_delay("max_delay", max_delay)
        if not isinstance(jitter, bool):
            raise TypeError(f"jitter must be True or False, got {jitter!r}")
        put = object.__setattr__  # it is frozen
        put(self, "attempts", attempts_of(retries, attempts))
        put(self, "on", checked_on(on))
        put(self, "backoff", backoff)
        put(self, "jitter", jitter)
        put(self, "max_delay", max_delay)

    @property
    def retries(self) -> int:
        """How often a failed task runs again."""
        return self.attempts - 1

    def __repr__(self) -> str:
        if are_classes(self.on):
            names = [each.__name__ for each in self.on]
            shown = names[0] if len(names) == 1 else f"({', '.join(names)})"
        else:
            shown = name_of_function(self.on)
        return (
            f"Retry({self.retries}, on={shown}, backoff={self.backoff}, "
            f"jitter={self.jitter}, max_delay={self.max_delay})"
        )

    @classmethod
    def of(cls, retries: object) -> Retry:
        """What the option *retries* stands for.

        Args:
            retries: None or 0 for no retry; how often to run a task again after its
                first failure; or a `Retry`, as it is.

        Raises:
            ValueError: *retries* is a negative number.
            TypeError: *retries* is none of these.
        """
        if retries is None:
            return NEVER
        if isinstance(retries, Retry):
            return retries
        if isinstance(retries, bool) or not isinstance(retries, int):
            raise TypeError(
                f"retries must be a number of retries, a Retry or None, got {retries!r}"
            )
        return cls(retries)

    def is_retryable(self, error: Exception) -> bool:
        """Whether a task that failed with *error* should run again.

        How often it has run already does not matter here.

        Raises:
            Exception: What the function *on* raises.
        """
        if not are_classes(self.on):
            return bool(self.on(error))
        if isinstance(error, ONLY_WHEN_NAMED):
            named = [each for each in self.on if issubclass(each, ONLY_WHEN_NAMED)]
            return isinstance(error, tuple(named))
        return isinstance(error, self.on)

    def delay_before(
        self, attempt: int, random: Callable[[], float] | None = None
    ) -> float:
        """Seconds to wait before the run number *attempt* of a task.

        Args:
            attempt: From 1, which waits for nothing. Attempt 2 is the first retry.
            random: Gives a number from 0 to 1, anew with each call; None takes
                :func:`random.random`.
        """
        if attempt <= 1:
            return 0.0
        doublings = min(attempt - 2, MOST_DOUBLINGS)
        longest = min(self.max_delay, self.backoff * 2.0**doublings)
        if not self.jitter:
            return longest
        if random is None:
            from random import random as standard  # costs a few ms to import

            random = standard
        return longest * random()


def attempts_of(retries: int, attempts: int | None) -> int:
    """How often a task may run in all."""
    check_count("retries", retries, least=0)
    if attempts is None:
        return retries + 1
    check_count("attempts", attempts, least=1)
    if retries != DEFAULT_RETRIES:
        raise ValueError(
            f"retries={retries!r} and attempts={attempts!r} both say how often a task "
            f"runs: leave out attempts"
        )
    from warnings import warn

    warn(
        f"Retry(attempts={attempts}) is deprecated: write Retry({attempts - 1}), which "
        f"says how often a failed task runs again, as retries={attempts - 1} does",
        DeprecationWarning,
        stacklevel=3,
    )
    return attempts


def are_classes(on: Classes | Predicate) -> TypeIs[tuple[type[Exception], ...]]:
    """Whether a checked *on* holds classes; otherwise it is a function."""
    return isinstance(on, tuple)


def check_count(name: str, count: object, *, least: int) -> None:
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"{name} must be an integer, got {count!r}")
    if count < least:
        raise ValueError(f"{name} must be at least {least}, got {count!r}")


def check_delay(name: str, seconds: object) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{name} must be a number of seconds, got {seconds!r}")
    if not 0 <= seconds <= TIMEOUT_MAX:
        raise ValueError(
            f"{name} must be at least 0 seconds, and no more than a lock can wait, "
            f"{TIMEOUT_MAX:.0f}; got {shortened(seconds, 40)}"
        )


def checked_on(on: object) -> Classes | Predicate:
    """*on* as a tuple of classes or as a function."""
    classes: tuple[object, ...] | None = None
    if isinstance(on, type):
        classes = (on,)
    elif isinstance(on, tuple):
        classes = cast("tuple[object, ...]", on)
    elif callable(on):
        return cast("Predicate", on)
    if classes is None:
        raise TypeError(
            f"on must be an exception class, a tuple of them, or a function that takes "
            f"an exception, got {on!r}"
        )
    if not classes:
        raise ValueError("on names no exception: leave it out, or use Retry(0)")
    for each in classes:
        if not isinstance(each, type) or not issubclass(each, Exception):
            raise TypeError(f"on must hold classes of exceptions only, got {each!r}")
    return cast("tuple[type[Exception], ...]", classes)


NEVER = Retry(0)
