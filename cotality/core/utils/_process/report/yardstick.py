"""How long a plain loop would have taken, and so how much faster a run was.

Tasks that disturb each other all take longer, so the sum of their times is not a
yardstick. The yardstick is how long a task takes alone, which the first tasks of a call
with "auto" show, and the CPU time of all tasks, which is about the same wherever they
run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotality._kit.records import NamedTuple

if TYPE_CHECKING:
    from .figures import RunFigures

# This many tasks alone, or this many seconds of them, tell how long the others take.
ENOUGH_TASKS = 10
ENOUGH_SECONDS = 0.02
# Threads that keep fewer CPUs busy than this seldom disturb each other.
SELDOM_BUSY = 0.4


class Gain(NamedTuple):
    """How many times as fast as a loop a run was.

    Attributes:
        low: By the smaller of two estimates of what the loop would have taken.
        high: By the larger one.
    """

    speed_up: float
    low: float
    high: float


def gain_of(report: RunFigures) -> Gain | None:
    """None if too little is known of what a loop would have taken."""
    if not report.runs or not report.wall_seconds:
        return None
    guesses = loop_seconds(report)
    if not guesses:
        return None
    most = max(1, report.workers)
    found = [min(most, guess / report.wall_seconds) for guess in guesses]
    return Gain(found[0], min(found), max(found))


def loop_seconds(report: RunFigures) -> list[float]:
    """What a loop would have taken, the likeliest first; nothing if nobody can tell."""
    decision = report.main_decision
    if report.kind == "processes":
        return [report.task_seconds]  # there each is alone
    if report.kind == "inline" or (decision is None and report.workers == 1):
        return [report.task_seconds]
    if decision is None:
        # Threads: between them lies what they waited for the lock, or for a CPU.
        if report.kind != "threads":
            return []
        if report.cpus_busy < SELDOM_BUSY:
            return [report.task_seconds]
        return [report.cpu_seconds, report.task_seconds]
    if len(report.decisions) == 1 and decision.choice == "one thread":
        return [report.task_seconds]
    return by_what_tasks_took(report)


def by_what_tasks_took(report: RunFigures) -> list[float]:
    known = max(report.decisions, key=lambda each: each.alone_tasks)
    if not known.alone_tasks:
        known = report.decisions[-1]
    share = cpu_share(report)
    wait = max(0.0, known.alone_seconds - known.alone_cpu_seconds)
    if not known.alone_tasks:
        wait = max(0.0, known.wall_seconds - known.cpu_seconds)
    by_cpu = report.cpu_seconds / share + report.runs * wait
    # In a crowd none takes less time than alone.
    most = report.task_seconds
    if not known.alone_tasks:
        return [most if is_seldom_wanted(report) else min(by_cpu, most)]
    alone = report.runs * (known.alone_cpu_seconds / share + wait)
    spent = known.alone_tasks * known.alone_seconds
    is_known = known.alone_tasks >= ENOUGH_TASKS or spent >= ENOUGH_SECONDS
    if not is_known and is_seldom_wanted(report):
        return [most]
    alone, by_cpu = min(alone, most), min(by_cpu, most)
    main = report.main_decision
    # Threads that compute take more CPU time in a crowd than alone.
    is_crowd = main is not None and main.choice == "threads"
    return [alone, by_cpu] if is_known and is_crowd else [by_cpu, alone]


def is_seldom_wanted(report: RunFigures) -> bool:
    """Whether tasks were seldom in each other's way: few of them wanted a CPU."""
    queued = report.queue_seconds or 0.0  # None where nobody can tell
    return report.cpus_busy + queued / report.wall_seconds < SELDOM_BUSY


def cpu_share(report: RunFigures) -> float:
    """How much of a CPU a loop would have had, beside other programs."""
    programs = [each.busy_programs for each in report.decisions]
    machine = max([report.machine, report.cpus, 1])
    return min(1.0, machine / (1 + sum(programs) / len(programs)))
