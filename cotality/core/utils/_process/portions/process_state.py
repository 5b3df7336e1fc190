"""What tasks change in their process, and how that is undone.

Workers stay warm for calls that know nothing of one another. A task may leave the
directory, set an environment variable or seed `random`. In the next call some workers
would have that change and others not, and results would silently depend on it. So
before a worker runs its first task of another call, it looks once, and restores what
can be restored. Some code relies on the locale and on signal handlers once they have
been set. These are not restored: the worker hands back its work and ends.

Looking takes about as long as the system takes to answer, so all of it is in one
function. Within a call, nothing is looked at.

A setting that a module makes when it is imported stays: a new worker would import the
module as well. The worker notes such settings when it loads a task, as long as no task
has run; while a task runs, `imports` watches for them.

Only workers that calls leave for others do this. Workers of a `worker_pool` or of an
executor belong to whoever made it, and keep what is set there.
"""

from __future__ import annotations

import _locale  # `locale` would import more
import gc
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias, TypeVar

from cotality._kit.imported import imported
from cotality._kit.records import NamedTuple
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.output import filters

T = TypeVar("T")

# Without what `signal` makes of numbers, which takes ten times as long.
signals: Any = sys.modules.get("_signal", signal)  # Any: it has no types

SIGNALS = [number for number in range(1, 32) if number in signals.valid_signals()]
BLOCK: Any = getattr(signals, "SIG_BLOCK", None)  # Any: there is none on Windows

# Numbers that are the whole process's: the switch interval, the recursion limit,
# whether garbage is collected, which signals are blocked, when an alarm is due
# and how often. Any: a set and two numbers, where there is such a thing.
Dials: TypeAlias = tuple[float, int, bool, Any, Any]


class SpentError(BaseException):
    """An earlier call has changed this process so that no other one should use it."""


def directory() -> str | None:
    """None if it has none any more."""
    try:
        return os.getcwd()
    except OSError as raised:
        if is_of_a_signal(raised):
            raise
        return None


def environment() -> dict[Any, Any]:  # Any: bytes, or text on Windows
    """As the system has it; what `os.environ` is made of."""
    found: dict[Any, Any] = getattr(os.environ, "_data", {})  # Any: as above
    return found


def dials() -> Dials:
    return (
        sys.getswitchinterval(),
        sys.getrecursionlimit(),
        gc.isenabled(),
        None if BLOCK is None else signals.pthread_sigmask(BLOCK, ()),
        None if BLOCK is None else signals.getitimer(signals.ITIMER_REAL),
    )


def handlers() -> list[Any]:  # Any: what handles a signal
    return [*map(signals.getsignal, SIGNALS)]


class Snapshot(NamedTuple):
    """What a process is like at one moment."""

    directory: str | None
    environment: dict[Any, Any]  # Any: see `environment`
    zone: tuple[str, str]
    dials: Dials
    umask: int
    locale: str
    handlers: list[Any]  # Any: as above
    filters: list[Any]  # Any: the warnings module's own
    seeds: set[str]


