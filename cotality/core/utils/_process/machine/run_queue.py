"""Which threads want a CPU and have none: what Linux says about its run queues.

A thread computes, or waits for something outside, or is ready to run and waits for a
CPU. While it waits for a CPU, its CPU clock stands still, as if it waited for something
outside. Only the scheduler knows the difference.
"""

from __future__ import annotations

from io import FileIO
from threading import get_native_id

from cotality._kit.struck import is_of_a_signal

from .short_turns import short_turns

SHORT_FILE = 128  # bytes; such a file has three numbers
NANO = 1e-9
# To look takes a while, so a wait that is shorter than this counts as none: in seconds,
# and as a part of the time.
NOTABLE = 50e-6
NOTABLE_PART = 0.05
# A thread that looks sleeps this many times as long as it was late.
LONGER = 10


def is_notable(rest: float, seconds: float) -> bool:
    """Whether *rest* is a large enough part of *seconds* to ask what became of it."""
    return rest >= NOTABLE and rest >= NOTABLE_PART * seconds


def seconds_in_queue(native_id: int) -> float | None:
    """For how long that thread of this process has wanted a CPU and had none.

    Since it was started. None where nobody can tell: elsewhere than on Linux, without
    the statistics of its scheduler, or if the thread has ended. Takes 12 microseconds
    (measured).
    """
    return parsed(content(f"/proc/self/task/{native_id}/schedstat", SHORT_FILE))


def wants_cpu(native_id: int) -> bool:
    """Whether that thread of this process has a CPU now, or is in a run queue.

    False where nobody can tell. Takes 13 microseconds (measured).
    """
    # Its name, in parentheses, may hold anything; the state follows.
    _, _, rest = content(f"/proc/self/task/{native_id}/stat", 1 << 10).rpartition(b")")
    return rest[:2] == b" R"


class Lateness:
    """How late threads are that wake up to look at others.

    Until one has had its CPU it may keep the interpreter's lock from those: what it
    waits they wait as well. So on a busy machine it shall look less often.

    Args:
        beside: Of others that look at the same. What all of them were late is counted
            together, and each sleeps for what it was late itself since it last slept.
    """

    def __init__(self, beside: Lateness | None = None) -> None:
        # By thread: how many seconds it had been in a queue when it was first asked
        # for, and when it was last.
        self.first: dict[int, float] = {} if beside is None else beside.first
        self.latest: dict[int, float] = {} if beside is None else beside.latest
        self.slept_at: dict[int, float] = {}  # what its thread had been late by then

    @property
    def total(self) -> float:
        """Seconds that they were late, as far as anybody has asked."""
        return sum(map(self.late, list(self.first)))

    def late(self, thread: int) -> float:
        """Seconds that it was late, likewise."""
        first = self.first.get(thread, 0.0)
        return max(0.0, self.latest.get(thread, first) - first)

    def counts_from_birth(self, thread: int) -> None:
        """*thread* has just begun, and what it is late it is late here."""
        self.first.setdefault(thread, 0.0)

    def ask(self, thread: int) -> float:
        """Seconds that *thread* has waited for a CPU since it was last asked for."""
        queued = seconds_in_queue(thread)
        if queued is None:
            return 0.0  # nobody can tell, or it is no more
        before = self.latest.get(thread, self.first.setdefault(thread, queued))
        self.latest[thread] = queued
        return max(0.0, queued - before)

    def of_this_wake(self) -> float:
        """Seconds that this thread has waited for a CPU since it last asked here."""
        return self.ask(get_native_id())

    def of_others(self) -> None:
        """Ask for those that have not come to it themselves.

        Whoever waits for the lock has it as soon as they have let go of it, which is
        before they can say for how long they had it.
        """
        this = get_native_id()
        for thread in list(self.first):
            if thread != this:
                self.ask(thread)

    def pause(self, usual: float) -> float:
        """How long (s) to sleep now, *usual* where the CPUs are free."""
        self.of_this_wake()
        thread = get_native_id()
        late = self.late(thread)
        before = self.slept_at.get(thread, late)  # the first time it is the usual
        self.slept_at[thread] = late
        return max(usual, LONGER * (late - before))


def parsed(text: bytes) -> float | None:
    """The second of *text*'s numbers, in seconds."""
    fields = text.split()
    # The first one is the time on a CPU: a thread that has had none reads no file, so
    # zero stands for statistics that are turned off.
    if len(fields) < 2 or fields[0] == b"0" or not fields[1].isdigit():
        return None
    return int(fields[1]) * NANO


def runnable_now() -> int | None:
    """How many threads of the machine run or want to, this one included.

    None where nobody can tell. Takes 15 microseconds on 2 CPUs (measured).
    """
    before, name, rest = content("/proc/stat", 1 << 20).partition(b"\nprocs_running ")
    number = rest.partition(b"\n")[0]
    return int(number) if name and before and number.isdigit() else None


def content(path: str, most: int) -> bytes:
    """What is in a file of the kernel; empty if there is no such file."""
    try:
        # Not `open`, which is gone when a stream is closed by the end of the program.
        with short_turns(), FileIO(path) as file:
            return file.read(most) or b""
    except OSError as raised:
        if is_of_a_signal(raised):
            raise
        return b""  # or the thread has ended meanwhile
