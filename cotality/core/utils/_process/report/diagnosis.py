"""Why a run was not faster, as sentences with figures and a way out.

Each diagnosis looks at the report for one thing that costs time, and says how many
seconds of the run it explains, so that what cost most comes first. A threshold says
from when on a thing is worth a person's attention.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import units
from .timeline import Span

if TYPE_CHECKING:
    from .run_report import RunReport

# A cause that explains less than this part of the run is not worth changing a program.
WORTH_SAYING = 0.1
# Below this mean (s) handing a task out and back costs about as much as the task does.
TINY_TASK = 100e-6
# A loop in C at this rate (bytes/s) packs, sends and unpacks; objects of Python take
# longer. So what follows from it is the least that the data has cost.
PACKING_RATE = 400e6
# Less than this can be packed in the time a portion takes on its way anyway.
NOTABLE_DATA = 1_000_000  # bytes
# Tasks that compute keep about one CPU busy under one GIL: less if other programs want
# it too, and a little more for the part of a library that releases it. Tasks that wait
# for a disk or a network keep far less of one busy.
ONE_CPU = (0.5, 1.3)
# Tasks that take so many times the CPU time they use have waited for something.
WAITING = 1.5
# CPUs that are busy for this part of the time have nothing left to give.
CPUS_FULL = 0.85
# Workers that spend this part of the time in tasks leave little to be gained.
GOOD = 0.75
# A run that is over so soon is hardly worth a person's time, whatever it consists of.
SHORT_RUN = 0.01  # s


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason why the run was not faster.

    Attributes:
        lost: The seconds of the run that it explains, roughly.
        text: What happened, and what to do.
    """

    lost: float
    text: str


def findings_of(report: RunReport) -> list[str]:
    """What there is to say about *report*, the most important first."""
    if report.state in ("new", "taken"):
        return ["Nothing has been run yet."]
    if not report.runs:
        return ["No task was run, so there is nothing to make faster."]
    least = WORTH_SAYING * report.wall_seconds
    found = [finding for diagnose in DIAGNOSES if (finding := diagnose(report))]
    found = [finding for finding in found if finding.lost >= least]
    found.sort(key=lambda finding: -finding.lost)
    return [finding.text for finding in found] or [verdict(report)]


def tiny_tasks(report: RunReport) -> Finding | None:
    """Handing tasks out and back took longer than running them."""
    mean = report.task_seconds / report.runs
    # What the input, the caller's loop and the start took has findings of its own.
    outside = report.input_seconds + report.consumer_seconds + report.startup_seconds
    spent = report.capacity - report.workers * outside - report.task_seconds
    around = spent / report.runs
    if mean > TINY_TASK or around < mean or report.runs <= report.workers:
        return None
    # In a loop of its own a task does not wait for others: its CPU time says more.
    alone = min(report.task_seconds, report.cpu_seconds or report.task_seconds)
    return Finding(
        spent / report.workers,
        f"The tasks are tiny: one takes {units.seconds(mean)} on average, and "
        f"{units.seconds(around)} of a worker's time go by around it. Let one task do "
        f"the work of many; a plain loop would take about "
        f"{units.seconds(alone)}, and this took {units.seconds(report.wall_seconds)}.",
    )


def straggler(report: RunReport) -> Finding | None:
    """One task still ran when all others were done."""
    others = report.workers - 1
    last = last_span(report)
    if others < 1 or report.runs < 2 or last.count > 1:
        return None
    *earlier, end = sorted(row.ended for row in report.rows)
    alone = end - max([last.start, *earlier])
    return Finding(
        alone * others / report.workers,
        f"One task kept all others waiting: task {last.index:,}, {last.call}, took "
        f"{units.seconds(last.busy)}, and for the last {units.seconds(alone)} it ran "
        f"alone while {units.number(others, 'worker')} had nothing to do. Put long "
        f"tasks first, or divide this one.",
    )


