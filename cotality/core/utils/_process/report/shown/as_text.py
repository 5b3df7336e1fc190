"""The report of a run as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cotality._kit import units
from cotality._kit.safe_text import printable
from cotality._kit.table import aligned
from cotality.core.utils._process.report.worker_rows import WorkerRow
from cotality.core.utils._process.report.yardstick import gain_of

if TYPE_CHECKING:
    from cotality.core.utils._process.report.figures import RunFigures

ROWS_SHOWN = 8  # more workers than that do not fit on a screen with the rest
BAR = 20  # characters
LINE = 80  # characters of a paragraph
FAILURES_SHOWN = 4
SHOWN_PATH = 45  # characters, of the script


def summary_of(report: RunFigures) -> str:
    if report.state in ("new", "taken"):
        return "Nothing has been run yet."
    parts = [headline(report), table(facts_of(report))]
    if report.rows:
        parts.append(workers_of(report))
    if report.slowest:
        parts.append(slowest_of(report))
    return "\n\n".join(parts)


def headline(report: RunFigures) -> str:
    """``"1,000 tasks on 4 processes: 12.4 s"``."""
    count = report.done + report.failed
    if report.total is not None:
        count = report.total
    so_far = " so far" if report.state == "running" else ""
    name = f"{report.name}: " if report.name else ""
    return (
        f"{name}{units.number(count, 'task')} on {place_of(report)}: "
        f"{units.seconds(report.wall_seconds)}{so_far}"
    )


def place_of(report: RunFigures) -> str:
    one = {"processes": "process", "threads": "thread"}.get(report.kind)
    if report.kind == "inline":
        return "the calling thread"
    if report.main_decision is not None:
        choice, workers = report.main_decision.choice, report.main_decision.workers
        return f"{choice if workers == 1 else f'{workers} {choice}'} (auto)"
    if one is None:
        return f"{report.kind}, {units.number(report.workers, 'worker')}"
    return units.number(report.workers, one, report.kind)


def facts_of(report: RunFigures) -> list[tuple[str, str]]:
    """What there is to say, each with its name."""
    facts = [("tasks", tasks_of(report))]
    if report.runs:
        facts += [("workers", use_of(report)), ("at a time", at_a_time_of(report))]
        if gain := gain_in_words(report):
            facts.append(("speed-up", gain))
    if report.decision is not None:
        facts.append(("decided", decisions_of(report)))
    if report.portions:
        facts.append(("portions", portions_of(report)))
    if report.sent_bytes or report.received_bytes:
        facts.append(("data", data_of(report)))
    if report.seen.portions:
        facts.append(("CPU queue", queue_of(report)))
    if waits := waits_of(report):
        facts.append(("outside", waits))
    if report.error:
        facts.append(("ended by", report.error))
    if report.python:
        facts.append(("program", program_of(report, SHOWN_PATH)))
    return facts


def program_of(report: RunFigures, most: int | None = None) -> str:
    """``"nightly.py on CPython 3.11.7 on linux"``; with its folder if that may be.

    Args:
        most: How many characters of the path are shown, the last ones; None shows all.
    """
    script = report.script or "typed in by hand"
    if not report.arguments:
        script = script.replace("\\", "/").rpartition("/")[2]
    if most is not None and len(script) > most:
        script = f"...{script[-most:]}"
    calls = f"{report.function} in " if report.function else ""
    return f"{calls}{script}, {report.python}"


def decisions_of(report: RunFigures) -> str:
    return "; ".join(
        f"{each.choice} after {units.seconds(each.at)}, because {each.reason}"
        for each in report.decisions
    )


def tasks_of(report: RunFigures) -> str:
    parts = [f"{report.done:,} done"]
    if report.failed:
        parts.append(f"{report.failed:,} failed ({failures_of(report)})")
    if report.total is not None and (
        left := report.total - report.done - report.failed
    ):
        parts.append(f"{left:,} not run")
    if report.recalled:
        parts.append(f"{report.recalled:,} of them in an earlier run")
    if report.retries:
        parts.append(units.number(report.retries, "retry", "retries"))
    if report.deaths:
        parts.append(f"{units.number(report.deaths, 'worker')} lost")
    return ", ".join(parts)


def failures_of(report: RunFigures) -> str:
    """The classes of exceptions, the most frequent first."""
    ordered = sorted(report.failures.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{count:,} {name}" for name, count in ordered[:FAILURES_SHOWN]]
    rest = sum(count for _, count in ordered[FAILURES_SHOWN:])
    return ", ".join([*shown, f"{rest:,} others"] if rest else shown)


def use_of(report: RunFigures) -> str:
    shares = [
        (report.task_seconds, "in tasks"),
        (report.overhead_seconds, "overhead"),
        (report.idle_seconds, "idle"),
    ]
    return ", ".join(
        f"{units.share(part, report.capacity)} {name}" for part, name in shares
    )


def at_a_time_of(report: RunFigures) -> str:
    return (
        f"{units.ratio(report.speed_up)} tasks (their times add up to "
        f"{units.seconds(report.task_seconds)}), "
        f"{units.ratio(report.cpus_busy)} CPUs busy"
    )


def gain_in_words(report: RunFigures) -> str:
    """``"1.8 times as fast as a loop (1.7 to 1.9), by what a task takes alone"``."""
    gain = gain_of(report)
    if gain is None:
        return ""
    between = ""
    low, high = units.ratio(gain.low), units.ratio(gain.high)
    if low != high:
        between = f" ({low} to {high})"
    return (
        f"{units.ratio(gain.speed_up)} times as fast as a loop{between}, by what a "
        f"task takes alone"
    )


def portions_of(report: RunFigures) -> str:
    mean = report.portion_tasks / report.portions
    sizes = f"{report.smallest_portion:,} to {report.largest_portion:,} tasks"
    if report.smallest_portion == report.largest_portion:
        sizes = f"{units.number(report.largest_portion, 'task')} each"
    elif mean < 99.95:
        sizes += f", {mean:.1f} on average"
    else:
        sizes += f", {mean:,.0f} on average"
    return f"{report.portions:,}: {sizes}"


def data_of(report: RunFigures) -> str:
    return (
        f"{units.size(report.sent_bytes)} to the workers, "
        f"{units.size(report.received_bytes)} back"
    )


def queue_of(report: RunFigures) -> str:
    """For how long workers were ready to run and had no CPU."""
    queued = report.queue_seconds
    if queued is None:
        return "unknown: this system does not say for how long workers wanted a CPU"
    return f"workers wanted a CPU for {units.seconds(queued)} more than they got"


NOTABLE = 0.01  # of the run's time; less is not worth a line


def waits_of(report: RunFigures) -> str:
    """What the run spent with the input and with the caller's loop."""
    waits = [
        (report.input_seconds, "reading tasks"),
        (report.consumer_seconds, "in the caller's loop"),
    ]
    return ", ".join(
        f"{units.seconds(spent)} {what}"
        for spent, what in waits
        if spent > NOTABLE * report.wall_seconds
    )


