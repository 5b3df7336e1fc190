"""What became of a job, as Django tells it."""

from __future__ import annotations

import json
from typing import Any

from cotality.jobs._jobs.codec.values import unpacked
from cotality.jobs._jobs.states.info import Attempt, JobInfo, JobStatus

from .names import TaskError, TaskResult, TaskResultStatus

STATUSES: dict[JobStatus, Any] = {  # Any: Django has no types
    JobStatus.RUNNING: TaskResultStatus.RUNNING,
    JobStatus.SUCCEEDED: TaskResultStatus.SUCCESSFUL,
    JobStatus.FAILED: TaskResultStatus.FAILED,
    JobStatus.CANCELLED: TaskResultStatus.FAILED,
}


def result_of(
    alias: str,
    task: Any,  # Any: Django has no types
    info: JobInfo,
    attempts: list[Attempt],
    value: Any,  # Any: of any task
) -> Any:  # Any: likewise
    arguments: dict[str, Any] = unpacked(json.loads(info.arguments), {})
    found: Any = TaskResult(
        task=task,
        id=info.id,
        status=STATUSES.get(info.status, TaskResultStatus.READY),
        enqueued_at=info.enqueued,
        started_at=attempts[0].started if attempts else None,
        last_attempted_at=attempts[-1].started if attempts else None,
        finished_at=info.ended,
        args=arguments["args"],
        kwargs=arguments["kwargs"],
        backend=alias,
        errors=[error_of(each) for each in attempts if each.error_type],
        worker_ids=[each.worker for each in attempts],
    )
    object.__setattr__(found, "_return_value", value)  # as Django's own backends do
    return found


def error_of(attempt: Attempt) -> Any:  # Any: likewise
    # A release that had no room for it has left none.
    module = f"{attempt.error_module}." if attempt.error_module else ""
    return TaskError(
        exception_class_path=f"{module}{attempt.error_type}",
        traceback=attempt.traceback or f"{attempt.error_type}: {attempt.error}",
    )
