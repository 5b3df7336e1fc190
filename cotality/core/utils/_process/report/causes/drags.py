"""What made tasks, and the work around them, take longer."""

from __future__ import annotations

from cotality._kit import units
from cotality.core.utils._process.engine.observers import Doing
from cotality.core.utils._process.report.diary import OURS
from cotality.core.utils._process.report.worker_rows import WorkerRow

from .finding import Case, Finding

# Below this mean (s) handing a task out and back costs about as much as the task does.
TINY_TASK = 100e-6
# Less than this can be packed in the time a portion takes on its way anyway.
NOTABLE_DATA = 1_000_000  # bytes
# The code of a function takes less.
LARGE_FUNCTION = 100_000  # bytes
# From here on (s) a task costs more to pack than one of numbers does.
NOTABLE_PACKING = 50e-6
# As many functions of one name are likely the same one, again and again.
MANY_FUNCTIONS = 8
# The interpreter's lock is contended if the driving thread waited for it in this share
# of the run, and another thread held it in this share of that time.
OFTEN_LATE = 0.2
LOCK_HELD = 0.5
BESIDES_CPU = 0.5
FEW_ARRIVALS = 3
# If that could not be seen: under one lock, tasks that compute keep about one CPU busy,
# and take this many times the CPU time that they use.
ONE_CPU = (0.5, 1.3)
WAITING = 1.5
# Who waits for a CPU for less than this part of the run does not keep others waiting.
NOTABLE_QUEUE = 0.2
# CPUs that are busy for this part of the time have nothing left to give.
CPUS_FULL = 0.85
# There are too many threads if there are this many times as many as are of use.
TOO_MANY = 2


def is_tiny(case: Case) -> bool:
    return case.report.task_seconds < TINY_TASK * case.report.runs


def starved(case: Case) -> float:
    """Seconds of threads without a task, because the driving thread could not run.

    It shares a lock and the CPUs with them, and has next to nothing to do if tasks are
    not tiny.
    """
    if is_tiny(case) or len(case.threads) < len(case.report.rows):
        return 0.0
    doings = Doing.OWN_WORK, Doing.WORKERS_FULL, Doing.PACKING, Doing.UNPACKING
    telling = case.costs.idle_in(Doing.TELLING) * others_part(case)
    return case.costs.idle_in(*doings) + telling


def around(case: Case) -> float:
    """Seconds of workers that went by between tasks, and are nobody's else."""
    doings = Doing.OWN_WORK, Doing.WORKERS_FULL, Doing.PACKING
    idle = case.costs.idle_in(*doings)
    idle -= case.costs.idle_in(Doing.PACKING) * functions_part(case)
    idle += case.costs.idle_in(Doing.UNPACKING) + rest_of_overhead(case)
    if is_data_notable(case):
        idle -= packing(case)
    return idle + case.costs.idle_in(Doing.TELLING) * others_part(case)


def came_late(case: Case) -> float:
    """Seconds of workers without a task, because the driving thread had no CPU."""
    idle = around(case) if is_tiny(case) else starved(case)
    return min(idle, case.seen.driver_queued * case.report.workers)


def has_the_report(case: Case) -> bool:
    """Whether a cause of these includes the time in which the report was told.

    Beside tiny tasks it is a part of what goes by around each. Beside threads that
    compute it is mostly the time in which it could not go on.
    """
    return is_tiny(case) or Lock(case).is_contended


def others_part(case: Case) -> float:
    """Of telling, the part that somebody has to be told anyway."""
    spent = case.report.diary.spent
    whole = sum(spent.values())
    return spent.get(OURS, 0.0) / whole if whole else 1.0


def tiny_tasks(case: Case) -> Finding | None:
    """Handing tasks out and back took longer than running them."""
    report = case.report
    mean = report.task_seconds / report.runs
    whole = around(case)
    is_most = whole >= report.task_seconds
    if not (is_tiny(case) and is_most) or report.runs <= report.workers:
        return None
    # On a busy machine it comes late, however large the tasks are.
    lost = whole - came_late(case)
    each = lost / report.runs
    # In a loop of its own a task does not wait for others: its CPU time says more.
    alone = min(report.task_seconds, report.cpu_seconds or report.task_seconds)
    return Finding(
        lost,
        f"The tasks are tiny: one takes {units.seconds(mean)} on average, and "
        f"{units.seconds(each)} of a worker's time go by around it. A plain loop would "
        f"take about {units.seconds(alone)}, and this took "
        f"{units.seconds(report.wall_seconds)}.",
        "Let one task do the work of many.",
    )


