"""A change of a task that somebody watches."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from .kinds import TaskStatus


class TaskEvent(BaseModel):
    """How a task stands now.

    Attributes:
        id: Grows with each change of the task, whoever says it.
    """

    model_config = ConfigDict(extra="forbid")

    id: int
    task_id: str
    status: TaskStatus
    items_processed: int
    items_failed: int
    total_items: int
    attempt: int
    message: str = ""
    error_message: str | None = None
