"""When a run did what, in a bounded number of equal pieces of its time.

The diary notes side by side what the workers did and what the driving thread did. So it
can say what a worker without a task was waiting for, and it claims no more than that.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from time import perf_counter

from cotality._kit.public import pickled_as
from cotality.core.utils._process.engine.observers import Diary, Doing

FINEST = 0.5e-3  # s, of a piece at first; it doubles when there are too many
MOST_PIECES = 2048
LONGEST = 1e9  # s, of a run; what is later comes of a clock that is wrong


@pickled_as("Pieces")
class Pieces:
    """Seconds of several kinds, each spread over the pieces of the run's time."""

    width: float

    def __init__(self) -> None:
        self.width = FINEST
        self.columns: dict[str | int, array[float]] = {}

    def add(self, kind: str | int, begin: float, end: float, amount: float) -> None:
        """*amount* of a kind, spread evenly from *begin* to *end* (s of the run)."""
        begin, end = max(0.0, begin), min(end, LONGEST)
        if end <= begin:
            end = begin + 1e-9
        while end >= self.width * MOST_PIECES:
            self.coarsen()
        column = self.columns.get(kind)
        if column is None:
            column = self.columns[kind] = array("d")
        width = self.width
        first, last = int(begin / width), int(end / width)
        if last >= len(column):
            column.extend([0.0] * (last + 1 - len(column)))
        if first == last:
            column[first] += amount
            return
        density = amount / (end - begin)
        column[first] += density * ((first + 1) * width - begin)
        for place in range(first + 1, last):
            column[place] += density * width
        column[last] += density * (end - last * width)

    def coarsen(self) -> None:
        """Make one piece of each two."""
        self.width *= 2
        for kind, column in self.columns.items():
            if len(column) % 2:
                column.append(0.0)
            pairs = zip(column[::2], column[1::2], strict=True)
            self.columns[kind] = array("d", map(sum, pairs))

    def each(self, *kinds: str | int) -> Iterator[tuple[float, ...]]:
        """What there is of these *kinds* in one piece after the other."""
        longest = max(map(len, self.columns.values()), default=0)
        columns = [self.columns.get(kind, ()) for kind in kinds]
        for place in range(longest):
            yield tuple(
                column[place] if place < len(column) else 0.0 for column in columns
            )

    def total(self, kind: str | int) -> float:
        return sum(self.columns.get(kind, ()))


# Kinds besides those of `Doing`: what workers could do and did, in seconds of theirs.
CAPACITY, BUSY, OVERHEAD, STARTING = "capacity", "busy", "overhead", "starting"


OURS = "this report"
OF_OTHERS = (Doing.READING, Doing.LOOKING_UP, Doing.CALLER)


@pickled_as("RunDiary")
class RunDiary(Diary):
    """Keeps what it is told.

    Attributes:
        away: For how long (s) the driving thread was in code of others.
        spent: The seconds for each observer that was told of something.
    """

    pieces: Pieces
    began_at: float
    doing: int
    since: float
    workers: int
    workers_since: float
    away: float
    is_over: bool

    def __init__(self) -> None:
        self.pieces = Pieces()
        self.began_at = 0.0  # by perf_counter
        self.doing = int(Doing.OWN_WORK)
        self.since = 0.0  # by perf_counter
        self.workers = 0
        self.workers_since = 0.0  # likewise
        self.away = 0.0
        self.spent: dict[str, float] = {}
        self.is_over = False

    def begin(self, at: float, workers: int) -> None:
        self.began_at = self.since = self.workers_since = at
        self.workers = workers

    def turn_to(self, doing: int) -> int:
        before, since, now = self.doing, self.since, perf_counter()
        if self.began_at and not self.is_over:
            began = self.began_at
            self.pieces.add(before, since - began, now - began, now - since)
        if before in OF_OTHERS:
            self.away += now - since
        self.doing, self.since = int(doing), now
        return before

    def turn_back(self, doing: int) -> None:
        self.turn_to(doing)

    def resize(self, workers: int) -> None:
        now, since = perf_counter(), self.workers_since
        if self.began_at and not self.is_over:
            began, amount = self.began_at, self.workers * (now - since)
            self.pieces.add(CAPACITY, since - began, now - began, amount)
        self.workers, self.workers_since = workers, now

    def told(self, name: str, seconds: float) -> None:
        if name != OURS:
            self.away += seconds
        self.spent[name] = self.spent.get(name, 0.0) + seconds

    def catch_up(self) -> None:
        """Write down what is known until now."""
        self.turn_to(self.doing)
        self.resize(self.workers)

    def end(self) -> None:
        self.catch_up()
        self.is_over = True
