"""The ledger: what a worker has done, kept where its death cannot take it away.

Each worker has a slot in memory that it shares with the parent. The worker notes there
which task of its portion it starts, when, and every outcome as it comes. The parent
reads it when the worker has died, to learn which one task is lost, and while it lives,
to learn how long the current task has been running.

Only the worker writes to its slot, but for two words by which the parent stops it.
Every field is one aligned 8-byte word, so that no reader sees half of a value; and
outcomes are counted only once they are complete.
"""

from __future__ import annotations

import math
import mmap
import struct
import sys
import time
from dataclasses import dataclass, field

SLOT = 192 * 1024  # bytes; a multiple of 64 KiB, where Windows wants mappings to start
FIELDS = 4096  # bytes at the start of a slot that hold the fields
ROOM = SLOT - FIELDS  # bytes for outcomes
# A portion ends when this much is used, so that in a portion of small outcomes every
# one of them is in the ledger.
FULL = ROOM - 16 * 1024

# The fields, as numbers of 8-byte words. Positions count from 1: 0 says "none".
ITEM, NEXT, RUNNING, STARTED, SETTLED, ORDER, HALT, TASKS, PEAK = range(9)

RECORD = struct.Struct("=IB")  # length of an outcome, and whether it is a failure
RECORD_SIZE = RECORD.size
pack_record = RECORD.pack_into
NOT_KEPT = 0xFFFFFFFF  # the length of an outcome that was too large for the ledger


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger of a dead worker says about its last portion."""

    begun: bool = False  # whether the worker had taken the item at all
    running: int | None = None  # position of the task that ran when it died
    outcomes: list[tuple[bytes | None, bool]] = field(  # bytes, whether it failed
        default_factory=list[tuple[bytes | None, bool]]
    )


class NoLedger:
    """Stands for the ledger in a worker that has none: an executor of other make."""

    has_room = True
    is_halted = False

    def await_orders(self, position: int) -> None: ...
    def start_clock(self) -> None: ...
    def start(self, position: int) -> None: ...
    def settle(self, outcome: bytes, failed: bool) -> None: ...
    def settle_elsewhere(self) -> None: ...


class Ledger:
    """One worker's slot, seen from either side."""

    def __init__(self, memory: mmap.mmap, offset: int = 0) -> None:
        view = memoryview(memory)[offset : offset + SLOT]
        self.words = view[:FIELDS].cast("q")
        self.times = view[:FIELDS].cast("d")
        self.room = view[FIELDS:]
        self.used = 0
        self.settled = 0
        self.tasks_before = 0
        self.has_room = True
        self.limit: int | None = None  # tasks this worker may run in its whole life
        self.portion_limit = -1  # of which so many are left; -1: no limit

    # The worker's side.

    def take_item(self) -> None:
        """A new item has arrived, complete; from here on the worker is to blame.

        Items are numbered from 1, by either side for itself. So what the ledger says
        of an item is never taken for what it says of the next.
        """
        words = self.words
        words[RUNNING] = words[NEXT] = words[SETTLED] = 0
        self.used = self.settled = 0
        self.tasks_before = words[TASKS]
        if self.limit is not None:
            self.portion_limit = self.limit - self.tasks_before
        self.has_room = True
        words[PEAK] = peak_memory()
        words[ITEM] += 1

    def is_last_item(self) -> bool:
        """Whether the worker has done its share; an item of no tasks counts as one."""
        words = self.words
        words[TASKS] = self.tasks_before + max(1, self.settled)
        return self.limit is not None and words[TASKS] >= self.limit

    @property
    def is_halted(self) -> bool:
        """Whether the rest of the portion is no longer wanted."""
        words = self.words
        return words[HALT] == words[ITEM]

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
        # What has to be imported before the task can run is not its running time.
        self.times[STARTED] = math.inf

    def start_clock(self) -> None:
        """From here on the running task's time counts."""
        self.times[STARTED] = time.perf_counter()

    def start(self, position: int) -> None:
        self.words[RUNNING] = position + 1

    def settle(self, outcome: bytes, failed: bool) -> None:
        """Keep the outcome of the running task, then count it."""
        begin = self.used + RECORD_SIZE
        end = begin + len(outcome)
        if end <= ROOM:
            pack_record(self.room, self.used, len(outcome), failed)
            self.room[begin:end] = outcome
        else:
            end = begin
            pack_record(self.room, self.used, NOT_KEPT, failed)
        self.used = end
        self.settled = settled = self.settled + 1
        self.words[SETTLED] = settled
        if end > FULL or settled == self.portion_limit:
            self.has_room = False

    def settle_elsewhere(self) -> None:
        """Count the running task, whose value is not kept here but sent at once."""
        pack_record(self.room, self.used, NOT_KEPT, False)
        self.used += RECORD_SIZE
        self.settled += 1
        self.words[SETTLED] = self.settled

    # The parent's side.

    def clear(self) -> None:
        """Make the slot new for another worker."""
        self.words[: PEAK + 1] = CLEAR

    def running_since(self, item: int) -> tuple[int, float] | None:
        """The position (from 1) of the running task of *item*, and when it started."""
        position = self.words[RUNNING]
        if self.words[ITEM] != item or self.words[SETTLED] >= position:
            return None
        return position, self.times[STARTED]

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
        words = self.words
        if words[ITEM] != item:
            return Entry()
        running, settled = words[RUNNING], words[SETTLED]
        return Entry(
            begun=True,
            running=running - 1 if running > settled else None,
            outcomes=self.read_outcomes(settled),
        )

    def read_outcomes(self, count: int) -> list[tuple[bytes | None, bool]]:
        outcomes: list[tuple[bytes | None, bool]] = []
        begin = 0
        for _ in range(count):
            length, failed = RECORD.unpack_from(self.room, begin)
            begin += RECORD_SIZE
            if length == NOT_KEPT:
                outcomes.append((None, bool(failed)))
                continue
            outcomes.append((bytes(self.room[begin : begin + length]), bool(failed)))
            begin += length
        return outcomes


CLEAR = memoryview(bytes(8 * (PEAK + 1))).cast("q")


def peak_memory() -> int:
    """The most memory this process has had, in bytes; 0 where nobody says."""
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:  # Windows
        return 0
    kilobytes = 1 if sys.platform == "darwin" else 1024
    return getrusage(RUSAGE_SELF).ru_maxrss * kilobytes


# The ledger of this process if it is a worker of ours.
mine: Ledger | NoLedger = NoLedger()


def current() -> Ledger | NoLedger:
    """The ledger of the worker process this is called in."""
    return mine


def adopt(ledger: Ledger) -> None:
    global mine
    mine = ledger
