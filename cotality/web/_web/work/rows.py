"""A task as a row, and items as they stand in a portion."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cotality.web._web.methods.order import Done
from cotality.web._web.models.kinds import TaskType


@dataclass(frozen=True, slots=True)
class TaskRow:
    """What is known of a task beside its job; times in seconds since 1970.

    Attributes:
        config: What was asked for, as plain data.
        total: How many items it has; for a comparison, how many measurements.
        deaths: How many processes have died at its items.
        runs: How often it was begun.
        checksum: Over the items that are done.
        message: What it is at, or what has happened to it.
        outcome: What a comparison has found, as JSON.
    """

    task_id: str
    owner: str
    kind: TaskType
    method: TaskType | None
    config: dict[str, Any]  # Any: of JSON
    total: int
    done: int
    failed: int
    deaths: int
    runs: int
    checksum: str
    message: str
    outcome: str | None
    created_at: float
    started_at: float | None
    changed_at: float


def row_from(found: Mapping[str, Any]) -> TaskRow:  # Any: what columns hold
    given = dict(found)
    given["kind"] = TaskType(given["kind"])
    given["method"] = None if given["method"] is None else TaskType(given["method"])
    given["config"] = json.loads(given["config"])
    return TaskRow(**given)


def body_of(items: Iterable[Done]) -> str:
    """A portion: values in a row, and a text in the place of each that has failed."""
    return json.dumps(
        [done.error if done.value is None else done.value for done in items],
        separators=(",", ":"),
    )


def items_in(body: str, first: int) -> Iterator[Done]:
    """The items of a portion, the first of which has the index *first*."""
    for index, found in enumerate(json.loads(body), first):
        if isinstance(found, int):
            yield Done(index, found)
        else:
            yield Done(index, error=found or "failed")
