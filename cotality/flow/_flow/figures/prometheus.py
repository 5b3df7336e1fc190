"""Figures of a flow as the text that Prometheus reads.

Written by hand: it is a few lines of a text format that does not change, and the router
holds all figures, which a library would count a second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .counts import FlowCounts, StepCounts
from .histogram import BUCKETS, Histogram, bound

# Every fourth bound: from 4 microseconds to two minutes.
SHOWN = range(4, BUCKETS, 4)


def text_of(
    counts: FlowCounts,
    steps: Sequence[tuple[str, StepCounts]],
    gauges: Sequence[tuple[str, dict[str, float]]],
) -> str:
    """All of it.

    Args:
        steps: The name and the counts of each step.
        gauges: The name of each step, and what is so now, by name.
    """
    lines: list[str] = []
    lines += of_calls(counts)
    for name in gauges[0][1] if gauges else ():
        lines.append(f"# TYPE cotality_flow_{name} gauge")
        lines += [
            f"cotality_flow_{name}{labels(step=step)} {values[name]:g}"
            for step, values in gauges
        ]
    for name in ("items", "failed", "calls", "restarts"):
        lines.append(f"# TYPE cotality_flow_step_{name} counter")
        lines += [
            f"cotality_flow_step_{name}_total{labels(step=step)} {getattr(each, name)}"
            for step, each in steps
        ]
    for name in ("waited", "handled"):
        lines.append(f"# TYPE cotality_flow_{name}_seconds histogram")
        for step, each in steps:
            lines += of_histogram(name, step, getattr(each, name))
    return "\n".join(lines) + "\n"


def of_calls(counts: FlowCounts) -> Iterator[str]:
    yield "# HELP cotality_flow_calls_total Calls that have ended, by how."
    yield "# TYPE cotality_flow_calls counter"
    for kind, count in counts.kinds.items():
        yield f"cotality_flow_calls_total{labels(outcome=kind)} {count}"


def of_histogram(name: str, step: str, histogram: Histogram) -> Iterator[str]:
    head, done = f"cotality_flow_{name}_seconds", 0
    below = 0
    for position in SHOWN:
        done += sum(histogram.counts[below : position + 1])
        below = position + 1
        yield f"{head}_bucket{labels(step=step, le=f'{bound(position):g}')} {done}"
    count = sum(histogram.counts)
    yield f"{head}_bucket{labels(step=step, le='+Inf')} {count}"
    yield f"{head}_sum{labels(step=step)} {histogram.total:.6f}"
    yield f"{head}_count{labels(step=step)} {count}"


def labels(**values: str) -> str:
    inner = ",".join(f'{name}="{escaped(value)}"' for name, value in values.items())
    return f"{{{inner}}}"


def escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