class ProcessState:
    """What this process is like when a call begins.

    Attributes:
        has_run: Whether a task has run since somebody has looked.
    """

    def __init__(self) -> None:
        self.umask = os.umask(0)
        os.umask(self.umask)
        self.seeds = Seeds()
        self.take_in()

    def take_in(self) -> None:
        """From here on it is as it is now."""
        self.has_run = False
        self.directory = directory()
        self.environment = environment().copy()
        self.zone = time.tzname
        self.dials = dials()
        self.locale = _locale.setlocale(_locale.LC_ALL, None)
        self.handlers = handlers()
        self.filters = list(warnings.filters)
        self.rules: int = filters.adopted_count
        self.seeds.take_in()

    def snapshot(self) -> Snapshot:
        umask = os.umask(0)
        os.umask(umask)
        return Snapshot(
            directory(),
            environment().copy(),
            time.tzname,
            dials(),
            umask,
            _locale.setlocale(_locale.LC_ALL, None),
            handlers(),
            list(warnings.filters),
            self.seeds.set.copy(),
        )

    def adopt_since(self, before: Snapshot) -> None:
        """What has changed since *before* is to stay, and nothing else."""
        self.seeds.look()
        now = self.snapshot()
        self.directory = newer(now.directory, before.directory, self.directory)
        self.zone = newer(now.zone, before.zone, self.zone)
        self.umask = newer(now.umask, before.umask, self.umask)
        self.locale = newer(now.locale, before.locale, self.locale)
        changed = zip(now.handlers, before.handlers, self.handlers, strict=True)
        self.handlers = [own if new is old else new for new, old, own in changed]
        for name in before.environment.keys() - now.environment.keys():
            self.environment.pop(name, None)
        for name, value in now.environment.items():
            if before.environment.get(name) != value:
                self.environment[name] = value
        # Not the alarm, of which less is left at any rate.
        self.dials = (
            newer(now.dials[0], before.dials[0], self.dials[0]),
            newer(now.dials[1], before.dials[1], self.dials[1]),
            newer(now.dials[2], before.dials[2], self.dials[2]),
            newer(now.dials[3], before.dials[3], self.dials[3]),
            self.dials[4],
        )
        if now.filters != before.filters:
            new = [each for each in now.filters if each not in before.filters]
            self.filters = new + [each for each in self.filters if each in now.filters]
        self.seeds.set -= now.seeds - before.seeds

    def put_back(self) -> None:
        """Another call begins.

        Raises:
            SpentError: It should begin elsewhere.
        """
        if not self.has_run:
            return
        if (
            _locale.setlocale(_locale.LC_ALL, None) != self.locale
            or handlers() != self.handlers
        ):
            raise SpentError
        self.has_run = False
        if directory() != self.directory:
            self.return_to_directory()
        if environment() != self.environment or time.tzname != self.zone:
            self.set_variables()
        if dials() != self.dials:
            self.turn_back()
        os.umask(self.umask)  # to look at it is to set it
        if filters.adopted_count != self.rules:  # those of the program, see there
            self.rules = filters.adopted_count
            self.filters = list(filters.adopted_filters)
        if warnings.filters != self.filters:
            self.filter_again()
        self.seeds.put_back()

    def return_to_directory(self) -> None:
        if self.directory is None:
            return
        try:
            os.chdir(self.directory)
        except OSError:
            pass  # it is gone, and a new worker would not find it either

    def set_variables(self) -> None:
        before, variables = self.environment, environment()
        for name in [*(variables.keys() - before.keys())]:
            unset(name)
        for name, value in before.items():
            if variables.get(name) != value:
                set_to(name, value)
        if hasattr(time, "tzset"):
            time.tzset()

    def turn_back(self) -> None:
        switch_interval, recursion_limit, collects_garbage, blocked, alarm = self.dials
        sys.setswitchinterval(switch_interval)
        sys.setrecursionlimit(recursion_limit)
        (gc.enable if collects_garbage else gc.disable)()
        if BLOCK is not None:
            signals.pthread_sigmask(signals.SIG_SETMASK, blocked)
            signals.setitimer(signals.ITIMER_REAL, *alarm)

    def filter_again(self) -> None:
        # By `filterwarnings` as well it is changed in place.
        warnings.filters[:] = self.filters  # type: ignore[index]  # typeshed: a sequence
        forget_seen: Callable[[], None] | None = getattr(
            warnings, "_filters_mutated", None
        )
        if forget_seen is not None:
            forget_seen()


def newer(now: T, before: T, own: T) -> T:
    """*now* if that is not as it was *before*, else *own*."""
    return own if now == before else now


def unset(name: Any) -> None:  # Any: see `environment`
    os.environ.pop(text_of(name), None)


def set_to(name: Any, value: Any) -> None:  # Any: see `environment`
    os.environ[text_of(name)] = text_of(value)


def text_of(part: Any) -> str:  # Any: see `environment`
    return os.fsdecode(part)


class Seeds:
    """Whether a task has said which random numbers are to come.

    To make them unknown again takes 10 us, and 100 us with numpy, so it is not done for
    nothing; and nothing else than the call shows whether it has to be.
    """

    def __init__(self) -> None:
        self.set: set[str] = set()  # the modules whose numbers are known
        self.watched: set[str] = set()
        self.look()

    def look(self) -> None:
        """See to what has been imported since."""
        for name in ("random", "numpy.random"):
            module = imported(name)
            if module is None or name in self.watched:
                continue
            self.watched.add(name)
            for function in ("seed", "setstate", "set_state"):
                if hasattr(module, function):
                    setattr(module, function, self.noting(module, name, function))
            self.set.add(name)  # before this, for all that anybody knows

    def noting(self, module: Any, name: str, function: str) -> Callable[..., Any]:
        called: Callable[..., Any] = getattr(module, function)  # Any: as it is

        @wraps(called)
        def noted(*positional: Any, **named: Any) -> Any:  # Any: as it is called
            self.set.add(name)
            return called(*positional, **named)

        return noted

    def take_in(self) -> None:
        """What modules have set when they were imported stays."""
        self.look()
        self.set.clear()

    def put_back(self) -> None:
        self.look()
        for name in list(self.set):
            module: Any = imported(name)  # Any: one of two
            if module is not None:
                module.seed()
        self.set.clear()  # not before: it notes these as well


current: ProcessState | None = None  # of a worker that calls leave for others


def keep() -> None:
    """From here on what tasks change is put back."""
    global current
    current = ProcessState()
