"""The lines that `verbose=True` writes to standard error before and after the work."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from cotality._kit import units
from cotality._kit.safe_text import class_and_text, on_one_line, printable
from cotality.core.calls import TasksOver, name_of_function, total_of
from cotality.core.observing import place_of, tasks_of
from cotality.tuning._tuning.plans.plan_text import advice

if TYPE_CHECKING:
    from cotality.core.utils.process import RunReport
    from cotality.tuning._tuning.plans.plan import Plan
    from cotality.tuning._tuning.work.work import Work

# Any in this module: the items and the results of any function.

LONGEST_ERROR = 200  # characters
ABOUT_AS_FAST = 0.95  # times, or the other way round


def show(line: str) -> None:
    """Write *line* to standard error, where that can be written to.

    Not worth an error if not: the results of a run would be lost over it.
    """
    stream: TextIO | None = sys.stderr  # none under pythonw
    if stream is not None:
        with suppress(OSError, ValueError):  # nobody reads it, or it is closed
            print(f"cotality: {printable(line)}", file=stream, flush=True)


def before_run(work: Work) -> str:
    return f"{what(work.function, work.data)}: {where(work)}"


def what(function: Callable[..., Any], data: Iterable[Any]) -> str:
    """``"load, 200 items"``."""
    total = total_of(TasksOver(function, data))
    items = units.number(total, "item") if total is not None else "any number of items"
    return f"{name_of_function(function)}, {items}"


def where(work: Work) -> str:
    """Where the items of *work* are going to run, and who says so."""
    choice, whose = work.choice, "as asked for"
    if work.options.get("inline"):
        return f"in the calling thread, {whose}"
    if needing := work.needing:
        if choice.is_sequential:
            return f"one after the other in a process, because {needing} needs one"
        if choice.executor == "auto":
            return f"on processes, because {needing} needs them"
    if choice.executor == "auto":
        return "where they run is decided by what the first ones take"
    if reason := work.planned:
        whose = f"as planned, because {reason}"
    if choice.is_sequential:
        return f"in a plain loop, {whose}"
    if not isinstance(choice.executor, str):
        return f"on a {type(choice.executor).__name__}, {whose}"
    count = "" if choice.n_jobs is None else f"up to {choice.n_jobs} "
    return f"on {count}{choice.executor}, {whose}"


def after_run(plan: Plan, report: RunReport) -> str:
    """``"200 items on 12 threads (auto), because the tasks wait ...: 1.2 s, ..."``."""
    return f"{outcome_of(report, plan.reason)}{speed_of(report)}"


def outcome_of(report: RunReport, reason: str = "") -> str:
    """``"200 items on 12 threads (auto): 1.2 s, 198 done, 2 failed (2 OSError)"``."""
    because = f", because {reason}" if reason else ""
    return (
        f"{units.number(report.total or 0, 'item')} on {place_of(report)}{because}: "
        f"{units.seconds(report.wall_seconds)}, {tasks_of(report)}"
    )


def speed_of(report: RunReport) -> str:
    """What it was beside a loop, as measured; nothing if nobody can tell."""
    gain = report.gain
    if gain is None:
        return ""
    times = gain.speed_up
    if times < ABOUT_AS_FAST:
        lost = report.wall_seconds * (1 - times)
        return f"; about {units.seconds(lost)} slower than a loop"
    if times < 1 / ABOUT_AS_FAST:
        return "; about as fast as a loop"
    return f"; about {times:.2g} times as fast as a loop"


def after_stream(report: RunReport, planned: str) -> str:
    """The same of a run whose plan nobody has asked for."""
    decision = report.main_decision
    reason = planned if decision is None else decision.reason
    return f"{outcome_of(report, reason)}{speed_of(report)}"


def after_failure(report: RunReport, error: BaseException) -> str:
    if isinstance(error, GeneratorExit):
        return f"{outcome_of(report)}; left before its end"
    shown = on_one_line(class_and_text(error), LONGEST_ERROR)
    return f"{outcome_of(report)}; ended by {shown}"


def before_look(function: Callable[..., Any], data: Iterable[Any]) -> str:
    return (
        f"{what(function, data)}: the first ones show how all of them should be run, "
        f"unless that is known"
    )


def after_look(plan: Plan) -> str:
    return f"{advice(plan)} Why: {plan.reason}."


def before_comparison(function: Callable[..., Any], data: Iterable[Any]) -> str:
    return f"{what(function, data)}: a plain loop, and then as a plan says"


def after_comparison(comparison: str, plan: Plan) -> str:
    return f"{comparison} {after_look(plan)}"
