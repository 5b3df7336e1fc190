"""How many tasks may start in a given time."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable
from math import inf
from time import monotonic, perf_counter
from weakref import ref

from cotality._kit.public import public
from cotality._kit.records import dataclass
from cotality.core.utils._process.engine.brakes import Brake, Told
from cotality.core.utils._process.portions.chunk import ChunkReport
from cotality.core.utils._process.tasks.checks import checked_count, checked_seconds
from cotality.core.utils._process.tasks.outcome import Portion
from cotality.core.utils._process.tasks.times import Measure

# How exactly starts are written down, as a part of the time that a rate speaks of: so
# no rate needs memory for more than a thousand of them.
EXACTNESS = 1e-3
# Tasks that travel together start one after the other; this much time (s) is what they
# may be late by.
MOST_LATE = 0.005
# Where all places are held by tasks that have not begun, as far as is known: how long
# (s) until somebody looks again, within these bounds.
LOOK_LEAST, LOOK_MOST = 0.001, 0.02


@public
class Rate(Brake):
    """A limit on how many tasks start in any period of some seconds.

    ``rate=Rate(50)`` starts at most 50 tasks in any one second, however many workers
    there are. A second attempt counts like a first one. The same object given to
    several calls, also in several threads, limits them together.

    The first *count* tasks may start at once. For an even pace, say ``Rate(1, 0.02)``
    instead of ``Rate(50)``.

    Attributes:
        count: How many tasks may start in a period, at least 1.
        per: The length of the period in seconds, more than 0.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is out of range.

    What counts is when a task starts, by its own clock: its place is free again *per*
    seconds after that. On threads and on our worker processes, the call learns the
    start while the task runs. With another executor it learns the start from the
    result; until then it assumes that the task has just started.

    It costs about 4 microseconds for each portion, and each task is timed.
    """

    window: Window
    interval: float
    lock: threading.Lock
    opens_at: float

    only_to_free_workers = True
    longest_portion: float = MOST_LATE / 2
    measure = Measure.TIMES

    def __init__(self, count: int, per: float = 1.0) -> None:
        checked = checked_count("count", count)
        seconds = checked_seconds("per", per, zero=False)
        if checked is None or seconds is None:
            raise TypeError(
                f"a rate is a number of tasks in a number of seconds, got "
                f"Rate({count!r}, per={per!r}). Leave out the rate for no limit."
            )
        self.count = checked
        self.per = seconds
        self.largest_portion: int | None = max(
            1, math.floor(checked / seconds * MOST_LATE)
        )
        self.window = Window(checked, seconds)
        self.out: list[Out] = []  # of which nobody knows yet whether they have begun
        self.interval = max(LOOK_LEAST, min(seconds / 4, LOOK_MOST))
        self.lock = threading.Lock()  # held while the window changes

    def __repr__(self) -> str:
        return f"Rate({self.count}, per={self.per})"

    @classmethod
    def of(cls, rate: object) -> Rate:
        """What the option *rate* stands for: a `Rate`, or a number of tasks a second.

        Raises:
            TypeError: *rate* is neither.
            ValueError: It is a number that is not more than 0, or is not finite.
        """
        if isinstance(rate, Rate):
            return rate
        if isinstance(rate, bool) or not isinstance(rate, int | float):
            raise TypeError(
                f"rate must be a number of tasks a second or a Rate, got {rate!r}. "
                f"Rate(100, per=60) is a hundred a minute."
            )
        if not 0 < rate < inf:
            raise ValueError(
                f"rate must be more than 0 tasks a second, and finite, got {rate!r}. "
                f"Leave it out for no limit."
            )
        whole = math.floor(rate)
        return cls(whole, whole / rate) if whole else cls(1, 1 / rate)

    def take(self, wanted: int) -> int:
        with self.lock:
            now = monotonic()
            self.look(now)
            held = sum(each.count for each in self.out)
            granted = self.window.take(wanted, now, held)
            self.opens_at = self.window.opens_at(now, held)
            if held:
                self.opens_at = min(self.opens_at, now + self.interval)
        return granted

    def told(self, refused: int) -> Told:
        return Told(
            repr(self),
            f"The rate held tasks back: {self!r} lets {self.count:,} start in any "
            f"{self.per:g} s, and for {{waited}} workers had nothing to do because of "
            f"that.",
            "If what the tasks call can take more, allow more; more workers do not "
            "help, and fewer would do.",
        )

    def look(self, now: float) -> None:
        """Note the starts of tasks that have begun meanwhile."""
        for each in self.out.copy():
            portion = each.portion()
            # Of a call that has ended nobody hears any more; it began before now.
            tell = None if portion is None else portion.began
            began = now if tell is None else tell()
            if began is not None:
                late = self.longest_portion if each.count > 1 else 0.0
                self.settle(each, [began + late] * each.count)

    def settle(self, out: Out, starts: Iterable[float]) -> None:
        # Twice for a moment rather than never: an exception may strike in between.
        for at in starts:
            self.window.write(1, at)
        self.out.remove(out)

    def give_back(self, count: int) -> None:
        with self.lock:
            self.window.give_back(count)

    def handed_out(self, portion: Portion) -> None:
        count = len(portion.tasks) - len(portion.failures)
        if portion.began is None or not count:
            return
        with self.lock:
            self.out.append(Out(ref(portion), count))
            self.window.give_back(count)  # it counts as one of those that are out

    def came_back(self, portion: Portion, report: ChunkReport) -> None:
        now = monotonic()
        to_monotonic = now - perf_counter()
        starts = [each + to_monotonic for each in report.times.began if each]
        if not starts:
            starts = [now - report.seconds] * len(report.values)
        with self.lock:
            for each in self.out:
                if each.portion() is portion:
                    self.settle(each, starts)
                    return
            handed_out = portion.handed_out + to_monotonic
            for at in starts:
                if portion.began is None and at - handed_out > MOST_LATE:
                    self.window.postpone(1, at)


@dataclass(eq=False, slots=True)
class Out:
    """Tasks that were handed out together, and their number."""

    portion: ref[Portion]
    count: int


class Window:
    """The starts of the last *per* seconds: a sliding window log.

    Pure arithmetic: it is told what time it is, in seconds.

    An exception may strike a caller in the middle, and the window outlives its call. So
    there is no count beside the starts that could come to differ from them for ever.
    """

    def __init__(self, count: int, per: float) -> None:
        self.count = count
        self.per = per
        self.starts: deque[Starts] = deque()  # oldest first

    @property
    def taken(self) -> int:
        """How many of them there are."""
        return sum(each.count for each in self.starts)

    def take(self, wanted: int, now: float, held: int = 0) -> int:
        """How many of *wanted* may start *now*; they are counted.

        Args:
            held: How many have room already, of which nobody knows when they start.
        """
        while self.starts and self.starts[0].at + self.per <= now:
            self.starts.popleft()
        granted = max(0, min(wanted, self.count - self.taken - held))
        if granted:
            self.write(granted, now)
        return granted

    def write(self, count: int, at: float) -> None:
        """Note that *count* tasks start *at* that time, in order of time."""
        place = len(self.starts)
        while place and self.starts[place - 1].at > at:
            place -= 1
        # What is close together counts as if it had all come at the later time.
        is_last = place == len(self.starts)
        if is_last and place > 1 and at - self.starts[-2].at < EXACTNESS * self.per:
            self.starts[-1].at = at
            self.starts[-1].count += count
        else:
            self.starts.insert(place, Starts(at, count))

    def give_back(self, count: int) -> None:
        """The last *count* of those that were counted do not start."""
        self.remove(count, self.starts.pop, -1)

    def postpone(self, count: int, at: float) -> None:
        """Note that *count* of the starts that were counted happened later, *at*."""
        # The oldest are taken for them: then what is left is too late, if anything.
        # Those that are not there any more count anew.
        self.remove(count, self.starts.popleft, 0)
        self.write(count, at)

    def remove(self, count: int, pop: Callable[[], Starts], end: int) -> None:
        """Take *count* starts out at one end, or as many as there are."""
        left = count
        while left and self.starts:
            starts = self.starts[end]
            part = min(left, starts.count)
            starts.count -= part
            left -= part
            if not starts.count:
                pop()

    def opens_at(self, now: float, held: int = 0) -> float:
        """When the next task may start, as far as that is known."""
        if self.taken + held < self.count:
            return now
        if not self.starts:
            return inf if held else now
        return self.starts[0].at + self.per


@dataclass(slots=True)
class Starts:
    """Tasks that started at about the same time, and their number."""

    at: float
    count: int
