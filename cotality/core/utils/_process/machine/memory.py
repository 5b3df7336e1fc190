"""How much memory this process may use: of the machine, and of its cgroups.

In a container, ``/proc/meminfo`` is that of the whole machine. The limit of a
container, a systemd service or a pod is that of its cgroup, or of a cgroup above it. A
process that exceeds the limit is killed, or slowed down while others of the group are
swapped out.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from cotality._kit.public import public_in
from cotality._kit.records import NamedTuple

from .cgroups import content, named, number, own_folders
from .environment import MEMORY_VARIABLE, count_from

MB = 1_000_000  # bytes, as everywhere where memory is given in MB

# Version 1 says "no limit" with the largest multiple of a page that its counters hold.
NO_LIMIT = 1 << 60  # bytes


class Files(NamedTuple):
    """What the files of one version are called.

    Attributes:
        limits: Each of them may set one; the smallest counts. ``memory.high`` is none
            that kills, but beyond it memory is taken away from the group by swapping,
            and nothing in it runs at the usual speed.
        usage: How much the group has, with those below it.
        reclaimable: The name of what `memory.stat` counts of the page cache that has
            not been used for some time: it makes room as soon as somebody needs it.
    """

    limits: tuple[str, ...]
    usage: str
    reclaimable: bytes


FILES = {  # by version
    1: Files(
        ("memory.limit_in_bytes",), "memory.usage_in_bytes", b"total_inactive_file"
    ),
    2: Files(("memory.max", "memory.high"), "memory.current", b"inactive_file"),
}


class Group(NamedTuple):
    """A cgroup with a limit. Numbers are bytes.

    Attributes:
        usage: What it has, page cache and all.
    """

    folder: str
    limit: int
    usage: int
    reclaimable_name: bytes

    @property
    def room(self) -> int:
        """What is left if nothing can be reclaimed; less than 0 beyond the limit."""
        return self.limit - self.usage

    def reclaimable(self) -> int:
        """How much of it makes room when needed. To ask costs 8 us (measured)."""
        said = content(f"{self.folder}/memory.stat")
        return min(self.usage, named(said, self.reclaimable_name) or 0)


class Machine(NamedTuple):
    """The memory of the machine, in bytes."""

    total: int
    available: int


@public_in("cotality.tuning.system")
def available_memory() -> int:
    """How many bytes may still be taken before something is killed or swapped out.

    The smallest of:

    * what the machine has available, with what it can reclaim without swapping;
    * on Linux, for the cgroup of this process and each above it that has a limit, the
      limit minus what is used, where page cache that can be reclaimed does not count
      as used. Versions 1 and 2 are understood. A limit that is hit when something is
      swapped out (``memory.high``) counts like one that kills.

    At least 0. It is what there is for everybody in the same cgroups: others may take
    it first. Swap space does not count, and neither does ``ulimit -v``.

    Reads a few files on Linux and asks `psutil` elsewhere. Costs 20 microseconds, and
    for each cgroup up to the topmost 8 more, or 14 if it has a limit: 40 to 60 with
    three of them (measured on a 2-core Linux machine with Python 3.11).

    Raises:
        ImportError: There is no ``/proc/meminfo`` here, and no `psutil`.
    """
    left = memory_left()
    return left_by_psutil() if left is None else left


def memory_left(root: str = "/") -> int | None:
    """What `available_memory` says on Linux; None if the machine does not tell.

    Args:
        root: Where ``/`` is.
    """
    machine = machine_memory(root)
    if machine is None:
        return None
    left = machine.available
    for group in limited_groups(root):
        # Mostly there is more room in it than there is elsewhere, whatever could be
        # reclaimed, and then nobody needs to know. To ask costs as much as the rest.
        if group.room < left:
            left = min(left, group.room + group.reclaimable())
    return max(0, left)


def memory_pressure(root: str = "/") -> float | None:
    """How full the fullest of the machine and our cgroups is, 0 to 1.

    None if the machine does not tell. What can be reclaimed counts as free.

    Args:
        root: Where ``/`` is.
    """
    machine = machine_memory(root)
    if machine is None:
        return None
    fullest = fullness(machine.total - machine.available, machine.total)
    for group in limited_groups(root):
        if fullness(group.usage, group.limit) > fullest:  # as in `memory_left`
            taken = group.usage - group.reclaimable()
            fullest = max(fullest, fullness(taken, group.limit))
    return fullest


def left_in_container() -> int | None:
    """What is left where a cgroup limits the memory; None where none does."""
    is_limited = next(limited_groups(), None) is not None
    return memory_left() if is_limited else None


def fullness(taken: int, limit: int) -> float:
    return min(1.0, max(0.0, taken / limit)) if limit > 0 else 1.0


def limited_groups(root: str = "/") -> Iterator[Group]:
    """Our cgroup and those above it, as far as they have a limit that can be read.

    What is not understood is no limit: this only ever makes a number smaller.
    """
    # A kernel before 5.11 can be told that groups of version 1 are not within those
    # above them. Then too many limits are counted, which is the harmless mistake.
    version, folders = own_folders(root, "memory")
    files = FILES[version]
    for folder in folders:
        # Of the topmost cgroup none of them is there, in version 2.
        limits = [number(content(f"{folder}/{name}")) for name in files.limits]
        limit = min((each for each in limits if each is not None), default=NO_LIMIT)
        if limit >= NO_LIMIT:
            continue
        usage = number(content(f"{folder}/{files.usage}"))
        if usage is not None:
            yield Group(folder, limit, usage, files.reclaimable)


def machine_memory(root: str = "/") -> Machine | None:
    """What the machine has; None if it does not say so."""
    said = content(f"{root}/proc/meminfo")
    total, available = named(said, b"MemTotal:"), named(said, b"MemAvailable:")
    if available is None:
        available = guessed_available(said)
    if not total or available is None:
        return None
    return Machine(total * 1024, available * 1024)


def guessed_available(said: bytes) -> int | None:
    """About what a kernel would say that is newer than 3.14, in kB."""
    free = named(said, b"MemFree:")
    if free is None:
        return None
    cache = (named(said, b"Cached:") or 0) - (named(said, b"Shmem:") or 0)
    return free + max(0, cache)


def left_by_psutil() -> int:
    """What the machine has available, where there is no ``/proc``."""
    return int(psutil_for("its memory").virtual_memory().available)


def psutil_for(what: str) -> Any:  # Any: a module that brings no types
    """The module that asks the systems that have no ``/proc``.

    Raises:
        ImportError: It is not there; says how to get it.
    """
    try:
        return import_module("psutil")
    except ImportError as error:
        raise ImportError(
            f"to ask this system about {what} takes psutil, which is not installed. "
            f"Install cotality[tuning], or psutil itself."
        ) from error


def memory_limit_from_environment() -> int | None:
    """What ``COTALITY_MEMORY_LIMIT_MB`` says now, in bytes; None if it is not set.

    Raises:
        ValueError: It is set, and not to a number of at least 1. One MB is 1,000,000
            bytes.
    """
    megabytes = count_from(
        MEMORY_VARIABLE,
        "Correct it, or remove it to have no such limit.",
        ", in MB (1,000,000 bytes)",
    )
    return None if megabytes is None else megabytes * MB
