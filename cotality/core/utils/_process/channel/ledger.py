"""The ledger: what a worker has done, kept where the worker's death cannot destroy it.

Each worker has a slot in memory that it shares with the parent. The worker notes there
which task of its portion it starts, when, and every outcome as it comes. The parent
reads the slot when the worker has died, to learn which one task is lost. While the
worker lives, the parent reads there how long the current task has been running.

For each position of a portion there is a byte that says how its task ended, and a word.
The word holds the value, if it fits, or says where the value lies among the longer
outcomes. Most tiny tasks return something that fits: then an outcome costs two stores.

Only the worker writes to its slot, except for two words by which the parent stops it.
Every field is one aligned 8-byte word, so that no reader sees half of a value. The
worker writes the byte of an outcome last, once the rest of it is complete.
"""

from __future__ import annotations

import functools
import math
import mmap
import struct
import sys
import time
from array import array
from typing import Any

from cotality._kit.records import dataclass, field
from cotality.core.utils._process.tasks.times import Columns, Times

MOST_TASKS = 4096  # of one portion; the rest is handed back
FIELDS = 4096  # bytes at the start of a slot that hold the fields
SLOT = 384 * 1024  # bytes; a multiple of 64 KiB, where Windows wants mappings to start
COLUMN = 8 * MOST_TASKS
# Fields, how tasks ended, a word of each; when it began, when it ended, its CPU time.
SIZES = FIELDS, MOST_TASKS, COLUMN, COLUMN, COLUMN, COLUMN  # bytes
ROOM = SLOT - sum(SIZES)  # bytes for outcomes beyond a word
# A portion ends when this much is used, so that in a portion of small outcomes every
# one of them is in the ledger.
FULL = ROOM - 16 * 1024

# The fields, as numbers of 8-byte words. Positions count from 1: 0 says "none".
ITEM, NEXT, RUNNING, STARTED, ORDER, HALT, TASKS, MEASURED, PEAK, RECALL = range(10)
# As `RUNNING`: the first task whose outcome is not there. Spares a store for each task.
IN_TURN = -1

# How a task ended. Not an enum: these are stored once for each tiny task.
UNSETTLED, NONE, FALSE, TRUE, INTEGER, FLOAT, PACKED, FAILED, ELSEWHERE = range(9)

LENGTH = struct.Struct("=I")  # before each outcome that takes more than a word


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger of a dead worker says about its last portion.

    Attributes:
        begun: Whether the worker had taken the item at all.
        running: The position of the task that ran when it died.
        values: One entry for each task that had ended: its value, if that fits into a
            word, else None.
        packed: Other values, packed, by position.
        errors: Failures, packed, by position.
        elsewhere: Positions of the tasks whose outcome was too large for the ledger.
        times: When each of them ran, and the running one so far, if it was measured.
    """

    begun: bool = False
    running: int | None = None
    values: list[Any] = field(default_factory=list[Any])  # Any: what tasks return
    packed: dict[int, bytes] = field(default_factory=dict[int, bytes])
    errors: dict[int, bytes] = field(default_factory=dict[int, bytes])
    elsewhere: list[int] = field(default_factory=list[int])
    times: Times = field(default_factory=Times)

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Pickled with the error of its worker, it is None: it is asked here alone."""
        return type(None), ()

    def distrusted(self) -> Entry:
        """The same, but no outcome is taken for true: the worker had lost count."""
        count = len(self.values)
        return Entry(
            self.begun, self.running, [None] * count, elsewhere=[*range(count)]
        )


