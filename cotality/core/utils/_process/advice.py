"""Threads or processes, and how many: what this machine gives us."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable

from .public import public

logger = logging.getLogger("cotality.core.utils.process")

CPU_WORDS = frozenset(
    [
        *("cpu", "processor", "compute", "computing", "computation", "computational"),
        *("calculate", "calculating", "calculation", "number crunching"),
        *("math", "maths", "mathematical", "numeric", "numerical"),
    ]
)
IO_WORDS = frozenset(
    [
        *("io", "input/output", "network", "net", "http", "web", "api", "request"),
        *("download", "upload", "socket", "database", "db", "sql", "query"),
        *("file", "file system", "disk", "storage", "read", "reading", "write"),
        *("writing", "wait", "waiting", "sleep", "mixed"),
    ]
)
IGNORED = re.compile(r"[\s_/-]+")
# "cpu-bound", "heavy computation" and "I/O tasks" name the same as the bare word.
QUALIFIER = re.compile(
    r"^(heavy|intensive)+"
    r"|(bound|bounded|intensive|heavy|limited|tasks?|operations?|work|workload)+$"
)

THREADS_LIMIT = 32  # as ThreadPoolExecutor has it since Python 3.8
THREADS_BEYOND_CPUS = 4  # the same: some always wait for input or output
WINDOWS_PROCESSES_LIMIT = 61  # WaitForMultipleObjects takes 63 handles, 2 are taken


@public
def should_use_processes(task_type: str = "io") -> bool:
    """Whether work of this kind is faster on processes than on threads.

    Work that computes in Python gains from processes: threads take turns, because
    only the one that holds the global interpreter lock (GIL) runs. Work that waits,
    for a network, a disk or a database, gives the lock up meanwhile, and threads
    are lighter. On a Python that runs without the GIL the answer is always False:
    threads compute at the same time there, and nothing has to be copied between
    processes.

    Args:
        task_type: What the work spends its time on, such as ``"cpu"``,
            ``"cpu-bound"``, ``"compute"`` or ``"calculation"``; ``"io"``,
            ``"network"``, ``"database"``, ``"file"`` or ``"mixed"``. Case, spaces,
            ``-``, ``_`` and ``/`` make no difference.

    Returns:
        True for work that computes, False for work that waits. False also for a
        word that is not known, with a warning in the log that lists those that are:
        threads always work, while processes need what they are given to be
        picklable.

    Raises:
        TypeError: *task_type* is not a string.
    """
    if not isinstance(task_type, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a type checker
        raise TypeError(
            f"task_type must be a string such as 'cpu' or 'io', got {task_type!r}"
        )
    return is_computing(task_type) and is_gil_enabled()


def is_computing(task_type: str) -> bool:
    if is_among(CPU_WORDS, task_type):
        return True
    if not is_among(IO_WORDS, task_type):
        logger.warning(
            "should_use_processes does not know the task type %r and advises "
            "threads. Known for processes: %s. Known for threads: %s.",
            task_type,
            ", ".join(sorted(CPU_WORDS)),
            ", ".join(sorted(IO_WORDS)),
        )
    return False


def is_among(words: frozenset[str], task_type: str) -> bool:
    known = {squeezed(word) for word in words}
    whole = squeezed(task_type)
    bare = QUALIFIER.sub("", whole)
    return not known.isdisjoint(
        [whole, whole.removesuffix("s"), bare, bare.removesuffix("s")]
    )


def squeezed(word: str) -> str:
    return IGNORED.sub("", word.casefold())


def is_gil_enabled() -> bool:
    # Since Python 3.13. It asks what holds now: a build without the GIL turns it on
    # again when an extension module needs it.
    ask: Callable[[], bool] | None = getattr(sys, "_is_gil_enabled", None)
    return ask is None or ask()


def available_cpus() -> int:
    """How many CPUs this process may use, at least 1.

    Fewer than the machine has when an administrator, ``taskset`` or a batch system
    keeps this process to some of them; asked anew at each call. From Python 3.13 on
    ``PYTHON_CPU_COUNT`` and ``-X cpu_count`` count as well.
    """
    ask: Callable[[], int | None] = getattr(os, "process_cpu_count", usable_cpus)
    return max(ask() or 1, 1)


def usable_cpus() -> int | None:
    """What ``os.process_cpu_count`` answers, for a Python before 3.13."""
    # Not on Windows and macOS, and fetched by name so that the checkers of every
    # platform see the same code.
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count()


def default_workers(use_processes: bool, inside_worker: bool) -> int:
    """How many workers a call gets that does not say.

    Args:
        use_processes: Worker processes: one for each CPU (at most 61 on Windows),
            as they are there to compute. Otherwise threads: 4 more than CPUs, at
            most 32, which is the number `ThreadPoolExecutor` takes.
        inside_worker: The call is made inside one of our worker processes. Processes
            are not multiplied: 1. Threads are as many as elsewhere.
    """
    if not use_processes:
        return min(THREADS_LIMIT, available_cpus() + THREADS_BEYOND_CPUS)
    if inside_worker:
        return 1
    if sys.platform == "win32":
        return min(available_cpus(), WINDOWS_PROCESSES_LIMIT)
    return available_cpus()
