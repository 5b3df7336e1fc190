"""How many jobs of a queue are in which state, and which workers serve it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cotality.jobs._jobs.stats.queue_stats import QueueStats

from .moves import execute
from .workers import ALL, DEAD_AFTER_S, all_workers

if TYPE_CHECKING:
    from sqlalchemy import Connection

FIELDS = {
    "QUEUED": "queued",
    "RUNNING": "running",
    "RETRYING": "retrying",
    "SUCCEEDED": "succeeded",
    "FAILED": "dead",
    "CANCELLED": "cancelled",
}


def counted(
    connection: Connection, now: float, asked: Iterable[str] = ()
) -> list[QueueStats]:
    """All queues that have jobs or workers or are *asked* for, by name."""
    found: dict[str, dict[str, float | None]] = {queue: {} for queue in asked}
    rows = execute(
        connection,
        """
        SELECT queue, state, COUNT(*) AS many,
            SUM(CASE WHEN due_at > :now THEN 1 ELSE 0 END) AS later,
            MIN(CASE WHEN due_at > :now THEN NULL ELSE due_at END) AS oldest,
            SUM(CASE WHEN ended_at > :now - 60 THEN 1 ELSE 0 END) AS lately
        FROM cotality_jobs GROUP BY queue, state
        """,
        now=now,
    )
    for row in rows.mappings():
        fields = found.setdefault(row["queue"], {})
        fields[FIELDS[row["state"]]] = row["many"]
        if row["state"] == "QUEUED":
            fields["queued"], fields["delayed"] = (
                row["many"] - row["later"],
                row["later"],
            )
        if row["state"] in ("QUEUED", "RETRYING") and row["oldest"] is not None:
            age = max(0.0, now - row["oldest"])
            fields["oldest_s"] = max(age, fields.get("oldest_s") or 0.0)
        if row["state"] == "SUCCEEDED":
            fields["done_per_minute"] = float(row["lately"])
    alive = [
        worker.queues
        for worker in all_workers(connection)
        if worker.beat_at >= now - DEAD_AFTER_S
    ]
    # Those that serve all queues serve those that only another one names.
    named = {queue for served in alive for queue in served if queue != ALL}
    for served in alive:
        if ALL in served:
            served = dict.fromkeys([*found, *named], served[ALL])
        for queue, slots in served.items():
            fields = found.setdefault(queue, {})
            fields["workers"] = (fields.get("workers") or 0) + 1
            fields["slots"] = (fields.get("slots") or 0) + slots
    return [stats_of(queue, fields) for queue, fields in sorted(found.items())]


def stats_of(queue: str, fields: dict[str, float | None]) -> QueueStats:
    def count(name: str) -> int:
        return int(fields.get(name) or 0)

    return QueueStats(
        queue,
        count("queued"),
        count("delayed"),
        count("running"),
        count("retrying"),
        count("succeeded"),
        count("dead"),
        count("cancelled"),
        fields.get("oldest_s"),
        float(fields.get("done_per_minute") or 0.0),
        count("workers"),
        count("slots"),
    )
