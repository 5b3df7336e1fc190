"""A run as a trace: JSON in the Trace Event format, for Perfetto and its kin."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from cotality._kit import units
from cotality._kit.safe_text import printable
from cotality.core.utils._process.tasks.checks import checked_path

from .as_text import headline, name_of, summary_of

if TYPE_CHECKING:
    from cotality.core.utils._process.report.figures import RunFigures
    from cotality.core.utils._process.report.timeline import Span

Event: TypeAlias = dict[str, Any]  # Any: what JSON can hold

PROCESS = 1  # the format wants every row to belong to a process; all of ours do to one


def save(report: RunFigures, path: str | os.PathLike[str]) -> None:
    summary = printable(summary_of(report), lines=True)
    trace = {
        "traceEvents": list(events_of(report)),
        "displayTimeUnit": "ms",
        "otherData": {"run": headline(report), "summary": summary},
    }
    text = json.dumps(trace, separators=(",", ":"))
    checked_path("path", path).write_text(text, "utf-8")


def events_of(report: RunFigures) -> Iterator[Event]:
    yield metadata("process_name", 0, name=headline(report))
    for number, row in enumerate(report.rows, start=1):
        yield metadata("thread_name", number, name=name_of(row))
        yield metadata("thread_sort_index", number, sort_index=number)
    for number, spans in enumerate(report.timeline.rows, start=1):
        for span in spans:
            yield slice_of(span, number)
    yield from running(report)


def metadata(name: str, row: int, /, **arguments: object) -> Event:
    return {"name": name, "ph": "M", "pid": PROCESS, "tid": row, "args": arguments}


def slice_of(span: Span, row: int) -> Event:
    """A complete event: when something began, and how long it took."""
    name = span.call
    arguments: dict[str, object] = {"index": span.index, "attempt": span.attempt}
    if span.count > 1:
        name = f"{units.number(span.count, 'run')} of {span.call}"
        arguments["tasks"] = span.count
        arguments["seconds in tasks"] = span.busy
    if span.failed:
        arguments["failed"] = span.failed
        arguments["error"] = span.error
    return {
        "name": name,
        "cat": "failed" if span.failed else "task",
        "ph": "X",
        "ts": microseconds(span.start),
        "dur": microseconds(span.end - span.start),
        "pid": PROCESS,
        "tid": row,
        "args": {**arguments, "worker": span.worker},
    }


def running(report: RunFigures) -> Iterator[Event]:
    """A counter of the workers that are busy, at each moment at which it changes."""
    spans = [span for spans in report.timeline.rows for span in spans]
    changes = [(span.start, 1) for span in spans] + [(span.end, -1) for span in spans]
    busy = 0
    for at, change in sorted(changes):  # at one moment, ends before beginnings
        busy += change
        yield {
            "name": "busy workers",
            "ph": "C",
            "ts": microseconds(at),
            "pid": PROCESS,
            "args": {"busy": busy},
        }


def microseconds(seconds: float) -> float:
    return round(max(0.0, seconds) * 1e6, 3)
