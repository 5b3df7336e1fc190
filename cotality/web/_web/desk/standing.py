"""A task as people see it, from its job and what is stored beside that."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from cotality.jobs import JobInfo, JobStatus
from cotality.web._web.methods.order import Done
from cotality.web._web.models.events import TaskEvent
from cotality.web._web.models.kinds import TaskStatus
from cotality.web._web.models.tasks import ItemResult, TaskResult
from cotality.web._web.work.orders import config_from
from cotality.web._web.work.rows import TaskRow

PREFIX = "/api/v1/tasks"
MICROSECONDS = 1_000_000
STEPS = {TaskStatus.PENDING: 0, TaskStatus.RUNNING: 1}
AT_THE_END = 2

STATUSES = {
    TaskStatus.PENDING: (JobStatus.QUEUED, JobStatus.DELAYED, JobStatus.RETRYING),
    TaskStatus.RUNNING: (JobStatus.RUNNING,),
    TaskStatus.COMPLETED: (JobStatus.SUCCEEDED,),
    TaskStatus.FAILED: (JobStatus.FAILED,),
    TaskStatus.CANCELLED: (JobStatus.CANCELLED,),
}
SEEN_AS = {of: seen for seen, several in STATUSES.items() for of in several}
LIVE = STATUSES[TaskStatus.PENDING] + STATUSES[TaskStatus.RUNNING]
OVER = tuple(each for each in JobStatus if each.is_over)


class Standing(NamedTuple):
    """A task at one moment.

    Attributes:
        info: Its job, which was read first: what it says of the end is not older.
        row: What is stored beside it.
    """

    info: JobInfo
    row: TaskRow

    @property
    def status(self) -> TaskStatus:
        return SEEN_AS[self.info.status]


def event_of(standing: Standing) -> TaskEvent:
    """How it stands; the id is the time of the last change, in microseconds.

    Whoever asks, from whichever process, has the same id for the same state. A job and
    what is stored beside it change one after the other, perhaps within one look: also
    then, and where the clock has stood still, each status has another id.
    """
    info, row = standing
    times = [info.enqueued, info.due, info.started, info.ended]
    last = max(row.changed_at, *(each.timestamp() for each in times if each))
    return TaskEvent(
        id=round(last * MICROSECONDS) + STEPS.get(standing.status, AT_THE_END),
        task_id=row.task_id,
        status=standing.status,
        items_processed=row.done,
        items_failed=row.failed,
        total_items=row.total,
        attempt=row.runs,
        message=message_of(row),
        error_message=error_of(info),
    )


def result_of(standing: Standing, items: Iterable[Done] = ()) -> TaskResult:
    """All that is known of it."""
    info, row = standing
    start = None if row.started_at is None else moment(row.started_at)
    is_done = standing.status == TaskStatus.COMPLETED and row.method is not None
    return TaskResult(
        task_id=row.task_id,
        task_type=row.kind,
        method=row.method,
        status=standing.status,
        items_processed=row.done,
        items_failed=row.failed,
        total_items=row.total,
        created_time=moment(row.created_at),
        start_time=start,
        end_time=info.ended,
        duration_seconds=duration(start, info.ended),
        checksum=row.checksum if is_done else None,
        results=[item_of(done) for done in items],
        results_url=f"{PREFIX}/results/{row.task_id}/items",
        error_message=error_of(info),
        attempt=row.runs,
        message=message_of(row),
        config=config_from(row.kind, row.config),
    )


def item_of(done: Done) -> ItemResult:
    return ItemResult(index=done.item, value=done.value, error=done.error)


def message_of(row: TaskRow) -> str:
    if not row.deaths:
        return row.message
    many = "1 time" if row.deaths == 1 else f"{row.deaths} times"
    died = (
        f"{many} a process has died at an item, which was done again by another one "
        f"or has failed"
    )
    return f"{row.message}; {died}" if row.message else died


def error_of(info: JobInfo) -> str | None:
    """Why it has failed, or why it will be tried again."""
    if info.error_type is None or info.status == JobStatus.CANCELLED:
        return None
    return f"{info.error_type}: {info.error}"


def duration(start: datetime | None, end: datetime | None) -> float | None:
    if start is None:
        return None
    # What began before it was cancelled may have said so a moment too late.
    return max(0.0, ((end or datetime.now(UTC)) - start).total_seconds())


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
