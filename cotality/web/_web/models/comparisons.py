"""What a comparison has found: measured here, estimated there."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from .kinds import TaskType


class MachineFigures(BaseModel):
    """What was measured on this machine."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    cpus: int
    python: str
    cpu_seconds_per_item: float = Field(description="Of computation, on one CPU.")
    query_seconds: float = Field(description="A query, without the added delay.")
    lookup_seconds: float = Field(description="A cache look-up, without the delay.")
    measured_at: str


class MethodFigures(BaseModel):
    """One method: what was measured, and what that means for all items.

    Attributes:
        estimated_seconds: For all items, reckoned from what was measured.
        estimated_low: It is hardly less than this.
        estimated_high: Nor more than this.
        checksum: Over the items that all methods have done.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    method: TaskType
    measured_items: int
    measured_seconds: float
    items_per_second: float
    estimated_seconds: float
    estimated_low: float
    estimated_high: float
    checksum: str
    is_estimate: bool = Field(
        description="Whether fewer than all items were measured in one go."
    )


class PerformanceComparison(BaseModel):
    """All methods on the same items.

    Attributes:
        methods: The quickest first.
        checked_items: Over how many items the checksums are.
        others_running: How many other tasks ran meanwhile, at most: they make all that
            is measured longer.
        sequential_time: Like all that end in `_time`, the estimate for all items, in
            seconds.
        improvement_factor: How many times quicker the best one is than `sequential`.
        reason: Why it is the best one, and what is about as good.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    task_id: str
    items_count: int
    workers: int
    budget_s: float
    rounds: int
    methods: list[MethodFigures]
    sequential_time: float
    threading_time: float
    multiprocessing_time: float
    batch_async_time: float
    concurrent_futures_time: float
    background_time: float
    auto_time: float
    best_approach: TaskType
    reason: str
    improvement_factor: float
    checksums_equal: bool
    checked_items: int
    others_running: int
    machine: MachineFigures
