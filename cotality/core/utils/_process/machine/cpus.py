"""How many workers to start: what the machine has, and what this process may use."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from cotality._kit.public import public

from .cpu_quota import quota_in_cpus
from .environment import WORKERS_VARIABLE, count_from

THREADS_LIMIT = 32  # as ThreadPoolExecutor has it since Python 3.8
# As many as wait at the same time with `use_processes="auto"`, if that pays.
MOST_THREADS_FOUND_OUT = 64
THREADS_BEYOND_CPUS = 4  # the same: some always wait for input or output
WINDOWS_PROCESSES_LIMIT = 61  # WaitForMultipleObjects takes 63 handles, 2 are taken


@public
def available_cpus() -> int:
    """How many CPUs this process may use at the same time, at least 1.

    A call starts this many worker processes by default. It is the smaller of:

    * the CPUs to which an administrator, ``taskset``, a cpuset or a batch system
      restricts this process (its affinity); without a restriction, all CPUs of the
      machine. From Python 3.13 on ``PYTHON_CPU_COUNT`` and ``-X cpu_count`` count as
      well;
    * on Linux, the CPU time that its cgroup and all cgroups above it may use. This is
      how containers are limited: ``docker run --cpus``, a limit of Kubernetes,
      ``CPUQuota`` of systemd; cgroup versions 1 and 2. Shares and weights (requests, in
      Kubernetes) are not limits, and do not count.

    A fraction is rounded up: 1.5 gives 2. Two workers use all of 1.5 CPUs, and are
    paused part of the time; one worker could never use more than two thirds of it.

    The function looks again at each call, because all of this can change while a
    program runs. It takes about 20 microseconds on Linux.
    """
    cpus = permitted_cpus()
    quota = quota_in_cpus()
    return cpus if quota is None else min(cpus, quota)


def permitted_cpus() -> int:
    """On how many CPUs this process may run, at least 1."""
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

    What ``COTALITY_MAX_WORKERS`` says, with the one exception below. Without it:

    Args:
        use_processes: Worker processes: one for each CPU (at most 61 on Windows),
            as they are there to compute. Otherwise threads: 4 more than CPUs, at
            most 32, which is the number `ThreadPoolExecutor` takes.
        inside_worker: The call is made inside one of our worker processes. Processes
            are not multiplied: 1, whatever the variable says, since every worker
            inherits it. Threads are as many as elsewhere.

    Raises:
        ValueError: The variable is set, and not to a number of at least 1.
    """
    if use_processes and inside_worker:
        return 1
    wanted = workers_from_environment()
    if wanted is not None:
        return wanted
    if not use_processes:
        return min(THREADS_LIMIT, available_cpus() + THREADS_BEYOND_CPUS)
    if sys.platform == "win32":
        return min(available_cpus(), WINDOWS_PROCESSES_LIMIT)
    return available_cpus()


def checked_max_workers(max_workers: object, name: str = "max_workers") -> int:
    """*max_workers* as a number of workers; negative ones count back from all CPUs.

    Raises:
        TypeError: It is no integer.
        ValueError: It is 0.
    """
    if isinstance(max_workers, bool) or not isinstance(max_workers, int):
        raise TypeError(f"{name} must be an integer or None, got {max_workers!r}")
    if max_workers > 0:
        return max_workers
    if max_workers == 0:
        raise ValueError(
            f"{name} must be at least 1, got 0. -1 means all CPUs, and None leaves it "
            f"to the machine."
        )
    return max(1, available_cpus() + 1 + max_workers)


def default_threads() -> int:
    """How many threads there may be where their number is found out on the way."""
    return workers_from_environment() or MOST_THREADS_FOUND_OUT


def most_threads() -> int:
    """How many threads all calls together may have that name no number.

    Each of them has one in any case.
    """
    return max(MOST_THREADS_FOUND_OUT, workers_from_environment() or 0)


def workers_from_environment() -> int | None:
    """What ``COTALITY_MAX_WORKERS`` says now; None if it is not set."""
    return count_from(
        WORKERS_VARIABLE,
        "Correct it, remove it to let the machine decide, or give max_workers to the "
        "call.",
    )