class Ledger:
    """One worker's slot, seen from either side.

    ``kinds``, ``integers`` and ``floats`` are written to by the loop over a portion
    itself: a method for it would take longer than all else.
    """

    kinds: memoryview[int]
    room: memoryview[int]
    clocks: Columns
    words: memoryview[int]
    times: memoryview[float]
    integers: memoryview[int]
    floats: memoryview[float]
    used: int
    tasks_before: int
    settled: int

    def __init__(self, memory: mmap.mmap | bytearray, offset: int = 0) -> None:
        view = memoryview(memory)[offset : offset + SLOT]
        fields, self.kinds, words, *columns, self.room = cut(view, *SIZES, ROOM)
        self.clocks = Columns(*(column.cast("d") for column in columns))
        self.words = fields.cast("q")
        self.times = fields.cast("d")
        self.integers = words.cast("q")
        self.floats = words.cast("d")
        self.used = 0
        self.tasks_before = 0
        self.settled = 0  # known when the portion is over
        self.limit: int | None = None  # tasks this worker may run in its whole life

    # The worker's side.

    def take_item(self, number: int) -> bool:
        """Item *number* has arrived, complete; from here on the worker is to blame.

        Items are numbered from 1, by either side for itself. So what the ledger says
        of an item is never taken for what it says of the next.

        Returns:
            Whether it is the next one: an item is never taken twice.
        """
        words = self.words
        if number != words[ITEM] + 1:
            return False
        words[RUNNING] = words[NEXT] = 0
        self.kinds[:] = ALL_UNSETTLED
        self.used = self.settled = 0
        self.tasks_before = words[TASKS]
        words[PEAK] = peak_memory()
        words[ITEM] = number
        return True

    def is_recalled(self, number: int) -> bool:
        """Whether the parent wants item *number* back, which was just taken."""
        return 0 < self.words[RECALL] <= number

    def is_last_item(self) -> bool:
        """Whether the worker has done its share; an item of no tasks counts as one."""
        words = self.words
        words[TASKS] = self.tasks_before + max(1, self.settled)
        return self.limit is not None and words[TASKS] >= self.limit

    @property
    def most_tasks(self) -> int:
        """How many tasks of this portion the worker may run."""
        if self.limit is None:
            return MOST_TASKS
        return min(MOST_TASKS, max(1, self.limit - self.tasks_before))

    @property
    def is_halted(self) -> bool:
        """Whether the rest of the portion is no longer wanted."""
        words = self.words
        return words[HALT] == words[ITEM]

    def columns(self) -> Columns:
        """Where to note the times of the tasks of this portion."""
        for column in self.clocks:
            column[:] = NO_TIMES
        self.words[MEASURED] = self.words[ITEM]
        return self.clocks

    def begin_portion(self) -> None:
        """From here on the first task that has not ended is the one that runs."""
        self.words[RUNNING] = IN_TURN

    def running_position(self) -> int | None:
        """The position (from 0) of the task that runs, as the worker itself sees it."""
        running = self.words[RUNNING]
        if running == IN_TURN:
            position = bytes(self.kinds).find(UNSETTLED)
            return None if position < 0 else position
        if running == 0 or self.kinds[running - 1]:
            return None
        return running - 1

    def end_portion(self, settled: int) -> None:
        """Note that no task runs any more, and how many have ended."""
        self.words[RUNNING] = 0
        self.settled = settled

    def await_orders(self, position: int) -> None:
        """Announce the next task, and do not pass while the parent has an order out.

        The parent first writes its order and then looks at what is announced; we first
        announce and then look for an order. Whatever the timing, one sees the other:
        either we wait here and start nothing, or the parent sees that the task it
        wanted to end is over.
        """
        self.words[NEXT] = position + 1
        while self.words[ORDER]:
            time.sleep(0.001)
        self.start_clock()
        self.words[RUNNING] = position + 1

    def start_clock(self) -> None:
        """From here on the running task's time counts."""
        self.times[STARTED] = time.perf_counter()

    def stop_clock(self) -> None:
        """What has to be imported before a task can run is not its running time."""
        self.times[STARTED] = math.inf

    def settle(self, position: int, outcome: bytes, kind: int) -> bool:
        """Keep a packed outcome, and then count it; whether there is room for more."""
        begin = self.used + LENGTH.size
        end = begin + len(outcome)
        if end > ROOM:
            self.settle_elsewhere(position)
            return False
        LENGTH.pack_into(self.room, self.used, len(outcome))
        self.room[begin:end] = outcome
        self.integers[position] = self.used
        self.kinds[position] = kind
        self.used = end
        return end <= FULL

    def settle_elsewhere(self, position: int) -> None:
        """Count a task whose outcome is not kept here but sent at once."""
        self.kinds[position] = ELSEWHERE

    # The parent's side.

    def clear(self) -> None:
        """Make the slot new for another worker."""
        self.words[: RECALL + 1] = CLEAR

    def running_since(self, item: int) -> tuple[int, float] | None:
        """The position (from 1) of the running task of *item*, and when it started.

        Known only where the worker awaits orders before each task.
        """
        position = self.words[RUNNING]
        if self.words[ITEM] != item or position <= 0 or self.kinds[position - 1]:
            return None
        return position, self.times[STARTED]

    def first_began(self, item: int) -> float | None:
        """When the first task of *item* began, if its tasks are measured."""
        if self.words[ITEM] != item or self.words[MEASURED] != item:
            return None
        return self.clocks.began[0] or None

    def recall(self, item: int) -> None:
        """Have *item* and all after it come back, but what was taken; see `taken`.

        The worker first notes that it has taken an item and then looks whether it was
        recalled; the parent first recalls it and then looks whether it was taken. As
        with orders, whatever the timing, one sees the other.
        """
        self.words[RECALL] = item

    def withdraw_recall(self) -> None:
        """From here on items are run again; none that was recalled is on its way."""
        self.words[RECALL] = 0

    def taken(self) -> int:
        """The number of the last item that the worker may have begun with."""
        return self.words[ITEM]

    def halt(self, item: int) -> None:
        """Let no further task of *item* start."""
        self.words[HALT] = item

    def order_stop(self) -> int:
        """Tell the worker to start nothing more; what it has announced last."""
        self.words[ORDER] = 1
        return self.words[NEXT]

    def withdraw_order(self) -> None:
        self.words[ORDER] = 0

    def read(self, item: int) -> Entry:
        """What is known of *item*, the last one the worker had; it is dead."""
        if self.words[ITEM] != item:
            return Entry()
        kinds = bytes(self.kinds)
        settled = kinds.find(UNSETTLED)
        if settled < 0:
            settled = MOST_TASKS
        running = self.running_position()
        times = Times()
        if self.words[MEASURED] == item:
            times = self.read_times(settled, running)
        entry = Entry(begun=True, running=running, times=times)
        for position, kind in enumerate(kinds[:settled]):
            self.read_outcome(entry, position, kind)
        return entry

    def read_times(self, settled: int, running: int | None) -> Times:
        """When the tasks of a portion ran; the running one until now.

        That has no time if it did not begin: a task is only called once it is unpacked.
        """
        times = Times(*(array("d", column[:settled]) for column in self.clocks))
        if running is not None and (began := self.clocks.began[running]):
            times.began.append(began)
            times.ended.append(max(began, time.perf_counter()))
            times.cpu.append(0.0)
        return times

    def read_outcome(self, entry: Entry, position: int, kind: int) -> None:
        """Put how the task at *position* ended into *entry*."""
        entry.values.append(self.value_in_word(position, kind))
        if kind == PACKED:
            entry.packed[position] = self.kept(position)
        elif kind == FAILED:
            entry.errors[position] = self.kept(position)
        elif kind == ELSEWHERE:
            entry.elsewhere.append(position)

    def value_in_word(self, position: int, kind: int) -> float | bool | None:
        if kind == INTEGER:
            return self.integers[position]
        if kind == FLOAT:
            return self.floats[position]
        return kind == TRUE if kind in (TRUE, FALSE) else None

    def kept(self, position: int) -> bytes:
        """The packed outcome of the task at *position*."""
        place = self.integers[position]
        (length,) = LENGTH.unpack_from(self.room, place)
        begin = place + LENGTH.size
        return bytes(self.room[begin : begin + length])


