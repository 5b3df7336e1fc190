"""How long jobs wait and run, as counts: some rows for each name of a function.

Every few seconds, workers add what they have counted meanwhile, so a job costs no row
here; if a worker is killed, its last seconds are missing. The time to read them depends
on the number of names, not on the number of jobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from cotality.jobs._jobs.stats.histogram import histogram_of
from cotality.jobs._jobs.stats.job_times import JobTimes

from .moves import execute

if TYPE_CHECKING:
    from sqlalchemy import Connection

Kind: TypeAlias = Literal["wait", "run"]
MOST_NAMES = 200
OTHERS = "(others)"  # no function has this name
KEPT_S = 30 * 86_400.0  # that a name is known which nobody runs any more


class Place(NamedTuple):
    """Where something is counted."""

    name: str
    kind: Kind
    bucket: int


class Sum(NamedTuple):
    """How many, and how many seconds together."""

    many: int
    seconds: float


def add(connection: Connection, sums: Mapping[Place, Sum], now: float) -> None:
    """Add what was counted."""
    known = names(connection)
    for place, found in sorted(sums.items()):  # two who do so take rows in one order
        is_new = place.name not in known
        if is_new and len(known) < MOST_NAMES:
            known.add(place.name)
            is_new = False
        execute(
            connection,
            """
            INSERT INTO cotality_times (name, kind, bucket, count, seconds, seen_at)
            VALUES (:name, :kind, :bucket, :count, :seconds, :now)
            ON CONFLICT (name, kind, bucket) DO UPDATE SET
                count = cotality_times.count + excluded.count,
                seconds = cotality_times.seconds + excluded.seconds,
                seen_at = excluded.seen_at
            """,
            name=OTHERS if is_new else place.name,
            kind=place.kind,
            bucket=place.bucket,
            count=found.many,
            seconds=found.seconds,
            now=now,
        )


def names(connection: Connection) -> set[str]:
    found = execute(connection, "SELECT DISTINCT name FROM cotality_times")
    return {row["name"] for row in found.mappings()}


def read(connection: Connection) -> list[JobTimes]:
    """All of them, by name."""
    found = execute(connection, "SELECT * FROM cotality_times ORDER BY name, bucket")
    counts: dict[str, dict[str, list[tuple[int, int, float]]]] = {}
    for row in found.mappings():
        of_name = counts.setdefault(row["name"], {"wait": [], "run": []})
        of_name[row["kind"]].append((row["bucket"], row["count"], row["seconds"]))
    return [
        JobTimes(name, histogram_of(each["wait"]), histogram_of(each["run"]))
        for name, each in counts.items()
    ]


def forget(connection: Connection, now: float) -> None:
    """Let names go that nobody has run for long."""
    execute(
        connection,
        """
        DELETE FROM cotality_times WHERE name IN (
            SELECT name FROM cotality_times GROUP BY name
            HAVING MAX(seen_at) < :before
        )
        """,
        before=now - KEPT_S,
    )
