"""A plan as a person reads it."""

from __future__ import annotations

from cotality._kit import units
from cotality._kit.html import table
from cotality._kit.safe_text import printable

from .plan_fields import PlanFields


def in_words(plan: PlanFields) -> str:
    return "\n".join([advice(plan), f"Why: {plan.reason}.", *figures(plan)])


def in_short(plan: PlanFields) -> str:
    """``<Plan: 400 items on 2 processes, about 1.9 times as fast as a loop>``."""
    items = "items" if plan.total is None else units.number(plan.total, "item")
    if plan.executor == "sequential":
        return f"<Plan: {items} in a plain loop>"
    one = {"threads": "thread", "processes": "process"}[plan.executor]
    return (
        f"<Plan: {items} on {units.number(plan.n_jobs, one, plan.executor)}, about "
        f"{plan.estimated_speedup:.2g} times as fast as a loop>"
    )


def as_cell(plan: PlanFields) -> str:
    first, *rest = in_words(plan).splitlines()
    return table(first, [("", printable(line)) for line in rest])


def advice(plan: PlanFields) -> str:
    items = "the items" if plan.total is None else units.number(plan.total, "item")
    if plan.executor == "sequential":
        return f"Run {items} in a plain loop: anything else would not be faster."
    one = {"threads": "thread", "processes": "process"}[plan.executor]
    workers = units.number(plan.n_jobs, one, plan.executor)
    between = ""
    if plan.speedup_range is not None:
        low, high = (f"{each:.2g}" for each in plan.speedup_range)
        between = f" ({low} to {high})" if low != high else ""
    portions = "one by one"
    if plan.chunksize > 1:
        portions = f"up to {plan.chunksize} in a portion"
    return (
        f"Run {items} on {workers}, {portions}: about "
        f"{plan.estimated_speedup:.2g} times as fast as a loop{between}."
    )


def figures(plan: PlanFields) -> list[str]:
    profile = plan.profile
    if not profile.items_seen or not profile.seconds_per_item:
        return []
    computing = profile.cpu_seconds_per_item / profile.seconds_per_item
    measured = (
        f"An item takes {units.seconds(profile.seconds_per_item)}, {computing:.0%} "
        f"of it computing ({profile.workload_type}; "
        f"{units.number(profile.items_seen, 'item')} measured). It has "
        f"{units.size(profile.item_bytes)}, its result "
        f"{units.size(profile.result_bytes)}."
    )
    expected = ", ".join(
        f"{name} {'impossible' if each == float('inf') else units.seconds(each)}"
        for name, each in plan.expected_seconds.items()
    )
    lines = [measured, f"Expected for all of them: {expected}."]
    if profile.is_of_busy_machine:
        lines.append(
            f"It was measured beside other programs that kept about "
            f"{profile.busy_programs:.1f} CPUs busy: where they do not, another plan "
            f"may be better. It is not remembered."
        )
    if profile.items_failed:
        failed = units.number(profile.items_failed, "item")
        lines.append(f"Of those measured {failed} failed.")
    return lines
