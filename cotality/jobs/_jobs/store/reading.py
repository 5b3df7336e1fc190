"""What is known of jobs, for people who ask."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cotality.jobs._jobs.states.info import Attempt, JobInfo, JobProgress, JobStatus

from .moves import Row, execute, one
from .progress import said

if TYPE_CHECKING:
    from sqlalchemy import Connection


def row_of(connection: Connection, job: str) -> Row | None:
    return one(connection, "SELECT * FROM cotality_jobs WHERE id = :id", id=job)


def ids_beginning(connection: Connection, begin: str) -> list[str]:
    """At most two ids that begin so, the one that is so first."""
    found = execute(
        connection,
        "SELECT id FROM cotality_jobs WHERE substr(id, 1, :length) = :begin "
        "ORDER BY length(id) LIMIT 2",
        length=len(begin),
        begin=begin,
    )
    return [row["id"] for row in found.mappings()]


def state_of(connection: Connection, job: str) -> Row | None:
    """What changes while somebody waits."""
    return one(
        connection,
        "SELECT state, due_at, attempt, run FROM cotality_jobs WHERE id = :id",
        id=job,
    )


def status_of(row: Row, now: float) -> JobStatus:
    if row["state"] == "QUEUED" and row["due_at"] > now:
        return JobStatus.DELAYED
    return JobStatus(row["state"])


def info_of(row: Row, now: float) -> JobInfo:
    return JobInfo(
        id=row["id"],
        name=row["name"],
        queue=row["queue"],
        status=status_of(row, now),
        priority=row["priority"],
        attempt=row["attempt"],
        enqueued=moment(row["enqueued_at"]),
        due=moment(row["due_at"]),
        started=moment_or_none(row["started_at"]),
        ended=moment_or_none(row["ended_at"]),
        worker=row["worker"],
        key=key_in(row["job_key"]),
        arguments=row["arguments"],
        error_type=row["error_type"],
        error=row["error"],
        traceback=row["traceback"],
    )


# One that waits is `QUEUED` in its row, whether its time has come or not.
IS_SO = {
    JobStatus.DELAYED: "(state = 'QUEUED' AND due_at > :now)",
    JobStatus.QUEUED: "(state = 'QUEUED' AND due_at <= :now)",
}

# In the order of a list: the newest first, and by their ids where that is equal.
IS_OLDER = """
EXISTS (
    SELECT 1 FROM cotality_jobs AS last WHERE last.id = :before AND (
        cotality_jobs.enqueued_at < last.enqueued_at OR (
            cotality_jobs.enqueued_at = last.enqueued_at
            AND cotality_jobs.id > last.id
        )
    )
)
"""


def listed(
    connection: Connection,
    *,
    wanted: Iterable[JobStatus],
    now: float,
    queues: Iterable[str] | None,
    name: str | None,
    ids: Iterable[str] | None,
    before: str | None,
    limit: int,
    offset: int,
) -> list[Row]:
    """The newest first."""
    from sqlalchemy import String, bindparam, text

    conditions = ["1 = 1"]
    values: dict[str, object] = {"limit": limit, "offset": offset}
    either = [IS_SO.get(each, f"state = '{each}'") for each in wanted]
    if any(":now" in each for each in either):
        values["now"] = now
    if either:
        conditions.append(f"({' OR '.join(either)})")
    several: list[str] = []
    if queues is not None:
        conditions.append("queue IN :queues")
        values["queues"] = [*queues]
        several.append("queues")
    if name is not None:
        conditions.append("name = :name")
        values["name"] = name
    if before is not None:
        conditions.append(IS_OLDER)
        values["before"] = before
    if ids is not None:
        conditions.append("id IN :ids")
        values["ids"] = [*ids]
        several.append("ids")
    statement = text(
        f"SELECT * FROM cotality_jobs WHERE {' AND '.join(conditions)} "
        f"ORDER BY enqueued_at DESC, id LIMIT :limit OFFSET :offset"
    )
    for each in several:
        # With its type: Postgres takes an empty list for numbers.
        them = bindparam(each, expanding=True, type_=String)
        statement = statement.bindparams(them)
    found = connection.execute(statement, values)
    return [dict(row) for row in found.mappings()]


def progress_of(connection: Connection, job: str) -> JobProgress | None:
    found = said(connection, job)
    if found is None:
        return None
    return JobProgress(
        found["done"], found["total"], found["message"], moment(found["at"])
    )


def attempts_of(connection: Connection, job: str) -> list[Attempt]:
    found = execute(
        connection,
        "SELECT * FROM cotality_attempts WHERE job_id = :id ORDER BY run",
        id=job,
    )
    return [
        Attempt(
            row["run"],
            moment(row["started_at"]),
            moment_or_none(row["ended_at"]),
            row["worker"],
            row["outcome"],
            row["error_type"],
            row["error"],
            row["error_module"],
            row["traceback"],
        )
        for row in found.mappings()
    ]


def key_in(stored: str | None) -> str | None:
    """The key, which stands there with the name of its job."""
    return None if stored is None else str(json.loads(stored)[1])


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def moment_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else moment(seconds)
