"""What follows from what was measured on this machine."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from .comparisons import MachineFigures
from .configs import TaskConfig
from .kinds import TaskType


class Advice(BaseModel):
    """What to use for one kind of work.

    Attributes:
        case: Which kind of work.
        method: What is best for it.
        route: Where to ask for it.
        config: With what.
        estimated_seconds: How long that takes, if nothing else runs.
        is_estimate: Whether that is reckoned from parts; otherwise it was measured.
        reason: Why, with figures.
        others: What the other methods would take, in seconds; estimates as well.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    case: str
    method: TaskType
    route: str
    config: TaskConfig
    estimated_seconds: float
    is_estimate: bool = True
    reason: str
    others: dict[TaskType, float] = Field(default_factory=dict[TaskType, float])


class Recommendations(BaseModel):
    """What was measured on this machine, and what follows from it.

    Attributes:
        machine: What was measured; all in `advice` is reckoned from it, unless it says
            otherwise.
        based_on: In words, what the figures come from.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    machine: MachineFigures
    based_on: str
    advice: list[Advice]
