"""A task, and what became of it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from .configs import CompareConfig, TaskConfig
from .kinds import TaskStatus, TaskType


class ItemResult(BaseModel):
    """What one item came to: its value, or why it has none."""

    model_config = ConfigDict(extra="forbid")

    index: int
    value: int | None = None
    error: str | None = None


class TaskResponse(BaseModel):
    """A task that was accepted."""

    model_config = ConfigDict(extra="forbid")

    task_id: str
    status: TaskStatus
    message: str
    estimated_duration: float | None = Field(
        default=None,
        description="Seconds, reckoned from what was measured on this machine.",
    )
    status_url: str


class TaskResult(BaseModel):
    """A task as it stands.

    Attributes:
        method: By which its items are done; None for a comparison.
        items_processed: How many items are done, those that have failed included.
        start_time: When it began, in UTC; its first attempt, if it has several.
        duration_seconds: From its begin until its end, or until now.
        checksum: Over the values of all items, in any order; None until it is over.
        results: The first items, if they are asked for.
        results_url: Where the others are.
        attempt: How often it was begun.
        message: What it is at, or what has happened to it, such as a process that died.
    """

    model_config = ConfigDict(extra="forbid")

    task_id: str
    task_type: TaskType
    method: TaskType | None = None
    status: TaskStatus
    items_processed: int = 0
    items_failed: int = 0
    total_items: int
    created_time: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None
    duration_seconds: float | None = None
    checksum: str | None = None
    results: list[ItemResult] = Field(default_factory=list[ItemResult])
    results_url: str
    error_message: str | None = None
    attempt: int = 0
    message: str = ""
    config: CompareConfig | TaskConfig
