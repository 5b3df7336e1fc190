"""What tasks change of the process that they run in, and what becomes of that.

Workers stay warm for calls that know nothing of one another. A task may leave the
directory, set a variable of the environment or seed `random`; in the next call that
would be so in some workers and not in others, and results would depend on it in
silence. So before its first task of another call a worker puts back what can be put
back for a few microseconds, `Dials` and `Surroundings`. What code relies on once it has
been set, a `Settlement`, is not put back: the worker is not used again.

What a module sets when it is imported for a task stays: a new worker would import it as
well. So it is taken in when a task is loaded, as long as no task has run.

Only workers that calls leave for others do this. Those of a `worker_pool` or of an
executor belong to whoever made it, and what is set there stays.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

from cotality._kit.imported import imported
from cotality.core.utils._process.machine.this_process import is_of_a_signal
from cotality.core.utils._process.output import filters

# Without what `signal` makes of numbers, which takes ten times as long.
signals: Any = sys.modules.get("_signal", signal)  # Any: it has no types

SIGNALS = [number for number in range(1, 32) if number in signals.valid_signals()]
BLOCK: Any = getattr(signals, "SIG_BLOCK", None)  # Any: there is none on Windows


class Surroundings(NamedTuple):
    """What a program hands on to those it starts.

    Attributes:
        directory: None if it has none any more.
        environment: As the system has it; what `os.environ` is made of.
        zone: The names of the time zone.
    """

    directory: str | None
    environment: dict[Any, Any]  # Any: bytes, or text on Windows
    zone: tuple[str, str]


class Dials(NamedTuple):
    """Numbers that are the whole process's.

    Attributes:
        blocked: The signals that are.
        alarm: When the next one is due, and how often then.
    """

    switch_interval: float
    recursion_limit: int
    collects_garbage: bool
    blocked: Any  # Any: a set of numbers, where there is such a thing
    alarm: Any  # Any: as above, two numbers


class Settlement(NamedTuple):
    """What is set once, and code relies on from then on.

    Attributes:
        locale: All of it, as text.
        handlers: Of signals.
    """

    locale: str
    handlers: list[Any]  # Any: what handles a signal


def surroundings() -> Surroundings:
    try:
        directory = os.getcwd()
    except OSError as raised:
        if is_of_a_signal(raised):
            raise
        directory = None
    return Surroundings(directory, environment(), time.tzname)


def environment() -> dict[Any, Any]:  # Any: as above
    found: dict[Any, Any] = getattr(os.environ, "_data", {})  # Any: as above
    return found


def dials() -> Dials:
    return Dials(
        sys.getswitchinterval(),
        sys.getrecursionlimit(),
        gc.isenabled(),
        None if BLOCK is None else signals.pthread_sigmask(BLOCK, ()),
        None if BLOCK is None else signals.getitimer(signals.ITIMER_REAL),
    )


def settlement() -> Settlement:
    import _locale  # `locale` would import more

    return Settlement(
        _locale.setlocale(_locale.LC_ALL, None), [*map(signals.getsignal, SIGNALS)]
    )


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
        now = surroundings()
        self.surroundings = now._replace(environment=now.environment.copy())
        self.dials = dials()
        self.settlement = settlement()
        self.filters = list(warnings.filters)
        self.rules = filters.adopted_count
        self.seeds.take_in()

    def put_back(self) -> None:
        """Another call begins."""
        if not self.has_run:
            return
        self.has_run = False
        now = surroundings()
        if now != self.surroundings:
            self.surround(now)
        if dials() != self.dials:
            self.turn_back()
        os.umask(self.umask)  # to look at it is to set it
        if filters.adopted_count != self.rules:  # those of the program, see there
            self.rules = filters.adopted_count
            self.filters = list(filters.adopted_filters)
        if warnings.filters != self.filters:
            # By `filterwarnings` as well it is changed in place.
            warnings.filters[:] = self.filters  # type: ignore[index]  # typeshed: a sequence
            forget_seen: Callable[[], None] | None = getattr(
                warnings, "_filters_mutated", None
            )
            if forget_seen is not None:
                forget_seen()
        self.seeds.put_back()

    def surround(self, now: Surroundings) -> None:
        before = self.surroundings
        if before.directory is not None and now.directory != before.directory:
            try:
                os.chdir(before.directory)
            except OSError:
                pass  # it is gone, and a new worker would not find it either
        if now.environment != before.environment:
            variables = environment()
            for name in [*(variables.keys() - before.environment.keys())]:
                unset(name)
            for name, value in before.environment.items():
                if variables.get(name) != value:
                    set_to(name, value)
        if hasattr(time, "tzset"):
            time.tzset()

    def turn_back(self) -> None:
        dials = self.dials
        sys.setswitchinterval(dials.switch_interval)
        sys.setrecursionlimit(dials.recursion_limit)
        (gc.enable if dials.collects_garbage else gc.disable)()
        if BLOCK is not None:
            signals.pthread_sigmask(signals.SIG_SETMASK, dials.blocked)
            signals.setitimer(signals.ITIMER_REAL, *dials.alarm)

    def is_spent(self) -> bool:
        """Tasks have run: whether no other call should."""
        self.has_run = True
        self.seeds.look()
        return settlement() != self.settlement


def unset(name: Any) -> None:  # Any: as in `Surroundings`
    os.environ.pop(text_of(name), None)


def set_to(name: Any, value: Any) -> None:  # Any: as in `Surroundings`
    os.environ[text_of(name)] = text_of(value)


def text_of(part: Any) -> str:  # Any: as in `Surroundings`
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
