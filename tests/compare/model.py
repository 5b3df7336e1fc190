"""What is promised for a call, in plain Python; it never asks the package.

See ``docs/look-up/promises.md`` and ``docs/look-up/options.md``.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cotality.core.utils.process import (
    RemoteTaskError,
    TaskExitedError,
    TaskNotPicklableError,
    TaskTimeoutError,
    WorkerCrashedError,
)

from .doing import (
    FEW,
    MANY,
    InputError,
    OddError,
    TroubleError,
    failing_runs,
    made_of,
    value_of,
)
from .generate import ON_PROCESSES, ONE_BY_ONE
from .program import SHARING, Call, Do

CALLER = "Ada"  # what the context variable is set to around each call
NOBODY = "nobody"


@dataclass
class Seen:
    """What came of a call.

    Attributes:
        values: What it returned, or yielded, as it came.
        error: What it raised.
        runs: How often each task was seen to run.
        report: How many it says were done, and failed; None if nobody asked.
    """

    values: list[Any] = field(default_factory=list[Any])
    error: BaseException | None = None
    runs: Counter[int] = field(default_factory=Counter[int])
    report: tuple[int, int] | None = None


@dataclass(frozen=True)
class Expected:
    """What becomes of a task.

    Attributes:
        values: Any of these; nothing if it fails.
        failure: With what class of exception it fails, or one of some.
        runs: How often it runs.
    """

    values: tuple[Any, ...] = ()
    failure: type[Exception] | tuple[type[Exception], ...] | None = None
    runs: int = 1
    do: Do = field(default=Do("value", 0))

    def is_value(self, value: Any) -> bool:
        if self.do.way == "lock result":
            return not self.failure and type(value).__name__ == "lock"
        return any(same(value, each) for each in self.values)

    def is_failure(self, error: object) -> bool:
        classes = self.failure if isinstance(self.failure, tuple) else (self.failure,)
        if type(error) not in classes:
            return False
        if isinstance(error, TroubleError):
            is_whole = error.args == (f"trouble {self.do.number}",)
            is_whole = is_whole and error.number == self.do.number
            cause = error.__cause__
            if self.do.way == "chain":
                key = isinstance(cause, KeyError) and cause.args == (self.do.number,)
                return is_whole and key
            return is_whole
        return True


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, BaseException):
        return one.args == other.args
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def expected(call: Call, do: Do) -> Expected:
    """What becomes of a task that does *do*."""
    on_processes = call.place in ON_PROCESSES
    way, number, attempts = do.way, do.number, call.attempts
    if way in ("raise", "chain"):
        return Expected((), TroubleError, attempts, do)
    if way == "odd":
        odd = RemoteTaskError if on_processes else OddError
        either = (OddError, RemoteTaskError)
        return Expected((), either if call.place == "auto" else odd, 1, do)
    if way in ("exit", "interrupt"):
        return Expected((), TaskExitedError, 1, do)
    if way == "flaky":
        failing = failing_runs(number)
        if failing >= attempts:
            return Expected((), TroubleError, attempts, do)
        return Expected((number,), None, failing + 1, do)
    if way in ("lock", "lock result") and on_processes:
        return Expected((), TaskNotPicklableError, 1 if way == "lock result" else 0, do)
    if way in ("crash", "kill", "late"):
        failure = TaskTimeoutError if way == "late" else WorkerCrashedError
        return Expected((), failure, attempts if call.retries_crashes else 1, do)
    return Expected(values_of(call, do), None, 1, do)


def values_of(call: Call, do: Do) -> tuple[Any, ...]:
    number = do.number
    if do.way == "value":
        return (value_of(number),)
    if do.way == "large":
        return ((number, number, MANY),)
    if do.way == "shared":
        return ((1, MANY),)
    if do.way == "counts":
        return (1,)  # no task sees what another one has changed
    if do.way in SHARING:
        return (True,)
    if do.way == "prepared":
        return (call.prepared,)
    if do.way == "nested":
        return ([0, 1, 2],)
    if do.way == "state":
        return (made_of(number),)
    if do.way == "changes":  # nobody else has changed it
        return ((MANY if number % 2 else FEW) + 1,)
    if do.way == "exception":
        return (TroubleError(number),)
    if do.way == "context":
        if call.context or call.place in ("threads", "inline", "thread executor"):
            return (CALLER,)
        return (CALLER, NOBODY) if call.place == "auto" else (NOBODY,)
    return (number,)


class Judge:
    """Finds what is wrong with what was seen of a call."""

    def __init__(self, call: Call, seen: Seen) -> None:
        self.call = call
        self.seen = seen
        self.tasks = [expected(call, do) for do in call.read]
        self.failing = [i for i, each in enumerate(self.tasks) if each.failure]
        self.policy = call.on_error or "raise"
        if call.entry.startswith("outcomes"):
            self.policy = "return"
        most = 1 if self.policy == "raise" else call.max_failures
        self.ends_by_failures = most is not None and len(self.failing) >= most
        self.is_left = call.leave_after is not None
        self.is_whole = not self.ends_by_failures and not self.is_left

    def complaints(self) -> Iterator[str]:
        if self.call.entry in ONE_BY_ONE:
            yield from self.about_futures()
            return
        yield from self.about_runs()
        yield from self.about_error()
        if not self.seen.error or self.call.entry in STREAMED:
            yield from self.about_values()
        report = (len(self.tasks) - len(self.failing), len(self.failing))
        if self.is_whole and self.seen.report not in (None, report):
            yield f"the report says {self.seen.report}, expected {report}"

    # How often tasks have run.

    def about_runs(self) -> Iterator[str]:
        for index, count in sorted(self.seen.runs.items()):
            if index >= len(self.tasks):
                yield f"task {index}, which the input does not have, has run"
            elif count > self.tasks[index].runs:
                yield f"task {index} has run {count} times: {self.tasks[index]}"
        if not self.is_whole:
            return
        for index, each in enumerate(self.tasks):
            if self.seen.runs[index] < each.runs:
                yield f"task {index} has run {self.seen.runs[index]} times: {each}"

    # What the call has raised.

    def about_error(self) -> Iterator[str]:
        error = self.seen.error
        if error is None:
            if not self.is_left and self.must_raise:
                yield "it has raised nothing"
        elif isinstance(error, InputError):
            if self.call.fails_at is None:
                yield f"the input raised nothing, and yet {error!r}"
            elif self.failing and self.policy == "raise" and not self.is_left:
                yield f"a failure came before {error!r}"
        elif isinstance(error, ExceptionGroup):
            yield from self.about_group(error)
        elif isinstance(error, asyncio.CancelledError):
            if not self.is_left:
                yield "nobody has cancelled it"
        elif self.policy == "raise" and isinstance(error, Exception):
            yield from self.about_failure(error)
        else:
            yield f"it has raised {error!r}"

    @property
    def must_raise(self) -> bool:
        if self.ends_by_failures or self.call.fails_at is not None:
            return True
        return self.policy == "group" and bool(self.failing)

    def about_failure(self, error: Exception) -> Iterator[str]:
        index = index_in_notes(error)
        if index is None:
            yield f"no note names the task of {error!r}"
        elif index not in self.failing or not self.tasks[index].is_failure(error):
            yield f"task {index} is said to have raised {error!r}"
        if error.__context__ is not None and self.call.attempts == 1:
            cause = error.__cause__
            if error.__context__ is not cause and not isinstance(
                error.__context__, KeyError
            ):
                yield f"{error!r} has a context of somebody: {error.__context__!r}"

    def about_group(self, error: ExceptionGroup[Exception]) -> Iterator[str]:
        if self.policy == "raise":
            yield f"a group where the first failure was wanted: {error!r}"
            return
        if self.is_whole and self.call.fails_at is not None:
            others = (*error.exceptions, error.__cause__, error.__context__)
            if not any(isinstance(each, InputError) for each in others):
                yield f"it hides what the input has raised: {error!r}"
        members = [e for e in error.exceptions if not isinstance(e, InputError)]
        indices = [index_in_notes(each) for each in members]
        for index, each in zip(indices, members, strict=True):
            if self.was_given_up(index, each):
                continue
            if index not in self.failing:
                yield f"no failure of task {index} was expected: {each!r}"
            elif not self.tasks[index].is_failure(each):
                yield f"task {index} is said to have raised {each!r}"
        if indices != sorted(set(indices), key=lambda index: index or 0):
            yield f"the failures are in the order {indices}"
        if not self.ends_by_failures and not self.is_left and indices != self.failing:
            yield f"the failures of {indices} were raised, expected {self.failing}"
        if self.ends_by_failures and len(indices) < (self.call.max_failures or 1):
            yield f"{len(indices)} failures were enough: {indices}"

    def was_given_up(self, index: int | None, error: object) -> bool:
        """Whether *error* is one of a task that would have run again.

        A call that ends by its failures does not wait for that.
        """
        if index is None or not self.ends_by_failures:
            return False
        do = self.call.read[index]
        is_its_own = isinstance(error, TroubleError) and error.number == do.number
        return do.way == "flaky" and is_its_own

    # What it has given.

    def about_values(self) -> Iterator[str]:
        if self.call.entry.startswith("outcomes"):
            yield from self.about_outcomes()
        elif self.call.entry in PAIRS:
            yield from self.about_pairs()
        else:
            yield from self.about_bare_values()

    @property
    def expected_indices(self) -> list[int]:
        """Of the tasks whose results are given, if all are taken."""
        if self.policy == "return":
            return list(range(len(self.tasks)))
        return [i for i, each in enumerate(self.tasks) if not each.failure]

    def about_indices(self, indices: Sequence[int], *, ordered: bool) -> Iterator[str]:
        wanted = self.expected_indices
        if self.is_whole:
            if (list if ordered else sorted)(indices) != wanted:  # type: ignore[operator]
                yield f"results of {list(indices)} were given, expected {wanted}"
        elif ordered and list(indices) != self.first_of(wanted, indices):
            yield f"results of {list(indices)} are not the first of {wanted}"
        elif len(set(indices)) != len(indices) or not {*indices} <= {*wanted}:
            yield f"results of {list(indices)} were given, of {wanted}"
        if self.is_left and len(indices) > (self.call.leave_after or 0):
            yield f"{len(indices)} results, and {self.call.leave_after} were taken"

    def first_of(self, wanted: list[int], indices: Sequence[int]) -> list[int]:
        """As many of *wanted* as there are *indices*, but for what was given up."""
        if self.policy == "return" or not self.ends_by_failures:
            return wanted[: len(indices)]
        flaky = {i for i in wanted if self.call.read[i].way == "flaky"} - {*indices}
        return [index for index in wanted if index not in flaky][: len(indices)]

    def about_pairs(self) -> Iterator[str]:
        indices = [index for index, _ in self.seen.values]
        yield from self.about_indices(indices, ordered=self.call.ordered)
        for index, value in self.seen.values:
            if index < len(self.tasks) and not self.fits(index, value):
                yield f"task {index} gave {short(value)}: {self.tasks[index]}"

    def fits(self, index: int, value: Any) -> bool:
        each = self.tasks[index]
        if self.was_given_up(index, value):
            return True
        return each.is_failure(value) if each.failure else each.is_value(value)

    def about_bare_values(self) -> Iterator[str]:
        values = self.seen.values
        is_batched = self.call.entry == "batches"
        if is_batched:
            yield from self.about_batches()
            values = [value for batch in values for value in batch]
        ordered = "unordered" not in self.call.entry
        if self.call.entry in STREAMED:
            ordered = self.call.ordered
        if ordered:
            wanted = self.expected_indices
            count = len(values) if not self.is_whole else len(wanted)
            if len(values) != count or count > len(wanted):
                yield f"{len(values)} results, expected {len(wanted)}"
            for index, value in zip(wanted, values, strict=False):
                if not self.fits(index, value):
                    yield f"task {index} gave {short(value)}: {self.tasks[index]}"
            return
        left = self.expected_indices
        for value in values:
            found = next((i for i in left if self.fits(i, value)), None)
            if found is None:
                yield f"a result of no task: {short(value)}"
            else:
                left.remove(found)
        if left and self.is_whole:
            yield f"no results of the tasks {left}"

    def about_batches(self) -> Iterator[str]:
        size = self.call.limits["batch_size"]
        sizes = [len(batch) for batch in self.seen.values]
        if (
            any(each != size for each in sizes[:-1])
            or any(
                not 0 < each <= size  # type: ignore[operator]
                for each in sizes[-1:]
            )
        ):
            yield f"batches of {sizes} where {size} was wanted"

    def about_outcomes(self) -> Iterator[str]:
        indices = [each.index for each in self.seen.values]
        yield from self.about_indices(indices, ordered=self.call.ordered)
        for each in self.seen.values:
            if each.index >= len(self.tasks):
                continue
            wanted = self.tasks[each.index]
            if self.was_given_up(each.index, each.error):
                continue
            if each.ok != (wanted.failure is None) or not self.fits(
                each.index, each.value if each.ok else each.error
            ):
                yield f"task {each.index} is {each}: {wanted}"
            elif each.attempts != max(1, wanted.runs) and not (
                self.ends_by_failures or self.is_left
            ):
                yield f"task {each.index} took {each.attempts} attempts: {wanted}"

    # One future for each task, and results in turn.

    def about_futures(self) -> Iterator[str]:
        is_map = self.call.entry == "map"
        for index, each in enumerate(self.tasks):
            count = self.seen.runs[index]
            if count > each.runs or (
                count < each.runs and not (is_map and self.failing)
            ):
                yield f"task {index} has run {count} times: {each}"
        for index, value in enumerate(self.seen.values):
            if not self.fits(index, value):
                yield f"task {index} gave {short(value)}: {self.tasks[index]}"
        error, first = self.seen.error, self.failing[:1]
        if not is_map or not first:
            if error is not None or len(self.seen.values) != len(self.tasks):
                yield f"{len(self.seen.values)} results and {error!r}"
            return
        if len(self.seen.values) != first[0] or not self.tasks[first[0]].is_failure(
            error
        ):
            yield f"after {len(self.seen.values)} results it raised {error!r}"


PAIRS = ("stream", "stream_async")
STREAMED = (*PAIRS, "outcomes", "outcomes_async", "batches", "execute_stream")


def index_in_notes(error: BaseException) -> int | None:
    for note in getattr(error, "__notes__", ()):
        found = re.match(r"Raised by task (\d+)", str(note))
        if found:
            return int(found[1])
    return None


def short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 200 else f"{text[:190]} ..."
