"""What the tasks of random programs do, and the traces that they leave."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from cotality.core.utils.process import (
    Task,
    execute_tasks_in_parallel,
    share,
    worker_state,
)

from .program import SHARING, Do

local = threading.local()
user: ContextVar[str] = ContextVar("user", default="nobody")
MANY = 10_000  # items of a list that travels beside its task
FEW = 3
LATE_S = 60.0


class TroubleError(Exception):
    """Has an attribute and an argument, as exceptions have."""

    def __init__(self, number: int) -> None:
        super().__init__(f"trouble {number}")
        self.number = number

    def __reduce__(self) -> tuple[type[TroubleError], tuple[int]]:
        return TroubleError, (self.number,)


class OddError(Exception):
    """Cannot be pickled."""

    def __init__(self, number: int) -> None:
        super().__init__(number, threading.Lock())


class End(BaseException):
    """No `Exception`."""


class InputError(Exception):
    """What the input of a call raises."""


@dataclass(frozen=True)
class Traces:
    """Where the tasks of one call say that they run."""

    path: Path

    def leave(self, index: int) -> int:
        """Say that task *index* runs; for the how manieth time it does."""
        line = b"%d\n" % index
        fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        try:
            os.write(fd, line)  # one write is one line, also next to others
            return os.pread(fd, 1 << 20, 0).split(b"\n").count(line[:-1])
        finally:
            os.close(fd)

    def counted(self) -> Counter[int]:
        if not self.path.exists():
            return Counter()
        return Counter(map(int, self.path.read_text().split()))


class Made:
    def __init__(self, made_of: object) -> None:
        self.made_of = made_of


def made_of(number: int) -> Any:
    """What a state is made of: much that is alike, and some that cannot be hashed."""
    few = number // 5 % 3
    return [few, float(few), bool(few), (few, float(few)), [number]][number % 5]


def value_of(number: int) -> Any:
    """One of the kinds of values that travel in different ways."""
    kinds: list[Callable[[], Any]] = [
        lambda: number,
        lambda: number / 4,
        lambda: f"text {number}",
        lambda: None,
        lambda: number % 2 == 0,
        lambda: (number, [number]),
        lambda: {"number": number},
        lambda: number << 70,
        lambda: bytes([number % 256]) * 100_000,
    ]
    return kinds[number % len(kinds)]()


def perform(do: Do, index: int, traces: Traces, extra: Any) -> Any:
    runs = traces.leave(index)
    return WAYS[do.way](do.number, extra, runs)


def nap(number: int, extra: Any, runs: int) -> int:
    time.sleep(number % 5 / 1000)
    return number


def change(number: int, extra: list[int], runs: int) -> int:
    extra.append(number)
    return len(extra)


def fail(number: int, extra: Any, runs: int) -> None:
    raise TroubleError(number)


def fail_in_turn(number: int, extra: Any, runs: int) -> None:
    try:
        raise KeyError(number)
    except KeyError as error:
        raise TroubleError(number) from error


def fail_oddly(number: int, extra: Any, runs: int) -> None:
    raise OddError(number)


def exit_quietly(number: int, extra: Any, runs: int) -> None:
    if number % 3 == 1:
        raise GeneratorExit
    if number % 3 == 2:
        raise End
    sys.exit(number)


def nest(number: int, extra: Any, runs: int) -> list[int]:
    tasks = [Task.of(abs, -each) for each in range(3)]
    return execute_tasks_in_parallel(tasks, 2, number % 10 == 0)


def prepare(value: int | None) -> None:
    local.prepared = value


def interrupt(number: int, extra: Any, runs: int) -> None:
    raise KeyboardInterrupt


def fail_at_first(number: int, extra: Any, runs: int) -> int:
    if runs <= failing_runs(number):
        raise TroubleError(number)
    return number


def failing_runs(number: int) -> int:
    return 1 + number % 3


def crash(number: int, extra: Any, runs: int) -> None:
    os._exit(3)


def kill(number: int, extra: Any, runs: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(LATE_S)  # a signal may take a moment to arrive


def be_late(number: int, extra: Any, runs: int) -> None:
    time.sleep(LATE_S)


WAYS: dict[str, Callable[[int, Any, int], Any]] = {
    "value": lambda number, extra, runs: value_of(number),
    "nap": nap,
    "large": lambda number, extra, runs: (extra[0], extra[-1], len(extra)),
    "state": lambda number, extra, runs: extra.made_of,
    "context": lambda number, extra, runs: user.get(),
    "changes": change,
    "exception": lambda number, extra, runs: TroubleError(number),
    "raise": fail,
    "chain": fail_in_turn,
    "twins": lambda number, extra, runs: extra,
    "own": lambda number, extra, runs: extra,
    "counts": lambda number, extra, runs: extra,
    "odd": fail_oddly,
    "shared": lambda number, extra, runs: (extra[0], len(extra)),
    "prepared": lambda number, extra, runs: getattr(local, "prepared", None),
    "nested": nest,
    "exit": exit_quietly,
    "interrupt": interrupt,
    "flaky": fail_at_first,
    "lock": lambda number, extra, runs: number,
    "lock result": lambda number, extra, runs: threading.Lock(),
    "crash": crash,
    "kill": kill,
    "late": be_late,
}


class Shared:
    """Objects that several tasks of a call hold."""

    def __init__(self) -> None:
        self.few = [0] * FEW
        self.many = [0] * MANY
        self.only_read = [1] * MANY
        self.counting = Counting()
        self.count = self.counting.count

    def for_task(self, do: Do) -> Any:
        if do.way == "large":
            return [do.number] * MANY
        if do.way == "shared":
            return share(self.only_read)
        if do.way == "state":
            return worker_state(Made, made_of(do.number))
        if do.way in ("changes", *SHARING):
            return self.many if do.number % 2 else self.few
        return threading.Lock() if do.way == "lock" else None


def perform_oddly(function: Do, number: int, self: Traces, call: Any) -> Any:
    """Has arguments that are called as some of the package are."""
    return perform(function, number, self, call)


class Doer:
    def __init__(self, do: Do) -> None:
        self.do = do

    def perform(self, index: int, traces: Traces, extra: Any) -> Any:
        return perform(self.do, index, traces, extra)

    __call__ = perform


class Owner:
    """Is called, and holds what it is called with."""

    def __init__(self, thing: list[int]) -> None:
        self.thing = thing

    def is_given_its_own(
        self, do: Do, index: int, traces: Traces, thing: list[int]
    ) -> bool:
        return bool(perform(do, index, traces, thing is self.thing))


class Counting:
    """Counts how often it was called, here and not in another process."""

    def __init__(self) -> None:
        self.calls = 0

    def count(self, do: Do, index: int, traces: Traces) -> int:
        self.calls += 1
        return int(perform(do, index, traces, self.calls))


def are_twins(
    do: Do, index: int, traces: Traces, thing: list[int], other: dict[str, list[int]]
) -> bool:
    return bool(perform(do, index, traces, thing is other["thing"]))


def labelled_task_of(do: Do, index: int, traces: Traces, shared: Shared) -> Task[Any]:
    """As `task_of`, for a journal, which knows it by its label."""
    task = task_of(do, index, traces, shared)
    return replace(task, label=f"task {index}")


def task_of(do: Do, index: int, traces: Traces, shared: Shared) -> Task[Any]:
    extra = shared.for_task(do)
    if do.way == "twins":
        return Task.of(are_twins, do, index, traces, extra, other={"thing": extra})
    if do.way == "own":
        return Task.of(Owner(extra).is_given_its_own, do, index, traces, extra)
    if do.way == "counts":
        is_known = do.number % 2
        count = shared.count if is_known else shared.counting.count
        return Task.of(count, do, index, traces)
    if do.form == "positional":
        return Task.of(perform, do, index, traces, extra)
    if do.form == "lambda":
        # A mark has to be an argument, and what is closed over is none.
        return Task(lambda extra: perform(do, index, traces, extra), {"extra": extra})
    if do.form == "odd names":
        names = {"function": do, "number": index, "self": traces, "call": extra}
        return Task(perform_oddly, names)
    if do.form == "partial":
        return Task.of(partial(perform, do, index), traces, extra=extra)
    if do.form == "method":
        return Task.of(Doer(do).perform, index, traces, extra)
    if do.form == "object":
        return Task.of(Doer(do), index, traces, extra=extra)
    arguments = {"do": do, "index": index, "traces": traces, "extra": extra}
    return Task(perform, arguments)