def last_span(report: RunReport) -> Span:
    """What ended last."""
    last = [spans[-1] for spans in report.timeline.rows if spans]
    return max(last, key=lambda span: span.end)


def too_few_tasks(report: RunReport) -> Finding | None:
    """There were more workers than tasks."""
    if report.total is None or report.total >= report.workers:
        return None
    unused = report.workers - report.total
    text = (
        f"There were fewer tasks than workers: {units.number(report.total, 'task')} "
        f"for {units.number(report.workers, 'worker')}. To use all of them, divide the "
        f"work into smaller tasks."
    )
    if report.total == 1:
        text = (
            f"There was only one task, which nothing can run beside: "
            f"{units.number(unused, 'worker')} had nothing to do. Divide the work "
            f"into several tasks."
        )
    return Finding(report.wall_seconds * unused / report.workers, text)


def one_gil(report: RunReport) -> Finding | None:
    """Threads that compute took turns with one interpreter."""
    least, most = ONE_CPU
    if report.kind != "threads" or len(report.rows) < 2:
        return None
    if not least <= report.cpus_busy <= most:
        return None
    if report.task_seconds < WAITING * report.cpu_seconds:
        return None
    return Finding(
        report.wall_seconds * (1 - 1 / len(report.rows)),
        f"The threads took turns: the tasks computed for "
        f"{units.seconds(report.cpu_seconds)} in {units.seconds(report.wall_seconds)}, "
        f"so they kept {units.ratio(report.cpus_busy)} CPUs busy although "
        f"{len(report.rows)} ran at a time. Python code that computes runs in one "
        f"thread at a time (the GIL). Use use_processes=True.",
    )


def too_few_cpus(report: RunReport) -> Finding | None:
    """More workers computed than there are CPUs."""
    if report.kind != "processes" or len(report.rows) <= report.cpus:
        return None
    if report.cpus_busy < CPUS_FULL * report.cpus:
        return None
    if report.task_seconds < WAITING * report.cpu_seconds:
        return None
    return Finding(
        report.wall_seconds * (1 - report.cpus / len(report.rows)),
        f"All CPUs were busy: {len(report.rows)} workers shared "
        f"{units.number(report.cpus, 'CPU')}, so each task took longer than it would "
        f"alone. More workers do not help; max_workers={report.cpus} is as fast and "
        f"takes less memory.",
    )


def much_data(report: RunReport) -> Finding | None:
    """Packing and unpacking arguments and results took a large part of the time."""
    data = report.sent_bytes + report.received_bytes
    if data < NOTABLE_DATA:
        return None
    # What the workers spent is measured; what the caller spent follows from the bytes.
    spent = max(report.overhead_seconds / report.workers, data / PACKING_RATE)
    per_run = units.size(data / report.runs)
    return Finding(
        spent,
        f"Much of the time went into moving data: {units.size(report.sent_bytes)} to "
        f"the workers and {units.size(report.received_bytes)} back, {per_run} a task, "
        f"which takes {units.seconds(spent)} or more. Send less: let tasks read their "
        f"input themselves, mark what many of them only read with share(), return "
        f"only what is needed; or use threads, where nothing is packed.",
    )


def slow_input(report: RunReport) -> Finding | None:
    """Workers had nothing to do because the next task was not there yet."""
    idle = report.idle_seconds / report.workers
    return Finding(
        min(report.input_seconds, idle),
        f"The tasks did not come fast enough: reading them took "
        f"{units.seconds(report.input_seconds)} of "
        f"{units.seconds(report.wall_seconds)}, and the workers were idle for "
        f"{units.share(idle, report.wall_seconds)} of the time. Make the iterable "
        f"faster: let it only say what is to be done, and leave reading and computing "
        f"to the tasks.",
    )


