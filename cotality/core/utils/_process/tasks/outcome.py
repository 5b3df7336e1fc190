"""Tasks on their way: portions that go out, and outcomes that come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any, Generic

from cotality._kit.public import public
from cotality._kit.records import NamedTuple, dataclass, field
from cotality._kit.safe_text import shortened

from .errors import as_raised
from .task import R, Task, describe
from .times import EPOCH, Times
from .tracebacks import forget_callers

SHOWN_VALUE = 60  # characters of what a task returned or raised


@public
@dataclass(eq=False, slots=True, repr=False)
class Outcome(Generic[R]):
    """How one task ended: its value or its failure, and how long it took.

    Attributes:
        index: The position of the task in the input, from 0.
        task: The task itself.
        value: The value that it returned; None if it failed.
        error: The exception with which it failed, or None. A task may also *return* an
            exception: then that is the value, and this is None.
        started_at: When it began to run, in seconds since the epoch, as of
            :func:`time.time`; None if it never began.
        seconds: How long it ran; 0.0 if it never began.
        waited_seconds: How long it waited after it was handed out: for a worker, and
            for the tasks before it in the same portion.
        cpu_seconds: The CPU time of the thread that ran it; 0.0 if its worker died, or
            if it ran in an earlier run, see *journal*.
        worker: The worker that ran it last, such as ``"process 4711"`` or the name of a
            thread; empty if none did.
        attempts: How often it ran; more than 1 only with *retries*.
        earlier_errors: What the attempts before the last one raised, oldest first.
    """

    index: int
    task: Task[R]
    value: R | None = None
    error: Exception | None = None
    started_at: float | None = None
    seconds: float = 0.0
    waited_seconds: float = 0.0
    cpu_seconds: float = 0.0
    worker: str = ""
    attempts: int = 1
    earlier_errors: tuple[Exception, ...] = ()

    def __repr__(self) -> str:
        """In one line: ``<Outcome 13: get(13) returned 'abc' in 3 ms>``."""
        from cotality._kit import units

        again = f", attempt {self.attempts}" if self.attempts > 1 else ""
        return (
            f"<Outcome {self.index}: {describe(self.task)} {self.end_in_words()} "
            f"{'in' if self.ok else 'after'} {units.seconds(self.seconds)}{again}>"
        )

    def _repr_html_(self) -> str:
        """A notebook shows what is known of it as a table."""
        from cotality._kit import units
        from cotality._kit.html import table

        rows = [("task", describe(self.task)), ("ended", self.end_in_words())]
        if self.task.label is not None:
            rows.insert(1, ("label", self.task.label))
        if self.started_at is not None:
            rows.append(("began", units.moment(self.started_at)))
            rows.append(("ran", units.seconds(self.seconds)))
            rows.append(("waited before", units.seconds(self.waited_seconds)))
            rows.append(("computed", units.seconds(self.cpu_seconds)))
        if self.worker:
            rows.append(("on", self.worker))
        if self.attempts > 1:
            rows.append(("attempts", f"{self.attempts}"))
        return table(f"Outcome {self.index}", rows)

    def end_in_words(self) -> str:
        if self.error is not None:
            return f"raised {shortened(self.error, SHOWN_VALUE)}"
        return f"returned {shortened(self.value, SHOWN_VALUE)}"

    @property
    def ok(self) -> bool:
        """Whether the task returned a value."""
        return self.error is None

    def unwrap(self) -> R:
        """Return the value, or raise the failure.

        Raises:
            Exception: The failure of the task.
        """
        if self.error is not None:
            raise as_raised(self.error)
        value: Any = self.value  # Any: also a task that returns None has a value
        result: R = value
        return result


class Packing(NamedTuple):
    """How long it took to pack a portion for another process, and why.

    Attributes:
        seconds: How long packing took.
        function_seconds: The part of that for functions.
        function_bytes: The size of functions that were packed for the first time.
        function: The name of the largest of these functions; empty if there is none.
        functions: How many such functions there are.
    """

    seconds: float = 0.0
    function_seconds: float = 0.0
    function_bytes: int = 0
    function: str = ""
    functions: int = 0


def no_failures() -> dict[int, Exception]:
    return {}


@dataclass(eq=False, slots=True, weakref_slot=True)
class Portion:
    """Tasks that follow one another in the input and are handed out together.

    Attributes:
        start: The index of the first task.
        failures: The tasks that failed before they were sent, by position.
        attempt: Which attempt this is, counting from 1.
        handed_out: When it was handed out, by perf_counter.
        sent_bytes: How many bytes were sent to another process; large objects are sent
            once.
        packing: How long packing took; None where nothing is packed.
        began: A function that says when the first task began, by the monotonic clock;
            it returns None as long as none has. The attribute is None where that is not
            known before the portion comes back.
        turn: The same one as that of an earlier portion of the call if no code of the
            caller has run since, which may have changed what tasks hold; None if nobody
            knows.
    """

    start: int
    tasks: Sequence[Task[Any]]  # Any: tasks of every result type
    failures: dict[int, Exception] = field(default_factory=no_failures)
    attempt: int = 1
    handed_out: float = 0.0
    sent_bytes: int = 0
    packing: Packing | None = None
    began: Callable[[], float | None] | None = None
    turn: object = None

    def first(self, count: int) -> Portion:
        """A portion of the first *count* tasks, to be handed out instead of this one.

        It is this one itself if there are no others.
        """
        if count >= len(self.tasks):
            return self
        start, tasks = self.start, self.tasks[:count]
        return Portion(start, tasks, attempt=self.attempt, turn=self.turn)


@dataclass(eq=False, slots=True)
class Settled:
    """The outcomes of tasks that follow one another, in order.

    Attributes:
        start: The index of the first task.
        values: One entry for each task; None where it failed.
        errors: The failures, by position.
        details: What else is known, if somebody asked for it.
        is_news: For tasks that do not run in this call: whether its observers have not
            heard of their outcomes yet.
    """

    start: int
    values: list[Any]  # Any: what tasks return
    errors: dict[int, Exception]
    details: Details | None = None
    is_news: bool = False

    def cut_loose(self) -> None:
        """Let no failure keep the rest of its portion alive."""
        for error in self.errors.values():
            forget_callers(error)

    def put_errors_in_place(self) -> None:
        """Put each failure in the place of its task's value."""
        for position, error in self.errors.items():
            self.values[position] = error
        # In place, because frames in the failures' tracebacks hold the same dict.
        self.errors.clear()

    def results(self) -> list[Any]:  # Any: what tasks return, or failures
        """One value or failure for each task."""
        self.put_errors_in_place()
        return self.values

    def keep_before_failure(self) -> None:
        """Forget the first failure and all that comes after it."""
        del self.values[min(self.errors) :]
        self.errors = {}

    def take(self) -> Iterator[tuple[int, Any]]:  # Any: what tasks return
        """Yield each index with its value, leaving failures out.

        It keeps no reference to what it has yielded.
        """
        values, index = self.values, self.start
        self.values = []
        values.reverse()
        if not self.errors:
            while values:
                yield index, values.pop()
                index += 1
            return
        for position in range(len(values)):
            value = values.pop()
            if position not in self.errors:
                yield index + position, value
            del value

    def take_values(self) -> Iterator[Any]:  # Any: what tasks return
        """Each value, leaving failures out; it keeps none that it has given."""
        values, errors = self.values, self.errors
        self.values = []
        if errors:
            values = [each for at, each in enumerate(values) if at not in errors]
        values.reverse()
        # C code alone: in a stream of tiny tasks, a generator would take as long as all
        # the rest for each of them.
        return map(list[Any].pop, repeat(values, len(values)))

    def take_outcomes(self) -> Iterator[Outcome[Any]]:  # Any: of any result type
        """Yield an `Outcome` for each task, of which it keeps none; needs *details*."""
        assert self.details is not None
        details, values, errors = self.details, self.values, self.errors
        self.values, self.errors, self.details = [], {}, None
        tasks = list(reversed(details.tasks))
        details.tasks = ()
        values.reverse()
        for position in range(len(values)):
            outcome = details.outcome_of(self.start + position, position, tasks.pop())
            outcome.value = values.pop()
            outcome.error = errors.pop(position, None)
            yield outcome
            del outcome