# The interpreter's lock.


class Lock:
    """What threads have seen of the interpreter's lock, in seconds of theirs.

    Attributes:
        outside: For how long tasks waited for something else, at most; 0.0 as well if
            nobody knows.
        queued: For how long who had the lock wanted a CPU.
        useful: As many threads as keep it busy, at most; 0 if nobody knows.
        in_line: For how long threads stood in line for it.
    """

    def __init__(self, case: Case) -> None:
        rows, wall = case.threads, case.report.wall_seconds
        self.busy = seconds_in(rows, "busy_seconds")
        self.cpu = seconds_in(rows, "cpu_seconds")
        queued = seconds_in(rows, "queue_seconds")
        self.is_contended = (
            len(rows) > 1
            and case.report.has_lock
            and is_lock_contended(case, self.busy, self.cpu, queued)
        )
        tasks = sum(row.tasks for row in rows)
        self.outside = tasks * max(0.0, case.seen.least_blocked)
        self.useful = 0
        if case.seen.least_blocked >= 0.0 and self.cpu > 0.0:
            self.useful = max(1, round((self.cpu + self.outside) / self.cpu))
        # One of them at a time can use a CPU; the others would not get further if they
        # had one.
        self.queued = min(queued, max(0.0, wall - self.cpu))
        # Between nothing and the most that they can have waited for outside.
        line = self.busy - self.outside / 2 - self.cpu - self.queued
        waited = case.seen.lock_wait * len(rows)
        self.in_line = max(0.0, line) + min(waited, starved(case))


def one_lock(case: Case) -> Finding | None:
    """Threads that compute took turns with one interpreter."""
    rows, report, lock = case.threads, case.report, Lock(case)
    if not lock.is_contended:
        return None
    head = "The threads took turns:"
    if lock.useful and len(rows) > TOO_MANY * lock.useful:
        head = (
            f"There were too many threads: no more than {lock.useful} of {len(rows)} "
            f"are of use, because they take turns;"
        )
    return Finding(
        lock.in_line,
        f"{head} the tasks computed for {units.seconds(lock.cpu)} in "
        f"{units.seconds(report.wall_seconds)}, so they kept "
        f"{units.ratio(lock.cpu / report.wall_seconds)} CPUs busy although "
        f"{len(rows)} ran at a time, and the threads stood in line for "
        f"{units.seconds(lock.in_line)} together. Python code that computes runs in "
        f"one thread at a time (the GIL).",
        way_round_the_lock(case),
    )


def way_round_the_lock(case: Case) -> str:
    decision, lock = case.report.decision, Lock(case)
    fewer = "fewer would be as fast"
    if lock.useful and lock.useful < len(case.threads):
        fewer = f"max_workers={lock.useful} would be as fast"
    if decision is not None and decision.obstacle:
        why = f" ({decision.obstacle})" if case.report.arguments else ""
        return f"The tasks cannot go to processes{why}. {upper(fewer)}."
    if case.report.cpus < 2:
        return f"There is one CPU, so processes do not help. {upper(fewer)}."
    return f"Use use_processes=True; on threads, {fewer}."


def upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def is_lock_contended(case: Case, busy: float, cpu: float, queued: float) -> bool:
    seen, wall = case.seen, case.report.wall_seconds
    if seen.arrivals >= FEW_ARRIVALS:
        # Who holds the lock computes, or wants a CPU to go on with that.
        held = (cpu + queued) / wall
        # Tasks that leave it to others wait for nothing else than a CPU.
        is_free = busy - cpu - queued < BESIDES_CPU * queued
        is_late = seen.lock_wait >= OFTEN_LATE * wall
        return is_late and held >= LOCK_HELD and not is_free
    least, most = ONE_CPU
    return least <= (cpu + queued) / wall <= most and busy >= WAITING * (cpu + queued)


def seconds_in(rows: list[WorkerRow], name: str) -> float:
    return float(sum(getattr(row, name) for row in rows))


# CPUs.


