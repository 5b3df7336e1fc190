"""How busy the CPUs are that this process may use: counters, read twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from cotality._kit.public import public_in
from cotality.core.machine import content, psutil_for, quotas

SHORTEST = 0.1  # s; the kernel counts in ticks of 10 ms
LONGEST = 5.0  # s; what was longer ago says little about this moment
STAT_LIMIT = 256 * 1024  # bytes: the lines of 3,000 CPUs, which come first
IDLE = (3, 4)  # which numbers of a line are idle time: idle, iowait
COUNTED = 8  # the numbers behind are parts of those before


@public_in("cotality.tuning.system")
def get_current_cpu_load() -> float:
    """Which share of the CPUs that this process may use is busy, 0 to 1.

    All work counts: that of this program, of other programs, and of other virtual
    machines that take the CPU away from this one. CPUs that this process may not use
    (affinity) do not count. If its cgroup, or one above it, has a CPU quota, the used
    share of the quota counts if it is larger: a container that uses all of its two CPUs
    has a load of 1, however idle the machine is. The use is known with cgroup version
    2, and with version 1 if ``cpu`` and ``cpuacct`` are one hierarchy, as they usually
    are.

    The load is measured since the last call of this function in this process, by
    whichever thread, over 0.1 to 5 seconds. A call that comes sooner gets the same
    answer again. The first call, and one that comes later, measures for 0.1 seconds.
    All others take at most 50 microseconds (measured on a Linux machine with 2 CPUs).

    Raises:
        ImportError: There is no ``/proc/stat`` here, and no `psutil`.
    """
    return meter.load()


class Used(NamedTuple):
    """What a CPU has done since the machine began, in units of any kind."""

    busy: float
    total: float


class GroupUse(NamedTuple):
    """What a cgroup with a quota has used.

    Attributes:
        seconds: CPU time so far.
        cpus: Its quota.
    """

    seconds: float
    cpus: float


class Sample(NamedTuple):
    """The counters at one moment.

    Attributes:
        at: In seconds of the clock of the meter.
        cpus: By their numbers.
        groups: By their folders.
    """

    at: float
    cpus: Mapping[int, Used]
    groups: Mapping[str, GroupUse]


class LoadMeter:
    """Remembers the counters from one question to the next.

    Args:
        root: Where ``/`` is.
    """

    def __init__(
        self,
        root: str = "/",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.root = root
        self.clock = clock
        self.sleep = sleep
        # Replaced as a whole and never changed, so that threads need no lock, which a
        # forked child could find locked for ever. Two that ask at once both look.
        self.last: tuple[Sample, float] | None = None

    def load(self) -> float:
        last = self.last
        age = None if last is None else self.clock() - last[0].at
        if last is None or age is None or not 0 <= age <= LONGEST:
            before = sample_now(self.root, self.clock())
            self.sleep(SHORTEST)
        elif age < SHORTEST:
            return last[1]
        else:
            before = last[0]
        now = sample_now(self.root, self.clock())
        load = load_between(before, now, permitted())
        self.last = now, load
        return load


def load_between(before: Sample, now: Sample, cpus: Collection[int] | None) -> float:
    """The load between two samples, 0 to 1.

    Args:
        cpus: Which CPUs count; None for all.
    """
    busy = total = 0.0
    for cpu, used in now.cpus.items():
        earlier = before.cpus.get(cpu)  # one that was off has no line
        if earlier is not None and (cpus is None or cpu in cpus):
            # Some of these numbers go back now and then, which says nothing.
            busy += max(0.0, used.busy - earlier.busy)
            total += max(0.0, used.total - earlier.total)
    shares = [busy / total if total > 0 else 0.0]
    seconds = now.at - before.at
    for folder, use in now.groups.items():
        if folder in before.groups and seconds > 0:
            spent = use.seconds - before.groups[folder].seconds
            shares.append(spent / (seconds * use.cpus))
    return min(1.0, max(0.0, *shares))


def sample_now(root: str, at: float) -> Sample:
    cpus = cpus_in(content(f"{root}/proc/stat", STAT_LIMIT)) or cpus_by_psutil()
    groups: dict[str, GroupUse] = {}
    for quota in quotas(root):
        seconds = quota.seconds_used()
        if seconds is not None:
            groups[quota.folder] = GroupUse(seconds, quota.time / quota.period)
    return Sample(at, cpus, groups)


def cpus_in(stat: bytes) -> dict[int, Used]:
    """What ``/proc/stat`` says of each CPU."""
    found: dict[int, Used] = {}
    for line in stat.split(b"\nintr", 1)[0].split(b"\n"):
        name, *numbers = line.split() or [b""]
        if name[:3] == b"cpu" and name[3:].isdigit():  # not the sum, which has none
            try:
                spent = [int(each) for each in numbers[:COUNTED]]
            except ValueError:
                continue  # no kernel writes this today
            idle = sum(spent[each] for each in IDLE if each < len(spent))
            found[int(name[3:])] = Used(sum(spent) - idle, sum(spent))
    return found


def cpus_by_psutil() -> dict[int, Used]:
    """The same where there is no ``/proc``."""
    found: dict[int, Used] = {}
    spent: Any  # Any: what psutil has differs between systems
    for cpu, spent in enumerate(psutil_for("its CPUs").cpu_times(percpu=True)):
        each: dict[str, float] = spent._asdict()
        total = sum(each.values()) - each.get("guest", 0) - each.get("guest_nice", 0)
        found[cpu] = Used(total - each["idle"] - each.get("iowait", 0), total)
    return found


def permitted() -> Collection[int] | None:
    """The numbers of the CPUs that this process may use; None if nobody knows."""
    # Fetched by name so that the checkers of every platform see the same code.
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return None if affinity is None else affinity(0)


meter = LoadMeter()
