"""What workers without a task waited for."""

from __future__ import annotations

from cotality._kit import units
from cotality.core.utils._process.engine.observers import Doing
from cotality.core.utils._process.report.diary import OURS

from .finding import Case, Finding

# A task is to blame for the waiting of others if it explains this part of it.
MOST_OF_IT = 0.5
# What began within this part of its own time would gain no more by coming earlier.
AT_ONCE = 0.1
JOURNAL = "the journal"


def brakes(case: Case) -> list[Finding]:
    """A rate, a lack of memory, a circuit that was open."""
    report, found = case.report, list[Finding]()
    for place, told in case.seen.brakes.items():
        lost = case.costs.idle_in(Doing.BRAKED + place)
        waited = units.seconds(case.part_of_run(lost))
        runs = f"{report.runs:,}"
        whole = "the run"
        if case.seen.refused.get(place, 0):
            # Tasks that fail at once take nobody's time. What is missing are they,
            # and the time in which they wait to be tried again.
            missing = case.capacity * case.refused_part
            lost += case.costs.idle_in(Doing.RETRY_LATER)
            if missing > lost:
                lost, whole = missing, "all attempts"
        error = told.error if report.arguments else told.error.partition(":")[0]
        what = told.why.format(waited=waited, runs=runs, error=error)
        found.append(Finding(lost, what, told.way_out, whole))
    return found


def straggler(case: Case) -> Finding | None:
    """One task still ran when there was nothing to run beside it."""
    alone, workers = case.alone, case.report.workers
    if alone is None or workers < 2 or case.report.runs < 2:
        return None
    task = alone.task
    way_out = "Put long tasks first, or divide this one."
    if task.began < AT_ONCE * task.seconds:
        way_out = "It began so early that only dividing it helps."
    if alone.in_window > MOST_OF_IT * alone.lost:
        way_out = (
            "Results come in the order of the tasks, so what is done has to wait for "
            "it: ordered=False lets the others go on. Or divide this one."
        )
    return Finding(
        alone.lost,
        f"One task kept all others waiting: task {task.index:,}, {task.call}, took "
        f"{units.seconds(task.seconds)}, and for {units.seconds(alone.seconds)} of "
        f"that it ran alone while {units.number(workers - 1, 'worker')} had nothing to "
        f"do.",
        way_out,
    )


def unused(case: Case) -> float:
    """Seconds of workers for which there were never enough tasks."""
    report = case.report
    if report.total is None or report.total >= report.workers:
        return 0.0
    idle = case.capacity * (report.workers - report.total) / report.workers
    return min(idle, case.costs.idle_in(Doing.ALL_OUT, Doing.OWN_WORK))


def too_few_tasks(case: Case) -> Finding | None:
    """There were more workers than tasks."""
    report = case.report
    if report.total is None or report.total >= report.workers:
        return None
    missing = report.workers - report.total
    what = (
        f"There were fewer tasks than workers: {units.number(report.total, 'task')} "
        f"for {units.number(report.workers, 'worker')}."
    )
    way_out = "To use all of them, divide the work into smaller tasks."
    if report.total == 1:
        what = (
            f"There was only one task, which nothing can run beside: "
            f"{units.number(missing, 'worker')} had nothing to do."
        )
        way_out = "Divide the work into several tasks."
    return Finding(unused(case), what, way_out)


def uneven_end(case: Case) -> Finding | None:
    """The last tasks were too few for all workers."""
    lost = case.costs.idle_in(Doing.ALL_OUT) - unused(case)
    if case.alone is not None:
        lost -= case.alone.lost - case.alone.in_window
    if case.report.workers < 2:
        return None
    return Finding(
        lost,
        f"The end was uneven: when nothing was left to hand out some tasks still ran, "
        f"and the other workers had nothing to do, "
        f"{units.seconds(max(0.0, lost) / case.report.workers)} each on average.",
        "Put long tasks first, or divide the work into smaller ones.",
    )


def in_order(case: Case) -> Finding | None:
    """Results that were there had to wait for those before them."""
    lost = case.costs.idle_in(Doing.WINDOW_FULL)
    if case.alone is not None:
        lost -= case.alone.in_window
    return Finding(
        lost,
        f"Results had to wait for those before them: a stream gives them in the order "
        f"of the tasks and keeps only some of them, and the workers waited for "
        f"{units.seconds(case.part_of_run(max(0.0, lost)))} until it could go on.",
        "Put long tasks first, or take results as they come, with ordered=False.",
    )


def slow_input(case: Case) -> Finding | None:
    """Workers had nothing to do because the next task was not there yet."""
    report = case.report
    return Finding(
        case.costs.idle_in(Doing.READING, Doing.INPUT_LATER),
        f"Workers waited for input: your iterable took "
        f"{units.seconds(report.input_seconds)} of the "
        f"{units.seconds(report.wall_seconds)}.",
        "Let the iterable only say what is to be done, and leave reading and computing "
        "to the tasks.",
    )


def slow_consumer(case: Case) -> Finding | None:
    """Workers had nothing to do because nobody took their results."""
    report = case.report
    return Finding(
        case.costs.idle_in(Doing.CALLER),
        f"Workers waited for your loop: it took "
        f"{units.seconds(report.consumer_seconds)} of the "
        f"{units.seconds(report.wall_seconds)}, and workers run only a little ahead "
        f"of it.",
        "Move work from the loop into the tasks.",
    )


def journal_keys(case: Case) -> Finding | None:
    """Workers waited while tasks were looked up by what is in their arguments."""
    seconds = case.report.lookup_seconds
    return Finding(
        case.costs.idle_in(Doing.LOOKING_UP),
        f"The journal had to read the arguments: it knows tasks by their contents, and "
        f"to go through those took {units.seconds(seconds)} of "
        f"{units.seconds(case.report.wall_seconds)}, while the workers waited.",
        'Give each task a label that says which one it is, Task(..., label="..."): '
        "then nothing else of it is looked at.",
    )


def told(case: Case, without_report: bool) -> list[Finding]:
    """Workers waited while somebody wrote down, or showed, what had happened.

    Args:
        without_report: Whether another cause has the time of this report already.
    """
    spent = case.report.diary.spent
    whole = sum(spent.values())
    idle = case.costs.idle_in(Doing.TELLING)
    found: list[Finding] = []
    for name, seconds in spent.items():
        if not seconds or (name == OURS and without_report):
            continue
        way_out = TOLD.get(name, "")
        what = (
            f"{name[:1].upper()}{name[1:]} kept the workers waiting: it took "
            f"{units.seconds(seconds)} of {units.seconds(case.report.wall_seconds)}."
        )
        found.append(Finding(idle * seconds / whole, what, way_out))
    return found


TOLD = {
    JOURNAL: "Larger tasks need fewer lines. Journal(..., keep_results=False) keeps no "
    'results, and fsync="never" leaves it to the system when to write.',
    "progress": "Let the function that is given as progress return sooner.",
    "the dead letters": "Tasks that fail are written down one by one; fewer failures "
    "cost less.",
    OURS: "Larger tasks are less to write down.",
}
