"""How a plan follows from what was measured: pure arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotality.core.estimates import Figures, Place, better_place, portion_for

from .plan import Plan
from .plan_fields import ExecutorName
from .profile import Profile

if TYPE_CHECKING:
    from .first_results import Head

NAMES: dict[Place, ExecutorName] = {
    "one thread": "sequential",
    "threads": "threads",
    "processes": "processes",
}


def planned(
    figures: Figures, profile: Profile, total: int | None, head: Head | None = None
) -> Plan:
    """The plan for *total* items like those that *figures* speak of."""
    place = better_place(figures, "one thread") or "one thread"
    n_jobs = workers_in(place, figures)
    seconds = figures.all_seconds()
    return Plan(
        NAMES[place],
        n_jobs,
        portion_for(figures, n_jobs),
        min(n_jobs, seconds["one thread"] / seconds[place]) if seconds[place] else 1.0,
        reason_for(place, figures, profile),
        profile,
        total,
        {NAMES[each]: seconds[each] for each in NAMES},
        figures.cpus,
        head=head,
    )


def workers_in(place: Place, figures: Figures) -> int:
    if place == "one thread":
        return 1
    wanted = figures.useful_threads if place == "threads" else figures.processes
    return max(1, min(wanted, figures.left))


def reason_for(place: Place, figures: Figures, profile: Profile) -> str:
    if place == "processes":
        return "the items compute and hold the interpreter's lock"
    if place == "threads":
        if profile.workload_type == "cpu_bound":
            return "the items leave the interpreter's lock to others while they compute"
        return "the items wait more than they compute"
    if profile.obstacle:
        return f"the items compute and cannot go to processes: {profile.obstacle}"
    if figures.left < 2:
        return "there is nothing to run at the same time"
    if figures.cpus < 2 and profile.workload_type == "cpu_bound":
        return "there is one CPU, and the items keep it busy"
    return "what could be saved is less than what it costs to hand out the items"
