"""When each task of a portion ran, in columns of numbers.

They are columns because a portion may hold thousands of tiny tasks. Making an object
for each, and sending it from another process, would take longer than such a task runs.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import overload

from cotality._kit.records import NamedTuple


class Measure(IntEnum):
    """What is measured of each task: something that includes all before it."""

    NOTHING = 0
    TIMES = 1  # when it began and ended
    CPU = 2  # how long it kept a CPU busy as well; to ask for that costs most


class Columns(NamedTuple):
    """Where times are noted, by the position of the task; zeros at first.

    That may be memory that outlives the worker, so that its death spares them.
    """

    began: memoryview[float]
    ended: memoryview[float]
    cpu: memoryview[float]

    @classmethod
    def of_size(cls, tasks: int) -> Columns:
        return cls(*(memoryview(bytearray(8 * tasks)).cast("d") for _ in range(3)))


class Timing(NamedTuple):
    """When a worker ran one task."""

    started: float  # s, by perf_counter, which all processes of a machine share
    seconds: float
    cpu_seconds: float = 0.0


class Clues(NamedTuple):
    """What a worker can say of a portion besides the times of its tasks.

    Attributes:
        queued: For how long (s) its thread wanted a CPU and did not get one; None where
            the system does not say.
        in_thread: Whether it ran in a thread of this process.
        loading: What it took (s) to load functions.
        modules: How many modules were imported.
        packages: Some of them, by the names of their packages.
        ready_at: When the worker process had started, by perf_counter, or the thread
            had called its initializer; 0.0 if nobody knows.
        set_up: How long (s) its initializer took.
        born_at: When its process had begun, by perf_counter; 0.0 as above.
    """

    queued: float | None = None
    in_thread: bool = False
    loading: float = 0.0
    modules: int = 0
    packages: tuple[str, ...] = ()
    ready_at: float = 0.0
    set_up: float = 0.0
    born_at: float = 0.0


class Times:
    """The timing of each task, None for one that never began.

    Attributes:
        began: When each began, by perf_counter; 0.0 if it never did.
        ended: When it ended, likewise.
        cpu: The CPU time it took in seconds; empty if that was not measured.
    """

    began: array[float]
    cpu: array[float]
    ended: array[float]

    __slots__ = ("began", "cpu", "ended")

    def __init__(
        self,
        began: array[float] | None = None,
        ended: array[float] | None = None,
        cpu: array[float] | None = None,
    ) -> None:
        self.began = array("d") if began is None else began
        self.ended = array("d") if ended is None else ended
        self.cpu = array("d") if cpu is None else cpu

    @classmethod
    def of(cls, timings: Iterable[Timing | None]) -> Times:
        times = cls()
        for timing in timings:
            started, seconds, cpu = timing or (0.0, 0.0, 0.0)
            times.began.append(started)
            times.ended.append(started + seconds)
            times.cpu.append(cpu)
        return times

    def __len__(self) -> int:
        return len(self.began)

    @overload
    def __getitem__(self, place: int) -> Timing | None: ...
    @overload
    def __getitem__(self, place: slice) -> Times: ...
    def __getitem__(self, place: int | slice) -> Timing | Times | None:
        if isinstance(place, slice):
            return Times(self.began[place], self.ended[place], self.cpu[place])
        began = self.began[place]
        if not began:
            return None
        cpu = self.cpu[place] if self.cpu else 0.0
        return Timing(began, self.ended[place] - began, cpu)

    def __iter__(self) -> Iterator[Timing | None]:
        return (self[place] for place in range(len(self)))

    def get(self, place: int) -> Timing | None:
        """The timing of the task at *place*; None as well if nobody measured it."""
        return self[place] if place < len(self) else None

    @property
    def is_complete(self) -> bool:
        """Whether every one of these tasks did run."""
        return 0.0 not in self.began

    def shift(self, seconds: float) -> None:
        """Convert the times to a clock that is ahead by that much."""
        self.began = array("d", (each and each + seconds for each in self.began))
        self.ended = array("d", (each and each + seconds for each in self.ended))


# What makes a perf_counter of this machine a time of day. Taken once, so that the
# order of what happened stays what it was when somebody sets the clock.
EPOCH = time.time() - time.perf_counter()
