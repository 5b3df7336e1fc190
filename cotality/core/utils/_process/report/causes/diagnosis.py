"""Why a run was not faster, as sentences with figures and a way out.

Each diagnosis looks at the run for one thing that costs time. It says how many seconds
of the workers that explains, so that what cost most comes first. The report says that
the rest is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cotality._kit import units
from cotality.core.utils._process.engine.observers import Doing
from cotality.core.utils._process.report.yardstick import gain_of

from . import drags, waits
from .finding import Case, Finding

if TYPE_CHECKING:
    from cotality.core.utils._process.report.figures import RunFigures

# A cause that explains less than this part of the run is not worth changing a program.
WORTH_SAYING = 0.1
# Workers that spend this part of the time in tasks leave little to be gained.
GOOD = 0.75
# A run that is shorter than this is not worth a person's time, whatever it consists of.
SHORT_RUN = 0.01  # s
# CPUs that are busy for this part of the time have nothing left to give; tasks that
# compute for less than this part of theirs wait for something else.
CPUS_FULL = 0.75
HARDLY = 0.25
MOSTLY = 0.6  # below that more workers use what is left of the CPUs


def findings_of(report: RunFigures) -> list[str]:
    """What there is to say about *report*, the most important first."""
    if report.state in ("new", "taken"):
        return ["Nothing has been run yet."]
    case = Case(report)
    found = [each for each in all_findings(case) if is_worth_saying(each, case)]
    found.sort(key=lambda finding: -finding.lost)
    texts = [text_of(finding, case) for finding in found]
    if not report.runs:
        return [*texts, "No task was run, so there is nothing to make faster."][:1]
    return texts or [verdict(case)]


def is_worth_saying(finding: Finding, case: Case) -> bool:
    return finding.lost >= WORTH_SAYING * case.capacity


def text_of(finding: Finding, case: Case) -> str:
    part = case.share(min(finding.lost, case.capacity))
    share = f"That is about {part} of {finding.whole}."
    return " ".join(filter(None, (finding.what, share, finding.way_out)))


def all_findings(case: Case) -> Iterator[Finding]:
    yield from waits.brakes(case)
    for finding in findings_about_runs(case):
        # What became of the few tasks that ran matters less when most did not.
        lost = finding.lost * (1 - case.refused_part)
        yield Finding(lost, finding.what, finding.way_out, finding.whole)


def findings_about_runs(case: Case) -> Iterator[Finding]:
    if case.report.runs:
        yield from waits.told(case, drags.has_the_report(case))
        for diagnose in DIAGNOSES:
            finding = diagnose(case)
            if finding is not None:
                yield finding


DIAGNOSES: tuple[Callable[[Case], Finding | None], ...] = (
    drags.tiny_tasks,
    waits.straggler,
    waits.too_few_tasks,
    waits.uneven_end,
    waits.in_order,
    drags.one_lock,
    drags.too_few_cpus,
    drags.busy_machine,
    drags.much_data,
    drags.large_function,
    waits.journal_keys,
    waits.slow_input,
    waits.slow_consumer,
    drags.slow_start,
    drags.imports,
    drags.failures,
)


LITTLE_GAIN = 1.1  # times as fast as a loop: that is none


def gained(report: RunFigures) -> str:
    """How much faster than a loop the run was, as far as that is known."""
    gain = gain_of(report)
    if gain is None:
        return f", {units.ratio(report.speed_up)} of which ran at a time"
    return f", and the run was {units.ratio(gain.speed_up)} times as fast as a loop"


def verdict(case: Case) -> str:
    """What to say when nothing stands out."""
    report = case.report
    used = case.costs.busy / case.capacity
    in_tasks = case.share(case.costs.busy)
    if report.wall_seconds < SHORT_RUN:
        return (
            f"It was over after {units.seconds(report.wall_seconds)}: there is little "
            f"to be gained."
        )
    if report.decision is not None and report.workers == 1:
        return f"Everything ran on one thread, because {report.decision.reason}."
    if report.workers == 1:
        return (
            f"There was one worker, so nothing ran at the same time; it spent "
            f"{in_tasks} of the time in tasks. Raise max_workers to gain more."
        )
    workers = units.number(report.workers, "worker")
    gain = gain_of(report)
    is_little = gain is not None and gain.high < LITTLE_GAIN
    if gain is not None and is_little and report.decision is not None:
        return (
            f"Nothing was gained: {workers} ran {units.ratio(report.speed_up)} tasks "
            f"at a time, which got into each other's way: together they were "
            f"{units.ratio(gain.speed_up)} times as fast as a plain loop."
        )
    if used >= GOOD:
        return (
            f"It went well: {workers} spent {in_tasks} of the time in "
            f"tasks{gained(report)}. {more(case)}"
        )
    return unknown(case, f"{workers} spent {in_tasks} of the time in tasks")


def more(case: Case) -> str:
    """What would gain more, as far as that is known."""
    report = case.report
    if report.cpus_busy >= CPUS_FULL * report.cpus:
        return "All CPUs are busy, so only faster tasks would gain more."
    if report.cpu_seconds <= HARDLY * report.task_seconds:
        return (
            "The tasks wait more than they compute: more workers can wait for more "
            "things at a time."
        )
    computes = report.cpu_seconds >= MOSTLY * report.task_seconds
    if computes and report.workers >= report.cpus:
        return "There is a worker for each CPU, so only faster tasks would gain more."
    return "To gain more, use more workers or make the tasks themselves faster."


def unknown(case: Case, shares: str) -> str:
    """The figures, where no cause is large enough to be one."""
    costs = case.costs
    full = costs.idle_in(Doing.WORKERS_FULL)
    rest = costs.idle_in_all - full
    return (
        f"Nothing stands out: {shares}, {case.share(costs.overhead)} on packing and "
        f"unpacking, {case.share(full)} waiting for what was on its way to them, "
        f"and {case.share(rest)} waiting for more to do. What "
        f"they waited for is not known. The timeline shows when; report.save_html() "
        f"draws it."
    )
