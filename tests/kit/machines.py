"""Machines that are made up of files, for what is read from ``/proc`` and ``/sys``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

HOST = "25 30 0:26 {top} {point} rw,nosuid shared:4 - "
PROC = b"22 30 0:21 / /proc rw,relatime shared:13 - proc proc rw\n"


def v2(point: str = "/sys/fs/cgroup", top: str = "/") -> str:
    """The line of a mount of version 2 that shows the cgroup *top*."""
    return HOST.format(top=top, point=point) + "cgroup2 cgroup2 rw,nsdelegate\n"


def v1(controllers: str, point: str | None = None, top: str = "/") -> str:
    """The line of a mount of version 1 that shows the cgroup *top*."""
    point = point or f"/sys/fs/cgroup/{controllers}"
    return HOST.format(top=top, point=point) + f"cgroup cgroup rw,{controllers}\n"


def write(path: Path, data: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def make_machine(
    root: Path,
    own: str | bytes,
    mounts: str | bytes,
    files: Mapping[str, str | bytes],
) -> str:
    """Make up a file system with these files below ``/sys/fs/cgroup``."""
    write(root / "proc/self/cgroup", own)
    more = mounts.encode() if isinstance(mounts, str) else mounts
    write(root / "proc/self/mountinfo", PROC + more)
    for name, data in files.items():
        write(root / "sys/fs/cgroup" / name, data)
    return str(root)