def workers_of(report: RunFigures) -> str:
    rows: list[tuple[str, ...]] = [
        ("worker", "tasks", "failed", "busy", "overhead", "idle", "")
    ]
    rows += [worker_line(row, report.wall_seconds) for row in report.rows[:ROWS_SHOWN]]
    text = table(rows, right={1, 2, 3, 4, 5})
    hidden = len(report.rows) - ROWS_SHOWN
    if hidden > 0:
        text += f"\n... and {units.number(hidden, 'more worker')}"
    unused = report.workers - len(report.rows)
    if unused > 0:
        text += f"\n... and {units.number(unused, 'worker')} that got no task"
    return text


def worker_line(row: WorkerRow, wall_seconds: float) -> tuple[str, ...]:
    return (
        name_of(row),
        f"{row.tasks:,}",
        f"{row.failed:,}",
        units.seconds(row.busy_seconds),
        units.seconds(row.overhead_seconds),
        units.seconds(row.idle_seconds(wall_seconds)),
        bar(row.busy_seconds, wall_seconds),
    )


def name_of(row: WorkerRow) -> str:
    """Its name, and how many stood in its place before."""
    return f"{row.name} (+{row.replaced} before)" if row.replaced else row.name


def bar(part: float, whole: float) -> str:
    """How much of *whole* is *part*, to be seen without reading."""
    full = min(BAR, round(BAR * part / whole)) if whole > 0 else 0
    return "#" * full + "." * (BAR - full)


def slowest_of(report: RunFigures) -> str:
    rows = [("slowest task", "took", "on", "call")]
    for task in report.slowest:
        call = task.call
        if task.attempt > 1:
            call += f" (attempt {task.attempt})"
        if task.error:
            call += f" -> {task.error}"
        rows.append((f"{task.index:,}", units.seconds(task.seconds), task.worker, call))
    return table(rows, right={0, 1})


def table(
    rows: Sequence[tuple[str, ...]], right: frozenset[int] | set[int] = frozenset()
) -> str:
    """*rows* with their columns aligned, those in *right* at their right end."""
    cells = [list(map(printable, row)) for row in rows]  # each on one line
    return "\n".join(f"  {line}" for line in aligned(cells, right=right))


def paragraph(text: str) -> str:
    """*text* on lines that a terminal does not break."""
    return textwrap.fill(units.unbroken(text), LINE).replace("\N{NO-BREAK SPACE}", " ")