def queues(case: Case) -> tuple[float, float] | None:
    """For how long workers wanted a CPU: because of themselves, and of others.

    None where nobody says.
    """
    report, seen = case.report, case.seen
    wall = report.wall_seconds
    if not seen.portions or seen.unqueued:
        return None
    queued = seen.queued
    waiting = came_late(case)
    lock = Lock(case)
    if lock.is_contended:
        others = queued - seconds_in(case.threads, "queue_seconds")
        queued, waiting = others + lock.queued, 0.0
    # How many CPUs all of them would have kept busy, and the driving thread as well.
    wanted = (report.cpu_seconds + queued + report.other_cpu_seconds) / wall
    own = min(queued, max(0.0, wanted - report.cpus) * wall)
    if queued < NOTABLE_QUEUE * wall:
        return own, queued - own
    part = own / queued
    return own + part * waiting, queued - own + (1 - part) * waiting


def too_few_cpus(case: Case) -> Finding | None:
    """More workers computed than there are CPUs."""
    report = case.report
    if len(report.rows) <= report.cpus:
        return None
    found = queues(case)
    if found is None:
        # It can only be told from what the tasks have used.
        if report.cpus_busy < CPUS_FULL * report.cpus:
            return None
        if report.task_seconds < WAITING * report.cpu_seconds:
            return None
        lost = report.task_seconds - report.cpu_seconds
    else:
        lost = found[0]
    kind = "threads" if len(case.threads) == len(report.rows) else "workers"
    return Finding(
        lost,
        f"All CPUs were busy: {len(report.rows)} {kind} shared "
        f"{units.number(report.cpus, 'CPU')}, so each task took longer than it would "
        f"alone, and together they waited for a CPU for {units.seconds(lost)}.",
        f"More {kind} do not help; max_workers={report.cpus} is as fast and takes less "
        f"memory.",
    )


def busy_machine(case: Case) -> Finding | None:
    """Other programs had the CPUs."""
    found = queues(case)
    if found is None:
        return None
    report, lost = case.report, found[1]
    return Finding(
        lost,
        f"The machine was busy with other things: the tasks wanted a CPU for "
        f"{units.seconds(lost)} longer than they got one, and kept "
        f"{units.ratio(report.cpus_busy)} of {units.number(report.cpus, 'CPU')} busy. "
        f"Others had the rest: other programs, or what the tasks have started.",
        "Run it again when the machine is free; more workers do not help.",
    )


# What travels.


def packing(case: Case) -> float:
    """Seconds of workers that arguments and results took, functions left out."""
    costs, seen = case.costs, case.seen
    whole = case.report.diary.pieces.total(Doing.PACKING)
    part = min(1.0, (seen.packing - seen.functions) / whole) if whole else 0.0
    idle = costs.idle_in(Doing.PACKING) * part
    return idle + costs.idle_in(Doing.UNPACKING) + rest_of_overhead(case)


def rest_of_overhead(case: Case) -> float:
    """Seconds of workers around tasks that no function and no import explains."""
    seen = case.seen
    explained = max(seen.loading, seen.import_overhead)
    return max(0.0, case.costs.overhead - explained)


def functions_part(case: Case) -> float:
    """Of packing and handing out, the part that went into functions."""
    whole = case.report.diary.pieces.total(Doing.PACKING)
    return min(1.0, case.seen.functions / whole) if whole else 0.0


def is_data_notable(case: Case) -> bool:
    report, seen = case.report, case.seen
    if all(row.is_thread for row in report.rows) and report.rows:
        return False
    data = report.sent_bytes + report.received_bytes - seen.function_bytes
    here = seen.packing - seen.functions + seen.unpacking
    return data >= NOTABLE_DATA or here / report.runs >= NOTABLE_PACKING


def much_data(case: Case) -> Finding | None:
    """Packing and unpacking arguments and results took a large part of the time."""
    if not is_data_notable(case):
        return None
    report, seen = case.report, case.seen
    sent = max(0, report.sent_bytes - seen.function_bytes)
    lost = packing(case)
    each = units.size((sent + report.received_bytes) / report.runs)
    here = seen.packing - seen.functions + seen.unpacking
    return Finding(
        lost,
        f"Much of the time went into moving data: {units.size(sent)} to the workers "
        f"and {units.size(report.received_bytes)} back, {each} a task, took this "
        f"process {units.seconds(here)} to pack and unpack, and the workers "
        f"{units.seconds(max(0.0, case.costs.overhead - seen.loading))}.",
        "Send less: let tasks read their input themselves, mark what many of them only "
        "read with share(), return only what is needed; or use threads, where nothing "
        "is packed.",
    )


