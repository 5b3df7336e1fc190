"""When each worker was busy, in a bounded number of spans.

A span is one run of a task. A run of a million tasks has more spans than a person can
look at or a page can hold. So neighbours that together are too short to be seen become
one span that counts them. What is too short is found out while the run goes on.
"""

from __future__ import annotations

from collections.abc import Iterable

from cotality._kit.public import pickled_as
from cotality._kit.records import dataclass

# As many as a browser draws without a stutter and a file of some megabytes holds.
SPAN_LIMIT = 20_000
# Up to here every task keeps a span of its own, however short it was.
UNMERGED = 1_000
# Beyond that, tasks that together take less than this become one span: to keep one for
# each of a million tiny tasks, only to merge them later, would cost more than they do.
FINEST = 200e-6  # s


@pickled_as("Span")
@dataclass(slots=True)
class Span:
    """A task that a worker ran, or several short ones in a row.

    Attributes:
        start: When it began, in seconds since the run began.
        end: Likewise, when it ended.
        index: The task, or the first one of several.
        count: How many tasks, each once for every attempt.
        busy: Seconds spent in them: less than from start to end if there were gaps.
        call: The call the task stands for, or the function alone.
        worker: Who ran it.
        attempt: Which attempt this is, counting from 1.
        failed: How many of them failed.
        died: How many of them ended with their worker.
        error: The first failure, as text.
    """

    start: float
    end: float
    index: int
    count: int
    busy: float
    call: str
    worker: str
    attempt: int = 1
    failed: int = 0
    died: int = 0
    error: str = ""

    def swallow(self, other: Span) -> None:
        """Stand for *other*, the next one of the same worker, as well."""
        self.start = min(self.start, other.start)
        self.end = max(self.end, other.end)
        self.index = min(self.index, other.index)
        self.count += other.count
        self.busy += other.busy
        self.call = name_only(self.call)
        self.attempt = max(self.attempt, other.attempt)
        self.failed += other.failed
        self.died += other.died
        self.error = self.error or other.error


def name_only(call: str) -> str:
    """The function of a call: several tasks have no arguments in common."""
    return call.partition("(")[0]


@pickled_as("Timeline")
class Timeline:
    """The spans of each row; at most `SPAN_LIMIT` of them, or one for each row."""

    count: int
    resolution: float

    def __init__(self, limit: int = SPAN_LIMIT) -> None:
        self.limit = limit
        self.rows: list[list[Span]] = []
        self.count = 0
        # Neighbours that together are shorter than this (s) are one span. Two spans
        # that follow one another are then longer, so that there are at most two for
        # each such time: that is what bounds their number.
        self.resolution = 0.0

    def have_rows(self, count: int) -> None:
        """Have at least *count* rows."""
        while len(self.rows) < count:
            self.rows.append([])

    def add(self, row: int, span: Span) -> None:
        """Put *span* at the end of *row*."""
        if append(self.rows[row], span, self.resolution):
            self.count += 1
            if self.count > UNMERGED and self.resolution < FINEST:
                self.merge_below(FINEST)
            while self.count > self.limit and self.count > len(self.rows):
                self.merge_below(max(FINEST, self.resolution * 2))

    def merge_below(self, resolution: float) -> None:
        """Make one span of neighbours that together are shorter than *resolution*."""
        self.resolution = resolution
        self.rows = [merged(spans, resolution) for spans in self.rows]
        self.count = sum(map(len, self.rows))


def append(spans: list[Span], span: Span, resolution: float) -> bool:
    """Add *span* to *spans*; False if it became part of the last one."""
    if spans and span.end - spans[-1].start < resolution:
        spans[-1].swallow(span)
        return False
    spans.append(span)
    return True


def merged(spans: Iterable[Span], resolution: float) -> list[Span]:
    kept: list[Span] = []
    for span in spans:
        append(kept, span, resolution)
    return kept
