"""Random mixes of tasks, of which some are fatal; and the traces that they leave."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from tests.kit.fatal import die_of, exit_with
from tests.kit.given import st
from tests.kit.limits import LONG_S

# The ways in which a task can end its worker.
DEADLY = ("exit 0", "exit 3", "SIGKILL", "SIGTERM", "SIGSEGV", "abort")
TIMEOUT = 0.3  # s that tasks may run where late ones are among them


@dataclass(frozen=True)
class Fate:
    """How long a task takes, and what becomes of it."""

    seconds: float = 0.0
    way: str = "return"


def meet_fate(path: Path, number: int, fate: Fate) -> int:
    """Leave a trace in *path* that no crash takes back; then do as *fate* says."""
    leave_trace(path, number)
    if fate.seconds:
        time.sleep(fate.seconds)
    if fate.way.startswith("exit"):
        exit_with(int(fate.way.split()[1]))
    elif fate.way.startswith("SIG"):
        die_of(getattr(signal, fate.way))
    elif fate.way == "abort":
        os.abort()
    elif fate.way == "raise":
        raise ValueError(number)
    elif fate.way == "late":
        time.sleep(LONG_S)
    return number


def leave_trace(path: Path, number: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"%d\n" % number)  # one write is one line, also next to others
    os.close(fd)


def slow_double(trace: Path, number: int) -> int:
    """Leave a trace at some time while this runs, which is not for long."""
    time.sleep(0.0005 * (number % 3))
    leave_trace(trace, number)
    time.sleep(0.0005 * (number % 2))
    return 2 * number


def runs(path: Path) -> list[int]:
    """The numbers of all runs that left a trace, in order."""
    return sorted(int(line) for line in path.read_bytes().split())


def fates(
    durations: st.SearchStrategy[float], ways: tuple[str, ...] = (*DEADLY, "raise")
) -> st.SearchStrategy[list[Fate]]:
    """Up to sixty tasks of which one in ten, or so, does something else."""
    harmless = st.builds(Fate, durations)
    fatal = st.builds(Fate, durations, st.sampled_from(ways))
    mixed = st.integers(0, 9).flatmap(lambda n: fatal if n == 0 else harmless)
    return st.lists(mixed, min_size=1, max_size=60)


def some_durations() -> st.SearchStrategy[float]:
    """Mostly nothing, sometimes more than a portion may take."""
    return st.sampled_from([0.0, 0.0, 0.0, 0.001, 0.01, 0.05])
