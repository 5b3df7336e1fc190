"""How much memory this process uses."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

from .output import say


def memory_in_use() -> tuple[int, str] | None:
    """The memory of this process in bytes, and whether that is now or at its peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return pages * mmap.PAGESIZE, "now"
    except (OSError, ValueError, IndexError):  # not Linux, or it hides /proc
        pass
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024, "at most so far"


def say_memory(records: int) -> int:
    """Print how much memory this process uses after *records*; 0 if nobody can tell."""
    memory = memory_in_use()
    if memory is None:
        say(f"{records:9,} records stored")
        return 0
    used, when = memory
    say(f"{records:9,} records stored, {used / 1e6:7.1f} MB of memory in use {when}")
    return used