CLEAR = memoryview(bytes(8 * (RECALL + 1))).cast("q")
ALL_UNSETTLED = bytes(MOST_TASKS)
NO_TIMES = memoryview(bytes(COLUMN)).cast("d")


class NoLedger(Ledger):
    """Stands for the ledger in a worker that has none: an executor of other make.

    Such a worker may run portions in several threads. What they write to ``kinds`` and
    ``words`` nobody reads.
    """

    def __init__(self) -> None:
        super().__init__(bytearray(SLOT))
        self.words[ITEM] = 1  # or it would be the item to be halted

    def columns(self) -> Columns:
        return Columns.of_size(MOST_TASKS)

    def running_position(self) -> int | None:
        return None

    def settle(self, position: int, outcome: bytes, kind: int) -> bool:
        return True


def cut(view: memoryview, *sizes: int) -> list[memoryview]:
    """*view* in pieces of *sizes* bytes."""
    pieces: list[memoryview] = []
    begin = 0
    for size in sizes:
        pieces.append(view[begin : begin + size])
        begin += size
    return pieces


def peak_memory() -> int:
    """The most memory this process has had, in bytes; 0 where nobody says."""
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:  # Windows
        return 0
    kilobytes = 1 if sys.platform == "darwin" else 1024
    return getrusage(RUSAGE_SELF).ru_maxrss * kilobytes


# The ledger of this process if it is a worker of ours.
mine: Ledger | None = None


def current() -> Ledger:
    """The ledger of the worker process this is called in."""
    return no_ledger() if mine is None else mine


@functools.cache
def no_ledger() -> NoLedger:
    return NoLedger()


def adopt(ledger: Ledger) -> None:
    global mine
    mine = ledger
