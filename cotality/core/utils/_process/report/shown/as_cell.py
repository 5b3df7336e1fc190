"""A run as a notebook shows it: what the summary has, without a script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotality._kit import units
from cotality._kit.html import grid, paragraphs, table
from cotality._kit.safe_text import printable
from cotality.core.utils._process.report.causes.diagnosis import findings_of

from .as_text import facts_of, headline

if TYPE_CHECKING:
    from cotality.core.utils._process.report.figures import RunFigures

SLOWEST_SHOWN = 5
FAILURES_SHOWN = 5


def cell_of(report: RunFigures) -> str:
    if report.state in ("new", "taken"):
        return table("RunReport", [("run", "nothing has been run yet")])
    groups = sorted(report.failure_groups, key=lambda group: -group.count)
    failures = [
        (f"{group.count:,}", printable(group.error), group.where or "unknown")
        for group in groups[:FAILURES_SHOWN]
    ]
    slowest = [
        (f"{task.index:,}", printable(task.call), units.seconds(task.seconds))
        for task in report.slowest[:SLOWEST_SHOWN]
    ]
    facts = [(name, printable(text)) for name, text in facts_of(report)]
    return "".join(
        [
            table(printable(headline(report)), facts),
            paragraphs(map(printable, findings_of(report))),
            grid(["failures", "error", "where"], failures),
            grid(["task", "slowest", "time"], slowest),
        ]
    )
