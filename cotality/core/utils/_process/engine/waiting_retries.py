"""Tasks that failed and wait for their next attempt."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any

from cotality._kit.records import NamedTuple
from cotality._kit.safe_text import class_and_text
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.tasks.task import Task
from cotality.core.utils._process.tasks.times import Times
from cotality.core.utils._process.tasks.tracebacks import field_of, set_field

if TYPE_CHECKING:
    from cotality.core.utils._process.rules.retry import Retry


class Waiting(NamedTuple):
    """A task between two attempts; it occupies no worker."""

    due: float  # by the monotonic clock
    task_index: int
    task: Task[Any]  # Any: a task of any result type
    attempt: int  # the next one


class LatestRun(NamedTuple):
    """When and where a task that waits for its next attempt ran last."""

    times: Times
    worker: str
    handed_out: float  # by perf_counter


class Retries:
    """The tasks of one call that wait, and their failures so far.

    Args:
        policy: Which failures are tried again; None for none.
    """

    def __init__(self, policy: Retry | None) -> None:
        self.policy = policy
        self.waiting: list[Waiting] = []  # a heap
        self.errors: dict[int, list[Exception]] = {}  # of each task, oldest first
        self.latest: dict[int, LatestRun] = {}  # of each task that waits

    @property
    def has_callers_code(self) -> bool:
        """Whether a function of the caller's says which failures are tried again."""
        return self.policy is not None and not isinstance(self.policy.on, tuple)

    @property
    def next_due(self) -> float | None:
        """When the next task may run again, by the monotonic clock."""
        return self.waiting[0].due if self.waiting else None

    def delay_before_next(self, attempt: int, error: Exception) -> float | None:
        """Seconds until a task that failed with *error* may run again; None if never.

        Args:
            attempt: How often it has run.
        """
        policy = self.policy
        if policy is None or attempt >= policy.attempts:
            return None
        if not policy.is_retryable(error):
            return None
        return policy.delay_before(attempt + 1)

    def add(
        self, index: int, task: Task[Any], attempt: int, error: Exception, delay: float
    ) -> None:  # Any: a task of any result type
        """Let *task*, whose run *attempt* failed with *error*, wait for *delay* s."""
        self.errors.setdefault(index, []).append(error)
        due = monotonic() + delay
        heapq.heappush(self.waiting, Waiting(due, index, task, attempt + 1))

    def take_due(self) -> Iterator[Waiting]:
        """The tasks that are due."""
        now = monotonic()
        while self.waiting and self.waiting[0].due <= now:
            due = heapq.heappop(self.waiting)
            self.latest.pop(due.task_index, None)
            yield due

    def give_up(self) -> Iterator[tuple[Waiting, Exception]]:
        """Give up all tasks that wait; yield each with its failure, now final."""
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            yield each, self.errors[each.task_index].pop()

    def earlier_errors(self, index: int) -> tuple[Exception, ...]:
        """The failures of the attempts before the last one; ask for them only once."""
        return tuple(self.errors.pop(index, ()))


def tell_of_earlier(error: Exception, earlier: tuple[Exception, ...]) -> None:
    """Attach the failures of earlier attempts to *error*, the last failure of a task.

    Each is the ``__context__`` of the next, as if each attempt had been made while the
    failure before it was being handled. A note names each of them.
    """
    attempts = len(earlier) + 1
    for number, each in enumerate(earlier, 1):
        try:
            error.add_note(f"Attempt {number} of {attempts}: {class_and_text(each)}")
        except Exception as raised:
            if is_of_a_signal(raised):
                raise
            break  # notes are optional, and the class may forbid them
    for before, after in zip(earlier, [*earlier[1:], error], strict=True):
        put_behind(after, before)


def put_behind(error: BaseException, context: BaseException) -> None:
    """Make *context* the ``__context__`` of the oldest error behind *error*."""
    behind = {id(each) for each in chain_of(context)}
    last = error
    for last in chain_of(error):
        if id(last) in behind:
            return  # the same object again, or one that leads to it
    set_field(last, "__context__", context)


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """*error* and the chain of errors behind it, each once."""
    seen: dict[int, BaseException] = {}  # each is kept: its class may make the next
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen[id(following)] = following
        yield following
        following = field_of(following, "__context__")
