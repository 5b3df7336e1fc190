"""Brakes keep tasks from starting: a rate, a memory limit, a circuit breaker.

The parent asks all of them before it hands out a portion. So they hold across all
workers of a call, wherever those are.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from math import inf

from cotality._kit.records import NamedTuple, dataclass
from cotality.core.utils._process.portions.chunk import ChunkReport
from cotality.core.utils._process.tasks.outcome import Portion
from cotality.core.utils._process.tasks.times import Measure

from .backend import Backend
from .ticket import Ticket


class Brake:
    """Says how many tasks may start; each step does nothing unless a subclass says so.

    Attributes:
        largest_portion: The most tasks that should travel together; None for no limit.
        only_to_free_workers: Whether a task has to start as soon as it is handed out,
            so that none may stand ready for a worker that is busy.
        longest_portion: For how many seconds tasks that travel together may go on to
            start, at most.
        measure: What has to be measured of each task.
        opens_at: When to ask again if there was no room, by the monotonic clock. Never
            infinity while nothing of the call is out.
    """

    largest_portion: int | None = None
    only_to_free_workers = False
    longest_portion = inf
    measure = Measure.NOTHING
    opens_at = inf

    def take(self, wanted: int) -> int:
        """How many of the *wanted* tasks may start; their room is reserved."""
        return wanted

    def give_back(self, count: int) -> None:
        """Give back the room of *count* tasks that will not start."""

    def refusal(self) -> Exception | None:
        """What the next tasks fail with instead of being run; None to run them."""
        return None

    def handed_out(self, portion: Portion) -> None:
        """*portion* is on its way to a worker."""

    def came_back(self, portion: Portion, report: ChunkReport) -> None:
        """The first tasks of *portion* are back, as *report* says."""

    def told(self, refused: int) -> Told:
        """Describe the brake, for a report on why tasks did not start.

        Args:
            refused: How many tasks of the call failed by its :meth:`refusal`.
        """
        return Told(type(self).__name__)


class Told(NamedTuple):
    """What a brake says about itself, as text.

    Attributes:
        what: What it is: ``"Rate(50, per=1.0)"``.
        why: A sentence on what it did. ``{waited}`` in it is for how long workers had
            no task because of it, ``{runs}`` how many runs of tasks there were, and
            ``{error}`` its *error*.
        way_out: One on what to do about it.
        error: What a task failed with that has to do with it, if any.
    """

    what: str
    why: str = ""
    way_out: str = ""
    error: str = ""


@dataclass(slots=True)
class Refusal(ChunkReport):
    """The report of tasks that a brake made fail, instead of running them.

    Attributes:
        brake: Which, by its place among those of the call.
    """

    brake: int = 0


class Brakes:
    """All brakes of one call, between its engine and its backend."""

    only_to_free_workers: bool
    longest_portion: float
    opens_at: float
    has_callers_code: bool

    def __init__(self, each: Sequence[Brake] = ()) -> None:
        self.each = each
        self.only_to_free_workers = any(one.only_to_free_workers for one in each)
        self.longest_portion = min((one.longest_portion for one in each), default=inf)
        self.opens_at = inf  # when to ask again, if there was no room
        self.held_by: int | None = None  # the place in `each` of the brake that said no
        self.refused: set[Future[ChunkReport]] = set()
        self.has_callers_code = not all(map(is_ours, each))

    def largest_portion(self, limit: int | None) -> int | None:
        """The most tasks in a portion, where there is a *limit* already."""
        limits = [limit, *(one.largest_portion for one in self.each)]
        return min((each for each in limits if each is not None), default=None)

    def take(self, wanted: int) -> int:
        """How many of the *wanted* tasks all brakes allow; the rest is given back."""
        granted = wanted
        for place, brake in enumerate(self.each):
            least = brake.take(granted)
            if least < granted:
                for before in self.each[:place]:
                    before.give_back(granted - least)
                granted = least
            if not granted:
                self.opens_at = brake.opens_at
                self.held_by = place
                break
        return granted

    def give_back(self, count: int) -> None:
        for brake in self.each:
            brake.give_back(count)

    def submit(
        self, backend: Backend, portion: Portion, time_box: float, granted: int
    ) -> tuple[Portion, Future[ChunkReport]]:
        """Have *backend* run *portion* or its first tasks, unless a brake refuses."""
        for place, brake in enumerate(self.each):
            error = brake.refusal()
            if error is not None:
                self.give_back(granted)
                return self.refuse(portion, error, place)
        portion, future = backend.submit(portion, time_box)
        if self.each:
            self.give_back(granted - (len(portion.tasks) - len(portion.failures)))
            for brake in self.each:
                brake.handed_out(portion)
        return portion, future

    def refuse(
        self, portion: Portion, error: Exception, place: int
    ) -> tuple[Portion, Future[ChunkReport]]:
        count = len(portion.tasks)
        errors = {position: copy_of(error) for position in range(count)}
        future: Ticket[ChunkReport] = Ticket()
        future.set_result(Refusal([None] * count, errors, brake=place))
        self.refused.add(future)
        return portion, future

    def collect(
        self, backend: Backend, portion: Portion, future: Future[ChunkReport]
    ) -> ChunkReport:
        """The report of *portion*, of which all brakes hear."""
        if future in self.refused:
            self.refused.discard(future)
            return future.result()
        report = backend.collect(portion, future)
        for brake in self.each:
            brake.came_back(portion, report)
        return report


def is_ours(brake: Brake) -> bool:
    return type(brake).__module__.startswith("cotality.")


def copy_of(error: Exception) -> Exception:
    """Another one like *error*: each task has a failure of its own."""
    return type(error)(*error.args)