def large_function(case: Case) -> Finding | None:
    """The function of the tasks took long to pack and to load."""
    seen = case.seen
    if seen.function_bytes < LARGE_FUNCTION:
        return None
    lost = case.costs.idle_in(Doing.PACKING) * functions_part(case) + seen.loading
    again = ""
    if seen.functions_packed > MANY_FUNCTIONS:
        again = (
            f" It was packed again for each of {seen.functions_packed:,} function "
            f"objects. If they are alike, make one of them, before the tasks."
        )
    return Finding(
        lost,
        f"The function carries {units.size(seen.largest_function)}: to send "
        f"{seen.function} to the workers took {units.seconds(seen.functions)} here and "
        f"{units.seconds(seen.loading)} in them. A method takes its object along, a "
        f"lambda or a partial what it refers to.{again}",
        "Let each worker make or load the object itself, once, see worker_state(); or "
        "use threads, where nothing is packed.",
    )


# Starts.


def slow_start(case: Case) -> Finding | None:
    """Starting workers took longer than what they were started for."""
    seen, lost = case.seen, starting(case)
    lost *= 1 - replaced_part(case)
    if not seen.starts or lost <= 0.0:
        return None
    if not seen.modules and seen.function_bytes < LARGE_FUNCTION:
        lost += seen.loading  # what every worker has to import of ours
    each = seen.started / seen.starts
    starts = units.number(seen.starts, "worker")
    if seen.set_up > seen.started / 2:
        return Finding(
            lost,
            f"The initializer took long: {starts} had to be set up, and "
            f"{units.seconds(seen.set_up / seen.starts)} of the {units.seconds(each)} "
            f"until one had its first task went into that.",
            "Workers of a `with worker_pool(initializer=...)` are set up once for all "
            "calls inside.",
        )
    return Finding(
        lost,
        f"Workers had to be started: until {starts} could begin it took "
        f"{units.seconds(each)} each.",
        "Worker processes are kept, so the next call will not wait for them; for a "
        "single short run threads are quicker.",
    )


def starting(case: Case) -> float:
    lost = case.costs.starting
    missing = case.report.workers - len(case.report.rows)
    if case.seen.starts and missing > 0 and not case.threads:
        # Those that came too late for any task.
        lost += case.costs.idle_in(Doing.WORKERS_FULL)
    return lost


def replaced_part(case: Case) -> float:
    """Of all starts, the part that was needed because workers had died."""
    seen = case.seen
    return min(1.0, case.report.deaths / seen.starts) if seen.starts else 0.0


def imports(case: Case) -> Finding | None:
    """Tasks, or what they are given, had modules imported in the workers."""
    seen, report = case.seen, case.report
    if not seen.modules:
        return None
    rest = report.runs - len(seen.first_runs)
    first = 0.0
    if rest > 0:
        usual = (report.task_seconds - sum(seen.first_runs)) / rest
        # What differs less than that may differ for any reason.
        first = sum(s - usual for s in seen.first_runs if s > 2 * usual)
    overhead = seen.import_overhead
    if seen.function_bytes >= LARGE_FUNCTION:
        overhead = max(0.0, overhead - seen.loading)
    packages = sorted(seen.packages, key=lambda name: -seen.packages[name])
    names = units.listed(packages[:3]) or "modules"
    times = len(seen.first_runs)
    return Finding(
        first + overhead,
        f"Workers had to import {names}: {units.number(times, 'portion')} of tasks "
        f"imported {units.number(seen.modules, 'module')}, and took "
        f"{units.seconds((first + overhead) / max(1, times))} longer for it.",
        "Workers that are kept import a module once: more calls, or more tasks in this "
        "one, share the cost; for a single short run threads import it once for all.",
    )


def failures(case: Case) -> Finding | None:
    """Runs of tasks that failed, and what came of them, took time."""
    report = case.report
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
    waited = 0.0 if case.seen.refused else case.costs.idle_in(Doing.RETRY_LATER)
    replaced = starting(case) * replaced_part(case)
    return Finding(
        report.wasted_seconds + waited + replaced,
        f"Failures cost time: {units.listed(parts)}, and "
        f"{units.seconds(report.wasted_seconds)} of work came to nothing.{waiting}",
        "report.failures says what they failed with.",
    )
