"""Finds the files that say what the cgroup of this process may use.

A container, a systemd service or a batch job sees the whole machine. If it may use
less, on Linux, files of its cgroup or of a cgroup above it say so. There are two
versions of those files, and machines that have both. `cpu_quota` reads the files about
CPU time, and `memory` those about memory.

The cgroup of this process is looked up each time, because a process can be moved to
another one. The place of its files is remembered, because mounts do not change under a
program.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import Literal, TypeAlias

from cotality._kit.struck import is_of_a_signal

from .descriptor import Descriptor

Controller: TypeAlias = Literal["cpu", "memory"]

READ_LIMIT = 64 * 1024  # bytes; /proc/self/cgroup has a line for each hierarchy
LONGEST_NUMBER = 40  # characters; nothing that is longer counts bytes or time
ESCAPED = re.compile(rb"\\([0-3][0-7]{2})")  # a blank in a mount point is \040


def own_folders(root: str, controller: Controller) -> tuple[int, tuple[str, ...]]:
    """The version of the files, and the folders of our cgroup and of all above it.

    Args:
        root: Where ``/`` is.
        controller: What the limits are of.

    Costs 10 us (measured), mostly for asking which cgroup is ours.
    """
    return folders(root, content(f"{root}/proc/self/cgroup"), controller)


@lru_cache(maxsize=16)
def folders(
    root: str, own: bytes, controller: Controller
) -> tuple[int, tuple[str, ...]]:
    """The same for the cgroup that *own* names, as ``/proc/self/cgroup`` does."""
    version, path = membership(own, controller)
    # Each mount that shows our cgroup, or one above it, shows limits of ours.
    return version, tuple(
        os.path.join(root, point.lstrip("/"), level)
        for point, top in mounts(root, version, controller).items()
        for level in levels(top, path)
    )


def membership(own: bytes, controller: Controller) -> tuple[int, str]:
    """The version of the hierarchy with these limits, and our cgroup in it.

    A machine may have hierarchies of both versions, but then the kernel lets only one
    of them limit the same thing: the one of version 1 if it lists the *controller*.
    """
    wanted = controller.encode()
    found = 2, "/"
    for line in own.split(b"\n"):
        _, _, rest = line.partition(b":")
        controllers, _, path = rest.partition(b":")  # a path may have colons
        if wanted in controllers.split(b","):  # such as "cpu,cpuacct"
            return 1, os.fsdecode(path)
        if not controllers and path:
            found = 2, os.fsdecode(path)
    return found


def mounts(root: str, version: int, controller: Controller) -> dict[str, str]:
    """Where such hierarchies are mounted, and which cgroup is seen there."""
    wanted = controller.encode()
    found: dict[str, str] = {}
    for line in mount_table(root).split(b"\n"):
        place, _, kind = line.partition(b" - ")
        match place.split(b" "), kind.split(b" "):
            case [_, _, _, top, point, *_], [b"cgroup2", *_] if version == 2:
                found[unescaped(point)] = unescaped(top)
            case [_, _, _, top, point, *_], [b"cgroup", _, options, *_] if version == 1:
                if wanted in options.split(b","):
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
    except OSError as raised:
        if is_of_a_signal(raised):
            raise
        return b""


def unescaped(path: bytes) -> str:
    return os.fsdecode(ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), path))


def content(path: str, limit: int = READ_LIMIT) -> bytes:
    """The first *limit* bytes of a file of the kernel; none if it cannot be read."""
    try:
        file = Descriptor(os.open, path, os.O_RDONLY)
        return os.read(file.fd, limit)
    except (OSError, ValueError) as raised:  # the latter for a name that cannot be one
        if is_of_a_signal(raised):
            raise
        return b""


def named(said: bytes, name: bytes) -> int | None:
    """The number behind *name*, at the beginning of one of the lines of a file."""
    # Only what is asked for is looked at: to read all lines would take 30 us.
    _, found, rest = (b"\n" + said).partition(b"\n" + name + b" ")
    words = rest[:LONGEST_NUMBER].split(None, 1)
    return number(words[0]) if found and words else None


def number(said: bytes) -> int | None:
    """The number that a file says; None if it says something else."""
    said = said.strip()
    if said.isdigit() and len(said) < LONGEST_NUMBER:
        return int(said)
    return None  # mostly "max"
