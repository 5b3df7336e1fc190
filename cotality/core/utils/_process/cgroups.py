"""How much CPU time the cgroup of this process may have: what limits a container.

A container, a systemd service or a batch job with "2 CPUs" sees all CPUs of the
machine. That it may only use them for two seconds per second is written in files of
its cgroup, or of one above it, on Linux alone. There are two versions of those files,
and machines that have both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache

QUOTA_FILES = {  # by version; microseconds of CPU time, and in how many of the clock
    1: ("cpu.cfs_quota_us", "cpu.cfs_period_us"),
    2: ("cpu.max",),  # with both numbers
}

READ_LIMIT = 64 * 1024  # bytes; /proc/self/cgroup has a line for each hierarchy
ESCAPED = re.compile(rb"\\([0-3][0-7]{2})")  # a blank in a mount point is \040


def quota_in_cpus(root: str = "/") -> int | None:
    """The smallest quota among those of our cgroup and all above it, in whole CPUs.

    Fractions are rounded up, see `available_cpus`. None without a quota, and wherever
    none can be read: this only ever makes a number smaller, so what is not understood
    is no limit.

    Args:
        root: Where ``/`` is.

    Costs 10 us, and 5 for each file that is read (measured). Our cgroup is asked for
    each time, since a process can be moved to another one; where the files of a cgroup
    are is remembered, because mounts do not come and go under a program.
    """
    own = content(os.path.join(root, "proc/self/cgroup"))
    quotas = [whole_cpus(files) for files in quota_files(root, own)]
    return min((quota for quota in quotas if quota is not None), default=None)


def whole_cpus(files: Sequence[str]) -> int | None:
    """The quota that *files* set, one of version 2 or two of version 1."""
    numbers = content(files[0]).split()
    # Empty or missing, as those of the topmost cgroup are; or no limit, said by either
    # version. Mostly so, and then there is no need to look any further.
    if not numbers or numbers[0] in (b"max", b"-1"):
        return None
    for file in files[1:]:
        numbers += content(file).split()
    try:
        quota, period = (int(number) for number in numbers)
    except ValueError:
        return None  # no kernel writes this today
    if quota <= 0 or period <= 0:
        return None
    return -(-quota // period)  # in integers, where nothing overflows


@lru_cache(maxsize=16)
def quota_files(root: str, own: bytes) -> tuple[tuple[str, ...], ...]:
    """The files with the quotas of a cgroup and of those above it, for each of them.

    Args:
        root: Where ``/`` is.
        own: What ``/proc/self/cgroup`` says.
    """
    version, path = membership(own)
    names = QUOTA_FILES[version]
    # Each mount that shows our cgroup, or one above it, shows limits of ours.
    return tuple(
        tuple(os.path.join(root, point.lstrip("/"), level, name) for name in names)
        for point, top in mounts(root, version).items()
        for level in levels(top, path)
    )


def membership(own: bytes) -> tuple[int, str]:
    """The version of the hierarchy that limits our CPU time, and our cgroup in it.

    A machine may have hierarchies of both versions, but then the kernel lets only one
    of them limit CPU time: the one of version 1 if it lists ``cpu``.
    """
    found = 2, "/"
    for line in own.split(b"\n"):
        _, _, rest = line.partition(b":")
        controllers, _, path = rest.partition(b":")  # a path may have colons
        if b"cpu" in controllers.split(b","):  # mostly "cpu,cpuacct"
            return 1, os.fsdecode(path)
        if not controllers and path:
            found = 2, os.fsdecode(path)
    return found


def mounts(root: str, version: int) -> dict[str, str]:
    """Where hierarchies of *version* are mounted, and which cgroup is seen there."""
    found: dict[str, str] = {}
    for line in mount_table(root).split(b"\n"):
        place, _, kind = line.partition(b" - ")
        match place.split(b" "), kind.split(b" "):
            case [_, _, _, top, point, *_], [b"cgroup2", *_] if version == 2:
                found[unescaped(point)] = unescaped(top)
            case [_, _, _, top, point, *_], [b"cgroup", _, options, *_] if version == 1:
                if b"cpu" in options.split(b","):
                    found[unescaped(point)] = unescaped(top)
            case _:
                pass
    return found  # of two at one place, the later one, which hides the other


def levels(top: str, own: str) -> list[str]:
    """The cgroups from *own* up to *top*, as paths that start at *top*.

    None of them if *own* is not below *top*: the mount shows somebody else's cgroups.
    Both paths start at the root of our cgroup namespace, if we have one, and begin with
    ``..`` for what lies outside.
    """
    above = [name for name in top.split("/") if name]
    names = [name for name in own.split("/") if name]
    rest = names[len(above) :]
    if names[: len(above)] == above:
        if rest[:1] == [".."]:
            return []
        return ["/".join(rest[:count]) for count in range(len(rest), -1, -1)]
    # Mounted before the namespace was made: the way down from there has no names.
    return [""] if set(above) == {".."} else []


def mount_table(root: str) -> bytes:
    try:
        with open(os.path.join(root, "proc/self/mountinfo"), "rb") as file:
            return file.read()
    except OSError:
        return b""


def unescaped(path: bytes) -> str:
    return os.fsdecode(ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), path))


def content(path: str) -> bytes:
    """What is in a small file; nothing if it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except (OSError, ValueError):  # the latter for a name that cannot be one
        return b""
    try:
        return os.read(fd, READ_LIMIT)
    except OSError:
        return b""
    finally:
        os.close(fd)