@dataclass(eq=False, slots=True)
class Details:
    """What is known of settled tasks besides their outcomes.

    Attributes:
        tasks: The tasks.
        times: When each of them ran; shorter where none of the others did.
        worker: Who ran them.
        handed_out: When they were handed out, by perf_counter.
        attempt: How often they were run.
        earlier: The failures of the attempts before.
        peak_memory: The most memory their worker has had so far, in bytes; 0 where
            nobody knows.
    """

    tasks: Sequence[Task[Any]]  # Any: tasks of every result type
    times: Times
    worker: str
    handed_out: float
    attempt: int = 1
    earlier: tuple[Exception, ...] = ()
    peak_memory: int = 0

    def part(self, begin: int, end: int) -> Details:
        """The same of the tasks from position *begin* up to *end*."""
        tasks, times = self.tasks[begin:end], self.times[begin:end]
        from dataclasses import replace

        return replace(self, tasks=tasks, times=times)

    def outcome_of(
        self, index: int, position: int, task: Task[Any]
    ) -> Outcome[Any]:  # Any: a task of any result type
        """An outcome with all but the value or failure."""
        outcome = Outcome(index, task, attempts=self.attempt)
        outcome.earlier_errors = self.earlier
        timing = self.times.get(position)
        if timing is not None:
            outcome.started_at = timing.started + EPOCH
            outcome.seconds = timing.seconds
            outcome.cpu_seconds = timing.cpu_seconds
            outcome.waited_seconds = max(0.0, timing.started - self.handed_out)
            outcome.worker = self.worker
        return outcome
