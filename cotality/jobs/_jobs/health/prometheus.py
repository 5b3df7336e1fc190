"""Figures of queues as text that Prometheus reads, without a client of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from cotality._kit.public import public_in
from cotality.jobs._jobs.health.figures import Durations, JobFigures, QueueFigures

JOBS = "cotality_jobs"
KINDS = {
    "wait": "How long runs of a job waited that could have begun.",
    "run": "How long runs of a job took.",
}
STATES = ("queued", "delayed", "running", "retrying", "dead")
OTHERS = {
    "oldest_seconds": "For how long the oldest job that could start has waited.",
    "done_per_minute": "Jobs that have succeeded within the last minute.",
    "workers": "Workers that are alive and serve the queue.",
    "slots": "How many of its jobs these can run at once.",
}


@public_in("cotality.jobs.health")
def prometheus_text(
    stats: Iterable[QueueFigures], times: Iterable[JobFigures] = ()
) -> str:
    """What to answer at ``/metrics``, as ``text/plain; version=0.0.4``.

    Args:
        stats: ``jobs.stats()``.
        times: ``jobs.times()``, for histograms of how long jobs wait and run.
    """
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
    lines += histograms([*times])
    return "\n".join(lines) + "\n"


def histograms(times: Sequence[JobFigures]) -> Iterator[str]:
    for kind, help_text in KINDS.items() if times else ():
        metric = f"cotality_job_{kind}_seconds"
        yield f"# HELP {metric} {help_text}"
        yield f"# TYPE {metric} histogram"
        for each in times:
            durations: Durations = getattr(each, kind)
            label = f'job="{escaped(each.name)}"'
            no_longer = [*accumulate(durations.counts)]
            bounds = [*(f"{bound:g}" for bound in durations.bounds), "+Inf"]
            for bound, count in zip(bounds, no_longer, strict=True):
                yield f'{metric}_bucket{{{label},le="{bound}"}} {count}'
            yield f"{metric}_sum{{{label}}} {durations.seconds}"
            yield f"{metric}_count{{{label}}} {no_longer[-1]}"


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
