"""How a flow is, as a terminal shows it."""

from __future__ import annotations

from collections.abc import Sequence

from cotality._kit import units
from cotality._kit.safe_text import printable
from cotality._kit.table import aligned, widths_of

from .fields import FlowFields, StepStatus

LEAST_NAME = 8  # columns of the name of a step

WORK = ("step", "workers", "busy", "waiting", "items/s", "batch")
TIMES = ("wait p50", "p99", "handle p50", "p99")
TOTALS = ("items", "failed", "restarts")


def as_text(status: FlowFields, width: int | None) -> str:
    """*status* as a table, or as two of them where one is too wide."""
    if not status.live:
        return "nobody answers"
    steps = status.steps
    whole = table([*WORK, *TIMES, *TOTALS], [whole_row(step) for step in steps])
    if width is not None and max(map(len, whole)) > width:
        work = [[*work_of(step), *totals_of(step)] for step in steps]
        times = [[printable(step.name), *times_of(step)] for step in steps]
        whole = [
            *table([*WORK, *TOTALS], work, width),
            "",
            *table(["step", *TIMES], times, width),
        ]
    down = [
        printable(f"{step.name} is down: {step.reason}")
        for step in steps
        if step.is_down
    ]
    return "\n".join([*heads(status), "", *whole, *down])


def heads(status: FlowFields) -> list[str]:
    """What there is to say about all steps together."""
    kinds = [f"{kind} {count:,}" for kind, count in status.outcomes.items() if count]
    ended = units.number(sum(status.outcomes.values()), "call")
    return [
        f"{status.state}, up for {units.seconds(status.uptime)}, router {status.pid}, "
        f"{units.number(status.connections, 'client')}, "
        f"{status.in_flight:,} in flight",
        f"{ended} ended" + (f": {', '.join(kinds)}" if kinds else ""),
    ]


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None
) -> list[str]:
    """Lines whose columns stand below each other.

    Args:
        width: What they may have; then names are cut, but some letters stay.
    """
    cells = [heads, *rows]
    widths = widths_of(cells)
    if width is not None:
        rest = sum(widths[1:]) + 2 * len(widths[1:])
        widths[0] = max(min(widths[0], width - rest), LEAST_NAME)
        cells = [[cut(name, widths[0]), *figures] for name, *figures in cells]
    return aligned(cells, right=range(1, len(heads)), widths=widths)


def cut(name: str, width: int) -> str:
    return name if len(name) <= width else name[: width - 1] + "…"


def whole_row(step: StepStatus) -> list[str]:
    return [*work_of(step), *times_of(step), *totals_of(step)]


def work_of(step: StepStatus) -> list[str]:
    return [
        printable(step.name),
        f"{step.ready}/{step.workers}",
        f"{step.busy}",
        f"{step.depth:,}",
        rate_of(step),
        f"{step.batch_size:.1f}",
    ]


def rate_of(step: StepStatus) -> str:
    return f"{step.rate:,.0f}" if step.rate >= 10 else f"{step.rate:.1f}"


def times_of(step: StepStatus) -> list[str]:
    times = step.waited_p50, step.waited_p99, step.handled_p50, step.handled_p99
    return [units.seconds(each) for each in times]


def totals_of(step: StepStatus) -> list[str]:
    return [f"{step.items:,}", f"{step.failed:,}", f"{step.restarts:,}"]
