"""A run as a page for a browser: one file that needs nothing else.

The text of the page is HTML that can be read without scripts. The timeline is drawn
from figures beside it, in JSON. Everything that comes from the user (calls, names,
errors) is escaped when it is put in, and the script only ever writes text.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from datetime import datetime
from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from cotality._kit import units
from cotality.core.utils._process.report.causes.diagnosis import findings_of
from cotality.core.utils._process.tasks.checks import checked_path

from .as_text import facts_of, headline, name_of, program_of

if TYPE_CHECKING:
    from cotality.core.utils._process.report.figures import RunFigures
    from cotality.core.utils._process.report.timeline import Span


def save(report: RunFigures, path: str | os.PathLike[str]) -> None:
    checked_path("path", path).write_text(page_of(report), "utf-8")


def page_of(report: RunFigures) -> str:
    return Template(part("page.html")).substitute(
        title=escape(headline(report)),
        when=escape(when(report)),
        program=escape(program_of(report) if report.python else ""),
        failures=failures_as_html(report),
        has_failures="" if report.failure_groups else " hidden",
        style=part("page.css"),
        script=part("page.js"),
        facts=facts_as_html(report),
        findings=findings_as_html(report),
        workers=workers_as_html(report),
        slowest=slowest_as_html(report),
        data=data_of(report),
    )


def part(name: str) -> str:
    folder = resources.files("cotality.core.utils._process.report.shown")
    return (folder / name).read_text("utf-8")


def when(report: RunFigures) -> str:
    if not report.started_at:
        return "not started"
    began = datetime.fromtimestamp(report.started_at).astimezone()
    return f"began {began:%Y-%m-%d %H:%M:%S %Z}"


def failures_as_html(report: RunFigures) -> str:
    """A row for those that failed alike, the most frequent first."""
    groups = sorted(report.failure_groups, key=lambda group: -group.count)
    rows = [
        (
            f"{group.count:,}",
            group.error,
            group.where or "unknown",
            ", ".join(f"{index:,}" for index, _ in group.tasks)
            + (", ..." if group.count > len(group.tasks) else ""),
            group.tasks[0][1] if group.tasks else "",
        )
        for group in groups
    ]
    return rows_as_html(rows, figures=(0,), code=(1, 4))


def facts_as_html(report: RunFigures) -> str:
    return "\n".join(
        f"<div><dt>{escape(name)}</dt><dd>{units.unbroken(escape(value))}</dd></div>"
        for name, value in facts_of(report)
    )


def findings_as_html(report: RunFigures) -> str:
    """Each finding as an item, its first words up to a colon set off."""
    items: list[str] = []
    for finding in findings_of(report):
        head, colon, rest = finding.partition(": ")
        text = escape(finding)
        if colon:
            text = f"<strong>{escape(head)}.</strong> {escape(upper_first(rest))}"
        items.append(f"<li>{units.unbroken(text)}</li>")
    return "\n".join(items)


def upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def workers_as_html(report: RunFigures) -> str:
    rows = [
        (
            name_of(row),
            f"{row.tasks:,}",
            f"{row.failed:,}",
            units.seconds(row.busy_seconds),
            units.seconds(row.cpu_seconds),
            units.seconds(row.overhead_seconds),
            units.seconds(row.idle_seconds(report.wall_seconds)),
        )
        for row in report.rows
    ]
    return rows_as_html(rows, figures=range(1, 7))


def slowest_as_html(report: RunFigures) -> str:
    rows = [
        (
            f"{task.index:,}",
            task.call,
            units.seconds(task.seconds),
            task.worker,
            f"{task.attempt}",
            task.error or "none",
        )
        for task in report.slowest
    ]
    return rows_as_html(rows, figures=(0, 2, 4), code=(1,))


def rows_as_html(
    rows: Iterable[tuple[str, ...]],
    figures: Iterable[int],
    code: Iterable[int] = (),
) -> str:
    """Rows of a table; *figures* are the columns that hold numbers."""
    numeric, monospaced = set(figures), set(code)
    lines: list[str] = []
    for row in rows:
        cells = ""
        for place, text in enumerate(row):
            kind = ' class="figure"' if place in numeric else ""
            kind = ' class="code"' if place in monospaced else kind
            cells += f"<td{kind}>{escape(text)}</td>"
        lines.append(f"<tr>{cells}</tr>")
    if not lines:
        lines.append('<tr><td class="quiet" colspan="7">None</td></tr>')
    return "\n".join(lines)


def data_of(report: RunFigures) -> str:
    """What the timeline is drawn from, as JSON that no HTML can be hidden in."""
    texts = Texts()
    data = {
        "wall": report.wall_seconds,
        "workers": [name_of(row) for row in report.rows],
        "rows": [
            [columns(span, texts) for span in spans] for spans in report.timeline.rows
        ],
        "texts": texts.known,
    }
    text = json.dumps(data, separators=(",", ":"))
    # Within a script element only "</script" and "<!--" mean something.
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


class Texts:
    """Each text once: names of functions and workers come again and again."""

    def __init__(self) -> None:
        self.known: list[str] = []
        self.numbers: dict[str, int] = {}

    def number_of(self, text: str) -> int:
        if text not in self.numbers:
            self.numbers[text] = len(self.known)
            self.known.append(text)
        return self.numbers[text]


def columns(span: Span, texts: Texts) -> list[float]:
    """*span* in the order in which the script expects it."""
    return [
        round(span.start, 7),
        round(span.end, 7),
        span.index,
        span.count,
        round(span.busy, 7),
        texts.number_of(span.call),
        texts.number_of(span.worker),
        span.attempt,
        span.failed,
        span.died,
        texts.number_of(span.error),
    ]
