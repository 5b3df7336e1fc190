"""Whether the service is well."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Condition(StrEnum):
    """How a part is, and how the whole is: as the worst part that it cannot do without.

    What is `degraded` does its work, but not as it should.
    """

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


class Part(BaseModel):
    """One part of the service."""

    model_config = ConfigDict(extra="forbid")

    name: str
    status: Condition
    detail: str = ""


class Health(BaseModel):
    """The service and its parts.

    Attributes:
        status: As a whole.
        is_ready: Whether tasks that are asked for now will be done.
        parts: `store`, `worker`, `database` and `cache`.
        pending: How many tasks wait.
        running: How many tasks run.
    """

    model_config = ConfigDict(extra="forbid")

    status: Condition
    is_ready: bool
    parts: list[Part]
    pending: int
    running: int
