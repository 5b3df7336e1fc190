"""The plan that a run has followed, in hindsight."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, cast

from cotality.core.calls import name_of_function
from cotality.core.estimates import (
    WARM_START,
    Figures,
    Place,
    cpu_share,
    loop_seconds,
    portion_for,
)
from cotality.core.machine import available_cpus, default_threads

from .plan import Plan
from .planning import NAMES, planned
from .profile import SIZED, Profile, mean_size, workload_type

if TYPE_CHECKING:
    from cotality.core.utils.process import Decision, RunReport


def plan_of_run(
    report: RunReport,
    function: object,
    data: object,
    results: Sequence[object],
    needing: str = "",
) -> Plan:
    """The plan that a run of *function* over *data* has followed.

    Args:
        needing: The option for which it ran in processes, although nobody said so.
    """
    decision = report.main_decision
    total = report.done + report.failed
    figures = figures_of(report, decision, total)
    # Of an iterator the items are gone.
    given = cast("Sequence[object]", data) if isinstance(data, Sequence) else ()
    items = list(islice(given, SIZED))
    profile = Profile(
        name_of_function(function),
        workload_type(figures),
        figures.wall,
        figures.cpu,
        figures.lock,
        figures.transport,
        mean_size(items),
        mean_size(results[:SIZED]),
        "" if decision is None else decision.obstacle,
        report.runs,
        report.failed,
        0.0 if decision is None else decision.busy_programs,
    )
    made = planned(figures, profile, total)
    gain = report.gain
    # What was measured; of an executor of others nobody can tell.
    speed_up = gain.speed_up if gain is not None else 1.0
    place = place_of(report, decision)
    workers = decision.workers if decision is not None else report.workers
    reason = f"{needing} needs worker processes" if needing else "it was asked for"
    return Plan(
        NAMES[place],
        workers if place != "one thread" else 1,
        portion_for(figures, workers),
        speed_up if total else 1.0,
        decision.reason if decision is not None else reason,
        profile,
        total,
        made.expected_seconds,
        made.cpus,
        speedup_range=None if gain is None else (gain.low, gain.high),
    )


def place_of(report: RunReport, decision: Decision | None) -> Place:
    if decision is not None:
        return cast("Place", decision.choice)
    if report.kind == "inline":
        return "one thread"
    # Otherwise the name of the class of an executor.
    return "threads" if "thread" in report.kind.lower() else "processes"


def figures_of(report: RunReport, decision: Decision | None, total: int) -> Figures:
    runs = max(1, report.runs)
    wall = max(1e-9, report.task_seconds / runs)
    cpu = min(wall, max(1e-9, report.cpu_seconds / runs))
    if decision is not None and decision.wall_seconds:
        # Use the figures of a task that ran alone; those of concurrent ones are
        # inflated.
        wall, cpu = decision.wall_seconds, max(1e-9, decision.cpu_seconds)
        likeliest = loop_seconds(report)
        if decision.alone_tasks and likeliest:
            waits = decision.alone_seconds - decision.alone_cpu_seconds
            loop = likeliest[0] / runs
            cpu = max(1e-9, (loop - max(0.0, waits)) * cpu_share(report))
            wall = cpu + max(0.0, waits)
    can_travel = decision is None or not decision.obstacle
    return Figures(
        left=total,
        wall=wall,
        cpu=min(cpu, wall),
        lock=1.0 if decision is None else decision.lock,
        transport=0.0 if decision is None else decision.transport_seconds,
        start=WARM_START,  # they have been used now
        cpus=available_cpus(),
        threads=default_threads(),
        processes=available_cpus() if can_travel else 0,
    )
