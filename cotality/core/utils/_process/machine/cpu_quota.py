"""How much CPU time the cgroup of this process may use, which limits a container.

"2 CPUs" are two seconds of CPU time per second, on however many CPUs.
"""

from __future__ import annotations

from collections.abc import Iterator

from cotality._kit.records import NamedTuple

from .cgroups import content, named, number, own_folders

QUOTA_FILES = {  # by version; microseconds of CPU time, and in how many of the clock
    1: ("cpu.cfs_quota_us", "cpu.cfs_period_us"),
    2: ("cpu.max",),  # with both numbers
}


class Quota(NamedTuple):
    """What one cgroup may have.

    Attributes:
        folder: Where its files are.
        time: The CPU time, in microseconds, that may be used in each period.
        period: The length of a period, in microseconds.
    """

    folder: str
    time: int
    period: int

    def seconds_used(self) -> float | None:
        """The CPU time that the cgroup has had so far; None if nobody knows."""
        microseconds = named(content(f"{self.folder}/cpu.stat"), b"usage_usec")
        if microseconds is not None:
            return microseconds / 1e6
        nanoseconds = number(content(f"{self.folder}/cpuacct.usage"))  # version 1
        return None if nanoseconds is None else nanoseconds / 1e9


def quota_in_cpus(root: str = "/") -> int | None:
    """The smallest quota among those of our cgroup and all above it, in whole CPUs.

    Fractions are rounded up, see `available_cpus`. None without a quota, and wherever
    none can be read: this only ever makes a number smaller, so what is not understood
    is no limit.

    Args:
        root: Where ``/`` is.

    Costs 10 us, and 5 for each file that is read (measured).
    """
    # Rounded in integers, where nothing overflows.
    cpus = (-(-quota.time // quota.period) for quota in quotas(root))
    return min(cpus, default=None)


def quotas(root: str = "/") -> Iterator[Quota]:
    """The quotas of our cgroup and of all above it that have one."""
    version, folders = own_folders(root, "cpu")
    for folder in folders:
        files = [f"{folder}/{name}" for name in QUOTA_FILES[version]]
        numbers = content(files[0]).split()
        # Empty or missing, as those of the topmost cgroup are; or no limit, said by
        # either version. Mostly so, and then there is no need to look any further.
        if not numbers or numbers[0] in (b"max", b"-1"):
            continue
        for file in files[1:]:
            numbers += content(file).split()
        try:
            time, period = (int(each) for each in numbers)
        except ValueError:
            continue  # no kernel writes this today
        if time > 0 and period > 0:
            yield Quota(folder, time, period)