def slow_consumer(report: RunReport) -> Finding | None:
    """Workers had nothing to do because nobody took their results."""
    idle = report.idle_seconds / report.workers
    return Finding(
        min(report.consumer_seconds, idle),
        f"The results were not taken fast enough: the loop over them took "
        f"{units.seconds(report.consumer_seconds)} of "
        f"{units.seconds(report.wall_seconds)}, and the workers, which run only a "
        f"little ahead of it, were idle for "
        f"{units.share(idle, report.wall_seconds)} of the time. Move work from the "
        f"loop into the tasks.",
    )


def slow_start(report: RunReport) -> Finding | None:
    """Starting workers took longer than what they were started for."""
    spent = report.startup_seconds - report.input_seconds
    if report.kind != "processes":
        return None
    return Finding(
        spent,
        f"It took {units.seconds(spent)} until the first task ran: worker processes "
        f"had to be started. They are kept, so the next call will not wait for them; "
        f"for a single short run threads are quicker.",
    )


def failures(report: RunReport) -> Finding | None:
    """Runs of tasks that failed, and what came of them, took time."""
    failed = sum(row.failed for row in report.rows)
    if not failed:
        return None
    parts = [f"{units.number(failed, 'run')} of tasks failed"]
    if report.retries:
        parts.append(f"{report.retries:,} were tried again")
    if report.deaths:
        parts.append(f"{units.number(report.deaths, 'worker')} had to be replaced")
    waiting = ""
    if report.retry_wait_seconds:
        waiting = (
            f" A task waited up to {units.seconds(report.retry_wait_seconds)} for its "
            f"next attempt."
        )
    waited = min(report.retry_wait_seconds, report.idle_seconds / report.workers)
    return Finding(
        max(report.wasted_seconds / report.workers, waited),
        f"Failures cost time: {units.listed(parts)}, and "
        f"{units.seconds(report.wasted_seconds)} of work came to nothing.{waiting} "
        f"report.failures says what they failed with.",
    )


DIAGNOSES: tuple[Callable[[RunReport], Finding | None], ...] = (
    tiny_tasks,
    straggler,
    too_few_tasks,
    one_gil,
    too_few_cpus,
    much_data,
    slow_input,
    slow_consumer,
    slow_start,
    failures,
)


LITTLE_GAIN = 1.1  # times as fast as a loop: that is none


def gained(report: RunReport) -> str:
    """How much faster than a loop the run was, as far as that is known."""
    gain = report.gain
    if gain is None:
        return f", {units.ratio(report.speed_up)} tasks at a time"
    return f", and the run was {units.ratio(gain.speed_up)} times as fast as a loop"


def verdict(report: RunReport) -> str:
    """What to say when nothing stands out."""
    used = report.task_seconds / report.capacity if report.capacity else 0.0
    workers = units.number(report.workers, "worker")
    shares = (
        f"{workers} spent {units.share(report.task_seconds, report.capacity)} of the "
        f"time in tasks"
    )
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
            f"{units.share(report.task_seconds, report.capacity)} of the time in "
            f"tasks. Raise max_workers to gain more."
        )
    gain = report.gain
    is_little = gain is not None and gain.high < LITTLE_GAIN
    if gain is not None and is_little and report.decision is not None:
        return (
            f"Nothing was gained: {units.number(report.workers, 'worker')} ran "
            f"{units.ratio(report.speed_up)} tasks at a time, which got into each "
            f"other's way: together they were {units.ratio(gain.speed_up)} times as "
            f"fast as a plain loop."
        )
    if used >= GOOD:
        return (
            f"It went well: {shares}{gained(report)}. "
            f"To gain more, use more workers or make "
            f"the tasks themselves faster."
        )
    overhead = units.share(report.overhead_seconds, report.capacity)
    idle = units.share(report.idle_seconds, report.capacity)
    return (
        f"Nothing stands out: {shares}, {overhead} on packing and unpacking, and "
        f"{idle} waiting. The timeline shows when; report.save_html() draws it."
    )
