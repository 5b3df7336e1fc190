"""Figures of queues as text that Prometheus reads, without a client of it."""

from __future__ import annotations

from collections.abc import Iterable

from cotality._kit.public import public_in
from cotality.jobs._jobs.health.figures import QueueFigures

JOBS = "cotality_jobs"
STATES = ("queued", "delayed", "running", "retrying", "dead")
OTHERS = {
    "oldest_seconds": "For how long the oldest job that could start has waited.",
    "done_per_minute": "Jobs that have succeeded within the last minute.",
    "workers": "Workers that are alive and serve the queue.",
    "slots": "How many of its jobs these can run at once.",
}


@public_in("cotality.jobs.health")
def prometheus_text(stats: Iterable[QueueFigures]) -> str:
    """What to answer at ``/metrics``, as ``text/plain; version=0.0.4``."""
    queues = sorted(stats, key=lambda each: each.queue)
    lines = [f"# HELP {JOBS} Jobs of a queue.", f"# TYPE {JOBS} gauge"]
    for each in queues:
        for state in STATES:
            labels = f'queue="{escaped(each.queue)}",state="{state}"'
            lines.append(f"{JOBS}{{{labels}}} {getattr(each, state)}")
    for name, help_text in OTHERS.items():
        metric = f"{JOBS}_{name}"
        lines += [f"# HELP {metric} {help_text}", f"# TYPE {metric} gauge"]
        lines += [
            f'{metric}{{queue="{escaped(each.queue)}"}} {figure(each, name)}'
            for each in queues
        ]
    return "\n".join(lines) + "\n"


def figure(stats: QueueFigures, name: str) -> float:
    values = {
        "oldest_seconds": stats.oldest_s or 0.0,
        "done_per_minute": stats.done_per_minute,
        "workers": stats.workers,
        "slots": stats.slots,
    }
    return values[name]


def escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
